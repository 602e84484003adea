#pragma once

#include <span>
#include <string_view>
#include <tuple>

#include "effects/effect.h"

namespace runnel {

// These members have these scores, in this order if one is named twice; the sorted set was made if
// there was none. REQUIRES: at least one member.
struct SortedSetAdd {
  static constexpr EffectType kType = EffectType::kSortedSetAdd;
  KeyRef key;
  std::span<const ScoredMember> members;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.members);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These members were removed; the key is removed with the last one. The views must not point into
// the set. REQUIRES: at least one member, and all are in the set.
struct SortedSetRemove {
  static constexpr EffectType kType = EffectType::kSortedSetRemove;
  KeyRef key;
  std::span<const std::string_view> members;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.members);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
