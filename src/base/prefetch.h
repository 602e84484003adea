#pragma once

#include <cstddef>

namespace runnel {

// Fetches so many bytes from `at` on into the processor's cache, while the caller does something
// else. The address may be any.
inline void PrefetchLines(const void* at, size_t bytes) {
  constexpr size_t kLine = 64;
  for (size_t i = 0; i < bytes; i += kLine) {
    __builtin_prefetch(static_cast<const char*>(at) + i, 1);
  }
}

}  // namespace runnel
