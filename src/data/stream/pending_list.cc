#include "data/stream/pending_list.h"

#include <algorithm>
#include <utility>

namespace runnel {

namespace {

// An empty list keeps no more room than this.
constexpr size_t kSpareCapacity = 16;

}  // namespace

// --- Queries ---

PendingEntry PendingList::EntryAt(const PendingChunk& chunk, size_t index) {
  const PendingRecord& record = chunk[index];
  const int64_t delivery_time = record.consumer == kNoConsumer ? 0 : record.age;
  return {chunk.IdAt(index), record.consumer, delivery_time, record.deliveries};
}

PendingList PendingList::Clone() const {
  PendingList copy;
  for (auto at = chunks_.begin(); chunks_.Contains(at); at = chunks_.Next(at)) {
    copy.chunks_.PushBack(chunks_[at].Clone());
  }
  copy.size_ = size_;
  copy.releases_ = releases_;
  return copy;
}

StreamId PendingList::first_id() const {
  return chunks_.front().IdAt(0);
}

StreamId PendingList::last_id() const {
  return chunks_.back().IdAt(chunks_.back().size() - 1);
}

// REQUIRES: the list is not empty.
PendingList::Slot PendingList::Locate(StreamId id) const {
  if (const Slot& last = last_located_; chunks_.Contains(last.chunk)) {
    const PendingChunk& chunk = chunks_[last.chunk];
    if (last.index < chunk.size() && chunk.IdAt(last.index) == id) {
      last_located_.found = true;
      return last;
    }
  }
  Slot slot;
  // Most of what is looked for was delivered just now, or is the next to be acknowledged in order.
  if (chunks_.back().begin() <= id) {
    slot.chunk = chunks_.Previous(chunks_.end());
  } else if (chunks_.size() == 1 || id < chunks_[chunks_.Next(chunks_.begin())].begin()) {
    slot.chunk = chunks_.begin();
  } else {
    slot.chunk = chunks_.Previous(
        chunks_.PartitionPoint([id](const PendingChunk& chunk) { return chunk.begin() <= id; }));
  }
  const PendingChunk& chunk = chunks_[slot.chunk];
  slot.index = chunk.LowerBound(id);
  slot.found = slot.index < chunk.size() && chunk.IdAt(slot.index) == id;
  last_located_ = slot;
  return slot;
}

std::optional<PendingEntry> PendingList::Find(StreamId id) const {
  if (empty()) return std::nullopt;
  const Slot slot = Locate(id);
  if (!slot.found) return std::nullopt;
  return EntryAt(chunks_[slot.chunk], slot.index);
}

bool PendingList::Contains(StreamId id) const {
  return !empty() && Locate(id).found;
}

PendingList::Cursor PendingList::Seek(StreamId from) const {
  Cursor cursor;
  if (empty()) return cursor;
  const Slot slot = Locate(from);
  cursor.list_ = this;
  cursor.at_ = slot.chunk;
  cursor.chunk_ = &chunks_[slot.chunk];
  cursor.index_ = slot.index;
  cursor.Settle();
  return cursor;
}

PendingList::Cursor PendingList::SeekOf(std::optional<ConsumerIndex> consumer, StreamId from,
                                        StreamId to, int64_t latest) const {
  Cursor cursor;
  if (empty()) return cursor;
  const Slot slot = Locate(from);
  cursor.list_ = this;
  cursor.at_ = slot.chunk;
  cursor.chunk_ = &chunks_[slot.chunk];
  cursor.index_ = slot.index;
  cursor.consumer_ = consumer;
  cursor.to_ = to;
  cursor.latest_ = latest;
  cursor.Settle();
  return cursor;
}

void PendingList::Cursor::Next() {
  index_++;
  Settle();
}

// Goes forward from index_, which may be past the chunk's last record, to the next record that is
// asked for.
void PendingList::Cursor::Settle() {
  for (;;) {
    const bool relevant =
        (!consumer_ || chunk_->MayHold(*consumer_)) && chunk_->least_age() <= latest_;
    for (; relevant && index_ < chunk_->size(); index_++) {
      const PendingRecord& record = (*chunk_)[index_];
      if ((consumer_ && record.consumer != *consumer_) || record.age > latest_) continue;
      entry_ = EntryAt(*chunk_, index_);
      if (to_ < entry_.id) list_ = nullptr;
      return;
    }
    at_ = list_->chunks_.Next(at_);
    if (!list_->chunks_.Contains(at_) || to_ < list_->chunks_[at_].begin()) {
      list_ = nullptr;
      return;
    }
    chunk_ = &list_->chunks_[at_];
    index_ = 0;
  }
}

PendingList::AgeCursor PendingList::Oldest() const {
  if (!by_age_) {
    by_age_ = std::make_unique<AgeIndex>();
    for (auto at = chunks_.begin(); chunks_.Contains(at); at = chunks_.Next(at)) {
      const PendingChunk& chunk = chunks_[at];
      for (size_t i = 0; i < chunk.size(); i++) {
        by_age_->insert(by_age_->end(), AgeKey{chunk[i].age, chunk.IdAt(i)});
      }
    }
  }
  AgeCursor cursor;
  cursor.list_ = this;
  cursor.at_ = by_age_->begin();
  cursor.Load();
  return cursor;
}

void PendingList::PassOver(std::span<const StreamId> ids) const {
  if (!by_age_) return;
  for (const StreamId id : ids) {
    const Slot slot = Locate(id);
    if (slot.found) by_age_->erase(AgeKey{chunks_[slot.chunk][slot.index].age, id});
  }
}

void PendingList::AgeCursor::Next() {
  ++at_;
  Load();
}

void PendingList::AgeCursor::Load() {
  if (at_ == list_->by_age_->end()) {
    list_ = nullptr;
    return;
  }
  entry_ = *list_->Find(at_->id);
}

size_t PendingList::MemoryBytes() const {
  size_t bytes = chunks_.MemoryBytes();
  for (auto at = chunks_.begin(); chunks_.Contains(at); at = chunks_.Next(at)) {
    bytes += chunks_[at].MemoryBytes();
  }
  // A leaf of the tree is between half full and full.
  if (by_age_) bytes += sizeof(AgeIndex) + by_age_->size() * sizeof(AgeKey) * 4 / 3;
  return bytes;
}

size_t PendingList::FreeEffort() const {
  return chunks_.size() + (by_age_ ? by_age_->size() / 8 : 0);
}

// --- Changes ---

PendingList::Change PendingList::Put(StreamId id, ConsumerIndex consumer, int64_t delivery_time,
                                     uint64_t deliveries) {
  return Store(id, {delivery_time, std::min(deliveries, kMaxDeliveries), consumer});
}

PendingList::Change PendingList::Release(StreamId id, uint64_t deliveries) {
  const int64_t age = kReleased + static_cast<int64_t>(releases_++);
  return Store(id, {age, std::min(deliveries, kMaxDeliveries), kNoConsumer});
}

PendingList::Change PendingList::Store(StreamId id, const PendingRecord& record) {
  if (by_age_) by_age_->insert(by_age_->end(), AgeKey{record.age, id});
  if (empty() || last_id() < id) {
    Append(id, record);
    return {true, kNoConsumer};
  }
  const Slot slot = Locate(id);
  if (!slot.found) {
    Insert(slot, id, record);
    return {true, kNoConsumer};
  }
  PendingChunk& chunk = chunks_[slot.chunk];
  const PendingRecord old = chunk[slot.index];
  if (by_age_ && old.age != record.age) by_age_->erase(AgeKey{old.age, id});
  chunk.Replace(slot.index, record);
  return {false, old.consumer};
}

// Adds a record after all others.
void PendingList::Append(StreamId id, const PendingRecord& record) {
  PendingChunk* chunk = chunks_.empty() ? nullptr : &chunks_.back();
  if (chunk != nullptr && chunk->size() == 0) chunk->Restart(id);
  if (chunk == nullptr || !chunk->Fits(id)) {
    chunk = &chunks_.PushBack(PendingChunk(id, PendingChunk::kLeastCapacity));
  } else if (!chunk->MakeRoomAfter()) {
    // A list that has filled a chunk will mostly fill the next one, too.
    chunk = &chunks_.PushBack(PendingChunk(id, PendingChunk::kMostRecords));
  }
  chunk->Append(id, record);
  size_++;
}

// Adds a record where Locate said.
void PendingList::Insert(Slot slot, StreamId id, const PendingRecord& record) {
  PendingChunk& chunk = chunks_[slot.chunk];
  if (id < chunk.begin() ? !chunk.MoveBegin(id) : !chunk.Fits(id)) {
    // It needs a chunk of its own between the records before and after it.
    if (slot.index == chunk.size()) {
      slot.chunk = chunks_.Next(slot.chunk);
    } else if (slot.index > 0) {
      slot.chunk = Split(slot.chunk, slot.index);
    } else if (chunk.begin() <= id) {
      chunk.MoveBegin(chunk.IdAt(0));
    }
    slot = {chunks_.Insert(slot.chunk, PendingChunk(id, PendingChunk::kLeastCapacity)), 0, false};
  } else if (chunk.size() == PendingChunk::kMostRecords) {
    const size_t half = PendingChunk::kMostRecords / 2;
    const Chunks::Position upper = Split(slot.chunk, half);
    slot.chunk = chunks_.Previous(upper);
    if (chunks_[upper].begin() <= id) slot = {upper, slot.index - half, false};
  }
  chunks_[slot.chunk].Insert(slot.index, id, record);
  size_++;
}

// Cuts a chunk in two; returns the position of the second, which begins with the record at `index`.
PendingList::Chunks::Position PendingList::Split(Chunks::Position at, size_t index) {
  PendingChunk upper = chunks_[at].SplitOff(index);
  return chunks_.Insert(chunks_.Next(at), std::move(upper));
}

std::optional<ConsumerIndex> PendingList::Remove(StreamId id) {
  if (empty()) return std::nullopt;
  const Slot slot = Locate(id);
  if (!slot.found) return std::nullopt;
  PendingChunk& chunk = chunks_[slot.chunk];
  const PendingRecord record = chunk[slot.index];
  if (by_age_) by_age_->erase(AgeKey{record.age, id});
  chunk.Erase(slot.index);
  size_--;
  if (chunk.size() <= chunk.capacity() / 4) Tidy(slot.chunk);
  return record.consumer;
}

// After a removal: gives up an empty chunk, and joins or shrinks one that is mostly empty, so that
// a few entries that remain here and there do not hold a chunk each.
void PendingList::Tidy(Chunks::Position at) {
  if (empty()) {
    ClearChunks();
    return;
  }
  PendingChunk& chunk = chunks_[at];
  if (chunk.size() == 0) {
    chunks_.Erase(at);
    return;
  }
  // A queue eats its first chunk from the front: it will be gone soon.
  if (chunk.capacity() <= PendingChunk::kLeastCapacity || at == chunks_.begin()) return;
  const Chunks::Position before = chunks_.Previous(at);
  const Chunks::Position next = chunks_.Next(at);
  if (chunks_.Contains(next) && chunk.Absorb(chunks_[next])) {
    chunks_.Erase(next);
  } else if (chunks_[before].Absorb(chunk)) {
    chunks_.Erase(at);
  } else {
    chunk.Shrink(chunk.capacity() / 2);
  }
}

void PendingList::ClearChunks() {
  const bool small = chunks_.size() == 1 && chunks_.back().capacity() <= kSpareCapacity;
  if (!small) chunks_.Clear();
}

uint64_t PendingList::RemoveAllOf(ConsumerIndex consumer) {
  const uint64_t before = size_;
  const auto erased = [this](StreamId id, const PendingRecord& record) {
    if (by_age_) by_age_->erase(AgeKey{record.age, id});
    size_--;
  };
  for (auto at = chunks_.begin(); chunks_.Contains(at);) {
    PendingChunk& chunk = chunks_[at];
    if (!chunk.MayHold(consumer)) {
      at = chunks_.Next(at);
      continue;
    }
    chunk.EraseAllOf(consumer, erased);
    chunk.Shrink(2 * chunk.size());
    at = chunk.size() == 0 && chunks_.size() > 1 ? chunks_.Erase(at) : chunks_.Next(at);
  }
  if (empty()) ClearChunks();
  return before - size_;
}

// --- Stored form ---
//
//   list   := varint entries | varint releases | entry...
//   entry  := varint ms - previous ms | varint seq (less the previous one's if ms is the same)
//             | varint 0, varint release number                          if released
//             | varint consumer + 1, zigzag delivery time - previous one's
//             | varint deliveries

void PendingList::Serialize(Encoder* out) const {
  out->Varint(size_);
  out->Varint(releases_);
  StreamId previous;
  uint64_t time = 0;
  for (auto at = chunks_.begin(); chunks_.Contains(at); at = chunks_.Next(at)) {
    const PendingChunk& chunk = chunks_[at];
    for (size_t i = 0; i < chunk.size(); i++) {
      const PendingRecord& record = chunk[i];
      const auto age = static_cast<uint64_t>(record.age);
      const StreamId id = chunk.IdAt(i);
      out->Varint(id.ms - previous.ms);
      out->Varint(id.ms == previous.ms ? id.seq - previous.seq : id.seq);
      previous = id;
      if (record.consumer == kNoConsumer) {
        out->Varint(0);
        out->Varint(age - static_cast<uint64_t>(kReleased));
      } else {
        out->Varint(uint64_t{record.consumer} + 1);
        out->Signed(static_cast<int64_t>(age - time));
        time = age;
      }
      out->Varint(record.deliveries);
    }
    out->Checkpoint();
  }
}

bool PendingList::Load(Decoder* in, ConsumerIndex consumers) {
  const uint64_t count = in->Count(5);
  releases_ = in->Varint();
  if (releases_ > uint64_t{1} << 62) return false;
  StreamId id;
  uint64_t time = 0;
  for (uint64_t i = 0; i < count; i++) {
    const StreamId previous = id;
    const uint64_t ms = in->Varint();
    const uint64_t seq = in->Varint();
    id = {id.ms + ms, ms == 0 ? id.seq + seq : seq};
    const uint64_t consumer = in->Varint();
    PendingRecord record = {0, 0, kNoConsumer};
    if (consumer == 0) {
      const uint64_t release = in->Varint();
      if (release >= releases_) return false;
      record.age = kReleased + static_cast<int64_t>(release);
    } else {
      if (consumer > consumers) return false;
      time += static_cast<uint64_t>(in->Signed());
      record.age = static_cast<int64_t>(time);
      record.consumer = static_cast<ConsumerIndex>(consumer - 1);
    }
    record.deliveries = in->Varint();
    if (!in->ok() || id <= previous || record.deliveries > kMaxDeliveries) return false;
    Append(id, record);
  }
  return in->ok();
}

}  // namespace runnel
