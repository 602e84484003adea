#pragma once

#include <cstdint>

namespace runnel {

// For tests that must run the same way again: RandomSeed and RandomHex go by this seed from now on,
// instead of by the system's entropy. For one thread.
void SetRandomSeedForTest(uint64_t seed);

}  // namespace runnel
