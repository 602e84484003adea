#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/paged_ring.h"
#include "data/stream_block.h"

namespace runnel {

class EntryCursor;

// The entries of a stream: blocks in the order of IDs, of which the last one may be open. Deleting
// an entry marks it beside its block, trimming moves a mark from the old end on; payloads never
// change, and a block goes as a whole when none of its entries lives any more.
class EntryLog {
  struct Segment;
  using Segments = PagedRing<Segment>;

 public:
  // Where an entry lies. A hint for SeekAfter, which tests it: it may be out of date.
  struct Place {
    uint64_t page = 0;
    uint64_t slot = 0;
    uint32_t entry = 0;
  };

  EntryLog() = default;
  EntryLog(EntryLog&&) = default;
  EntryLog& operator=(EntryLog&&) = default;
  // Shares all blocks.
  EntryLog Clone() const;

  // Live entries.
  uint64_t length() const { return length_; }
  // The ID of the first live entry; 0-0 if there is none.
  StreamId first_id() const { return first_id_; }
  // The last ID in the blocks, removed entries included; 0-0 if there are no blocks. Appending goes
  // on above it.
  StreamId newest_id() const;
  size_t blocks() const { return segments_.size(); }
  size_t MemoryBytes() const;

  // All cursors give live entries only. A cursor is good until entries are added or removed.
  //
  // The first entry with an ID not below `id`.
  EntryCursor Seek(StreamId id) const;
  // The last entry with an ID not above `id`.
  EntryCursor SeekBack(StreamId id) const;
  // The first entry with an ID above `id`. Takes one step instead of a search if the entry `id` is
  // at `hint`.
  EntryCursor SeekAfter(StreamId id, Place hint) const;

  bool Contains(StreamId id) const;

  // Appends an entry. `fields` alternates names and values. REQUIRES: `id` is above newest_id() and
  // 0-0; an even number of at least two fields.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);

  // Removes one entry; false if there is none.
  bool Remove(StreamId id);

  // Removes the `count` oldest entries, or all if there are fewer.
  void DropOldest(uint64_t count);

  // How many entries DropOldest would have to remove...
  //
  // ...until none below `id` is left.
  uint64_t CountBelow(StreamId id) const;
  // ...if whole blocks go from the old end as long as `max_length` entries remain, and no more than
  // `limit` entries go (0: no limit). `added` is an entry that is to be appended first (nullptr:
  // none).
  struct Addition {
    StreamId id;
    std::span<const std::string_view> fields;
    StreamLimits limits;
  };
  uint64_t CountBlocksBeyond(uint64_t max_length, uint64_t limit, const Addition* added) const;
  // ...if whole blocks go from the old end as long as all their IDs are below `id`, as above.
  uint64_t CountBlocksBelow(StreamId id, uint64_t limit, const Addition* added) const;

  // Appends all blocks to a payload, and reads them back. Load returns false, and leaves the log in
  // some destructible state, if the bytes are damaged.
  void Serialize(Encoder* out) const;
  bool Load(Decoder* in);

 private:
  friend class EntryCursor;

  // What is known of a block without its payload.
  struct Segment {
    Ref<Block> block;
    StreamId first;  // IDs of the first and the last entry, deleted ones included
    StreamId last;
    uint32_t bytes = 0;    // of the payload
    uint16_t entries = 0;  // deleted ones included
    uint16_t live = 0;
    uint16_t gone = 0;  // leading entries that are no more; the next one lives
    uint16_t mark_words = 0;
    std::unique_ptr<uint64_t[]> marks;  // a bit for each deleted entry behind `gone`

    bool IsLive(size_t entry) const {
      if (entry < gone) return false;
      const size_t word = entry / 64;
      return word >= mark_words || (marks[word] >> (entry % 64) & 1) == 0;
    }
    void Mark(size_t entry);
    void Advance(size_t count);
    size_t CountLiveBefore(size_t entry) const;
  };

  // The only way to the entries of a block.
  static StreamBlockReader Open(const Segment& segment) {
    return StreamBlockReader(*segment.block, segment.entries);
  }

  Segments::Position FindSegment(StreamId id) const;
  template <class Visit>
  void VisitBlocks(const Addition* added, Visit visit) const;
  void SealOpenBlock();
  void RemoveSegment(Segments::Position at);
  void UpdateFirstId();
  bool LoadSegment(Decoder* in);

  Segments segments_;  // each holds at least one live entry
  uint64_t length_ = 0;
  StreamId first_id_;
  size_t block_bytes_ = 0;    // memory of all blocks
  size_t mark_words_ = 0;     // of all segments
  StreamBlockWriter writer_;  // of the last segment's block, if that is open
};

// Walks over live entries in both directions.
class EntryCursor {
 public:
  EntryCursor() = default;

  // False behind the last and before the first entry. An invalid cursor stays so.
  bool valid() const { return log_ != nullptr; }
  // REQUIRES: valid(), for all below.
  const EntryView& operator*() const { return view_; }
  const EntryView* operator->() const { return &view_; }
  void Next();
  void Previous();

  // Live entries from this one on up to ID `last`, or back from this one down to ID `first`, both
  // included; at most `most` of them. Costs a step per block, not per entry.
  uint64_t CountTo(StreamId last, uint64_t most) const;
  uint64_t CountBackTo(StreamId first, uint64_t most) const;

  // Goes on by `count` live entries, at the same cost. REQUIRES: so many follow.
  void Skip(uint64_t count);

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

  const EntryLog* log_ = nullptr;
  EntryLog::Segments::Position at_;
  const EntryLog::Segment* segment_ = nullptr;
  size_t entry_ = 0;
  StreamBlockReader reader_;
  EntryView view_;
};

}  // namespace runnel
