#pragma once

#include <tuple>

#include "effects/effect.h"

namespace runnel {

// The key now holds this string and expires at this time (Unix milliseconds, or kNoExpiry),
// whatever it held before.
struct StringSet {
  static constexpr EffectType kType = EffectType::kStringSet;
  KeyRef key;
  std::string_view value;
  ExpiryTime expire_at_ms = kNoExpiry;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.value, self.expire_at_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// Bytes were added to the string, or made a new one.
struct StringAppend {
  static constexpr EffectType kType = EffectType::kStringAppend;
  KeyRef key;
  std::string_view tail;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.tail);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// Bytes from `offset` on were overwritten; a new or shorter string was filled with zero bytes up to
// there.
struct StringSetRange {
  static constexpr EffectType kType = EffectType::kStringSetRange;
  KeyRef key;
  uint64_t offset = 0;
  std::string_view part;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.offset, self.part);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
