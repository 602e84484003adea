#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace runnel {

// Up to which sizes OBJECT ENCODING reports the names of Redis's small forms: the directives of
// these names. They say nothing about how a value lies in memory. The defaults are those of Redis
// 7.0, in which a set of strings has no small form.
struct EncodingLimits {
  uint64_t hash_max_listpack_entries = 512;
  uint64_t hash_max_listpack_value = 64;
  uint64_t set_max_intset_entries = 512;
  uint64_t set_max_listpack_entries = 0;  // 128 in Redis 7.2
  uint64_t set_max_listpack_value = 64;
  uint64_t zset_max_listpack_entries = 128;
  uint64_t zset_max_listpack_value = 64;
};

// The most elements that a value has had, and the longest string in it, since it was made. Redis
// leaves a small form when a limit is exceeded and does not come back to it; so these two say which
// form it would have now. (If a limit was changed meanwhile, it counts as if it had always been
// so.) They are no state of the value: it is stored without them.
//
// Packed, because there may be millions of small values: it lies in the padding of Object.
class __attribute__((packed, aligned(2))) LargestSeen {
 public:
  void NoteCount(uint64_t count) {
    if (count > most_) most_ = static_cast<uint32_t>(count < kEnough ? count : kEnough);
  }
  void NoteBytes(size_t bytes) {
    if (bytes > longest_) longest_ = static_cast<uint16_t>(bytes < kLong ? bytes : kLong);
  }
  // Whether there were never more elements, nor longer strings. A limit of 65535 bytes or more is
  // like one of 65534.
  bool Within(uint64_t entries, uint64_t bytes) const {
    return most_ <= entries && longest_ <= bytes && longest_ < kLong;
  }
  bool Within(uint64_t entries) const { return most_ <= entries; }

 private:
  static constexpr uint32_t kEnough = std::numeric_limits<uint32_t>::max();
  static constexpr uint16_t kLong = std::numeric_limits<uint16_t>::max();

  uint16_t longest_ = 0;
  uint32_t most_ = 0;
};

static_assert(sizeof(LargestSeen) == 6);

}  // namespace runnel
