#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// Hash of a key name: XXH3-64 under a seed drawn when the process starts, so that no client can
// choose keys that collide. Differs from run to run: never stored.
uint64_t HashKey(std::string_view name);
// For tests that must run the same way again: replaces the seed of HashKey. REQUIRES: no hash that
// was computed before is in use.
void SetHashSeedForTest(uint64_t seed);

// XXH3-64 for checksums of stored data. With another checksum as its seed it covers both pieces,
// which need not be adjacent.
uint64_t Checksum(std::string_view bytes, uint64_t seed = 0);

}  // namespace runnel
