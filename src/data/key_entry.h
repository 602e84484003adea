#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "data/object.h"

namespace runnel {

// The expiry of a key that never expires, among expiries in Unix milliseconds. Every other number
// is a time.
inline constexpr int64_t kNoExpiry = std::numeric_limits<int64_t>::min();

// Grows with the time of an expiry; that of kNoExpiry is the highest.
constexpr uint64_t ExpiryOrder(int64_t expire_at_ms) {
  return static_cast<uint64_t>(expire_at_ms) - (static_cast<uint64_t>(kNoExpiry) + 1);
}

// Whether a key with this expiry has expired at this time.
constexpr bool Expired(int64_t expire_at_ms, int64_t now_ms) {
  return ExpiryOrder(expire_at_ms) <= ExpiryOrder(now_ms);
}

// One key of the keyspace with its value. Created and owned by the keyspace; its address stays the
// same for as long as the key exists under this name, also when the value is replaced.
class KeyEntry {
 public:
  // The name follows the entry in the same allocation.
  static KeyEntry* Create(std::string_view name, uint64_t hash, std::unique_ptr<Object> value);
  static void Destroy(KeyEntry* entry);

  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_size_}; }
  // The low bits of HashKey(name()): enough to address a bucket.
  uint32_t hash_low() const { return hash_low_; }

  const Object& value() const { return *value_; }
  ObjectType type() const { return value_->type(); }
  // The value as a T, or nullptr if it is of another type.
  template <class T>
  const T* As() const {
    return type() == T::kType ? static_cast<const T*>(value_.get()) : nullptr;
  }

  // The Unix time in milliseconds from which on the key counts as absent; kNoExpiry without an
  // expiry.
  int64_t expire_at_ms() const { return expire_at_ms_; }
  bool has_expiry() const { return expire_at_ms_ != kNoExpiry; }
  bool ExpiredAt(int64_t now_ms) const { return Expired(expire_at_ms_, now_ms); }

  // The Unix time in seconds (its low 32 bits) at which a command last used the key. It is not
  // durable state: readers set it too.
  uint32_t accessed_s() const { return accessed_s_; }
  void NoteAccess(uint32_t now_s) const { accessed_s_ = now_s; }

  size_t MemoryBytes(size_t samples) const;

 private:
  friend class Keyspace;

  KeyEntry(std::string_view name, uint64_t hash, std::unique_ptr<Object> value);
  ~KeyEntry() = default;

  std::unique_ptr<Object> value_;
  int64_t expire_at_ms_ = kNoExpiry;
  mutable uint32_t accessed_s_ = 0;
  uint32_t hash_low_;
  uint32_t name_size_;
  uint32_t capture_ = 0;  // the last capture that has the key, or began before it was made
};
static_assert(sizeof(KeyEntry) == 32);

}  // namespace runnel
