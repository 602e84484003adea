#include "effects/string_effects.h"

#include <algorithm>

#include "data/string_object.h"
#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {
namespace {

// The string at the key, made new and empty if there is none.
StringObject& StringAt(Keyspace& keyspace, const KeyRef& key) {
  if (StringObject* string = keyspace.MutableIf<StringObject>(key)) return *string;
  keyspace.Put(key, std::make_unique<StringObject>(""));
  return keyspace.Mutable<StringObject>(key);
}

constexpr Misfit kNoStringThere("a companion has no strings");

// More than any setting of proto-max-bulk-len allows.
constexpr uint64_t kMostBytes = uint64_t{1} << 32;

// Whether a string that is changed up to `end` bytes and more of it stay within reason.
Misfit FitsString(const Keyspace& keyspace, const KeyRef& key, uint64_t end, uint64_t more) {
  if (IsCompanion(key.db)) return kNoStringThere;
  const StringObject* string = nullptr;
  const Misfit misfit = FitsValueOrNothing(keyspace, key, &string);
  if (!misfit.fits()) return misfit;
  const uint64_t size = string == nullptr ? 0 : string->size();
  if (end > kMostBytes || more > kMostBytes || std::max(end, size) + more > kMostBytes) {
    return Misfit("the string would be too long");
  }
  return {};
}

}  // namespace

Misfit StringSet::Fits(const Keyspace&) const {
  return IsCompanion(key.db) ? kNoStringThere : Misfit();
}

void StringSet::Shift(Foresight& foresight) const {
  foresight.Remove(key);
}

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

Misfit StringAppend::Fits(const Keyspace& keyspace) const {
  return FitsString(keyspace, key, 0, tail.size());
}

void StringAppend::Apply(Keyspace& keyspace) const {
  StringAt(keyspace, key).Append(tail);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit StringSetRange::Fits(const Keyspace& keyspace) const {
  if (offset > kMostBytes) return Misfit("the string would be too long");
  return FitsString(keyspace, key, offset + part.size(), 0);
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
