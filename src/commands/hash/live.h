#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/context.h"
#include "commands/key_events.h"
#include "data/hash/hash.h"
#include "effects/keyspace_effects.h"

// A field whose time is over is in its hash until upkeep removes it. For commands it is not there.

namespace runnel::commands {

inline bool IsLive(const Hash& hash, std::string_view field, int64_t now_ms) {
  return hash.expiring() == 0 || !Expired(hash.ExpiryOf(field), now_ms);
}

// The field, if it is there and lives.
inline std::optional<Field> FindLive(const Hash& hash, std::string_view field, int64_t now_ms) {
  const std::optional<Field> found = hash.Find(field);
  return found && IsLive(hash, field, now_ms) ? found : std::nullopt;
}

// How many fields live; none if there is no hash. O(log n).
inline size_t LiveSize(const Hash* hash, int64_t now_ms) {
  return hash == nullptr ? 0 : hash->size() - hash->ExpiredCount(now_ms);
}

// The hash at the key as it is now, after an effect; nullptr if there is none any more.
inline const Hash* HashNow(const Context& context, const KeyRef& key) {
  const KeyEntry* const entry = context.keyspace().Find(key);
  return entry == nullptr ? nullptr : entry->As<Hash>();
}

// A command has removed fields of the key's hash: the key goes if no field lives, and is notified.
inline void EndIfDead(Context& context, const KeyRef& key) {
  const Hash* const hash = HashNow(context, key);
  if (LiveSize(hash, context.now_ms()) > 0) return;
  if (hash != nullptr) context.Apply(KeyRemove{key}, 0);
  NotifyDeleted(context, key);
}

}  // namespace runnel::commands
