#pragma once

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

}  // namespace runnel
