#include "effects/keyspace_effects.h"

#include "effects/families.h"

namespace runnel {

void KeyCopy::Apply(Keyspace& keyspace) const {
  const KeyEntry* source = keyspace.Find(from);
  CHECK(source != nullptr);
  const int64_t expire_at_ms = source->expire_at_ms();
  keyspace.Put(to, source->value().Clone());
  if (expire_at_ms != kNoExpiry) keyspace.SetExpiry(to, expire_at_ms);
}

void KeyRestore::Apply(Keyspace& keyspace) const {
  std::unique_ptr<Object> value;
  if (loaded != nullptr) {
    value = std::move(*loaded);
  } else {
    const ObjectKind* kind = FindObjectKind(type);
    CHECK(kind != nullptr);
    value = kind->Load(payload);
  }
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
