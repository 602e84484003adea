#include "data/stream/pending_chunk.h"

#include <bit>
#include <utility>

#include "base/assert.h"

namespace runnel {

PendingChunk PendingChunk::Clone() const {
  PendingChunk copy;
  copy.begin_ = begin_;
  if (slots_ == nullptr) return copy;
  if (holders_ == nullptr) {
    holders_ = new std::atomic<uint32_t>(2);
  } else {
    holders_->fetch_add(1, std::memory_order_relaxed);
  }
  copy.slots_ = slots_;
  copy.holders_ = holders_;
  copy.consumers_ = consumers_;
  copy.least_age_ = least_age_;
  copy.capacity_ = capacity_;
  copy.first_ = first_;
  copy.size_ = size_;
  return copy;
}

void PendingChunk::Unshare() {
  if (holders_->load(std::memory_order_acquire) == 1) {
    delete std::exchange(holders_, nullptr);
  } else {
    Resize(capacity_);
  }
}

void PendingChunk::Release() {
  if (holders_ != nullptr) {
    if (holders_->fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    delete holders_;
  }
  delete[] slots_;
}

// The least key that an ID not below `id` could have, for an `id` that has none itself.
uint64_t PendingChunk::LeastKeyFrom(StreamId id) const {
  if (id < begin_) return 0;
  const uint64_t ms = id.ms - begin_.ms;
  if (ms >= UINT32_MAX) return std::numeric_limits<uint64_t>::max();
  // The upper halves of the sequence numbers differ: all IDs of that time are on one side.
  return (id.seq >> 32 < begin_.seq >> 32 ? ms : ms + 1) << 32;
}

bool PendingChunk::MoveBegin(StreamId begin) {
  Own();
  const uint64_t shift = begin_.ms - begin.ms;
  const uint64_t last = size_ == 0 ? 0 : slots_[first_ + size_ - 1u].key;
  if (begin.seq >> 32 != begin_.seq >> 32 || shift + (last >> 32) >= UINT32_MAX) return false;
  for (size_t i = 0; i < size_; i++) {
    slots_[first_ + i].key += shift << 32;
  }
  begin_ = begin;
  return true;
}

void PendingChunk::Restart(StreamId begin) {
  ASSERT(size_ == 0);
  begin_ = begin;
  ForgetRecords();
  first_ = 0;
}

bool PendingChunk::MakeRoomAfter() {
  if (first_ + size_ < capacity_) return true;
  // The window of a queue has come to the end of its room. It moves back to the start if that wins
  // a good part of the room, so that each record is moved a few times at most.
  if (first_ >= capacity_ / 4) {
    Own();  // which moves it back already if the records were shared
    if (first_ > 0) std::copy_n(slots_ + first_, size_, slots_);
    first_ = 0;
    return true;
  }
  if (capacity_ == kMostRecords) return false;
  Resize(std::min(size_t{2} * capacity_, kMostRecords));
  return true;
}

void PendingChunk::Insert(size_t index, StreamId id, const PendingRecord& record) {
  ASSERT(size_ < kMostRecords && Fits(id));
  if (size_ == capacity_) Resize(std::min(size_t{2} * capacity_, kMostRecords));
  Own();
  // The shorter side moves, if both have room.
  Slot* const first = &slots_[first_];
  const bool room_behind = first_ + size_ < capacity_;
  if (room_behind && (index >= size_ / 2u || first_ == 0)) {
    std::move_backward(first + index, first + size_, first + size_ + 1);
  } else {
    std::move(first, first + index, first - 1);
    first_--;
  }
  size_++;
  slots_[first_ + index] = {KeyOf(id), record};
  Note(record);
}

void PendingChunk::Erase(size_t index) {
  Own();
  Slot* const first = &slots_[first_];
  if (index < size_ / 2u) {
    std::move_backward(first, first + index, first + index + 1);
    first_++;
  } else {
    std::move(first + index + 1, first + size_, first + index);
  }
  size_--;
}

PendingChunk PendingChunk::SplitOff(size_t index) {
  const size_t size = size_ - index;
  PendingChunk upper(IdAt(index), std::max(kLeastCapacity, std::bit_ceil(size)));
  const uint64_t shift = (upper.begin_.ms - begin_.ms) << 32;
  for (size_t i = 0; i < size; i++) {
    upper.slots_[i] = slots_[first_ + index + i];
    upper.slots_[i].key -= shift;
  }
  upper.consumers_ = consumers_;
  upper.least_age_ = least_age_;
  upper.size_ = static_cast<uint16_t>(size);
  size_ = static_cast<uint16_t>(index);
  return upper;
}

bool PendingChunk::Absorb(const PendingChunk& next) {
  const size_t size = size_t{size_} + next.size_;
  if (size > kMostRecords * 3 / 4 || !Fits(next.begin_) || !Fits(next.IdAt(next.size_ - 1u))) {
    return false;
  }
  if (first_ + size > capacity_) Resize(std::bit_ceil(size));
  Own();
  const uint64_t shift = (next.begin_.ms - begin_.ms) << 32;
  for (size_t i = 0; i < next.size_; i++) {
    Slot& slot = slots_[first_ + size_ + i];
    slot = next.slots_[next.first_ + i];
    slot.key += shift;
  }
  size_ = static_cast<uint16_t>(size);
  consumers_ |= next.consumers_;
  least_age_ = std::min(least_age_, next.least_age_);
  return true;
}

void PendingChunk::Shrink(size_t capacity) {
  capacity = std::max({capacity, kLeastCapacity, std::bit_ceil(size_t{size_})});
  if (capacity < capacity_) Resize(capacity);
}

void PendingChunk::Resize(size_t capacity) {
  Slot* const slots = new Slot[capacity];
  if (size_ > 0) std::copy_n(slots_ + first_, size_, slots);
  Release();
  slots_ = slots;
  holders_ = nullptr;
  capacity_ = static_cast<uint16_t>(capacity);
  first_ = 0;
}

}  // namespace runnel
