#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/cold.h"
#include "data/disposer.h"
#include "data/missing_extents.h"
#include "data/paged_ring.h"
#include "data/stream/block_cursor.h"
#include "data/stream/hot_log.h"

namespace runnel {

// Blocks of a stream as a run: they form a log of their own.
class EntryRun final : public BlockRun {
 public:
  explicit EntryRun(HotLog log) : BlockRun(RunKind::kStream), log_(std::move(log)) {}
  // The log of a run of a stream, as long as the run. REQUIRES: it is one.
  static const HotLog& LogOf(const BlockRun& run);

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
  StreamId first;  // both live, but for those in `holes`
  StreamId last;
  uint64_t live = 0;
  // Sorted, all between `first` and `last`; null for none.
  std::unique_ptr<std::vector<StreamId>> deleted;
  // Of a log whose IDs ascend in their second part, too: the offsets, which stand there, of entries
  // that were deleted without a look at them. Sorted, from `first` to `last`; null for none.
  std::unique_ptr<std::vector<uint64_t>> holes;

  // Whether it waits in ColdRuns::sparse_.
  bool noted_sparse = false;

  size_t deletions() const { return deleted ? deleted->size() : 0; }
  size_t hole_count() const { return holes ? holes->size() : 0; }
  bool all_live() const { return !deleted && !holes; }
  bool IsDeleted(StreamId id) const;
  void Delete(StreamId id);
  bool IsHole(uint64_t offset) const;
  void AddHole(uint64_t offset);
  // Only these live entries are left.
  void Narrow(StreamId new_first, StreamId new_last, uint64_t new_live);
  // Forgets deletions outside of `first` and `last`.
  void Prune();
  ColdRun Twin() const;
  // How many entries of the run were deleted, of those from one entry of its blocks to another.
  uint64_t CountDeleted(StreamId from, StreamId to) const;

  // The number of live entries from `a` to `b`. Looks into the run if only a part of it lies there.
  uint64_t Count(StreamId a, StreamId b) const;
  // Moves the cursor, which is in the run's blocks or past them, on or back to the nearest live
  // entry of the run. False if there is none; the cursor is then of no use.
  bool SettleForward(BlockCursor* at) const;
  bool SettleBackward(BlockCursor* at) const;
  // The run's blocks. Fetches them: throws as ColdSource::Fetch does.
  const HotLog& Fetched() const;
  // A copy of the blocks with the live entries only. Reads the extent (ColdSource::Read): any
  // thread that has the run to itself. Throws ColdFailure also if `live` is not their number.
  HotLog Living() const;
};

// Whether one that walks over runs goes on after what it asks for: then the next runs are expected.
enum class ReadAhead : bool { kNo, kYes };

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
  // REQUIRES, for the two: !empty(). Both entries live, unless RemoveOffset has removed them: then
  // they are bounds.
  StreamId first_id() const { return runs_.front().first; }
  StreamId last_id() const { return runs_.back().last; }
  // Bytes of memory that the runs take, without their blocks.
  size_t MemoryBytes() const {
    return sizeof(ColdRuns) + runs_.MemoryBytes() + runs_.size() * sizeof(ColdExtent) +
           deleted_ * sizeof(StreamId) + holes_ * sizeof(uint64_t);
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
  // The blocks of the run. With ReadAhead, a miss that follows the run before it, or is at the old
  // end, is taken for the next step of a walk: more runs are expected.
  const HotLog& Enter(Position at, ReadAhead ahead = ReadAhead::kYes) const;
  // The runs from `at` on that have the next `entries` live entries will probably be needed soon; a
  // few of them are expected. Returns how many entries those have that are.
  uint64_t Expect(Position at, uint64_t entries) const;
  void ExpectAfter(Position at) const { Expect(runs_.Next(at), UINT64_MAX); }
  // REQUIRES: `id` is not above last_id().
  bool Contains(StreamId id) const { return IsIn(Find(id), id); }
  // The number of live entries below `id`, of those up to `last` from `id` on, and of those down to
  // `first` in the runs before `end`; the last two are at most about `most`: counting stops when
  // they have that many.
  uint64_t CountBelow(StreamId id) const;
  // How many live entries the runs have from that one on which has `offset`. Looks into none.
  uint64_t CountNearOffset(uint64_t offset) const;
  uint64_t CountTo(Position at, StreamId id, StreamId last, uint64_t most) const;
  uint64_t CountBackTo(Position end, StreamId first, uint64_t most) const;

  // Add to `missing` what is not in memory of the runs that would hold these entries; that
  // RemoveRanges cuts; that DropBelowOffset cuts; of the first run that has an offset from this one
  // on; of the runs that hold entries above `after`, up to `last`.
  void AddMissing(std::span<const StreamId> ids, MissingExtents* missing) const;
  void AddMissingOfRanges(std::span<const StreamId> bounds, MissingExtents* missing) const;
  void AddMissingBelowOffset(uint64_t offset, MissingExtents* missing) const;
  void AddMissingFrom(uint64_t offset, MissingExtents* missing) const;
  void AddMissingBetween(StreamId after, StreamId last, MissingExtents* missing) const;
  // Add the same for the oldest entries that are dropped: the runs of which a part is left if the
  // number of entries that go is any from `least` to `most`. Both ascend from one to the next.
  // Takes a step for each run and each element.
  struct Dropped {
    uint64_t least = 0;
    uint64_t most = 0;
  };
  void AddMissingOfDropped(std::span<const Dropped> dropped, MissingExtents* missing) const;
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
  // The same for a log whose IDs ascend in their second part, too, and for the entry that has
  // `offset` there. Looks into no run: an entry that never was counts as removed. REQUIRES: the
  // offset is not above that of last_id().
  bool RemoveOffset(uint64_t offset);
  // Whether RemoveOffset has left traces.
  bool has_holes() const { return holes_ > 0; }
  // Removes all entries whose offset is below this. Looks only into the run that has entries on
  // both sides.
  void DropBelowOffset(uint64_t offset, Disposer* disposer);
  // Removes the `count` oldest entries, or all. Many extents are given to the disposer (nullptr:
  // none). Returns how many are still to go.
  uint64_t DropOldest(uint64_t count, Disposer* disposer);
  // Removes the entries in these ranges: first and last IDs by turns, which never fall. Looks only
  // into runs that a range cuts.
  void RemoveRanges(std::span<const StreamId> bounds);

  // --- Writing runs again of which much is dead (cold_rewrite.cc) ---

  bool has_sparse() const { return !sparse_.empty(); }
  // Takes a run of which at least half is dead, or which is lonely (ColdExtent::IsLonely), and
  // neighbours that are, too: about as many as make one run of `run_bytes` together. Nullptr if
  // there is none.
  std::shared_ptr<const RunRewrite> TakeSparse(size_t run_bytes);
  // `written` has what lived in the runs when they were taken: it gets their place. Takes a step
  // for each of its entries if some of them have been removed since.
  void Replace(const RunRewrite& taken, const BlockRun& written, Ref<ColdExtent> extent);

  // Appends the runs to a payload, with descriptions of the extents; and reads them back: false if
  // the bytes are damaged or `source` lacks an extent. `with_holes` must be the same for both, and
  // true if has_holes().
  void Describe(bool with_holes, Encoder* out) const;
  bool Load(Decoder* in, bool with_holes, ColdSource& source);

 private:
  // The sums with the run, and without it: a run that is changed is subtracted and added again.
  void Add(const ColdRun& run);
  void Subtract(const ColdRun& run);
  bool IsIn(Position at, StreamId id) const;
  Position Erase(Position at);
  bool RemoveInRun(Position at, std::span<const StreamId> bounds);
  static bool LoadHoles(Decoder* in, ColdRun* run);
  void NoteIfSparse(ColdRun* run);
  void LookForLonely();

  Runs runs_;
  uint64_t live_ = 0;
  uint64_t bytes_ = 0;
  size_t blocks_ = 0;
  size_t deleted_ = 0;  // IDs that runs keep
  size_t holes_ = 0;
  // Offsets of the last entries of runs that are to be written again. The runs may have changed.
  std::deque<uint64_t> sparse_;
  uint64_t looked_to_ = 0;  // LookForLonely goes on after this offset
};

}  // namespace runnel
