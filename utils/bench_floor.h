#pragma once

#include <cstddef>

namespace runnel::bench {

// What runnel-floor and the case `floor` agree on: every request has this size, about that of an
// XADD of one field of 100 bytes, and every answer is "+OK".
inline constexpr size_t kFloorRequestBytes = 143;

}  // namespace runnel::bench
