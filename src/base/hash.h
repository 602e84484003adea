#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// Hash of a key name: XXH3-64 under a seed drawn when the process starts, so that no client can
// choose keys that collide. Differs from run to run: never stored.
uint64_t HashKey(std::string_view name);

// XXH3-64 without a seed: for checksums of what is stored.
uint64_t Checksum(std::string_view bytes);

}  // namespace runnel
