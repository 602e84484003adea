#pragma once

#include <cstdint>

#include "base/status.h"
#include "env/disk.h"

namespace runnel::journal {

// Copies this many bytes of a segment, from `offset` on, to the start of another file, and syncs
// that. A segment that ends before is a failure. Waits for the disk.
Status CopyBytes(const File& from, uint64_t offset, uint64_t bytes, File* to);

}  // namespace runnel::journal
