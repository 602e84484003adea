#include "data/entry_log.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace runnel {

void EntryLog::Segment::Mark(size_t entry) {
  const size_t word = entry / 64;
  if (word >= mark_words) {
    const size_t words = entries / 64 + 1;
    auto grown = std::make_unique<uint64_t[]>(words);
    std::copy_n(marks.get(), mark_words, grown.get());
    marks = std::move(grown);
    mark_words = static_cast<uint16_t>(words);
  }
  marks[word] |= uint64_t{1} << (entry % 64);
}

// Live entries in [gone, entry).
size_t EntryLog::Segment::CountLiveBefore(size_t entry) const {
  if (entry <= gone) return 0;
  size_t count = entry - gone;
  for (size_t word = gone / 64; word < mark_words && word * 64 < entry; word++) {
    uint64_t bits = marks[word];
    if (word == gone / 64) bits &= ~uint64_t{0} << (gone % 64);
    if (word == entry / 64) bits &= (uint64_t{1} << (entry % 64)) - 1;
    count -= static_cast<size_t>(std::popcount(bits));
  }
  return count;
}

// Makes `gone` pass over `count` live entries and the dead ones after them.
void EntryLog::Segment::Advance(size_t count) {
  live = static_cast<uint16_t>(live - count);
  size_t entry = gone;
  if (mark_words == 0) {
    entry += count;
  } else {
    while (count > 0 || !IsLive(entry)) {
      if (IsLive(entry)) count--;
      entry++;
    }
  }
  gone = static_cast<uint16_t>(entry);
}

EntryLog::Segment EntryLog::Twin(const Segment& segment) {
  Segment twin;
  twin.block = segment.block;
  twin.first = segment.first;
  twin.last = segment.last;
  twin.bytes = segment.bytes;
  twin.entries = segment.entries;
  twin.live = segment.live;
  twin.gone = segment.gone;
  twin.mark_words = segment.mark_words;
  if (segment.mark_words > 0) {
    twin.marks = std::make_unique<uint64_t[]>(segment.mark_words);
    std::copy_n(segment.marks.get(), segment.mark_words, twin.marks.get());
  }
  return twin;
}

// Appends a segment, which is not open.
void EntryLog::AddSegment(Segment segment) {
  length_ += segment.live;
  block_bytes_ += segment.block->MemoryBytes();
  mark_words_ += segment.mark_words;
  segments_.PushBack(std::move(segment));
}

EntryLog EntryLog::Clone() const {
  EntryLog copy;
  if (cold_) CloneCold(&copy);
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    copy.AddSegment(Twin(segments_[at]));
  }
  copy.length_ = length_;
  copy.first_id_ = first_id_;
  copy.writer_ = writer_;
  return copy;
}

size_t EntryLog::MemoryBytes() const {
  const size_t runs = cold_ ? sizeof(Cold) + cold_->runs.MemoryBytes() +
                                  cold_->runs.size() * sizeof(ColdExtent) +
                                  cold_->deleted * sizeof(StreamId)
                            : 0;
  return block_bytes_ + mark_words_ * sizeof(uint64_t) + segments_.MemoryBytes() + runs;
}

StreamId EntryLog::newest_id() const {
  if (!segments_.empty()) return segments_.back().last;
  return cold_ ? cold_->runs.back().last : StreamId();
}

// The first segment whose last ID is not below `id`. Most searches are for the newest or the oldest
// entries.
EntryLog::Segments::Position EntryLog::FindSegment(StreamId id) const {
  if (segments_.empty() || segments_.back().last < id) return segments_.end();
  if (segments_.back().first <= id) return segments_.Previous(segments_.end());
  if (id <= segments_.front().last) return segments_.begin();
  return segments_.PartitionPoint(
      [id](const Segment& segment) { return IsBelow(segment.last, id); });
}

EntryCursor EntryLog::Seek(StreamId id) const {
  if (IsCold(id)) return EntryCursor::InRun(this, FindRun(id), id);
  const Segments::Position at = FindSegment(id);
  if (!segments_.Contains(at)) return EntryCursor();
  const Segment& segment = segments_[at];
  EntryCursor cursor(this, at);
  cursor.entry_ = id <= segment.first ? 0 : cursor.reader_.LowerBound(id);
  cursor.FindForward();
  return cursor;
}

EntryCursor EntryLog::SeekBack(StreamId id) const {
  Segments::Position at = FindSegment(id);
  if (!segments_.Contains(at) || id < segments_[at].first) {
    if (at == segments_.begin()) {
      if (!cold_) return EntryCursor();
      const Runs& runs = cold_->runs;
      return EntryCursor::InRunBack(this, IsCold(id) ? FindRun(id) : runs.Previous(runs.end()), id);
    }
    at = segments_.Previous(at);
  }
  EntryCursor cursor(this, at);
  const Segment& segment = segments_[at];
  if (segment.last <= id) {
    cursor.entry_ = segment.entries - 1u;
  } else {
    cursor.entry_ = cursor.reader_.LowerBound(id);
    if (id < cursor.reader_.IdAt(cursor.entry_)) cursor.entry_--;
  }
  cursor.FindBackward();
  return cursor;
}

EntryCursor EntryLog::SeekAfter(StreamId id, Place hint) const {
  const Segments::Position at = {hint.page, hint.slot};
  if (segments_.Contains(at) && hint.entry < segments_[at].entries) {
    EntryCursor cursor(this, at);
    if (cursor.reader_.IdAt(hint.entry) == id) {
      cursor.entry_ = hint.entry + 1;
      cursor.FindForward();
      return cursor;
    }
  }
  const std::optional<StreamId> next = id.Next();
  return next ? Seek(*next) : EntryCursor();
}

bool EntryLog::HasAfter(StreamId id) const {
  // Every segment has a live entry, and all of them are above the runs, whose last entry lives.
  if (cold_ && segments_.empty()) return id < cold_->runs.back().last;
  if (IsCold(id)) return true;
  const std::optional<StreamId> next = id.Next();
  return next && Seek(*next).valid();
}

bool EntryLog::Contains(StreamId id) const {
  if (IsCold(id)) return ContainsCold(id);
  const Segments::Position at = FindSegment(id);
  if (!segments_.Contains(at) || id < segments_[at].first) return false;
  const Segment& segment = segments_[at];
  const StreamBlockReader reader = Open(segment);
  const size_t entry = reader.LowerBound(id);
  return reader.IdAt(entry) == id && segment.IsLive(entry);
}

void EntryLog::Append(StreamId id, std::span<const std::string_view> fields,
                      const StreamLimits& limits) {
  ASSERT(segments_.empty() || segments_.back().last < id);
  if (writer_.Append(id, fields, limits)) {
    Segment& open = segments_.back();
    if (open.block.get() != writer_.block().get()) {
      Grow(writer_.block()->MemoryBytes(), open.block->MemoryBytes());
      open.block = writer_.block();
    }
  } else {
    if (!writer_.empty()) SealOpenBlock();
    writer_.Start(id, fields, limits);
    Segment& open = segments_.PushBack(Segment());
    open.block = writer_.block();
    open.first = id;
    Grow(open.block->MemoryBytes(), 0);
  }
  Segment& open = segments_.back();
  open.last = id;
  open.bytes = static_cast<uint32_t>(writer_.bytes());
  open.entries++;
  open.live++;
  if (length_ == 0) first_id_ = id;
  length_++;
}

void EntryLog::SealOpenBlock() {
  Segment& open = segments_.back();
  const size_t before = open.block->MemoryBytes();
  open.block = writer_.Seal();
  Grow(open.block->MemoryBytes(), before);
}

bool EntryLog::Remove(StreamId id) {
  if (IsCold(id)) return RemoveCold(id);
  const Segments::Position at = FindSegment(id);
  if (!segments_.Contains(at) || id < segments_[at].first) return false;
  Segment& segment = segments_[at];
  const StreamBlockReader reader = Open(segment);
  const size_t entry = reader.LowerBound(id);
  if (reader.IdAt(entry) != id || !segment.IsLive(entry)) return false;
  length_--;
  if (segment.live == 1) {
    RemoveSegment(at);
  } else if (entry == segment.gone) {
    segment.Advance(1);
  } else {
    segment.live--;
    mark_words_ -= segment.mark_words;
    segment.Mark(entry);
    mark_words_ += segment.mark_words;
  }
  if (id == first_id_) UpdateFirstId();
  return true;
}

void EntryLog::DropOldest(uint64_t count) {
  if (count == 0) return;
  count = std::min(count, length_);
  Disposer* const disposer =
      blocks() > kMostFreedInPlace && hot() != nullptr ? hot()->disposer() : nullptr;
  if (cold_) count = DropOldestCold(count, disposer);
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
    RemoveSegment(segments_.begin());
  }
  DisposeOf(std::move(gone), disposer);
  UpdateFirstId();
}

void EntryLog::RemoveSegment(Segments::Position at) {
  const Block* block = segments_[at].block.get();
  const size_t bytes = block->MemoryBytes();
  mark_words_ -= segments_[at].mark_words;
  if (block == writer_.block().get()) writer_.Drop();
  segments_.Erase(at);
  Grow(0, bytes);
}

void EntryLog::UpdateFirstId() {
  first_id_ = cold_ ? cold_->runs.front().first : StreamId();
  if (cold_ || segments_.empty()) return;
  const Segment& segment = segments_.front();
  first_id_ = segment.gone == 0 ? segment.first : Open(segment).IdAt(segment.gone);
}

uint64_t EntryLog::CountBelow(StreamId id) const {
  if (IsCold(id)) return CountColdBelow(id);
  uint64_t count = cold_entries();
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    const Segment& segment = segments_[at];
    if (id <= segment.first) break;
    if (id <= segment.last) return count + segment.CountLiveBefore(Open(segment).LowerBound(id));
    count += segment.live;
  }
  return count;
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
      added != nullptr && writer_.Accepts(added->id, added->fields, added->limits);
  for (auto at = segments_.begin(); segments_.Contains(at);) {
    const Segment& segment = segments_[at];
    at = segments_.Next(at);
    const bool grown = added_to_last && at == segments_.end();
    if (!take(segment.live + (grown ? 1u : 0u), grown ? added->id : segment.last)) return count;
  }
  if (added != nullptr && !added_to_last) take(1, added->id);
  return count;
}

// The same for the runs: true if all of them fit. One that does not fit as a whole is looked into
// for blocks that do, if at least its first entry could go.
template <class Take, class MayBegin>
bool EntryLog::TakeColdBlocks(Take take, MayBegin may_begin) const {
  const Runs& runs = cold_->runs;
  for (auto run_at = runs.begin(); runs.Contains(run_at); run_at = runs.Next(run_at)) {
    const ColdRun& run = runs[run_at];
    if (take(run.live, run.last)) continue;
    if (!may_begin(run.first)) return false;
    const EntryLog& extent = Enter(run_at);
    for (auto at = extent.FindSegment(run.first); extent.segments_.Contains(at);
         at = extent.segments_.Next(at)) {
      const Segment& segment = extent.segments_[at];
      const uint64_t live = CountInRun(run, segment.first, segment.last);
      if (live > 0 && !take(live, segment.last)) break;
    }
    return false;
  }
  return true;
}

uint64_t EntryLog::CountBlocksBeyond(uint64_t max_length, uint64_t limit,
                                     const Addition* added) const {
  const uint64_t length = length_ + (added != nullptr ? 1 : 0);
  return CountBlocks(added, [=](uint64_t count, uint64_t live, StreamId) {
    return length - count - live >= max_length && (limit == 0 || count + live <= limit);
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
    for (auto at = cold_->runs.begin(); cold_->runs.Contains(at); at = cold_->runs.Next(at)) {
      const ColdRun& run = cold_->runs[at];
      const bool beyond = run.last < bounds.from || length_ - count - run.live >= bounds.entries ||
                          bytes > bounds.bytes;
      if (!beyond) return count;
      count += run.live;
      bytes -= run.extent->raw_bytes();
    }
  }
  for (auto at = segments_.begin(); segments_.Contains(at); at = segments_.Next(at)) {
    const Segment& segment = segments_[at];
    const bool too_many_bytes = bytes > bounds.bytes && segments_.Next(at) != segments_.end();
    const uint64_t surplus =
        length_ - count > bounds.entries ? length_ - count - bounds.entries : 0;
    if (too_many_bytes || segment.last < bounds.from || surplus >= segment.live) {
      count += segment.live;
      bytes -= segment.block->MemoryBytes();
      continue;
    }
    uint64_t below = 0;
    if (segment.first < bounds.from) {
      below = segment.CountLiveBefore(Open(segment).LowerBound(bounds.from));
    }
    return count + std::max(below, surplus);
  }
  return count;
}

void EntryLog::Serialize(Encoder* out) const {
  std::vector<EntryLog> runs;
  size_t segments = segments_.size();
  ForEachRun([&](const ColdRun& run) {
    const std::shared_ptr<const BlockRun> blocks = run.extent->source().Read(*run.extent);
    runs.push_back(Living(run, static_cast<const EntryRun&>(*blocks).log()));
    segments += runs.back().segments_.size();
  });
  out->Varint(segments);
  for (const EntryLog& run : runs) {
    run.SerializeSegments(out);
  }
  SerializeSegments(out);
}

void EntryLog::SerializeSegments(Encoder* out) const {
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

bool EntryLog::LoadSegment(Decoder* in) {
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
    segment.Mark(entry);
  }
  const std::string_view payload = in->Bytes();
  std::optional<LoadedStreamBlock> loaded = LoadStreamBlock(payload, entries);
  if (!loaded || loaded->first <= newest_id()) return false;
  segment.bytes = static_cast<uint32_t>(payload.size());
  segment.first = loaded->first;
  segment.last = loaded->last;
  segment.block = std::move(loaded->block);
  AddSegment(std::move(segment));
  return true;
}

bool EntryLog::Load(Decoder* in) {
  const uint64_t segments = in->Varint();
  for (uint64_t i = 0; i < segments; i++) {
    if (!LoadSegment(in)) return false;
  }
  if (segments_.empty()) return in->ok();
  const Segment& last = segments_.back();
  writer_ = StreamBlockWriter::Continue(last.block, last.entries, last.bytes);
  UpdateFirstId();
  return in->ok();
}

void EntryCursor::OpenSegment() {
  segment_ = &log_->segments_[at_];
  reader_ = EntryLog::Open(*segment_);
}

void EntryCursor::Next() {
  entry_++;
  FindForward();
  if (whole_ != nullptr) SettleForward();
}

void EntryCursor::Previous() {
  if (entry_ > 0) {
    entry_--;
    FindBackward();
  } else {
    LeaveBackward();
  }
  if (whole_ != nullptr) SettleBackward();
}

// Goes on from entry_, which may be past the segment's last, to the next live entry.
void EntryCursor::FindForward() {
  for (;;) {
    for (; entry_ < segment_->entries; entry_++) {
      if (!segment_->IsLive(entry_)) continue;
      view_ = reader_.EntryAt(entry_);
      return;
    }
    at_ = log_->segments_.Next(at_);
    if (!log_->segments_.Contains(at_)) {
      log_ = nullptr;
      return;
    }
    OpenSegment();
    entry_ = segment_->gone;
  }
}

// Goes back from entry_ to the nearest live entry.
void EntryCursor::FindBackward() {
  for (size_t entry = entry_ + 1; entry > segment_->gone; entry--) {
    if (!segment_->IsLive(entry - 1)) continue;
    entry_ = entry - 1;
    view_ = reader_.EntryAt(entry_);
    return;
  }
  LeaveBackward();
}

// Every segment holds a live entry, so the one before has what is sought.
void EntryCursor::LeaveBackward() {
  if (at_ == log_->segments_.begin()) {
    if (log_->cold_) {
      *this = InRunBack(log_, log_->cold_->runs.Previous(log_->cold_->runs.end()), StreamId::Max());
    } else {
      log_ = nullptr;
    }
    return;
  }
  at_ = log_->segments_.Previous(at_);
  OpenSegment();
  entry_ = segment_->entries - 1u;
  FindBackward();
}

uint64_t EntryCursor::CountTo(StreamId last, uint64_t most) const {
  if (last < view_.id()) return 0;
  if (whole_ != nullptr) return CountColdTo(last, most);
  uint64_t count = 0;
  size_t begin = entry_;
  const auto& segments = log_->segments_;
  for (auto at = at_; count < most && segments.Contains(at); at = segments.Next(at)) {
    const EntryLog::Segment& segment = segments[at];
    if (last < segment.first) break;
    size_t live = segment.live;
    if (last < segment.last) {
      const StreamBlockReader reader = EntryLog::Open(segment);
      const size_t end = reader.LowerBound(last);
      live = segment.CountLiveBefore(reader.IdAt(end) == last ? end + 1 : end);
    }
    count += live - segment.CountLiveBefore(begin);
    begin = 0;
  }
  return std::min(count, most);
}

uint64_t EntryCursor::CountBackTo(StreamId first, uint64_t most) const {
  if (view_.id() < first) return 0;
  if (whole_ != nullptr) return CountColdBackTo(first, most, run_);
  uint64_t count = segment_->CountLiveBefore(entry_ + 1);
  const auto& segments = log_->segments_;
  for (auto at = at_;; count += segments[at].live) {
    const EntryLog::Segment& segment = segments[at];
    if (segment.first < first) {
      count -= segment.CountLiveBefore(EntryLog::Open(segment).LowerBound(first));
      break;
    }
    if (count >= most) break;
    if (at == segments.begin()) {
      if (!log_->IsCold(first)) break;
      return count + CountColdBackTo(first, most - count, log_->cold_->runs.end());
    }
    at = segments.Previous(at);
    if (segments[at].last < first) break;
  }
  return std::min(count, most);
}

void EntryCursor::Skip(uint64_t count) {
  if (count == 0) return;
  whole_ == nullptr ? SkipHere(count) : SkipCold(count);
}

// Within the blocks of one log.
void EntryCursor::SkipHere(uint64_t count) {
  for (;;) {
    const size_t here = segment_->live - segment_->CountLiveBefore(entry_);
    if (count < here) break;
    count -= here;
    at_ = log_->segments_.Next(at_);
    OpenSegment();
    entry_ = segment_->gone;
  }
  if (segment_->mark_words == 0) {
    entry_ += count;
  } else {
    while (count > 0) {
      if (segment_->IsLive(++entry_)) count--;
    }
  }
  view_ = reader_.EntryAt(entry_);
}

}  // namespace runnel
