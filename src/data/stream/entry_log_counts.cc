// How many of the oldest entries a trim or a retention would remove.

#include <algorithm>

#include "data/stream/entry_log.h"

namespace runnel {

uint64_t EntryLog::CountBelow(StreamId id) const {
  if (IsCold(id)) return cold_->CountBelow(id);
  return cold_entries() + hot_.CountBelow(id);
}

// Counts the entries of whole blocks from the old end on, as they would be with `added`, for as
// long as fits(count so far, live entries of the block, its last ID) holds.
template <class Fits>
uint64_t EntryLog::CountBlocks(const Addition* added, Fits fits) const {
  uint64_t count = 0;
  const auto take = [&](uint64_t live, StreamId last) {
    if (!fits(count, live, last)) return false;
    count += live;
    return true;
  };
  if (cold_ && !TakeColdBlocks(take, [&](StreamId id) { return fits(count, 1, id); })) return count;
  const bool added_to_last =
      added != nullptr && hot_.Accepts(added->id, added->fields, added->limits);
  const HotLog::Segments& segments = hot_.segments();
  for (auto at = segments.begin(); segments.Contains(at);) {
    const HotLog::Segment& segment = segments[at];
    at = segments.Next(at);
    const bool grown = added_to_last && at == segments.end();
    if (!take(segment.live + (grown ? 1u : 0u), grown ? added->id : segment.last)) return count;
  }
  if (added != nullptr && !added_to_last) take(1, added->id);
  return count;
}

// The same for the runs: true if all of them fit. One that does not fit as a whole is looked into
// for blocks that do, if at least its first entry could go.
template <class Take, class MayBegin>
bool EntryLog::TakeColdBlocks(Take take, MayBegin may_begin) const {
  const ColdRuns::Runs& runs = cold_->runs();
  for (auto run_at = runs.begin(); runs.Contains(run_at); run_at = runs.Next(run_at)) {
    const ColdRun& run = runs[run_at];
    if (take(run.live, run.last)) continue;
    if (!may_begin(run.first)) return false;
    const HotLog& blocks = cold_->Enter(run_at);
    const HotLog::Segments& segments = blocks.segments();
    auto at = blocks.FindSegment(run.first);
    for (; segments.Contains(at); at = segments.Next(at)) {
      const HotLog::Segment& segment = segments[at];
      const uint64_t live = run.Count(segment.first, segment.last);
      if (live > 0 && !take(live, segment.last)) break;
    }
    return false;
  }
  return true;
}

uint64_t EntryLog::CountBlocksBeyond(uint64_t max_length, uint64_t limit,
                                     const Addition* added) const {
  const uint64_t after = length() + (added != nullptr ? 1 : 0);
  return CountBlocks(added, [=](uint64_t count, uint64_t live, StreamId) {
    return after - count - live >= max_length && (limit == 0 || count + live <= limit);
  });
}

uint64_t EntryLog::CountBlocksBelow(StreamId id, uint64_t limit, const Addition* added) const {
  return CountBlocks(added, [=](uint64_t count, uint64_t live, StreamId last) {
    return last < id && (limit == 0 || count + live <= limit);
  });
}

uint64_t EntryLog::CountBeyond(const Bounds& bounds) const {
  uint64_t count = 0;
  uint64_t bytes = cold_bytes() + hot_bytes();
  if (cold_) {
    const ColdRuns::Runs& runs = cold_->runs();
    for (auto at = runs.begin(); runs.Contains(at); at = runs.Next(at)) {
      const ColdRun& run = runs[at];
      const bool beyond = run.last < bounds.from || length() - count - run.live >= bounds.entries ||
                          bytes > bounds.bytes;
      if (!beyond) return count;
      count += run.live;
      bytes -= run.extent->raw_bytes();
    }
  }
  const HotLog::Segments& segments = hot_.segments();
  for (auto at = segments.begin(); segments.Contains(at); at = segments.Next(at)) {
    const HotLog::Segment& segment = segments[at];
    const bool too_many_bytes = bytes > bounds.bytes && segments.Next(at) != segments.end();
    const uint64_t surplus =
        length() - count > bounds.entries ? length() - count - bounds.entries : 0;
    if (too_many_bytes || segment.last < bounds.from || surplus >= segment.live) {
      count += segment.live;
      bytes -= segment.block->MemoryBytes();
      continue;
    }
    uint64_t below = 0;
    if (segment.first < bounds.from) {
      below = segment.CountLiveBefore(segment.Open().LowerBound(bounds.from));
    }
    return count + std::max(below, surplus);
  }
  return count;
}

}  // namespace runnel
