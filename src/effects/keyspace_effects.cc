#include "effects/keyspace_effects.h"
#include "data/stream/stream.h"

#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {

namespace {

constexpr Misfit kStaysAtItsKey("such a value stays at its key");
constexpr Misfit kOfCompanion("values of a companion have effects of their own");

}  // namespace

void KeyRemove::Shift(Foresight& foresight) const {
  foresight.Remove(key);
}

void KeyRename::Shift(Foresight& foresight) const {
  foresight.Give(from, to, false);
}

void KeyCopy::Shift(Foresight& foresight) const {
  foresight.Give(from, to, true);
}

void KeyRestore::Shift(Foresight& foresight) const {
  foresight.Remove(key);
}

void Flush::Shift(Foresight& foresight) const {
  if (!all) return foresight.Flush(db);
  foresight.FlushAll();
}

void Swap::Shift(Foresight& foresight) const {
  foresight.Swap(a, b);
}

Misfit KeyExpire::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(key.db)) return kOfCompanion;
  return keyspace.Find(key) == nullptr ? kKeyIsMissing : Misfit();
}

Misfit KeyRename::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(from.db) || IsCompanion(to.db)) return kOfCompanion;
  const KeyEntry* entry = keyspace.Find(from);
  if (entry == nullptr) return kKeyIsMissing;
  if (!FindObjectKind(entry->type())->movable) return kStaysAtItsKey;
  if (from.db == to.db && from.name == to.name) return Misfit("both keys are the same");
  return {};
}

Misfit KeyCopy::Fits(const Keyspace& keyspace) const {
  if (IsCompanion(from.db) || IsCompanion(to.db)) return kOfCompanion;
  const KeyEntry* entry = keyspace.Find(from);
  if (entry == nullptr) return kKeyIsMissing;
  return FindObjectKind(entry->type())->movable ? Misfit() : kStaysAtItsKey;
}

void KeyCopy::Apply(Keyspace& keyspace) const {
  const KeyEntry* source = keyspace.Find(from);
  CHECK(source != nullptr);
  const int64_t expire_at_ms = source->expire_at_ms();
  keyspace.Put(to, source->value().Clone());
  if (expire_at_ms != kNoExpiry) keyspace.SetExpiry(to, expire_at_ms);
}

std::unique_ptr<Object> KeyRestore::Load(Misfit* misfit) const {
  if (loaded != nullptr) return std::move(*loaded);
  if (IsCompanion(key.db)) {
    *misfit = kOfCompanion;
    return nullptr;
  }
  const ObjectKind* kind = FindObjectKind(type);
  std::unique_ptr<Object> value = kind == nullptr ? nullptr : kind->Load(payload);
  if (kind == nullptr) *misfit = Misfit("there is no such type");
  if (kind != nullptr && value == nullptr) *misfit = Misfit("the payload is damaged");
  if (kind != nullptr && !kind->movable) *misfit = kStaysAtItsKey;
  if (value != nullptr && IsPartition(*value)) *misfit = kStaysAtItsKey;
  return value;
}

bool IsPartition(const Object& value) {
  return value.type() == ObjectType::kStream && static_cast<const Stream&>(value).is_partition();
}

Misfit KeyRestore::Fits(const Keyspace&) const {
  Misfit misfit;
  if (loaded == nullptr) (void)Load(&misfit);
  return misfit;
}

Misfit KeyRestore::ApplyIfFits(Keyspace& keyspace) const {
  Misfit misfit;
  std::unique_ptr<Object> value = Load(&misfit);
  if (misfit.fits()) Put(keyspace, std::move(value));
  return misfit;
}

void KeyRestore::Apply(Keyspace& keyspace) const {
  CHECK(ApplyIfFits(keyspace).fits());
}

void KeyRestore::Put(Keyspace& keyspace, std::unique_ptr<Object> value) const {
  CHECK(value != nullptr);
  keyspace.Put(key, std::move(value));
  if (expire_at_ms != kNoExpiry) keyspace.SetExpiry(key, expire_at_ms);
}

void Flush::Apply(Keyspace& keyspace) const {
  if (!all) return keyspace.Flush(db);
  for (uint32_t i = 0; i < keyspace.databases(); i++) {
    keyspace.Flush(i);
  }
}

std::span<const EffectKind> KeyspaceEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<KeyRemove>("key-remove"),   KindOf<KeyExpire>("key-expire"),
      KindOf<KeyRename>("key-rename"),   KindOf<KeyCopy>("key-copy"),
      KindOf<KeyRestore>("key-restore"), KindOf<struct Flush>("flush"),
      KindOf<struct Swap>("swap"),
  };
  return kKinds;
}

}  // namespace runnel
