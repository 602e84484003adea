#pragma once

namespace runnel {

inline constexpr const char* kVersion = "0.1.0";

// The version of Redis that clients are told: they read from it which commands and replies they may
// count on.
inline constexpr const char* kRedisVersion = "7.4.0";

}  // namespace runnel
