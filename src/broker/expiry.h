#pragma once

#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/notifications.h"
#include "broker/stats.h"
#include "data/keyspace.h"
#include "effects/keyspace_effects.h"

namespace runnel {

// Removes keys whose time is over: for upkeep, and for commands that look at such a key.
class Expiry {
 public:
  // Everything is borrowed and outlives it.
  Expiry(const ChangePolicy& policy, ChangeLog& log, Notifications& notifications, Stats& stats)
      : policy_(policy), log_(log), notifications_(notifications), stats_(stats) {}

  bool MayExpire() const { return policy_.MayChange(); }
  // Whether the change that is being made is the end of a key's time, rather than a command's.
  bool expiring() const { return expiring_; }
  // Removes the key, with an effect of its own. REQUIRES: its time is over; and either MayExpire(),
  // or the running command may write.
  void Expire(const KeyRef& key) {
    expiring_ = true;
    log_.Apply(KeyRemove{key});
    expiring_ = false;
    stats_.expired_keys++;
    notifications_.Publish(kNotifyExpired, "expired", key);
  }

 private:
  const ChangePolicy& policy_;
  ChangeLog& log_;
  Notifications& notifications_;
  Stats& stats_;
  bool expiring_ = false;
};

}  // namespace runnel
