#include "journal/set_aside.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "journal/copy_bytes.h"
#include "journal/segment_reader.h"

namespace runnel::journal {
namespace {

constexpr std::string_view kPrefix = "cut-";
constexpr std::string_view kTailSuffix = ".tail";

constexpr size_t kNumberDigits = 6;

bool IsSetAside(std::string_view name) {
  return name.starts_with(kPrefix) && name.ends_with(kTailSuffix);
}

// The names of such files, the oldest first.
Result<std::vector<std::string>> ListSetAside(Disk& disk, const std::string& directory) {
  auto names = disk.List(directory);
  if (names.ok()) std::erase_if(*names, [](const auto& name) { return !IsSetAside(name); });
  return names;
}

uint64_t NextNumber(const std::vector<std::string>& names) {
  if (names.empty()) return 1;
  uint64_t newest = 0;
  const char* const digits = names.back().data() + kPrefix.size();
  std::from_chars(digits, digits + kNumberDigits, newest);
  return newest + 1;
}

Status CopyAs(Disk& disk, const std::string& path, const File& from, uint64_t offset,
              uint64_t bytes) {
  const std::string temporary = ParentOf(path) + "/cut.tmp";
  {
    const auto to = disk.Open(temporary, OpenMode::kCreate);
    if (!to.ok()) return to.status();
    const Status copied = CopyBytes(from, offset, bytes, &**to);
    if (!copied.ok()) {
      static_cast<void>(disk.Remove(temporary));
      return copied;
    }
  }
  return disk.Rename(temporary, path);
}

Status RemoveOldest(Disk& disk, const std::string& directory) {
  const auto kept = ListSetAside(disk, directory);
  if (!kept.ok()) return kept.status();
  for (size_t i = 0; i + kMostSetAsideFiles < kept->size(); i++) {
    const std::string path = directory + "/" + (*kept)[i];
    LogNotice("{} is removed: no more than {} such files are kept", path, kMostSetAsideFiles);
    if (const Status removed = disk.Remove(path); !removed.ok()) return removed;
  }
  return {};
}

}  // namespace

Status SetAside(Disk& disk, const std::string& directory, const std::vector<Segment>& segments,
                Position end) {
  const auto names = ListSetAside(disk, directory);
  if (!names.ok()) return names.status();
  uint64_t number = NextNumber(*names);
  uint64_t room = kMostSetAsideBytes;
  for (const Segment& segment : segments) {
    const Position from = std::max(end, segment.base);
    if (segment.base + segment.file_bytes <= from) continue;
    auto reader = SegmentReader::Open(disk, directory, segment.base, std::nullopt);
    if (!reader.ok()) return reader.status();
    const auto data_end = reader->DataEnd(from);
    if (!data_end.ok()) return data_end.status();
    const uint64_t found = *data_end - from;
    const uint64_t bytes = std::min(room, found);
    if (found == 0) continue;
    room -= bytes;
    if (bytes == 0) {
      LogWarning("journal: {} bytes from position {} on go with what is cut, and are not kept",
                 found, from);
      continue;
    }
    const std::string path = fmt::format("{}/{}{:0{}}-{:020}{}", directory, kPrefix, number++,
                                         kNumberDigits, from, kTailSuffix);
    const Status copied = CopyAs(disk, path, reader->file(), from - segment.base, bytes);
    if (!copied.ok()) return copied;
    LogWarning("{} holds the bytes from position {} on that are cut off: {} of {}", path, from,
               bytes, found);
  }
  if (room == kMostSetAsideBytes) return {};
  if (const Status removed = RemoveOldest(disk, directory); !removed.ok()) return removed;
  return disk.SyncDirectory(directory);
}

}  // namespace runnel::journal
