#include "effects/hash_effects.h"

#include <memory>
#include <utility>

#include "data/hash/hash.h"
#include "effects/families.h"

namespace runnel {
namespace {

constexpr Misfit kNoHashThere("a companion has no hashes");
constexpr Misfit kFieldIsMissing("the hash has no such field");
constexpr Misfit kNoFields("it concerns no field");

// For an effect on fields that must exist.
Misfit FitsFields(const Keyspace& keyspace, const KeyRef& key,
                  std::span<const std::string_view> fields) {
  if (fields.empty()) return kNoFields;
  const Hash* hash = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &hash);
  if (!misfit.fits()) return misfit;
  for (const std::string_view field : fields) {
    if (!hash->Contains(field)) return kFieldIsMissing;
  }
  return {};
}

void SetPairs(Hash& hash, const HashSet& effect) {
  for (size_t i = 0; i + 1 < effect.pairs.size(); i += 2) {
    if (effect.keep_expiries) {
      hash.SetKeepingExpiry(effect.pairs[i], effect.pairs[i + 1]);
    } else {
      hash.Set(effect.pairs[i], effect.pairs[i + 1]);
    }
  }
}

}  // namespace

Misfit HashSet::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kNoHashThere;
  if (pairs.empty()) return kNoFields;
  if (pairs.size() % 2 != 0) return Misfit("the last field has no value");
  const Hash* hash = nullptr;
  return FitsValueOrNothing(keyspace, key, &hash);
}

void HashSet::Apply(Keyspace& keyspace) const {
  Hash* hash = keyspace.MutableIf<Hash>(key);
  if (hash == nullptr) {
    auto made = std::make_unique<Hash>();
    SetPairs(*made, *this);
    return keyspace.Put(key, std::move(made));
  }
  const int64_t next_expiry_ms = hash->NextExpiry();
  SetPairs(*hash, *this);
  keyspace.NoteFieldExpiry(key, next_expiry_ms);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit HashRemove::Fits(const Keyspace& keyspace) const {
  return FitsFields(keyspace, key, fields);
}

void HashRemove::Apply(Keyspace& keyspace) const {
  Hash& hash = keyspace.Mutable<Hash>(key);
  const int64_t next_expiry_ms = hash.NextExpiry();
  for (const std::string_view field : fields) {
    hash.Remove(field);
  }
  keyspace.NoteFieldExpiry(key, next_expiry_ms);
  if (hash.empty()) {
    keyspace.Remove(key);
  } else {
    keyspace.Changed(key, KeyChange::kModified);
  }
}

Misfit HashExpire::Fits(const Keyspace& keyspace) const {
  if (expire_at_ms > uint64_t{Hash::kLatestExpiry}) return Misfit("the time is too late");
  return FitsFields(keyspace, key, fields);
}

void HashExpire::Apply(Keyspace& keyspace) const {
  Hash& hash = keyspace.Mutable<Hash>(key);
  const int64_t next_expiry_ms = hash.NextExpiry();
  for (const std::string_view field : fields) {
    if (expire_at_ms == 0) {
      hash.ClearExpiry(field);
    } else {
      hash.SetExpiry(field, static_cast<int64_t>(expire_at_ms));
    }
  }
  keyspace.NoteFieldExpiry(key, next_expiry_ms);
  keyspace.Changed(key, KeyChange::kModified);
}

std::span<const EffectKind> HashEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<HashSet>("hash-set"),
      KindOf<HashRemove>("hash-remove"),
      KindOf<HashExpire>("hash-expire"),
  };
  return kKinds;
}

}  // namespace runnel
