#include "tests/sim/files.h"

#include "base/assert.h"

namespace runnel::sim {

std::string ReadFile(Disk& disk, const std::string& path) {
  const auto file = disk.Open(path, OpenMode::kRead);
  CHECK(file.ok());
  std::string bytes(*(*file)->Size(), '\0');
  const auto read = (*file)->ReadAt(0, bytes.data(), bytes.size());
  CHECK(read.ok() && *read == bytes.size());
  return bytes;
}

void WriteFile(Disk& disk, const std::string& path, std::string_view bytes) {
  const std::string parent = ParentOf(path);
  if (parent != ".") {
    CHECK(disk.CreateDirectory(parent).ok());
    CHECK(disk.SyncDirectory(ParentOf(parent)).ok());
  }
  const auto file = disk.Open(path, OpenMode::kCreate);
  CHECK(file.ok());
  CHECK((*file)->WriteAt(0, bytes).ok());
  CHECK((*file)->Sync().ok());
  CHECK(disk.SyncDirectory(parent).ok());
}

bool Exists(Disk& disk, const std::string& path) {
  return disk.Open(path, OpenMode::kRead).ok();
}

}  // namespace runnel::sim
