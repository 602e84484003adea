#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/coding.h"
#include "base/prefetch.h"
#include "base/stream_id.h"
#include "data/disposer.h"
#include "data/paged_ring.h"
#include "data/stream/block.h"
#include "data/stream/entry_marks.h"

namespace runnel {

// Entries in memory: blocks in the order of IDs, of which only the last one may be open. Deleting
// an entry marks it beside its block; trimming moves a mark on from the old end. The payload of a
// block never changes, and a block is freed as a whole when it has no live entry.
//
// A stream's newest entries are one; so are the blocks of a run that has been read from the disk.
// What is `const` may be used on any thread that has the log to itself.
class HotLog {
 public:
  // What is known of a block without reading its payload.
  struct Segment {
    Ref<Block> block;
    StreamId first;  // IDs of the first and the last entry, deleted ones included
    StreamId last;
    uint32_t bytes = 0;    // of the payload
    uint16_t entries = 0;  // deleted ones included
    uint16_t live = 0;     // at least one, in a log
    uint16_t gone = 0;     // leading entries that are not live; the next one is
    EntryMarks marks;      // on the deleted entries after `gone`

    bool IsLive(size_t entry) const { return entry >= gone && !marks.Has(entry); }
    // The ID of the first live entry.
    StreamId FirstLive() const { return gone == 0 ? first : Open().IdAt(gone); }
    // Live entries in [gone, entry).
    size_t CountLiveBefore(size_t entry) const {
      return entry <= gone ? 0 : entry - gone - marks.Count(gone, entry);
    }
    // The only way to the entries of the block.
    StreamBlockReader Open() const { return StreamBlockReader(*block, entries); }
    // The same entries of the same block.
    Segment Twin() const;
    // Makes `gone` pass over `count` live entries, which are no longer live, and the dead ones
    // after them. REQUIRES: an entry stays live.
    void Advance(size_t count);
  };
  using Segments = PagedRing<Segment>;
  using Position = Segments::Position;

  HotLog() = default;
  HotLog(HotLog&&) = default;
  HotLog& operator=(HotLog&&) = default;
  // Shares all blocks.
  HotLog Clone() const;

  const Segments& segments() const { return segments_; }
  bool empty() const { return segments_.empty(); }
  // Live entries.
  uint64_t length() const { return length_; }
  // The ID of the first live entry; 0-0 if there is none.
  StreamId first_id() const { return first_id_; }
  // The last ID in the blocks, removed entries included; 0-0 if there are no blocks.
  StreamId newest_id() const { return empty() ? StreamId() : segments_.back().last; }
  // Bytes of memory of the blocks; of those that are not the last; and of all that the log takes.
  size_t block_bytes() const { return block_bytes_; }
  size_t sealed_bytes() const {
    return empty() ? 0 : block_bytes_ - segments_.back().block->MemoryBytes();
  }
  size_t MemoryBytes() const { return block_bytes_ + mark_bytes_ + segments_.MemoryBytes(); }

  // The first segment that does not end before what is sought, or end(). `before(id)` is true for
  // the IDs below some point and for no others. O(log segments); one step for the newest and the
  // oldest segment.
  template <class Before>
  Position FindSegment(Before before) const {
    if (empty() || before(segments_.back().last)) return segments_.end();
    if (before(segments_.back().first)) return segments_.Previous(segments_.end());
    if (!before(segments_.front().last)) return segments_.begin();
    return segments_.PartitionPoint([&](const Segment& segment) { return before(segment.last); });
  }
  // The same for BelowOffset, in a log whose IDs ascend in their second part, too. Offsets that are
  // spread evenly are found with fewer looks.
  Position FindSegmentOf(uint64_t offset) const;
  // The first segment whose last ID is not below `id`.
  Position FindSegment(StreamId id) const {
    return FindSegment([id](StreamId other) { return IsBelow(other, id); });
  }
  bool Contains(StreamId id) const;
  // The number of live entries below `id`. O(segments below it).
  uint64_t CountBelow(StreamId id) const;

  // Appends an entry. `fields` alternates names and values. REQUIRES: `id` is above newest_id() and
  // 0-0; an even number of at least two fields.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);
  // Fetches what Append will look at into the processor's cache.
  void PrefetchGrowth() const {
    if (newest_.at != nullptr) PrefetchLines(newest_.at, sizeof(Segment));
    writer_.Prefetch();
  }
  // Appends a copy of an entry of another log, with its ID. REQUIRES: the ID is above newest_id();
  // the entry has a field.
  void AppendCopy(const EntryView& entry, const StreamLimits& limits);
  // Whether Append would put the entry into the last block.
  bool Accepts(StreamId id, std::span<const std::string_view> fields,
               const StreamLimits& limits) const {
    return writer_.Accepts(id, fields, limits);
  }
  // Removes one entry; false if there is none.
  bool Remove(StreamId id);
  // The same for a log whose IDs ascend in their second part, too: removes the entry that has
  // `offset` there. `*at` is the segment that had it, or end() if that is gone.
  bool RemoveOffset(uint64_t offset, Position* at);
  // Whether at least half of the entries of the segment are dead and the block takes no further
  // ones: then it is worth a copy without them.
  bool IsSparse(Position at) const;
  // Copies the live entries of the segment, and those of its neighbours that have room beside them,
  // to a new block. The log has the same entries as before. Takes time for a block, not more.
  void Rewrite(Position at, const StreamLimits& limits);
  // Removes the `count` oldest entries. Many blocks are given to the disposer (nullptr: none).
  // REQUIRES: there are that many.
  void DropOldest(uint64_t count, Disposer* disposer);
  // Removes all entries from `first` to `last`. Does not read blocks that go as a whole.
  void RemoveRange(StreamId first, StreamId last);
  // Removes the first segment with its entries. REQUIRES: !empty().
  void PopFront();
  // Appends a segment, whose block is shared and takes no further entries. REQUIRES: its IDs are
  // above newest_id().
  void PushBack(Segment segment);

  // Appends the number of segments and the segments to a payload. Load reads them into an empty
  // log; it returns false if the bytes are damaged, and the log can then only be destroyed.
  void Serialize(Encoder* out) const;
  bool Load(Decoder* in) { return LoadAbove(StreamId(), in); }
  // The same, and no ID may be at `floor` or below.
  bool LoadAbove(StreamId floor, Decoder* in);
  // The segments alone.
  void SerializeSegments(Encoder* out) const;

 private:
  Position SegmentOf(StreamId id) const;
  void SealOpenBlock();
  void Erase(Position at);
  void RemoveEntry(Position at, size_t entry);
  void MarkDead(Segment& segment, size_t entry);
  size_t BytesOf(Position at, size_t count) const;
  bool IsLast(Position at) const { return segments_.Next(at) == segments_.end(); }
  void RemoveInSegment(Position at, StreamId first, StreamId last);
  void UpdateFirstId();
  bool LoadSegment(StreamId floor, Decoder* in);
  // The last segment. REQUIRES: !empty().
  Segment& NewestSegment() {
    if (newest_.at == nullptr) newest_.at = &segments_.back();
    return *newest_.at;
  }

  // Where the last segment is, if that is known: the way through the pages of the ring is long for
  // an append to a log that is not in the processor's cache. Forgotten when segments are added or
  // go. A log that was moved from knows nothing.
  struct Newest {
    Newest() = default;
    Newest(Newest&& other) noexcept : at(std::exchange(other.at, nullptr)) {}
    Newest& operator=(Newest&& other) noexcept {
      at = std::exchange(other.at, nullptr);
      return *this;
    }
    Segment* at = nullptr;
  };

  Segments segments_;
  Newest newest_;
  uint64_t length_ = 0;
  StreamId first_id_;
  size_t block_bytes_ = 0;
  size_t mark_bytes_ = 0;     // of all segments
  StreamBlockWriter writer_;  // of the last segment's block, if that is open
};

}  // namespace runnel
