#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>

#include "effects/effect.h"

namespace runnel {

// These fields of the hash now have these values. The hash is made if there is no such key.
struct HashSet {
  static constexpr EffectType kType = EffectType::kHashSet;
  KeyRef key;
  std::span<const std::string_view> pairs;  // field, value, field, value, ...
  // The fields keep the expiries that they had; otherwise they lose them.
  bool keep_expiries = false;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.pairs, self.keep_expiries);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These fields are gone. The key is removed with its last field.
struct HashRemove {
  static constexpr EffectType kType = EffectType::kHashRemove;
  KeyRef key;
  std::span<const std::string_view> fields;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.fields);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These fields now expire at this time, or never.
struct HashExpire {
  static constexpr EffectType kType = EffectType::kHashExpire;
  KeyRef key;
  uint64_t expire_at_ms = 0;  // Unix milliseconds, below 2^53; 0: never
  std::span<const std::string_view> fields;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.expire_at_ms, self.fields);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
