#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"

namespace runnel {
namespace {

uint64_t seed_of_keys = RandomSeed();

}  // namespace

uint64_t HashKey(std::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed_of_keys);
}

void SetHashSeedForTest(uint64_t seed) {
  seed_of_keys = seed;
}

uint64_t Checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace runnel
