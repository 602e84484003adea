#include "env/disk.h"

#include <cerrno>

namespace runnel {

bool IsDiskFull(const Status& status) {
  return status.error_number() == ENOSPC || status.error_number() == EDQUOT;
}

}  // namespace runnel
