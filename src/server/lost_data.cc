#include "server/lost_data.h"

#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/log.h"
#include "base/sealed.h"
#include "env/replace_file.h"
#include "fmt/format.h"
#include "journal/note.h"
#include "journal/segment.h"
#include "snapshot/files.h"

namespace runnel {
namespace {

constexpr const char* kLostPath = "lost";
constexpr std::string_view kLostTitle = "runnel-lost 1\n";
constexpr size_t kMostLostBytes = 64 << 10;
constexpr size_t kMostWhyBytes = 4096;
// In its first byte.
constexpr unsigned kMustSetAside = 1;
constexpr unsigned kNothing = 2;

}  // namespace

Result<std::optional<LostData>> ReadLostData(Disk& disk) {
  const auto bytes = ReadSmallFile(disk, kLostPath, kMostLostBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return std::optional<LostData>();
  if (const auto body = Unseal(**bytes, kLostTitle)) {
    Decoder in(*body);
    LostData lost;
    const uint8_t flags = in.Byte();
    lost.must_set_aside = (flags & kMustSetAside) != 0;
    lost.nothing = (flags & (kNothing | kMustSetAside)) != 0;
    lost.why = in.Bytes();
    if (in.ok()) return std::optional(std::move(lost));
  }
  return Status::Error(std::string(kLostPath) +
                       ": this file says that the server has lost data, and is itself damaged. "
                       "Start with an empty directory: the leader has the data");
}

Status WriteLostData(Disk& disk, const LostData& lost) {
  std::string out(kLostTitle);
  Encoder encoder(&out);
  encoder.Byte(static_cast<uint8_t>((lost.must_set_aside ? kMustSetAside : 0) |
                                    (lost.nothing ? kNothing : 0)));
  encoder.Bytes(std::string_view(lost.why).substr(0, kMostWhyBytes));
  return ReplaceFile(disk, kLostPath, Seal(std::move(out)));
}

Status RemoveLostData(Disk& disk) {
  Status removed = RemoveIfThere(disk, kLostPath);
  if (!removed.ok()) return removed;
  return disk.SyncDirectory(".");
}

bool IsSetAside(std::string_view name) {
  return name.ends_with(kDamagedSuffix) || name.ends_with(kDroppedSuffix);
}

Status SetAllAside(Disk& disk, const DataDirectories& directories) {
  // What it says must be there is about to have other names.
  Status status = journal::RemoveNote(disk, directories.journal);
  for (const std::string& directory :
       {directories.journal, directories.snapshots, directories.cold}) {
    if (!status.ok()) return status;
    const auto names = ListIfThere(disk, directory);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      // Of the journal's directory, the identity stays, and what was cut off before.
      const bool data = directory != directories.journal || journal::ParseSegmentName(name);
      if (!data || IsSetAside(name)) continue;
      const std::string path = directory + "/" + name;
      const auto aside = FreeNameBeside(disk, path, kDamagedSuffix);
      if (!aside.ok()) return aside.status();
      status = disk.Rename(path, *aside);
      if (!status.ok()) return status;
    }
    status = SyncDirectoryIfThere(disk, directory);
  }
  return status;
}

Status RemoveOld(Disk& disk, const DataDirectories& directories, std::string_view suffix) {
  for (const std::string& directory :
       {directories.journal, directories.snapshots, directories.cold}) {
    const auto names = ListIfThere(disk, directory);
    if (!names.ok()) return names.status();
    size_t files = 0;
    uint64_t bytes = 0;
    for (auto name = names->rbegin(); name != names->rend(); ++name) {
      if (!name->ends_with(suffix)) continue;
      const std::string path = directory + "/" + *name;
      const auto size = SizeIfThere(disk, path);
      if (!size.ok()) return size.status();
      if (!*size) continue;
      files++;
      bytes += **size;
      if (files == 1 || (files <= kMostDamagedFiles && bytes <= kMostDamagedBytes)) continue;
      LogNotice("{} is removed: no more than {} such files are kept, and {} bytes", path,
                kMostDamagedFiles, kMostDamagedBytes);
      if (Status removed = RemoveIfThere(disk, path); !removed.ok()) return removed;
    }
  }
  return {};
}

}  // namespace runnel
