#pragma once

#include <algorithm>
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
  Misfit Fits(const Keyspace&) const { return {}; }
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const { keyspace.Remove(key); }
};

// The existing key's expiry is now this time (Unix milliseconds, or kNoExpiry).
struct KeyExpire {
  static constexpr EffectType kType = EffectType::kKeyExpire;
  KeyRef key;
  ExpiryTime expire_at_ms;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.expire_at_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
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
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
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
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// Whether the value is a partition of a topic. The stored form of one, which anybody can make up,
// is not taken for the value of a key.
bool IsPartition(const Object& value);

// The key is now what the payload (Object::Serialize's form of the type) says. The payload was
// checked to be loadable.
struct KeyRestore {
  static constexpr EffectType kType = EffectType::kKeyRestore;
  KeyRef key;
  ObjectType type = ObjectType::kString;
  std::string_view payload;
  ExpiryTime expire_at_ms;
  // The value in the payload, if the caller that checked it has kept it: Apply takes it from there
  // instead of reading the payload again. Not part of the effect as it is written down.
  std::unique_ptr<Object>* loaded = nullptr;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.type, self.payload, self.expire_at_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  Misfit ApplyIfFits(Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;

 private:
  std::unique_ptr<Object> Load(Misfit* misfit) const;
  void Put(Keyspace& keyspace, std::unique_ptr<Object> value) const;
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
  uint64_t Databases() const { return all ? 0 : uint64_t{db} + 1; }
  Misfit Fits(const Keyspace&) const { return {}; }
  void Shift(Foresight& foresight) const;
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
  uint64_t Databases() const { return uint64_t{std::max(a, b)} + 1; }
  Misfit Fits(const Keyspace&) const { return {}; }
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const { keyspace.Swap(a, b); }
};

}  // namespace runnel
