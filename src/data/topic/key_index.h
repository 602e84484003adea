#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "data/topic/names.h"

namespace runnel {

// A hash of the key of a record. Two keys are taken for the same if their hashes are equal.
struct RecordKeyHash {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const RecordKeyHash&) const = default;
};

// SipHash-2-4 with 128 bits of result. Clients cannot choose keys whose hashes are equal, also if
// they know the topic's ID. The result is stored.
RecordKeyHash HashRecordKey(const TopicId& topic, std::string_view key);

// A map from hashes to offsets, for partitions that keep the newest record of each key. It takes
// about 35 bytes a key.
//
// Entries are in buckets of at most 6 KiB, which split when they are full (extendible hashing), so
// no change takes longer than one of a bucket. Only when the number of buckets has doubled, the
// directory is copied: 16 bytes for about 150 keys.
class KeyIndex {
 public:
  static constexpr uint64_t kNone = UINT64_MAX;

  KeyIndex() = default;
  KeyIndex(KeyIndex&& other) noexcept { *this = std::move(other); }
  KeyIndex& operator=(KeyIndex&& other) noexcept;
  ~KeyIndex() { Clear(); }
  // Shares all buckets; a bucket is copied before it is changed. The two may be used on different
  // threads.
  KeyIndex Clone() const;

  // Entries, those included that Set may forget.
  size_t size() const { return size_; }
  size_t buckets() const { return buckets_; }
  // Whether the hashes are spread as those of keys are. Others come from damaged or forged bytes,
  // and would make each change slow.
  bool is_spread() const { return largest_ <= 2 * kMostSlots; }
  size_t MemoryBytes() const;

  // The offset of the hash; kNone if it has none.
  uint64_t Find(const RecordKeyHash& hash) const;
  // The hash has this offset from now on. Returns the one that it had, or kNone. When room is
  // needed, entries whose offset is below `floor` are forgotten. REQUIRES: offset != kNone.
  uint64_t Set(const RecordKeyHash& hash, uint64_t offset, uint64_t floor);
  // There are going to be so many entries: from now on Set may split buckets as if they were there,
  // with a directory for them. Without that, hashes that are set in their order would make the
  // first buckets too large. 0 ends it. REQUIRES: the number does not come from damaged bytes.
  void Expect(size_t entries) { expected_ = entries; }
  // Fetch what Set will look at into the processor's cache, while the caller does something else:
  // first the place in the directory, then the slot.
  void PrefetchPlace(const RecordKeyHash& hash) const {
    if (!directory_.empty()) __builtin_prefetch(&directory_[PlaceOf(hash)]);
  }
  void Prefetch(const RecordKeyHash& hash) const {
    if (directory_.empty()) return;
    const Place& place = directory_[PlaceOf(hash)];
    __builtin_prefetch(place.bucket, 1);
    __builtin_prefetch(place.bucket->slots() + HomeOf(hash, place.capacity), 1);
  }
  // Does nothing if the hash has no offset.
  void Erase(const RecordKeyHash& hash);
  void Clear();

  // Calls visit(hash, offset) for all entries whose offset is not below `floor`, in the order of
  // their hashes.
  template <class Visit>
  void ForEach(uint64_t floor, Visit visit) const;

 private:
  struct Slot {
    RecordKeyHash hash;
    uint64_t offset = kNone;  // kNone: the slot is free
  };
  static size_t HomeOf(const RecordKeyHash& hash, uint32_t capacity) {
    return static_cast<size_t>((static_cast<unsigned __int128>(hash.low) * capacity) >> 64);
  }
  // Has `capacity` slots after it. An entry is in the first free slot from its home on, in a ring.
  struct Bucket {
    Bucket(uint32_t slots, uint8_t bits) : capacity(slots), depth(bits) {}
    Slot* slots() { return reinterpret_cast<Slot*>(this + 1); }
    const Slot* slots() const { return reinterpret_cast<const Slot*>(this + 1); }
    size_t HomeOf(const RecordKeyHash& hash) const { return KeyIndex::HomeOf(hash, capacity); }
    size_t After(size_t slot) const { return slot + 1 == capacity ? 0 : slot + 1; }
    // The slot of the hash, or the free one that it would get.
    size_t SlotOf(const RecordKeyHash& hash) const;

    std::atomic<uint32_t> references{1};
    uint32_t size = 0;
    uint32_t capacity;
    uint8_t depth;  // so many leading bits of their hashes all entries have in common
  };
  static_assert(sizeof(Bucket) % alignof(Slot) == 0);
  // A bucket with so many slots is split.
  static constexpr uint32_t kMostSlots = 254;

  static Bucket* NewBucket(uint32_t capacity, uint8_t depth);
  static void Unref(Bucket* bucket);
  static uint32_t CapacityFor(size_t entries);
  static void Add(Bucket* bucket, const Slot& slot);

  size_t PlaceOf(const RecordKeyHash& hash) const {
    return depth_ == 0 ? 0 : static_cast<size_t>(hash.high >> (64 - depth_));
  }
  // The first place of the bucket in the directory, and how many it has.
  size_t Span(const Bucket& bucket) const { return size_t{1} << (depth_ - bucket.depth); }
  void Put(size_t first, Bucket* bucket);
  void Drop(Bucket* bucket);
  Bucket* Mutable(size_t place);
  Bucket* Rebuild(size_t place, uint32_t capacity, uint64_t floor);
  Bucket* MakeRoom(const RecordKeyHash& hash, uint64_t floor);
  void Split(size_t place);
  bool MaySplit(const Bucket& bucket) const;
  void DoubleDirectory();

  // A bucket, and its capacity, so that the slot of a hash is known without a look at the bucket.
  struct Place {
    Bucket* bucket = nullptr;
    uint32_t capacity = 0;
  };
  // By the leading `depth_` bits of a hash. A bucket with fewer bits stands in several places, and
  // has one reference for them all.
  std::vector<Place> directory_;
  uint8_t depth_ = 0;
  size_t size_ = 0;
  size_t expected_ = 0;
  size_t buckets_ = 0;
  size_t bytes_ = 0;      // of the buckets
  uint32_t largest_ = 0;  // most slots that a bucket ever had
};

template <class Visit>
void KeyIndex::ForEach(uint64_t floor, Visit visit) const {
  std::vector<Slot> sorted;
  for (size_t place = 0; place < directory_.size(); place += Span(*directory_[place].bucket)) {
    const Bucket& bucket = *directory_[place].bucket;
    sorted.clear();
    for (size_t i = 0; i < bucket.capacity; i++) {
      const Slot& slot = bucket.slots()[i];
      if (slot.offset != kNone && slot.offset >= floor) sorted.push_back(slot);
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const Slot& a, const Slot& b) { return a.hash < b.hash; });
    for (const Slot& slot : sorted) {
      visit(slot.hash, slot.offset);
    }
  }
}

}  // namespace runnel
