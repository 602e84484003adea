#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace runnel {

// A quick generator for choices that need not be secret (xorshift128+ seeded by SplitMix64). The
// same seed gives the same numbers.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t Next();
  // Evenly from [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  uint64_t state_[2];
};

// 64 bits from the system's entropy.
uint64_t RandomSeed();
// That many hexadecimal digits from the system's entropy.
std::string RandomHex(size_t digits);

}  // namespace runnel
