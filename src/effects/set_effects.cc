#include "effects/set_effects.h"

#include "data/set/set.h"
#include "effects/families.h"

namespace runnel {
namespace {

constexpr Misfit kNoSetThere("a companion has no sets");
constexpr Misfit kNoMembers("it concerns no member");

void AddMembers(Set& set, std::span<const std::string_view> members) {
  for (const std::string_view member : members) {
    set.Add(member);
  }
}

}  // namespace

Misfit SetAdd::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kNoSetThere;
  if (members.empty()) return kNoMembers;
  const Set* set = nullptr;
  return FitsValueOrNothing(keyspace, key, &set);
}

void SetAdd::Apply(Keyspace& keyspace) const {
  if (Set* set = keyspace.MutableIf<Set>(key)) {
    AddMembers(*set, members);
    return keyspace.Changed(key, KeyChange::kGrown);
  }
  auto set = std::make_unique<Set>();
  AddMembers(*set, members);
  keyspace.Put(key, std::move(set));
}

Misfit SetRemove::Fits(const Keyspace& keyspace) const {
  if (members.empty()) return kNoMembers;
  return FitsValue<Set>(keyspace, key);
}

void SetRemove::Apply(Keyspace& keyspace) const {
  Set& set = keyspace.Mutable<Set>(key);
  for (const std::string_view member : members) {
    set.Remove(member);
  }
  if (set.empty()) return keyspace.Remove(key);
  keyspace.Changed(key, KeyChange::kModified);
}

std::span<const EffectKind> SetEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<SetAdd>("set-add"),
      KindOf<SetRemove>("set-remove"),
  };
  return kKinds;
}

}  // namespace runnel
