#include "env/damage.h"

#include <cerrno>

namespace runnel {

Result<std::string> FreeNameBeside(Disk& disk, const std::string& path, std::string_view suffix) {
  std::string number;
  for (int next = 2;; next++) {
    std::string name = path + number + std::string(suffix);
    const auto file = disk.Open(name, OpenMode::kRead);
    if (!file.ok() && file.status().error_number() == ENOENT) return name;
    if (!file.ok()) return file.status();
    number = "." + std::to_string(next);
  }
}

}  // namespace runnel
