#include "data/stream/block_cursor.h"

#include <algorithm>

namespace runnel {

// Goes to the first entry of the next segment that may live; false if there is no next segment.
bool BlockCursor::LeaveForward() {
  at_ = segments_->Next(at_);
  if (!segments_->Contains(at_)) {
    segments_ = nullptr;
    return false;
  }
  OpenSegment();
  entry_ = segment_->gone;
  return true;
}

// Goes back from entry_ to the nearest live entry.
void BlockCursor::FindBackward() {
  for (size_t entry = entry_ + 1; entry > segment_->gone; entry--) {
    if (!segment_->IsLive(entry - 1)) continue;
    entry_ = entry - 1;
    view_ = reader_.EntryAt(entry_);
    return;
  }
  LeaveBackward();
}

// Every segment holds a live entry, so the one before has what is sought.
void BlockCursor::LeaveBackward() {
  if (at_ == segments_->begin()) {
    segments_ = nullptr;
    return;
  }
  at_ = segments_->Previous(at_);
  OpenSegment();
  entry_ = segment_->entries - 1u;
  FindBackward();
}

uint64_t BlockCursor::CountTo(StreamId last, uint64_t most) const {
  if (last < view_.id()) return 0;
  uint64_t count = 0;
  size_t begin = entry_;
  for (auto at = at_; count < most && segments_->Contains(at); at = segments_->Next(at)) {
    const HotLog::Segment& segment = (*segments_)[at];
    if (last < segment.first) break;
    size_t live = segment.live;
    if (last < segment.last) {
      const StreamBlockReader reader = segment.Open();
      const size_t end = reader.LowerBound(last);
      live = segment.CountLiveBefore(reader.IdAt(end) == last ? end + 1 : end);
    }
    count += live - segment.CountLiveBefore(begin);
    begin = 0;
  }
  return std::min(count, most);
}

uint64_t BlockCursor::CountBackTo(StreamId first, uint64_t most) const {
  if (view_.id() < first) return 0;
  uint64_t count = segment_->CountLiveBefore(entry_ + 1);
  for (auto at = at_;; count += (*segments_)[at].live) {
    const HotLog::Segment& segment = (*segments_)[at];
    if (segment.first < first) {
      count -= segment.CountLiveBefore(segment.Open().LowerBound(first));
      break;
    }
    if (count >= most || at == segments_->begin()) break;
    at = segments_->Previous(at);
    if ((*segments_)[at].last < first) break;
  }
  return std::min(count, most);
}

void BlockCursor::Skip(uint64_t count) {
  if (count == 0) return;
  for (;;) {
    const size_t here = segment_->live - segment_->CountLiveBefore(entry_);
    if (count < here) break;
    count -= here;
    LeaveForward();
  }
  if (segment_->marks.empty()) {
    entry_ += count;
  } else {
    while (count > 0) {
      if (segment_->IsLive(++entry_)) count--;
    }
  }
  view_ = reader_.EntryAt(entry_);
}

}  // namespace runnel
