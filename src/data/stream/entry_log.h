#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/cold.h"
#include "data/stream/block.h"
#include "data/stream/cold_runs.h"
#include "data/stream/entry_cursor.h"
#include "data/stream/hot_blocks.h"
#include "data/stream/hot_log.h"

namespace runnel {

// The entries of a stream: the newest ones in memory (HotLog), those before them perhaps on the
// disk (ColdRuns).
//
// A function that looks into a run on the disk fetches it, and may throw ColdMiss or ColdFailure
// (data/cold.h) if it is not in memory: everything that gives a cursor or moves one, Contains,
// Remove, DropOldest and the counts. All of them throw before they change anything. A run that was
// fetched stays in memory until the end of the turn. So a change does not throw if it was planned
// with a look at the same entries.
class EntryLog final : public Spillable {
 public:
  using Place = EntryPlace;

  EntryLog() = default;
  EntryLog(EntryLog&&) = default;
  EntryLog& operator=(EntryLog&&) = default;
  ~EntryLog() override { Attach(nullptr); }
  // Shares all blocks and extents. The copy is not attached.
  EntryLog Clone() const;

  // Live entries.
  uint64_t length() const { return hot_.length() + cold_entries(); }
  // The ID of the first live entry, or after RemoveOffset of one on the disk that was; 0-0 if there
  // is none.
  StreamId first_id() const { return cold_ ? cold_->first_id() : hot_.first_id(); }
  // The ID that must be beyond a bound before anything goes: of a run on the disk the last live
  // one (see CountBeyond). REQUIRES: length() > 0.
  StreamId first_to_go() const { return cold_ ? cold_->runs().front().last : hot_.first_id(); }
  // The last ID in the blocks, removed entries included; 0-0 if there are no blocks. Appended IDs
  // are above it.
  StreamId newest_id() const { return hot_.empty() && cold_ ? cold_->last_id() : hot_.newest_id(); }
  size_t blocks() const { return hot_.segments().size() + (cold_ ? cold_->blocks() : 0); }
  // As Object::FreeEffort: returning the pages of large blocks to the system takes time, too.
  size_t FreeEffort() const { return blocks() + hot_.block_bytes() / 4096; }
  // Bytes of memory that the log takes, without runs that were fetched.
  size_t MemoryBytes() const { return hot_.MemoryBytes() + (cold_ ? cold_->MemoryBytes() : 0); }

  // Live entries that are not in memory, and the bytes of their blocks; and the bytes of the blocks
  // that are in memory.
  uint64_t cold_entries() const { return cold_ ? cold_->live() : 0; }
  uint64_t cold_bytes() const { return cold_ ? cold_->bytes() : 0; }
  uint64_t hot_bytes() const { return hot_.block_bytes(); }
  bool has_cold() const { return cold_ != nullptr; }

  // All cursors give live entries only. A cursor is valid until entries are added or removed.
  //
  // A place in the log is said by a predicate: `before(id)` is true for the IDs of the entries up
  // to that place, and for no others. For entries that ascend in something else, too, it may look
  // at that: `id.ms < time`. The first entry after the place:
  template <class Before>
  EntryCursor SeekFirst(Before before, ReadAhead ahead = ReadAhead::kYes) const {
    return EntryCursor::First(hot_, cold_.get(), before, ahead);
  }
  // About the ID of the first entry after the place: on the disk, that of the first one of its run.
  // 0-0 if there is none. Never looks into a run.
  template <class Before>
  StreamId FirstIdNear(Before before) const {
    if (cold_ && !before(cold_->last_id())) return cold_->runs()[cold_->Find(before)].first;
    const EntryCursor at = SeekFirst(before);
    return at.valid() ? at->id() : StreamId();
  }
  // The last entry before the place.
  template <class Before>
  EntryCursor SeekLast(Before before) const {
    return EntryCursor::Last(hot_, cold_.get(), before);
  }
  // The first entry with an ID not below `id`.
  EntryCursor Seek(StreamId id) const {
    return SeekFirst([id](StreamId other) { return IsBelow(other, id); });
  }
  // The last entry with an ID not above `id`.
  EntryCursor SeekBack(StreamId id) const {
    return SeekLast([id](StreamId other) { return !IsBelow(id, other); });
  }
  // The first entry with an ID above `id`. Takes one step instead of a search if the entry `id` is
  // at `hint`.
  EntryCursor SeekAfter(StreamId id, Place hint) const {
    return EntryCursor::After(hot_, cold_.get(), id, hint);
  }

  bool Contains(StreamId id) const;
  // Whether there is an entry above `id`. Never looks into a run.
  bool HasAfter(StreamId id) const;

  // Fetches all runs in which these entries would be, at once.
  void Require(std::span<const StreamId> ids) const;
  // The same for the runs that DropOldest looks at: the run of the `count`-th entry, or, with
  // `entries`, all runs up to that one.
  void RequireOldest(uint64_t count, bool entries) const;

  // Entries on the disk; nullptr if there are none. To foresee what changes will look at.
  const ColdRuns* cold() const { return cold_.get(); }

  // Appends an entry. `fields` alternates names and values. REQUIRES: `id` is above newest_id() and
  // 0-0; an even number of at least two fields.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);

  // See Object::PrefetchGrowth.
  void PrefetchGrowth() const { hot_.PrefetchGrowth(); }

  // Removes one entry; false if there is none.
  bool Remove(StreamId id);
  // For a log whose IDs ascend in their second part, too: removes the entry that has `offset`
  // there; false if there is none. Never looks into a run. Blocks in memory of which half is dead
  // are written anew, within the limits, so that dead entries do not take more room than live ones.
  bool RemoveOffset(uint64_t offset, const StreamLimits& limits);

  // Removes the `count` oldest entries, or all if there are fewer.
  void DropOldest(uint64_t count);

  // For a log whose IDs ascend in their second part, too.
  //
  // Removes all entries that have an offset below this one there. Looks only into the run that has
  // entries on both sides.
  void DropBelowOffset(uint64_t offset);
  // The offset below which DropBelowOffset removes the `count` oldest entries; UINT64_MAX if those
  // are all. REQUIRES: entries on the disk go in whole runs, as CountBeyond counts them.
  uint64_t OffsetAfterOldest(uint64_t count) const;
  // Entries from this offset on, `count` of them, will probably be looked at soon: runs that have
  // them may be fetched ahead. Returns how many those have.
  uint64_t ExpectOffset(uint64_t offset, uint64_t count) const;
  // How many offsets are left from this one to the end of its run, if it is in the midst of a run;
  // 0 if it is the first one of a run, or is in memory. Never looks into a run.
  uint64_t LeftOfRun(uint64_t offset) const;
  // How many live entries have an offset from this one on; too many by a part of one run. Never
  // looks into a run.
  uint64_t CountNearOffset(uint64_t offset) const;

  // Removes all entries whose IDs lie in one of the ranges, and returns their number. `bounds` are
  // the first and the last ID of each range by turns, and never fall. Looks only into the runs that
  // a range cuts: whole blocks and whole runs go unread.
  uint64_t RemoveRanges(std::span<const StreamId> bounds);

  // A block in memory or a run on the disk, and what is known of it without a look into it.
  struct Piece {
    StreamId first;  // no live entry of the piece is below this ID, or above the next one; those of
    StreamId last;   // a run live themselves
    uint64_t live = 0;
    bool run = false;
  };
  // Calls visit(piece) for each piece that may hold an ID from `from` on, oldest first, until that
  // returns false. The visitor does not change the log.
  template <class Visit>
  void ForEachPiece(StreamId from, Visit visit) const;

  // How many entries DropOldest would have to remove...
  //
  // ...until none below `id` is left.
  uint64_t CountBelow(StreamId id) const;
  // ...if only whole blocks are removed from the old end, at least `max_length` entries remain, and
  // at most `limit` entries are removed (0: no limit). `added` is an entry that is appended before
  // (nullptr: none).
  struct Addition {
    StreamId id;
    std::span<const std::string_view> fields;
    StreamLimits limits;
  };
  uint64_t CountBlocksBeyond(uint64_t max_length, uint64_t limit, const Addition* added) const;
  // ...if only whole blocks whose IDs are all below `id` are removed, with `limit` and `added` as
  // above.
  uint64_t CountBlocksBelow(StreamId id, uint64_t limit, const Addition* added) const;

  // How many of the oldest entries must be removed so that the others are within the bounds.
  // Entries on the disk count in whole runs only, if the whole run is beyond a bound: no run is
  // looked into.
  struct Bounds {
    StreamId from;  // no ID below this
    uint64_t entries = UINT64_MAX;
    uint64_t bytes = UINT64_MAX;  // of cold_bytes() and hot_bytes(); whole blocks, never the last
  };
  uint64_t CountBeyond(const Bounds& bounds) const;

  // Appends all blocks to a payload, and reads them back. Load returns false if the bytes are
  // damaged; the log can then only be destroyed. Serialize reads what is on the disk (see
  // ColdSource::Read), and may run on any thread that has the log to itself.
  void Serialize(Encoder* out) const;
  bool Load(Decoder* in);

  // The same, but runs are stored as descriptions of where they are on the disk. Load also fails if
  // `source` does not have one of them.
  // `with_holes` must be the same for both, and true if has_holes().
  void SerializeWithRuns(bool with_holes, Encoder* out) const;
  bool LoadWithRuns(Decoder* in, bool with_holes, ColdSource& source);
  // Whether entries on the disk were removed by their offset.
  bool has_holes() const { return cold_ && cold_->has_holes(); }
  // Visits the extents of all runs, oldest first.
  template <class Visit>
  void ForEachExtent(Visit visit) const;

  // --- Giving blocks to the disk ---

  // The log shares its blocks with another one, as that one has said (Spillable::Share).
  void Hold(Ref<HeldBlocks> held) { holder_ = BlockHolder(std::move(held)); }
  // See Object::LeaveKey.
  void LeaveKey() { Hold(Leave()); }

  // All blocks but the last one, which may be open. The oldest blocks go first, as EntryRuns.
  size_t sealed_bytes() const override { return hot_.sealed_bytes(); }
  std::vector<std::shared_ptr<const BlockRun>> TakeRuns(size_t run_bytes, size_t bytes) override;
  void GiveAway(std::span<const Written> written) override;
  std::shared_ptr<const RunRewrite> TakeSparse() override;
  void Replace(const RunRewrite& taken, const Written& written) override;
  bool has_sparse() const override { return cold_ && cold_->has_sparse(); }
  Ref<ColdExtent> newest_extent() const override {
    return cold_ ? cold_->runs().back().extent : Ref<ColdExtent>();
  }

 private:
  class Change;

  bool IsCold(StreamId id) const { return cold_ && id <= cold_->last_id(); }
  template <class Fits>
  uint64_t CountBlocks(const Addition* added, Fits fits) const;
  template <class Take, class MayBegin>
  bool TakeColdBlocks(Take take, MayBegin may_begin) const;
  uint64_t CountHotFrom(uint64_t offset) const;
  void GiveAwayRun(const HotLog& run, Ref<ColdExtent> extent);
  Totals totals() const override { return {hot_bytes(), cold_entries(), cold_bytes()}; }

  BlockHolder holder_;  // of the blocks below: it ends after them
  HotLog hot_;
  std::unique_ptr<ColdRuns> cold_;  // the runs before the blocks in memory; null if there are none
};

template <class Visit>
void EntryLog::ForEachPiece(StreamId from, Visit visit) const {
  if (IsCold(from)) {
    const ColdRuns::Runs& runs = cold_->runs();
    for (auto at = cold_->Find(from); runs.Contains(at); at = runs.Next(at)) {
      const ColdRun& run = runs[at];
      if (!visit(Piece{run.first, run.last, run.live, true})) return;
    }
  }
  const HotLog::Segments& segments = hot_.segments();
  auto at = hot_.FindSegment(from);
  for (; segments.Contains(at); at = segments.Next(at)) {
    const HotLog::Segment& segment = segments[at];
    if (!visit(Piece{segment.first, segment.last, segment.live, false})) return;
  }
}

template <class Visit>
void EntryLog::ForEachExtent(Visit visit) const {
  if (!cold_) return;
  const ColdRuns::Runs& runs = cold_->runs();
  for (auto at = runs.begin(); runs.Contains(at); at = runs.Next(at)) {
    visit(runs[at].extent);
  }
}

}  // namespace runnel
