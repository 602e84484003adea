#pragma once

#include <cstddef>
#include <cstdint>

#include "cold/extent.h"

namespace runnel {

// Settings of the cold store. Kept by the server's configuration, and may change at any time.
struct ColdSettings {
  // Bytes of blocks of streams and long lists in memory above which some go to the disk; 0 for no
  // limit.
  uint64_t stream_memory = 256 * 1024 * 1024;
  Codec compression = Codec::kLz4;
  // What one command may need of cold data: bytes of blocks that must be in memory at once, and of
  // the reply that is built from them; 0 for no limit. In a transaction it holds for all commands
  // together.
  uint64_t cold_read_limit = 256 * 1024 * 1024;
};

// After a write or a removal has failed, none is tried for so long.
inline constexpr int64_t kColdRetryMs = 1000;

// Sizes that tests make small.
struct ColdSizes {
  size_t run_bytes = 256 * 1024;           // of an extent, before compression
  size_t write_bytes = 4 * 1024 * 1024;    // most bytes that are written at once
  uint64_t file_bytes = 64 * 1024 * 1024;  // a file that has reached this is not appended to
  size_t least_cache = 16 * 1024 * 1024;
  // When memory is this far above the bound, runs are written without compression, which is several
  // times faster. At four times this the store is behind().
  uint64_t far_behind = 16 * 1024 * 1024;
};

}  // namespace runnel
