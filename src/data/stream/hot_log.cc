#include "data/stream/hot_log.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/assert.h"

namespace runnel {

// --- One segment ---

void HotLog::Segment::Advance(size_t count) {
  live = static_cast<uint16_t>(live - count);
  size_t entry = gone;
  if (marks.empty()) {
    entry += count;
  } else {
    while (count > 0 || !IsLive(entry)) {
      if (IsLive(entry)) count--;
      entry++;
    }
  }
  gone = static_cast<uint16_t>(entry);
}

HotLog::Segment HotLog::Segment::Twin() const {
  Segment twin;
  twin.block = block;
  twin.first = first;
  twin.last = last;
  twin.bytes = bytes;
  twin.entries = entries;
  twin.live = live;
  twin.gone = gone;
  twin.marks = marks;
  return twin;
}

// --- All segments ---

HotLog HotLog::Clone() const {
  HotLog copy;
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    copy.PushBack(segments_[at].Twin());
  }
  copy.writer_ = writer_;
  return copy;
}

// The segment that would hold the entry; end() if there is none.
HotLog::Position HotLog::SegmentOf(StreamId id) const {
  const Position at = FindSegment(id);
  return segments_.Contains(at) && id < segments_[at].first ? segments_.end() : at;
}

bool HotLog::Contains(StreamId id) const {
  const Position at = SegmentOf(id);
  if (!segments_.Contains(at)) return false;
  const Segment& segment = segments_[at];
  const StreamBlockReader reader = segment.Open();
  const size_t entry = reader.LowerBound(id);
  return reader.IdAt(entry) == id && segment.IsLive(entry);
}

uint64_t HotLog::CountBelow(StreamId id) const {
  uint64_t count = 0;
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    const Segment& segment = segments_[at];
    if (id <= segment.first) break;
    if (id <= segment.last) return count + segment.CountLiveBefore(segment.Open().LowerBound(id));
    count += segment.live;
  }
  return count;
}

void HotLog::Append(StreamId id, std::span<const std::string_view> fields,
                    const StreamLimits& limits) {
  ASSERT(segments_.empty() || segments_.back().last < id);
  if (writer_.Append(id, fields, limits)) {
    Segment& open = NewestSegment();
    if (open.block.get() != writer_.block().get()) {
      block_bytes_ += writer_.block()->MemoryBytes() - open.block->MemoryBytes();
      open.block = writer_.block();
    }
  } else {
    if (!writer_.empty()) SealOpenBlock();
    writer_.Start(id, fields, limits);
    newest_.at = &segments_.PushBack(Segment());
    newest_.at->block = writer_.block();
    newest_.at->first = id;
    block_bytes_ += newest_.at->block->MemoryBytes();
  }
  Segment& open = *newest_.at;
  open.last = id;
  open.bytes = static_cast<uint32_t>(writer_.bytes());
  open.entries++;
  open.live++;
  if (length_ == 0) first_id_ = id;
  length_++;
}

void HotLog::AppendCopy(const EntryView& entry, const StreamLimits& limits) {
  absl::InlinedVector<std::string_view, 32> fields;
  fields.reserve(2 * entry.size());
  for (const EntryView::Field& field : entry) {
    fields.push_back(field.name);
    fields.push_back(field.value);
  }
  Append(entry.id(), fields, limits);
}

void HotLog::SealOpenBlock() {
  Segment& open = segments_.back();
  const size_t before = open.block->MemoryBytes();
  open.block = writer_.Seal();
  block_bytes_ += open.block->MemoryBytes() - before;
}

bool HotLog::Remove(StreamId id) {
  const Position at = SegmentOf(id);
  if (!segments_.Contains(at)) return false;
  Segment& segment = segments_[at];
  const StreamBlockReader reader = segment.Open();
  const size_t entry = reader.LowerBound(id);
  if (reader.IdAt(entry) != id || !segment.IsLive(entry)) return false;
  RemoveEntry(at, entry);
  return true;
}

// Removes a live entry.
void HotLog::RemoveEntry(Position at, size_t entry) {
  Segment& segment = segments_[at];
  const bool first = at == segments_.begin() && entry == segment.gone;
  length_--;
  if (segment.live == 1) {
    Erase(at);
  } else if (entry == segment.gone) {
    segment.Advance(1);
  } else {
    segment.live--;
    MarkDead(segment, entry);
  }
  if (first) UpdateFirstId();
}

void HotLog::MarkDead(Segment& segment, size_t entry) {
  mark_bytes_ -= segment.marks.MemoryBytes();
  segment.marks.Mark(entry, segment.entries);
  mark_bytes_ += segment.marks.MemoryBytes();
}

HotLog::Position HotLog::FindSegmentOf(uint64_t offset) const {
  const BelowOffset before{offset};
  if (empty() || before(segments_.back().last)) return segments_.end();
  if (before(segments_.back().first)) return segments_.Previous(segments_.end());
  return segments_.PartitionPointNear([&](const Segment& segment) { return before(segment.last); },
                                      offset,
                                      [](const Segment& segment) { return segment.last.seq; });
}

bool HotLog::RemoveOffset(uint64_t offset, Position* at) {
  *at = FindSegmentOf(offset);
  if (!segments_.Contains(*at)) return false;
  const Segment& segment = segments_[*at];
  if (offset < segment.first.seq) return false;
  const StreamBlockReader reader = segment.Open();
  // Most blocks have all offsets from the first to the last: then no look at the entries is needed,
  // which are in no cache.
  const bool whole = segment.last.seq - segment.first.seq + 1 == segment.entries;
  const size_t entry = whole ? offset - segment.first.seq
                             : reader.FindOffset(offset, segment.first.seq, segment.last.seq);
  if (!whole && reader.IdAt(entry).seq != offset) return false;
  if (!segment.IsLive(entry)) return false;
  const bool goes = segment.live == 1;
  RemoveEntry(*at, entry);
  if (goes) *at = segments_.end();
  return true;
}

bool HotLog::IsSparse(Position at) const {
  if (!segments_.Contains(at) || IsLast(at)) return false;
  const Segment& segment = segments_[at];
  return segment.live * 2 <= segment.entries;
}

void HotLog::Rewrite(Position at, const StreamLimits& limits) {
  // About what the live entries take in a block.
  const auto bytes_of = [this](Position where) {
    const Segment& segment = segments_[where];
    return segment.bytes * size_t{segment.live} / segment.entries;
  };
  constexpr size_t kMostSegments = 8;
  Position begin = at;
  size_t count = 1;
  size_t bytes = bytes_of(at);
  while (count < kMostSegments && begin != segments_.begin()) {
    const Position previous = segments_.Previous(begin);
    if (bytes + bytes_of(previous) > limits.max_bytes) break;
    bytes += bytes_of(previous);
    begin = previous;
    count++;
  }
  for (Position next = segments_.Next(at); count < kMostSegments; next = segments_.Next(next)) {
    if (!segments_.Contains(next) || IsLast(next)) break;
    if (bytes + bytes_of(next) > limits.max_bytes) break;
    bytes += bytes_of(next);
    count++;
  }

  HotLog made;
  Position from = begin;
  for (size_t i = 0; i < count; i++, from = segments_.Next(from)) {
    const Segment& segment = segments_[from];
    StreamBlockReader reader = segment.Open();
    for (size_t entry = segment.gone; entry < segment.entries; entry++) {
      if (segment.IsLive(entry)) made.AppendCopy(reader.EntryAt(entry), limits);
    }
  }
  made.SealOpenBlock();
  // Names that many entries had in common may be stored more often.
  if (made.segments_.size() > count || made.block_bytes_ >= BytesOf(begin, count)) return;
  newest_.at = nullptr;
  block_bytes_ += made.block_bytes_;
  for (size_t i = 0; i < count; i++) {
    Segment& old = segments_[begin];
    block_bytes_ -= old.block->MemoryBytes();
    mark_bytes_ -= old.marks.MemoryBytes();
    if (made.empty()) {
      begin = segments_.Erase(begin);
      continue;
    }
    old = std::move(made.segments_.front());
    made.segments_.PopFront();
    begin = segments_.Next(begin);
  }
}

// Bytes of memory of the blocks of so many segments.
size_t HotLog::BytesOf(Position at, size_t count) const {
  size_t bytes = 0;
  for (; count > 0; count--, at = segments_.Next(at)) {
    bytes += segments_[at].block->MemoryBytes();
  }
  return bytes;
}

void HotLog::DropOldest(uint64_t count, Disposer* disposer) {
  if (count == 0) return;
  length_ -= count;
  std::vector<Ref<Block>> gone;
  while (count > 0) {
    Segment& segment = segments_.front();
    if (segment.live > count) {
      segment.Advance(count);
      break;
    }
    count -= segment.live;
    if (disposer != nullptr) gone.push_back(segment.block);
    Erase(segments_.begin());
  }
  DisposeOf(std::move(gone), disposer);
  UpdateFirstId();
}

void HotLog::RemoveRange(StreamId first, StreamId last) {
  for (;;) {
    const Position at = FindSegment(first);
    if (!segments_.Contains(at)) break;
    const Segment& segment = segments_[at];
    if (last < segment.first) break;
    const StreamId end = segment.last;
    if (first <= segment.first && end <= last) {
      length_ -= segment.live;
      Erase(at);
    } else {
      RemoveInSegment(at, first, last);
    }
    if (last <= end) break;
    first = *end.Next();
  }
  UpdateFirstId();
}

void HotLog::RemoveInSegment(Position at, StreamId first, StreamId last) {
  Segment& segment = segments_[at];
  const StreamBlockReader reader = segment.Open();
  const size_t begin = first <= segment.first ? 0 : reader.LowerBound(first);
  size_t end = segment.entries;
  if (last < segment.last) {
    end = reader.LowerBound(last);
    if (reader.IdAt(end) == last) end++;
  }
  const size_t before = segment.CountLiveBefore(begin);
  const size_t count = segment.CountLiveBefore(end) - before;
  length_ -= count;
  if (count == segment.live) return Erase(at);
  if (count == 0) return;
  if (before == 0) return segment.Advance(count);
  for (size_t entry = begin; entry < end; entry++) {
    if (segment.IsLive(entry)) MarkDead(segment, entry);
  }
  segment.live = static_cast<uint16_t>(segment.live - count);
}

// Frees the segment's block. The caller has counted its entries.
void HotLog::Erase(Position at) {
  const Block* block = segments_[at].block.get();
  block_bytes_ -= block->MemoryBytes();
  mark_bytes_ -= segments_[at].marks.MemoryBytes();
  if (block == writer_.block().get()) writer_.Drop();
  newest_.at = nullptr;
  segments_.Erase(at);
}

void HotLog::PopFront() {
  length_ -= segments_.front().live;
  Erase(segments_.begin());
  UpdateFirstId();
}

void HotLog::PushBack(Segment segment) {
  if (length_ == 0) first_id_ = segment.FirstLive();
  length_ += segment.live;
  block_bytes_ += segment.block->MemoryBytes();
  mark_bytes_ += segment.marks.MemoryBytes();
  newest_.at = &segments_.PushBack(std::move(segment));
}

void HotLog::UpdateFirstId() {
  first_id_ = segments_.empty() ? StreamId() : segments_.front().FirstLive();
}

// --- The stored form ---

void HotLog::Serialize(Encoder* out) const {
  out->Varint(segments_.size());
  SerializeSegments(out);
}

void HotLog::SerializeSegments(Encoder* out) const {
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    const Segment& segment = segments_[at];
    out->Varint(segment.entries);
    out->Varint(segment.gone);
    out->Varint(segment.entries - segment.gone - segment.live);
    size_t previous = segment.gone;
    for (size_t entry = segment.gone; entry < segment.entries; entry++) {
      if (segment.IsLive(entry)) continue;
      out->Varint(entry - previous);
      previous = entry;
    }
    out->Bytes(StreamBlockPayload(*segment.block, segment.bytes));
    out->Checkpoint();
  }
}

bool HotLog::LoadSegment(StreamId floor, Decoder* in) {
  const uint64_t entries = in->Varint();
  const uint64_t gone = in->Varint();
  const uint64_t dead = in->Count(1);
  if (entries > UINT16_MAX || gone >= entries || dead >= entries - gone) return false;
  Segment segment;
  segment.entries = static_cast<uint16_t>(entries);
  segment.gone = static_cast<uint16_t>(gone);
  segment.live = static_cast<uint16_t>(entries - gone - dead);
  uint64_t entry = gone;
  for (uint64_t i = 0; i < dead; i++) {
    const uint64_t step = in->Varint();
    if (step == 0 || step >= entries - entry) return false;
    entry += step;
    segment.marks.Mark(entry, entries);
  }
  const std::string_view payload = in->Bytes();
  std::optional<LoadedStreamBlock> loaded = LoadStreamBlock(payload, entries);
  if (!loaded || loaded->first <= std::max(floor, newest_id())) return false;
  segment.bytes = static_cast<uint32_t>(payload.size());
  segment.first = loaded->first;
  segment.last = loaded->last;
  segment.block = std::move(loaded->block);
  PushBack(std::move(segment));
  return true;
}

bool HotLog::LoadAbove(StreamId floor, Decoder* in) {
  const uint64_t segments = in->Varint();
  for (uint64_t i = 0; i < segments; i++) {
    if (!LoadSegment(floor, in)) return false;
  }
  if (segments_.empty()) return in->ok();
  const Segment& last = segments_.back();
  writer_ = StreamBlockWriter::Continue(last.block, last.entries, last.bytes);
  return in->ok();
}

}  // namespace runnel
