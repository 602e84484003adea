#include "env/disk.h"

#include <cerrno>

namespace runnel {

bool IsDiskFull(const Status& status) {
  return status.error_number() == ENOSPC || status.error_number() == EDQUOT;
}

Result<std::vector<std::string>> ListIfThere(Disk& disk, const std::string& directory) {
  auto names = disk.List(directory);
  if (!names.ok() && names.status().error_number() == ENOENT) return std::vector<std::string>();
  return names;
}

Status RemoveIfThere(Disk& disk, const std::string& path) {
  Status removed = disk.Remove(path);
  return removed.error_number() == ENOENT ? Status() : removed;
}

Status SyncDirectoryIfThere(Disk& disk, const std::string& directory) {
  Status synced = disk.SyncDirectory(directory);
  return synced.error_number() == ENOENT ? Status() : synced;
}

Result<std::optional<uint64_t>> SizeIfThere(Disk& disk, const std::string& path) {
  const auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().error_number() == ENOENT) return std::optional<uint64_t>();
    return file.status();
  }
  const auto bytes = (*file)->Size();
  if (!bytes.ok()) return bytes.status();
  return std::optional<uint64_t>(*bytes);
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace runnel
