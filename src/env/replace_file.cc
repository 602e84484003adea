#include "env/replace_file.h"

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

}  // namespace runnel
