#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/stream_id.h"

namespace runnel {

// Stands for a consumer in a pending entry: the number of the consumer in its group.
using ConsumerIndex = uint32_t;
// The index in entries that were released (XNACK) and can be claimed by any consumer.
inline constexpr ConsumerIndex kNoConsumer = std::numeric_limits<ConsumerIndex>::max();

// What a pending list keeps of an entry in addition to its ID.
struct PendingRecord {
  int64_t age;  // sorts by how long the entry has waited: its delivery time, mostly
  uint64_t deliveries;
  ConsumerIndex consumer;
};

// A part of a pending list: up to 128 records of 32 bytes, sorted by ID. All IDs are at or above
// begin(), within 2^32 ms, and have the same upper half of the sequence number: so 64 bits order
// them.
//
// The records are anywhere in the room of the chunk, without gaps. When a record is erased, the
// records on the shorter side move at once: a kilobyte on average, which is cheaper than keeping
// dead records and removing them later.
//
// A clone shares the records until one of the two is changed, which copies them first. The two may
// belong to different threads.
class PendingChunk {
 public:
  static constexpr size_t kMostRecords = 128;
  static constexpr size_t kLeastCapacity = 4;

  PendingChunk() = default;  // for containers; has no records and no memory
  // An empty chunk with room for `capacity` <= kMostRecords records.
  PendingChunk(StreamId begin, size_t capacity) : begin_(begin) { Resize(capacity); }
  PendingChunk(PendingChunk&& other) noexcept { *this = std::move(other); }
  PendingChunk& operator=(PendingChunk&& other) noexcept {
    if (this == &other) return *this;
    Release();
    slots_ = std::exchange(other.slots_, nullptr);
    holders_ = std::exchange(other.holders_, nullptr);
    begin_ = other.begin_;
    consumers_ = other.consumers_;
    least_age_ = other.least_age_;
    capacity_ = std::exchange(other.capacity_, uint16_t{0});
    first_ = std::exchange(other.first_, uint16_t{0});
    size_ = std::exchange(other.size_, uint16_t{0});
    return *this;
  }
  ~PendingChunk() { Release(); }
  PendingChunk Clone() const;

  StreamId begin() const { return begin_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  // Bytes of its room: a power of two, so the allocator does not round it up.
  size_t MemoryBytes() const { return capacity_ * sizeof(Slot); }

  // False if the chunk certainly holds nothing of that consumer.
  bool MayHold(ConsumerIndex consumer) const { return (consumers_ & BitOf(consumer)) != 0; }

  // No record of the chunk has a lower age.
  int64_t least_age() const { return least_age_; }

  // REQUIRES: index < size(), for both.
  StreamId IdAt(size_t index) const {
    const uint64_t key = slots_[first_ + index].key;
    return {begin_.ms + (key >> 32), begin_.seq >> 32 << 32 | (key & UINT32_MAX)};
  }
  const PendingRecord& operator[](size_t index) const { return slots_[first_ + index].record; }
  void Replace(size_t index, const PendingRecord& record) {
    Own();
    slots_[first_ + index].record = record;
    Note(record);
  }

  // The index of the first record whose ID is not below `id`; size() if there is none.
  size_t LowerBound(StreamId id) const {
    const uint64_t key = Fits(id) && begin_ <= id ? KeyOf(id) : LeastKeyFrom(id);
    const Slot* const first = slots_ + first_;
    const Slot* const found =
        std::lower_bound(first, first + size_, key,
                         [](const Slot& slot, uint64_t sought) { return slot.key < sought; });
    return static_cast<size_t>(found - first);
  }

  // True if the chunk can represent `id`. REQUIRES: `id` is not below begin().
  bool Fits(StreamId id) const {
    return id.ms - begin_.ms < UINT32_MAX && id.seq >> 32 == begin_.seq >> 32;
  }

  // Sets begin() to another ID, which is not above any ID of the chunk. Returns false, and does
  // nothing, if the chunk could not represent its IDs then.
  bool MoveBegin(StreamId begin);

  // For an empty chunk: begins again with `begin`.
  void Restart(StreamId begin);

  // Makes room for one more record after all others. Returns false if the chunk is full.
  bool MakeRoomAfter();
  // Adds a record after all others. REQUIRES: Fits(id), and MakeRoomAfter() has just returned
  // true.
  void Append(StreamId id, const PendingRecord& record) {
    Own();
    slots_[first_ + size_] = {KeyOf(id), record};
    size_++;
    Note(record);
  }
  // Adds a record before the one at `index`, or after all others. REQUIRES: Fits(id); size() <
  // kMostRecords.
  void Insert(size_t index, StreamId id, const PendingRecord& record);
  void Erase(size_t index);
  // Erases all records of a consumer, telling each to erased(ID, record).
  template <class Erased>
  void EraseAllOf(ConsumerIndex consumer, Erased erased);

  // Moves the records from `index` on to a new chunk. REQUIRES: 0 < index < size().
  PendingChunk SplitOff(size_t index);
  // Takes over the records of the next chunk, if keys and room allow it. Some room stays free, so
  // that the next insertion does not split the chunk again.
  bool Absorb(const PendingChunk& next);
  // Gives up room, at most down to what the records need.
  void Shrink(size_t capacity);

 private:
  struct Slot {
    uint64_t key;  // (ms - that of begin) << 32 | lower half of the sequence number
    PendingRecord record;
  };
  static_assert(sizeof(Slot) == 32);

  static constexpr uint64_t BitOf(ConsumerIndex consumer) { return uint64_t{1} << (consumer % 64); }

  void Note(const PendingRecord& record) {
    consumers_ |= BitOf(record.consumer);
    least_age_ = std::min(least_age_, record.age);
  }
  void ForgetRecords() {
    consumers_ = 0;
    least_age_ = std::numeric_limits<int64_t>::max();
  }
  uint64_t KeyOf(StreamId id) const { return (id.ms - begin_.ms) << 32 | (id.seq & UINT32_MAX); }
  uint64_t LeastKeyFrom(StreamId id) const;
  void Resize(size_t capacity);
  // Before the records are changed.
  void Own() {
    if (holders_ != nullptr) Unshare();
  }
  void Unshare();
  void Release();

  Slot* slots_ = nullptr;
  // How many chunks share slots_, counted beside them so that an unshared chunk, which has none,
  // pays one test and no room. It is made by the first clone, from a const chunk.
  mutable std::atomic<uint32_t>* holders_ = nullptr;
  StreamId begin_;
  uint64_t consumers_ = 0;  // bit c % 64 is set if consumer c may have a record here
  int64_t least_age_ = std::numeric_limits<int64_t>::max();
  uint16_t capacity_ = 0;
  uint16_t first_ = 0;  // the records lie in slots first_ ... first_ + size_ - 1
  uint16_t size_ = 0;
};

template <class Erased>
void PendingChunk::EraseAllOf(ConsumerIndex consumer, Erased erased) {
  Own();
  size_t kept = 0;
  ForgetRecords();
  for (size_t i = 0; i < size_; i++) {
    const Slot slot = slots_[first_ + i];
    if (slot.record.consumer == consumer) {
      erased(IdAt(i), slot.record);
      continue;
    }
    slots_[first_ + kept] = slot;
    kept++;
    Note(slot.record);
  }
  size_ = static_cast<uint16_t>(kept);
}

}  // namespace runnel
