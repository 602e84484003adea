#pragma once

#include "broker/change_log.h"
#include "broker/pause.h"

namespace runnel {

// The one permission for changes that no command asks for: expiry of keys, by time or because a
// command looked at the key, and retention of streams. Commands that write ask Admission, which has
// an error for each reason; here the answer is only yes or no. A key whose time is over reads as
// absent in either case.
class ChangePolicy {
 public:
  // Everything is borrowed and outlives the policy.
  ChangePolicy(const ChangeLog& log, const Pause& pause) : log_(log), pause_(pause) {}

  // While the start fills the keyspace, nothing else may change it.
  bool loading() const { return loading_; }
  void set_loading(bool loading) { loading_ = loading; }

  // During CLIENT PAUSE of either kind, and while the server holds writes, the data do not change,
  // as in Redis. A follower's data are changed by its leader alone.
  bool MayChange() const {
    return !loading_ && !log_.follows() && pause_.kind() == PauseKind::kNone &&
           log_.takes_changes();
  }

 private:
  const ChangeLog& log_;
  const Pause& pause_;
  bool loading_ = false;
};

}  // namespace runnel
