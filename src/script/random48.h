#pragma once

#include <cstdint>

namespace runnel {

// The generator behind math.random in scripts: the 48-bit linear congruential one of POSIX
// (lrand48). Scripts see its numbers, so they are the same as in Redis.
class Random48 {
 public:
  void Seed(uint32_t seed) { state_ = (uint64_t{seed} << 16) | 0x330e; }
  // 31 bits.
  uint32_t Next() {
    state_ = (state_ * 0x5deece66d + 0xb) & ((uint64_t{1} << 48) - 1);
    return static_cast<uint32_t>(state_ >> 17);
  }

 private:
  // What Redis begins with.
  uint64_t state_ = 0x1234abcd330e;
};

}  // namespace runnel
