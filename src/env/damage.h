#pragma once

#include <cerrno>

#include "base/status.h"

namespace runnel {

// Whether a failure to read files of this server says that they are damaged: what is there is not
// what was written, or is not there, or the disk cannot read it. Other failures of the system (no
// memory, too many open files) may pass.
inline bool IsDamage(const Status& failure) {
  const int number = failure.error_number();
  return number == 0 || number == EIO || number == ENOENT;
}

}  // namespace runnel
