#include "broker/scripts.h"

#include "fmt/format.h"

namespace runnel {

std::string Scripts::BusyError() const {
  return fmt::format(
      "BUSY Redis is busy running a script. You can only call {} KILL or SHUTDOWN NOSAVE.",
      running_->is_function ? "FUNCTION" : "SCRIPT");
}

Status Scripts::Kill(bool function) {
  if (running_ == nullptr) {
    return Status::Error("NOTBUSY No scripts in execution right now.");
  }
  if (running_->is_function != function) return Status::Error(BusyError());
  if (running_->has_acted) {
    return Status::Error(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
        "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
        "NOSAVE command.");
  }
  running_->killed = true;
  return {};
}

}  // namespace runnel
