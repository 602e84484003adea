#pragma once

#include <span>
#include <string_view>

#include "broker/change_log.h"
#include "broker/change_policy.h"
#include "broker/notifications.h"
#include "broker/stats.h"
#include "data/keyspace.h"
#include "effects/hash_effects.h"
#include "effects/keyspace_effects.h"

namespace runnel {

// Removes keys and fields of hashes whose time is over: keys for upkeep and for commands that look
// at such a key, fields for upkeep alone.
class Expiry {
 public:
  // Everything is borrowed and outlives it.
  Expiry(const Keyspace& keyspace, const ChangePolicy& policy, ChangeLog& log,
         Notifications& notifications, Stats& stats)
      : keyspace_(keyspace),
        policy_(policy),
        log_(log),
        notifications_(notifications),
        stats_(stats) {}

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
  // Removes these fields of the key's hash, or the key if they are all that it has. REQUIRES: their
  // time is over, and MayExpire().
  void ExpireFields(const KeyRef& key, std::span<const std::string_view> fields) {
    log_.Apply(HashRemove{key, fields});
    NoteExpiredFields(key, fields.size());
  }
  // The same for all fields of a hash at once, of which there are `fields`.
  void ExpireAllFields(const KeyRef& key, size_t fields) {
    log_.Apply(KeyRemove{key});
    NoteExpiredFields(key, fields);
  }

 private:
  void NoteExpiredFields(const KeyRef& key, size_t fields) {
    stats_.expired_fields += fields;
    notifications_.Publish(kNotifyHash, "hexpired", key);
    if (keyspace_.Find(key) == nullptr) notifications_.Publish(kNotifyGeneric, "del", key);
  }

  const Keyspace& keyspace_;
  const ChangePolicy& policy_;
  ChangeLog& log_;
  Notifications& notifications_;
  Stats& stats_;
  bool expiring_ = false;
};

}  // namespace runnel
