#pragma once

#include <cstdint>

namespace runnel {

// Counts up whenever an effect is added or gets another field: a server of an older version cannot
// follow one that states such effects.
inline constexpr uint32_t kEffectsVersion = 5;

}  // namespace runnel
