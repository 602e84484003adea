#pragma once

#include <cstdint>
#include <span>

#include "commands/topic/fetch.h"
#include "data/stream/stream.h"
#include "data/topic/offset_ranges.h"

// Which records of a partition a group has not done. All of these may look at records on the disk.

namespace runnel::commands {

// The first record from `from` on that is neither acknowledged (`done`, or nullptr) nor in
// `offsets`, which are sorted; the partition's next offset if there is none. For partitions of
// compacted topics: nobody acknowledges records that are gone, so they count as done.
uint64_t FirstOpen(const Stream& stream, uint64_t from, const OffsetRanges* done,
                   std::span<const uint64_t> offsets);

// Sets `source` to the first record from `next` on that is not acknowledged, and to how many follow
// it without an acknowledged one between them. Returns its offset; the partition's next offset if
// there is none. REQUIRES: `next` is below that, and is not acknowledged.
uint64_t FindNext(const Stream& stream, const OffsetRanges* done, uint64_t next,
                  FetchSource* source);

}  // namespace runnel::commands
