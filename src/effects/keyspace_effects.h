#pragma once

#include <memory>
#include <tuple>

#include "effects/effect.h"

namespace runnel {

// The key is gone: deleted, expired, or emptied by a command that works on any type.
struct KeyRemove {
  static constexpr EffectType kType = EffectType::kKeyRemove;
  KeyRef key;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key);
  }
  void Apply(Keyspace& keyspace) const { keyspace.Remove(key); }
};

// The existing key's expiry is now this time (Unix milliseconds, or kNoExpiry).
struct KeyExpire {
  static constexpr EffectType kType = EffectType::kKeyExpire;
  KeyRef key;
  int64_t expire_at_ms = kNoExpiry;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.expire_at_ms);
  }
  void Apply(Keyspace& keyspace) const { keyspace.SetExpiry(key, expire_at_ms); }
};

// `from`, which exists, is now called `to`, with its expiry, in the place of what was there: RENAME
// and MOVE.
struct KeyRename {
  static constexpr EffectType kType = EffectType::kKeyRename;
  KeyRef from;
  KeyRef to;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.from, self.to);
  }
  void Apply(Keyspace& keyspace) const { keyspace.Rename(from, to); }
};

// `to` is now an independent copy of `from`, expiry included, in the place of what was there.
struct KeyCopy {
  static constexpr EffectType kType = EffectType::kKeyCopy;
  KeyRef from;
  KeyRef to;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.from, self.to);
  }
  void Apply(Keyspace& keyspace) const;
};

// The key is now what the payload (Object::Serialize's form of the type) says. The payload was
// checked to be loadable.
struct KeyRestore {
  static constexpr EffectType kType = EffectType::kKeyRestore;
  KeyRef key;
  ObjectType type = ObjectType::kString;
  std::string_view payload;
  int64_t expire_at_ms = kNoExpiry;
  // What the payload says, if whoever checked it has kept that: Apply takes it from there instead
  // of reading the payload again. Not part of the effect as it is written down.
  std::unique_ptr<Object>* loaded = nullptr;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.type, self.payload, self.expire_at_ms);
  }
  void Apply(Keyspace& keyspace) const;
};

// All keys of one database are gone, or of all of them.
struct Flush {
  static constexpr EffectType kType = EffectType::kFlush;
  bool all = false;
  uint32_t db = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.all, self.db);
  }
  void Apply(Keyspace& keyspace) const;
};

// The two databases have changed places.
struct Swap {
  static constexpr EffectType kType = EffectType::kSwap;
  uint32_t a = 0;
  uint32_t b = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.a, self.b);
  }
  void Apply(Keyspace& keyspace) const { keyspace.Swap(a, b); }
};

}  // namespace runnel
