#include "snapshot/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/hash.h"
#include "base/log.h"
#include "env/damage.h"

namespace runnel::snapshot {
namespace {

constexpr size_t kDigits = 20;
constexpr std::string_view kSuffix = ".snap";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kListSuffix = ".files";
constexpr std::string_view kListHead = "runnel-files 1\n";
constexpr std::string_view kListEnd = "end ";

std::string ListChecksum(std::string_view text) {
  return fmt::format("{:016x}", Checksum(text));
}

}  // namespace

std::string FileListPath(const std::string& directory, Position position) {
  return fmt::format("{}/{:020}{}", directory, position, kListSuffix);
}

std::string SnapshotName(Position position) {
  return fmt::format("{:020}{}", position, kSuffix);
}

std::string SnapshotPath(const std::string& directory, Position position) {
  return directory + "/" + SnapshotName(position);
}

std::string TemporaryPath(const std::string& directory, Position position) {
  return SnapshotPath(directory, position).append(kTemporarySuffix);
}

std::optional<Position> ParseSnapshotName(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Position position = 0;
  const char* const end = name.data() + kDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, position);
  if (error != std::errc() || stop != end) return std::nullopt;
  return position;
}

Result<std::vector<Position>> ListSnapshots(Disk& disk, const std::string& directory) {
  const auto names = ListIfThere(disk, directory);
  if (!names.ok()) return names.status();
  std::vector<Position> positions;
  for (const std::string& name : *names) {
    if (const auto position = ParseSnapshotName(name)) positions.push_back(*position);
  }
  std::sort(positions.rbegin(), positions.rend());
  return positions;
}

Status SetAside(Disk& disk, const std::string& directory, Position position) {
  const std::string path = SnapshotPath(directory, position);
  const auto name = FreeNameBeside(disk, path, kDamagedSuffix);
  if (!name.ok()) return name.status();
  if (Status renamed = disk.Rename(path, *name); !renamed.ok()) return renamed;
  return disk.SyncDirectory(directory);
}

Status RemoveSnapshot(Disk& disk, const std::string& directory, Position position) {
  if (Status removed = disk.Remove(SnapshotPath(directory, position)); !removed.ok()) {
    return removed;
  }
  return RemoveIfThere(disk, FileListPath(directory, position));
}

Status RemoveFrom(Disk& disk, const std::string& directory, Position from) {
  const auto positions = ListSnapshots(disk, directory);
  if (!positions.ok()) return positions.status();
  for (const Position position : *positions) {
    if (position < from) break;
    if (Status status = RemoveSnapshot(disk, directory, position); !status.ok()) return status;
  }
  // Also if there is none: one that an earlier process has removed could come back after a power
  // cut.
  return SyncDirectoryIfThere(disk, directory);
}

void KeepNewest(Disk& disk, const std::string& directory, size_t kept) {
  const auto positions = ListSnapshots(disk, directory);
  if (!positions.ok()) return LogWarning("snapshot: {}", positions.message());
  for (size_t i = kept; i < positions->size(); i++) {
    const Status removed = RemoveSnapshot(disk, directory, (*positions)[i]);
    if (!removed.ok()) LogWarning("snapshot: {}", removed.message());
  }
}

Status WriteFileList(Disk& disk, const std::string& directory, Position position,
                     const std::vector<std::string>& names) {
  const std::string path = FileListPath(directory, position);
  if (names.empty()) return RemoveIfThere(disk, path);
  std::string text(kListHead);
  for (const std::string& name : names) {
    text += name + "\n";
  }
  text += std::string(kListEnd) + ListChecksum(text) + "\n";
  const auto file = disk.Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  if (Status written = (*file)->WriteAt(0, text); !written.ok()) return written;
  return (*file)->Sync();
}

Result<std::vector<std::string>> ReadFileList(Disk& disk, const std::string& directory,
                                              Position position) {
  const std::string path = FileListPath(directory, position);
  const auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().error_number() == ENOENT) return std::vector<std::string>();
    return file.status();
  }
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string text(*size, '\0');
  const auto read = (*file)->ReadAt(0, text.data(), text.size());
  if (!read.ok()) return read.status();
  text.resize(*read);
  const Status damaged = Status::Error(path + ": the list of files is damaged");
  const size_t end = text.rfind(kListEnd);
  if (!text.starts_with(kListHead) || end == std::string::npos) return damaged;
  const std::string_view before = std::string_view(text).substr(0, end);
  if (text.substr(end) != std::string(kListEnd) + ListChecksum(before) + "\n") return damaged;
  std::vector<std::string> names;
  for (size_t at = kListHead.size(); at < end;) {
    const size_t line_end = text.find('\n', at);
    names.push_back(text.substr(at, line_end - at));
    at = line_end + 1;
  }
  return names;
}

namespace {

// Whether the file is a snapshot that was not finished, or a list of files without its snapshot.
bool IsLeftover(std::string_view name, const std::vector<std::string>& names) {
  if (name.ends_with(kTemporarySuffix)) {
    return ParseSnapshotName(name.substr(0, name.size() - kTemporarySuffix.size())).has_value();
  }
  if (!name.ends_with(kListSuffix)) return false;
  const std::string snapshot =
      std::string(name.substr(0, name.size() - kListSuffix.size())).append(kSuffix);
  return ParseSnapshotName(snapshot).has_value() &&
         std::find(names.begin(), names.end(), snapshot) == names.end();
}

}  // namespace

Status RemoveLeftovers(Disk& disk, const std::string& directory) {
  const auto names = ListIfThere(disk, directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!IsLeftover(name, *names)) continue;
    if (Status removed = disk.Remove(directory + "/" + name); !removed.ok()) return removed;
  }
  return Status();
}

}  // namespace runnel::snapshot
