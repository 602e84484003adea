#pragma once

#include <cstdint>

namespace runnel {

// A place in the journal: the offset of a byte in the endless log. The end of one frame is the
// beginning of the next, so "up to position p" means every byte before p.
using Position = uint64_t;

}  // namespace runnel
