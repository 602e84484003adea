#pragma once

#include "data/keyspace.h"

namespace runnel {

// Why an effect does not fit the state that it is to change; nothing if it does.
class [[nodiscard]] Misfit {
 public:
  // It fits.
  constexpr Misfit() = default;
  // `why` is a literal, half a sentence: "there is no such key".
  constexpr explicit Misfit(const char* why) : why_(why) {}

  bool fits() const { return why_ == nullptr; }
  // REQUIRES: !fits().
  const char* why() const { return why_; }

 private:
  const char* why_ = nullptr;
};

inline constexpr Misfit kKeyIsMissing("there is no such key");
inline constexpr Misfit kKeyIsOfOtherType("the key holds a value of another type");

// For an effect on a key that must hold a T: `*value` is it, if the result fits.
template <class T>
Misfit FitsValue(const Keyspace& keyspace, const KeyRef& key, const T** value) {
  const KeyEntry* entry = keyspace.Find(key);
  if (entry == nullptr) return kKeyIsMissing;
  *value = entry->As<T>();
  return *value == nullptr ? kKeyIsOfOtherType : Misfit();
}

template <class T>
Misfit FitsValue(const Keyspace& keyspace, const KeyRef& key) {
  const T* value = nullptr;
  return FitsValue(keyspace, key, &value);
}

// For an effect that makes the value where there is no such key: `*value` is nullptr then.
template <class T>
Misfit FitsValueOrNothing(const Keyspace& keyspace, const KeyRef& key, const T** value) {
  const KeyEntry* entry = keyspace.Find(key);
  *value = entry == nullptr ? nullptr : entry->As<T>();
  return entry != nullptr && *value == nullptr ? kKeyIsOfOtherType : Misfit();
}

}  // namespace runnel
