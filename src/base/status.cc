#include "base/status.h"

#include <system_error>

namespace runnel {

Status Status::SystemError(const std::string& what, int error_number) {
  CHECK(error_number != 0);
  return Status(what + ": " + std::generic_category().message(error_number), error_number);
}

}  // namespace runnel
