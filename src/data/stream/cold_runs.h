#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/cold.h"
#include "data/disposer.h"
#include "data/paged_ring.h"
#include "data/stream/block_cursor.h"
#include "data/stream/hot_log.h"

namespace runnel {

// Blocks of a stream as a run: they form a log of their own.
class EntryRun final : public BlockRun {
 public:
  explicit EntryRun(HotLog log) : BlockRun(RunKind::kStream), log_(std::move(log)) {}

  const HotLog& log() const { return log_; }

  size_t blocks() const override { return log_.segments().size(); }
  uint64_t block_bytes() const override { return log_.block_bytes(); }
  uint64_t entries() const override { return log_.length(); }
  size_t MemoryBytes() const override { return log_.MemoryBytes(); }
  void Serialize(Encoder* out) const override { log_.Serialize(out); }

 private:
  HotLog log_;
};

// What is known of a run on the disk. Its live entries are those of the extent from `first` to
// `last`, without the deleted ones.
struct ColdRun {
  Ref<ColdExtent> extent;
  StreamId first;  // both live
  StreamId last;
  uint64_t live = 0;
  // Sorted, all between `first` and `last`; null for none.
  std::unique_ptr<std::vector<StreamId>> deleted;

  size_t deletions() const { return deleted ? deleted->size() : 0; }
  bool IsDeleted(StreamId id) const;
  void Delete(StreamId id);
  // Only these live entries are left.
  void Narrow(StreamId new_first, StreamId new_last, uint64_t new_live);
  // Forgets deletions outside of `first` and `last`.
  void Prune();
  ColdRun Twin() const;

  // The number of live entries from `a` to `b`. Looks into the run if only a part of it lies there.
  uint64_t Count(StreamId a, StreamId b) const;
  // Moves the cursor, which is in the run's blocks or past them, on or back to the nearest live
  // entry of the run. False if there is none; the cursor is then of no use.
  bool SettleForward(BlockCursor* at) const;
  bool SettleBackward(BlockCursor* at) const;
  // The run's blocks. Fetches them: throws as ColdSource::Fetch does.
  const HotLog& Fetched() const;
  // A copy of the blocks with the live entries only. Reads the extent (ColdSource::Read): any
  // thread that has the run to itself.
  HotLog Living() const;
};

// The entries of a stream that are on the disk: a row of runs in the order of IDs. A function that
// looks into a run fetches it, and throws what ColdSource::Fetch throws, before it changes
// anything.
class ColdRuns {
 public:
  using Runs = PagedRing<ColdRun>;
  using Position = Runs::Position;

  // Shares all extents.
  ColdRuns Clone() const;

  const Runs& runs() const { return runs_; }
  bool empty() const { return runs_.empty(); }
  // Live entries; bytes of blocks, and blocks, as they were in memory.
  uint64_t live() const { return live_; }
  uint64_t bytes() const { return bytes_; }
  size_t blocks() const { return blocks_; }
  // REQUIRES, for the two: !empty(). Both entries live.
  StreamId first_id() const { return runs_.front().first; }
  StreamId last_id() const { return runs_.back().last; }
  // Bytes of memory that the runs take, without their blocks.
  size_t MemoryBytes() const {
    return sizeof(ColdRuns) + runs_.MemoryBytes() + runs_.size() * sizeof(ColdExtent) +
           deleted_ * sizeof(StreamId);
  }

  // The first run that does not end before what is sought, or end(). `before(id)` is true for the
  // IDs below some point and for no others. O(log runs).
  template <class Before>
  Position Find(Before before) const {
    return runs_.PartitionPoint([&](const ColdRun& run) { return before(run.last); });
  }
  Position Find(StreamId id) const {
    return Find([id](StreamId other) { return IsBelow(other, id); });
  }
  // The blocks of the run. A miss that follows the run before it, or is at the old end, is taken
  // for the next step of a walk: more runs are expected.
  const HotLog& Enter(Position at) const;
  // Runs after this one will probably be needed soon.
  void ExpectAfter(Position at) const;
  // REQUIRES: `id` is not above last_id().
  bool Contains(StreamId id) const { return IsIn(Find(id), id); }
  // The number of live entries below `id`, of those up to `last` from `id` on, and of those down to
  // `first` in the runs before `end`; the last two are at most about `most`: counting stops when
  // they have that many.
  uint64_t CountBelow(StreamId id) const;
  uint64_t CountTo(Position at, StreamId id, StreamId last, uint64_t most) const;
  uint64_t CountBackTo(Position end, StreamId first, uint64_t most) const;

  // Fetch runs for later looks, all at once: those that would hold these entries; those that
  // RemoveRanges cuts; the run of the `count`-th entry, or, with `entries`, all up to that one; the
  // runs of `count` entries from `id` in the run `at` on, or back from the run before `end`.
  void Require(std::span<const StreamId> ids) const;
  void RequireRanges(std::span<const StreamId> bounds) const;
  void RequireOldest(uint64_t count, bool entries) const;
  void RequireForward(Position at, StreamId id, uint64_t count) const;
  void RequireBack(Position end, uint64_t count) const;

  // REQUIRES: its entries are above last_id(). It has at least one.
  void PushBack(ColdRun run);
  // Removes one entry; false if there is none. REQUIRES: `id` is not above last_id().
  bool Remove(StreamId id);
  // Removes the `count` oldest entries, or all. Many extents are given to the disposer (nullptr:
  // none). Returns how many are still to go.
  uint64_t DropOldest(uint64_t count, Disposer* disposer);
  // Removes the entries in these ranges: first and last IDs by turns, which never fall. Looks only
  // into runs that a range cuts.
  void RemoveRanges(std::span<const StreamId> bounds);

  // Appends the runs to a payload, with descriptions of the extents; and reads them back: false if
  // the bytes are damaged or `source` lacks an extent.
  void Describe(Encoder* out) const;
  bool Load(Decoder* in, ColdSource& source);

 private:
  // The sums with the run, and without it: a run that is changed is subtracted and added again.
  void Add(const ColdRun& run);
  void Subtract(const ColdRun& run);
  bool IsIn(Position at, StreamId id) const;
  Position Erase(Position at);
  bool RemoveInRun(Position at, std::span<const StreamId> bounds);

  Runs runs_;
  uint64_t live_ = 0;
  uint64_t bytes_ = 0;
  size_t blocks_ = 0;
  size_t deleted_ = 0;  // IDs that runs keep
};

}  // namespace runnel
