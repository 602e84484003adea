#pragma once

#include <tuple>

#include "effects/effect.h"

namespace runnel {

// These members were added to the set, which was made if there was none. A member that it had
// already is passed over. REQUIRES: at least one member.
struct SetAdd {
  static constexpr EffectType kType = EffectType::kSetAdd;
  KeyRef key;
  std::span<const std::string_view> members;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.members);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These members were removed; the key is removed with its last member. A member that the set did
// not have is passed over. REQUIRES: the key is a set; at least one member; they are no views of
// the set's own members.
struct SetRemove {
  static constexpr EffectType kType = EffectType::kSetRemove;
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
