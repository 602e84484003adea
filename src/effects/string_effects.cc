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
  // A string that takes long to free is replaced, so that the keyspace can have it freed elsewhere.
  constexpr size_t kOverwrite = 100;  // see Object::FreeEffort
  if (StringObject* string = keyspace.MutableIf<StringObject>(key);
      string != nullptr && string->FreeEffort() <= kOverwrite) {
    // Overwritten in place; nobody waits for a string, so to observers this is no new key.
    string->Set(value);
    keyspace.Changed(key, KeyChange::kModified);
    if (keyspace.Find(key)->expire_at_ms() != expire_at_ms) keyspace.SetExpiry(key, expire_at_ms);
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
