#include "env/replace_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace runnel {

Status ReplaceFile(Disk& disk, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  {
    const auto file = disk.Open(temporary, OpenMode::kCreate);
    if (!file.ok()) return file.status();
    Status status = (*file)->WriteAt(0, content);
    if (status.ok()) status = (*file)->Sync();
    if (!status.ok()) {
      static_cast<void>(disk.Remove(temporary));
      return status;
    }
  }
  const Status named = disk.Rename(temporary, path);
  return named.ok() ? disk.SyncDirectory(ParentOf(path)) : named;
}

Result<std::optional<std::string>> ReadSmallFile(Disk& disk, const std::string& path,
                                                 size_t most_bytes) {
  const auto file = disk.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().error_number() == ENOENT) return std::optional<std::string>();
    return file.status();
  }
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string content(static_cast<size_t>(std::min<uint64_t>(*size, most_bytes)), '\0');
  const auto bytes = (*file)->ReadAt(0, content.data(), content.size());
  if (!bytes.ok()) return bytes.status();
  content.resize(*bytes);
  return std::optional<std::string>(std::move(content));
}

}  // namespace runnel
