#pragma once

#include <cstddef>
#include <cstdint>

#include "base/stream_id.h"
#include "data/stream/block.h"
#include "data/stream/hot_log.h"

namespace runnel {

// Walks over the live entries of a HotLog in both directions. Valid until entries are added or
// removed.
class BlockCursor {
 public:
  // Not valid.
  BlockCursor() = default;
  // The first entry for which `before` is false; `before(id)` is true for the IDs below some point
  // and for no others.
  template <class Before>
  static BlockCursor First(const HotLog& log, Before before) {
    const HotLog::Position at = log.FindSegment(before);
    if (!log.segments().Contains(at)) return BlockCursor();
    BlockCursor cursor(log, at, 0);
    if (before(cursor.segment_->first)) cursor.entry_ = cursor.reader_.PartitionPoint(before);
    cursor.FindForward();
    return cursor;
  }
  // The first entry with an ID not below `id`.
  static BlockCursor First(const HotLog& log, StreamId id) {
    return First(log, [id](StreamId other) { return IsBelow(other, id); });
  }
  // The last entry for which `before` is true.
  template <class Before>
  static BlockCursor Last(const HotLog& log, Before before) {
    const HotLog::Segments& segments = log.segments();
    HotLog::Position at = log.FindSegment(before);
    if (!segments.Contains(at) || !before(segments[at].first)) {
      if (at == segments.begin()) return BlockCursor();
      at = segments.Previous(at);
    }
    BlockCursor cursor(log, at, segments[at].entries);
    if (!before(cursor.segment_->last)) cursor.entry_ = cursor.reader_.PartitionPoint(before);
    cursor.entry_--;
    cursor.FindBackward();
    return cursor;
  }
  // The first and the last entry of all.
  static BlockCursor First(const HotLog& log) {
    return First(log, [](StreamId) { return false; });
  }
  static BlockCursor Last(const HotLog& log) {
    return Last(log, [](StreamId) { return true; });
  }
  // The entry after number `entry` of the segment at `at`, if that number is there and has this
  // ID; otherwise *found is false.
  static BlockCursor After(const HotLog& log, HotLog::Position at, size_t entry, StreamId id,
                           bool* found) {
    *found = log.segments().Contains(at) && entry < log.segments()[at].entries;
    if (!*found) return BlockCursor();
    BlockCursor cursor(log, at, entry + 1);
    *found = cursor.reader_.IdAt(entry) == id;
    if (*found) cursor.FindForward();
    return cursor;
  }

  // False after the last and before the first entry. An invalid cursor stays invalid.
  bool valid() const { return segments_ != nullptr; }
  // REQUIRES: valid(), for all below.
  const EntryView& operator*() const { return view_; }
  const EntryView* operator->() const { return &view_; }
  HotLog::Position position() const { return at_; }
  size_t entry() const { return entry_; }  // its number in the segment

  void Next() {
    entry_++;
    FindForward();
  }
  void Previous() {
    if (entry_ > 0) {
      entry_--;
      FindBackward();
    } else {
      LeaveBackward();
    }
  }

  // The number of live entries from this one on up to ID `last`, or back from this one down to ID
  // `first`, both included; at most `most`. Takes a step per segment.
  uint64_t CountTo(StreamId last, uint64_t most) const;
  uint64_t CountBackTo(StreamId first, uint64_t most) const;
  // Moves on by `count` live entries, at the same cost. REQUIRES: that many follow.
  void Skip(uint64_t count);

 private:
  BlockCursor(const HotLog& log, HotLog::Position at, size_t entry)
      : segments_(&log.segments()), at_(at), entry_(entry) {
    OpenSegment();
  }
  void OpenSegment() {
    segment_ = &(*segments_)[at_];
    reader_ = segment_->Open();
  }
  // Goes on from entry_, which may be past the segment's last, to the next live entry.
  void FindForward() {
    for (;;) {
      for (; entry_ < segment_->entries; entry_++) {
        if (!segment_->IsLive(entry_)) continue;
        view_ = reader_.EntryAt(entry_);
        return;
      }
      if (!LeaveForward()) return;
    }
  }
  bool LeaveForward();
  void FindBackward();
  void LeaveBackward();

  const HotLog::Segments* segments_ = nullptr;
  HotLog::Position at_;
  const HotLog::Segment* segment_ = nullptr;
  size_t entry_ = 0;
  StreamBlockReader reader_;
  EntryView view_;
};

}  // namespace runnel
