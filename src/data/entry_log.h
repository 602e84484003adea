#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/cold.h"
#include "data/hot_blocks.h"
#include "data/paged_ring.h"
#include "data/stream_block.h"

namespace runnel {

class EntryCursor;

// The entries of a stream: blocks in the order of IDs, of which only the last one may be open.
// Deleting an entry marks it beside its block; trimming moves a mark on from the old end. The
// payload of a block never changes, and a block is freed as a whole when it has no live entry.
//
// The oldest blocks may be on the disk, in runs of consecutive blocks. The log is then a row of
// runs, of which it knows little more than the first and the last ID, and after them the blocks in
// memory. A function that looks into a run fetches it, and may throw ColdMiss or ColdFailure
// (data/cold.h) if it is not in memory: everything that gives a cursor or moves one, Contains,
// Remove, DropOldest and the counts. All of them throw before they change anything. A run that was
// fetched stays in memory until the end of the turn. So a change does not throw if it was planned
// with a look at the same entries.
class EntryLog final : public Spillable {
  struct Segment;
  using Segments = PagedRing<Segment>;
  struct ColdRun;
  using Runs = PagedRing<ColdRun>;

 public:
  // Where an entry is. A hint for SeekAfter, which checks it: it may be out of date.
  struct Place {
    uint64_t page = 0;
    uint64_t slot = 0;
    uint32_t entry = 0;
  };

  EntryLog() = default;
  EntryLog(EntryLog&&) = default;
  EntryLog& operator=(EntryLog&&) = default;
  ~EntryLog() override { Attach(nullptr); }
  // Shares all blocks and extents. The copy is not attached.
  EntryLog Clone() const;

  // Live entries.
  uint64_t length() const { return length_; }
  // The ID of the first live entry; 0-0 if there is none.
  StreamId first_id() const { return first_id_; }
  // The last ID in the blocks, removed entries included; 0-0 if there are no blocks. Appended IDs
  // are above it.
  StreamId newest_id() const;
  size_t blocks() const { return segments_.size() + (cold_ ? cold_->blocks : 0); }
  // Bytes of memory that the log takes, without runs that were fetched.
  size_t MemoryBytes() const;

  // Live entries that are not in memory, and the bytes of their blocks; and the bytes of the blocks
  // that are in memory.
  uint64_t cold_entries() const { return cold_ ? cold_->live : 0; }
  uint64_t cold_bytes() const { return cold_ ? cold_->bytes : 0; }
  uint64_t hot_bytes() const { return block_bytes_; }
  bool has_cold() const { return cold_ != nullptr; }

  // All cursors give live entries only. A cursor is valid until entries are added or removed.
  //
  // The first entry with an ID not below `id`.
  EntryCursor Seek(StreamId id) const;
  // The last entry with an ID not above `id`.
  EntryCursor SeekBack(StreamId id) const;
  // The first entry with an ID above `id`. Takes one step instead of a search if the entry `id` is
  // at `hint`.
  EntryCursor SeekAfter(StreamId id, Place hint) const;

  bool Contains(StreamId id) const;
  // Whether there is an entry above `id`. Never looks into a run.
  bool HasAfter(StreamId id) const;

  // Fetches all runs in which these entries would be, at once.
  void Require(std::span<const StreamId> ids) const;
  // The same for the runs that DropOldest looks at: the run of the `count`-th entry, or, with
  // `entries`, all runs up to that one.
  void RequireOldest(uint64_t count, bool entries) const;

  // Appends an entry. `fields` alternates names and values. REQUIRES: `id` is above newest_id() and
  // 0-0; an even number of at least two fields.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);

  // Removes one entry; false if there is none.
  bool Remove(StreamId id);

  // Removes the `count` oldest entries, or all if there are fewer.
  void DropOldest(uint64_t count);

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
  void SerializeWithRuns(Encoder* out) const;
  bool LoadWithRuns(Decoder* in, ColdSource& source);
  // Visits the extents of all runs, oldest first.
  template <class Visit>
  void ForEachExtent(Visit visit) const;

  // --- Giving blocks to the disk ---

  // All blocks but the last one, which may be open. The oldest blocks go first, as EntryRuns.
  size_t sealed_bytes() const override;
  std::vector<std::shared_ptr<const BlockRun>> TakeRuns(size_t run_bytes, size_t bytes) override;
  void GiveAway(std::span<const Written> written) override;
  Ref<ColdExtent> newest_extent() const override {
    return cold_ ? cold_->runs.back().extent : Ref<ColdExtent>();
  }

 private:
  friend class EntryCursor;

  // What the log knows of a block without reading its payload.
  struct Segment {
    Ref<Block> block;
    StreamId first;  // IDs of the first and the last entry, deleted ones included
    StreamId last;
    uint32_t bytes = 0;    // of the payload
    uint16_t entries = 0;  // deleted ones included
    uint16_t live = 0;
    uint16_t gone = 0;  // leading entries that are not live; the next one is
    uint16_t mark_words = 0;
    std::unique_ptr<uint64_t[]> marks;  // a bit for each deleted entry after `gone`

    bool IsLive(size_t entry) const {
      if (entry < gone) return false;
      const size_t word = entry / 64;
      return word >= mark_words || (marks[word] >> (entry % 64) & 1) == 0;
    }
    void Mark(size_t entry);
    void Advance(size_t count);
    size_t CountLiveBefore(size_t entry) const;
  };

  // What the log knows of a run on the disk. Its live entries are those of the extent from `first`
  // to `last`, without the deleted ones.
  struct ColdRun {
    Ref<ColdExtent> extent;
    StreamId first;  // both live
    StreamId last;
    uint64_t live = 0;
    // Sorted, all between `first` and `last`; null for none.
    std::unique_ptr<std::vector<StreamId>> deleted;

    bool IsDeleted(StreamId id) const;
    void Delete(StreamId id);
    // Forgets what is outside of `first` and `last`.
    void Prune();
  };
  struct Cold {
    Runs runs;  // oldest first; at least one
    uint64_t live = 0;
    uint64_t bytes = 0;
    size_t blocks = 0;
    size_t deleted = 0;
  };

  // The only way to the entries of a block.
  static StreamBlockReader Open(const Segment& segment) {
    return StreamBlockReader(*segment.block, segment.entries);
  }

  Segments::Position FindSegment(StreamId id) const;
  static Segment Twin(const Segment& segment);
  void AddSegment(Segment segment);
  template <class Fits>
  uint64_t CountBlocks(const Addition* added, Fits fits) const;
  template <class Take, class MayBegin>
  bool TakeColdBlocks(Take take, MayBegin may_begin) const;
  void SealOpenBlock();
  void RemoveSegment(Segments::Position at);
  void UpdateFirstId();
  bool LoadSegment(Decoder* in);
  void SerializeSegments(Encoder* out) const;
  // The memory of the blocks has changed by this much.
  void Grow(size_t added, size_t removed) {
    block_bytes_ += added - removed;
    Report(added - removed);
  }
  Totals totals() const override { return {block_bytes_, cold_entries(), cold_bytes()}; }

  // entry_log_cold.cc. All but the first REQUIRE: has_cold().
  bool IsCold(StreamId id) const { return cold_ != nullptr && id <= cold_->runs.back().last; }
  static const EntryLog& Fetched(const ColdRun& run);
  static void FetchAll(const ColdExtents& extents);
  Runs::Position FindRun(StreamId id) const;
  const EntryLog& Enter(Runs::Position at) const;
  void ExpectBehind(Runs::Position at) const;
  static uint64_t CountInRun(const ColdRun& run, StreamId first, StreamId last);
  bool GiveAwayRun(const EntryLog& run, Ref<ColdExtent> extent);
  static EntryLog Living(const ColdRun& run, const EntryLog& extent);
  bool ContainsCold(StreamId id) const;
  bool RemoveCold(StreamId id);
  // Returns the position of the run behind it.
  Runs::Position RemoveRun(Runs::Position at);
  uint64_t DropOldestCold(uint64_t count, Disposer* disposer);
  uint64_t CountColdBelow(StreamId id) const;
  void AddRun(ColdRun run);
  void CloneCold(EntryLog* copy) const;
  template <class Visit>
  void ForEachRun(Visit visit) const;
  void CountCold(uint64_t live, uint64_t bytes);

  // entry_log_ranges.cc.
  void RequireRanges(std::span<const StreamId> bounds) const;
  void RemoveRangesCold(std::span<const StreamId> bounds);
  bool RemoveInRun(Runs::Position at, std::span<const StreamId> bounds);
  void RemoveRangeHot(StreamId first, StreamId last);
  void RemoveInSegment(Segments::Position at, StreamId first, StreamId last);

  Segments segments_;  // each holds at least one live entry
  uint64_t length_ = 0;
  StreamId first_id_;
  size_t block_bytes_ = 0;      // memory of all blocks
  size_t mark_words_ = 0;       // of all segments
  StreamBlockWriter writer_;    // of the last segment's block, if that is open
  std::unique_ptr<Cold> cold_;  // the runs before the segments; null if there are none
};

// Blocks of a stream as a run: they form a log of their own.
class EntryRun final : public BlockRun {
 public:
  explicit EntryRun(EntryLog log) : BlockRun(RunKind::kStream), log_(std::move(log)) {}

  const EntryLog& log() const { return log_; }

  size_t blocks() const override { return log_.blocks(); }
  uint64_t block_bytes() const override { return log_.hot_bytes(); }
  uint64_t entries() const override { return log_.length(); }
  size_t MemoryBytes() const override { return log_.MemoryBytes(); }
  void Serialize(Encoder* out) const override { log_.Serialize(out); }

 private:
  EntryLog log_;
};

template <class Visit>
void EntryLog::ForEachRun(Visit visit) const {
  if (!cold_) return;
  for (auto at = cold_->runs.begin(); cold_->runs.Contains(at); at = cold_->runs.Next(at)) {
    visit(cold_->runs[at]);
  }
}

template <class Visit>
void EntryLog::ForEachPiece(StreamId from, Visit visit) const {
  if (IsCold(from)) {
    for (auto at = FindRun(from); cold_->runs.Contains(at); at = cold_->runs.Next(at)) {
      const ColdRun& run = cold_->runs[at];
      if (!visit(Piece{run.first, run.last, run.live, true})) return;
    }
  }
  for (auto at = FindSegment(from); segments_.Contains(at); at = segments_.Next(at)) {
    const Segment& segment = segments_[at];
    if (!visit(Piece{segment.first, segment.last, segment.live, false})) return;
  }
}

template <class Visit>
void EntryLog::ForEachExtent(Visit visit) const {
  ForEachRun([&](const ColdRun& run) { visit(run.extent); });
}

// Walks over live entries in both directions.
class EntryCursor {
 public:
  EntryCursor() = default;

  // False after the last and before the first entry. An invalid cursor stays invalid.
  bool valid() const { return log_ != nullptr; }
  // REQUIRES: valid(), for all below.
  const EntryView& operator*() const { return view_; }
  const EntryView* operator->() const { return &view_; }
  void Next();
  void Previous();

  // The number of live entries from this one on up to ID `last`, or back from this one down to ID
  // `first`, both included; at most `most`. Takes a step per block, not per entry.
  uint64_t CountTo(StreamId last, uint64_t most) const;
  uint64_t CountBackTo(StreamId first, uint64_t most) const;

  // Moves on by `count` live entries, at the same cost. REQUIRES: that many follow.
  void Skip(uint64_t count);

  // Fetches the runs of the `count` live entries from this one on, or back from this one, all at
  // once. For use before a long walk, which would otherwise miss once for each run. REQUIRES: there
  // are that many.
  void Require(uint64_t count) const {
    if (whole_ != nullptr && count > 1) RequireForward(count);
  }
  void RequireBack(uint64_t count) const;

  EntryLog::Place place() const { return {at_.page, at_.slot, static_cast<uint32_t>(entry_)}; }

 private:
  friend class EntryLog;

  EntryCursor(const EntryLog* log, EntryLog::Segments::Position at) : log_(log), at_(at) {
    OpenSegment();
  }
  void OpenSegment();
  void FindForward();
  void FindBackward();
  void LeaveBackward();
  void SkipHere(uint64_t count);

  // In the runs of a log: entry_log_cold.cc.
  static EntryCursor InRun(const EntryLog* whole, EntryLog::Runs::Position run, StreamId id);
  static EntryCursor InRunBack(const EntryLog* whole, EntryLog::Runs::Position run, StreamId id);
  void SettleForward();
  void SettleBackward();
  void NextRun();
  void SkipCold(uint64_t count);
  uint64_t CountColdTo(StreamId last, uint64_t most) const;
  uint64_t CountColdBackTo(StreamId first, uint64_t most, EntryLog::Runs::Position end) const;
  void RequireForward(uint64_t count) const;

  // The log to which `at_` belongs: the log of the stream; or, if `whole_` is the log of the
  // stream, the blocks of its run `run_`.
  const EntryLog* log_ = nullptr;
  const EntryLog* whole_ = nullptr;
  EntryLog::Runs::Position run_;
  EntryLog::Segments::Position at_;
  const EntryLog::Segment* segment_ = nullptr;
  size_t entry_ = 0;
  StreamBlockReader reader_;
  EntryView view_;
};

}  // namespace runnel
