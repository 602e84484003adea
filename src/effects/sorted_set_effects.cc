#include "effects/sorted_set_effects.h"

#include <cmath>
#include <memory>

#include "data/sorted_set/sorted_set.h"
#include "effects/families.h"

namespace runnel {
namespace {

constexpr Misfit kNoScoredMember("it concerns no member");
constexpr Misfit kScoredMemberMissing("the sorted set does not have the member");

}  // namespace

Misfit SortedSetAdd::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return Misfit("a companion has no sorted sets");
  if (members.empty()) return kNoScoredMember;
  for (const ScoredMember& member : members) {
    if (std::isnan(member.score)) return Misfit("a score is no number");
  }
  const SortedSet* set = nullptr;
  return FitsValueOrNothing(keyspace, key, &set);
}

void SortedSetAdd::Apply(Keyspace& keyspace) const {
  if (SortedSet* set = keyspace.MutableIf<SortedSet>(key)) {
    bool grown = false;
    for (const ScoredMember& member : members) {
      grown |= set->Set(member.member, member.score) == SortedSet::Change::kAdded;
    }
    return keyspace.Changed(key, grown ? KeyChange::kGrown : KeyChange::kModified);
  }
  auto set = std::make_unique<SortedSet>();
  for (const ScoredMember& member : members) {
    set->Set(member.member, member.score);
  }
  keyspace.Put(key, std::move(set));
}

Misfit SortedSetRemove::Fits(const Keyspace& keyspace) const {
  if (members.empty()) return kNoScoredMember;
  const SortedSet* set = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &set);
  if (!misfit.fits()) return misfit;
  for (const std::string_view member : members) {
    if (!set->Score(member)) return kScoredMemberMissing;
  }
  return {};
}

void SortedSetRemove::Apply(Keyspace& keyspace) const {
  SortedSet& set = keyspace.Mutable<SortedSet>(key);
  for (const std::string_view member : members) {
    set.Remove(member);
  }
  if (set.empty()) return keyspace.Remove(key);
  keyspace.Changed(key, KeyChange::kModified);
}

std::span<const EffectKind> SortedSetEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<SortedSetAdd>("sorted-set-add"),
      KindOf<SortedSetRemove>("sorted-set-remove"),
  };
  return kKinds;
}

}  // namespace runnel
