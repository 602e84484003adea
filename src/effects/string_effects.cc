#include "effects/string_effects.h"

#include "data/string_object.h"
#include "effects/families.h"

namespace runnel {
namespace {

// The string at the key, made new and empty if there is none.
StringObject& StringAt(Keyspace& keyspace, const KeyRef& key) {
  if (StringObject* string = keyspace.MutableIf<StringObject>(key)) return *string;
  keyspace.Put(key, std::make_unique<StringObject>(""));
  return keyspace.Mutable<StringObject>(key);
}

}  // namespace

void StringSet::Apply(Keyspace& keyspace) const {
  const Entry* entry = keyspace.Find(key);
  if (entry != nullptr && entry->type() == ObjectType::kString) {
    // Overwritten in place; nobody waits for a string, so to observers this is no new key.
    keyspace.Mutable<StringObject>(key).Set(value);
    keyspace.Changed(key, KeyChange::kModified);
    if (entry->expire_at_ms() != expire_at_ms) keyspace.SetExpiry(key, expire_at_ms);
    return;
  }
  keyspace.Put(key, std::make_unique<StringObject>(value));
  if (expire_at_ms != kNoExpiry) keyspace.SetExpiry(key, expire_at_ms);
}

void StringAppend::Apply(Keyspace& keyspace) const {
  StringAt(keyspace, key).Append(tail);
  keyspace.Changed(key, KeyChange::kModified);
}

void StringSetRange::Apply(Keyspace& keyspace) const {
  StringAt(keyspace, key).SetRange(offset, part);
  keyspace.Changed(key, KeyChange::kModified);
}

std::span<const EffectKind> StringEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<StringSet>("string-set"),
      KindOf<StringAppend>("string-append"),
      KindOf<StringSetRange>("string-set-range"),
  };
  return kKinds;
}

}  // namespace runnel
