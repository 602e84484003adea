#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "base/status.h"
#include "env/disk.h"

namespace runnel {

// Whether a failure to read files of this server says that they are damaged: what is there is not
// what was written, or is not there, or the disk cannot read it. Other failures of the system (no
// memory, too many open files) may pass.
inline bool IsDamage(const Status& failure) {
  const int number = failure.error_number();
  return number == 0 || number == EIO || number == ENOENT;
}

// Files that are damaged, and may be all that is left, stay where they are under a name with this
// suffix.
inline constexpr std::string_view kDamagedSuffix = ".damaged";

// A name for such a file, which no file has: "<path><suffix>", or "<path>.2<suffix>", and so on.
Result<std::string> FreeNameBeside(Disk& disk, const std::string& path, std::string_view suffix);

}  // namespace runnel
