#include "env/disk.h"

#include <cerrno>

namespace runnel {

bool IsDiskFull(const Status& status) {
  return status.error_number() == ENOSPC || status.error_number() == EDQUOT;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace runnel
