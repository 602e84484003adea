#include "data/topic/key_index.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <cstdlib>
#include <iterator>
#include <new>

#include "base/assert.h"
#include "base/varint.h"

namespace runnel {
namespace {

// So many slots that a bucket fills a size of the allocator.
constexpr uint32_t kCapacities[] = {4, 6, 9, 12, 14, 20, 30, 41, 62, 84, 126, 169, 212, 254};

// How many entries a bucket may have: seven eighths of its slots, and one slot is always free.
size_t MostIn(uint32_t capacity) {
  return capacity - std::max<uint32_t>(1, capacity / 8);
}

}  // namespace

RecordKeyHash HashRecordKey(const TopicId& topic, std::string_view key) {
  static_assert(sizeof(TopicId) == crypto_shorthash_siphashx24_KEYBYTES);
  static_assert(sizeof(RecordKeyHash) == crypto_shorthash_siphashx24_BYTES);
  unsigned char bytes[crypto_shorthash_siphashx24_BYTES];
  crypto_shorthash_siphashx24(bytes, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                              reinterpret_cast<const unsigned char*>(topic.data()));
  RecordKeyHash hash;
  hash.high = ReadFixed<uint64_t>(reinterpret_cast<const char*>(bytes));
  hash.low = ReadFixed<uint64_t>(reinterpret_cast<const char*>(bytes) + sizeof(uint64_t));
  return hash;
}

// --- Buckets ---

KeyIndex::Bucket* KeyIndex::NewBucket(uint32_t capacity, uint8_t depth) {
  void* memory = std::malloc(sizeof(Bucket) + capacity * sizeof(Slot));
  CHECK(memory != nullptr);
  auto* bucket = new (memory) Bucket(capacity, depth);
  std::uninitialized_default_construct_n(bucket->slots(), capacity);
  return bucket;
}

void KeyIndex::Unref(Bucket* bucket) {
  if (bucket->references.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(bucket);
}

// The smallest capacity in which the entries, and one more, have room.
uint32_t KeyIndex::CapacityFor(size_t entries) {
  for (const uint32_t capacity : kCapacities) {
    if (MostIn(capacity) > entries) return capacity;
  }
  uint32_t capacity = kMostSlots;
  while (MostIn(capacity) <= entries) {
    capacity *= 2;
  }
  return capacity;
}

size_t KeyIndex::Bucket::SlotOf(const RecordKeyHash& hash) const {
  size_t slot = HomeOf(hash);
  while (slots()[slot].offset != kNone && slots()[slot].hash != hash) {
    slot = After(slot);
  }
  return slot;
}

void KeyIndex::Add(Bucket* bucket, const Slot& slot) {
  bucket->slots()[bucket->SlotOf(slot.hash)] = slot;
  bucket->size++;
}

// --- The directory ---

KeyIndex& KeyIndex::operator=(KeyIndex&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(depth_, other.depth_);
  std::swap(size_, other.size_);
  std::swap(expected_, other.expected_);
  std::swap(buckets_, other.buckets_);
  std::swap(bytes_, other.bytes_);
  std::swap(largest_, other.largest_);
  return *this;
}

KeyIndex KeyIndex::Clone() const {
  KeyIndex copy;
  copy.directory_ = directory_;
  copy.depth_ = depth_;
  copy.size_ = size_;
  copy.expected_ = expected_;
  copy.buckets_ = buckets_;
  copy.bytes_ = bytes_;
  copy.largest_ = largest_;
  for (size_t place = 0; place < directory_.size(); place += Span(*directory_[place].bucket)) {
    directory_[place].bucket->references.fetch_add(1, std::memory_order_relaxed);
  }
  return copy;
}

void KeyIndex::Clear() {
  for (size_t place = 0; place < directory_.size();) {
    Bucket* const bucket = directory_[place].bucket;
    place += Span(*bucket);
    Unref(bucket);
  }
  directory_ = {};
  depth_ = 0;
  size_ = expected_ = buckets_ = bytes_ = 0;
  largest_ = 0;
}

size_t KeyIndex::MemoryBytes() const {
  return bytes_ + directory_.capacity() * sizeof(Place);
}

// The bucket, which is new here, gets its places from `first` on.
void KeyIndex::Put(size_t first, Bucket* bucket) {
  std::fill_n(directory_.begin() + static_cast<ptrdiff_t>(first), Span(*bucket),
              Place{bucket, bucket->capacity});
  size_ += bucket->size;
  largest_ = std::max(largest_, bucket->capacity);
  buckets_++;
  bytes_ += sizeof(Bucket) + bucket->capacity * sizeof(Slot);
}

void KeyIndex::Drop(Bucket* bucket) {
  size_ -= bucket->size;
  buckets_--;
  bytes_ -= sizeof(Bucket) + bucket->capacity * sizeof(Slot);
  Unref(bucket);
}

// The bucket at the place, which nobody else has.
KeyIndex::Bucket* KeyIndex::Mutable(size_t place) {
  Bucket* const bucket = directory_[place].bucket;
  if (bucket->references.load(std::memory_order_acquire) == 1) return bucket;
  return Rebuild(place, bucket->capacity, 0);
}

// Replaces the bucket at the place by one with this capacity and the entries that are not below
// `floor`.
KeyIndex::Bucket* KeyIndex::Rebuild(size_t place, uint32_t capacity, uint64_t floor) {
  Bucket* const old = directory_[place].bucket;
  Bucket* const made = NewBucket(capacity, old->depth);
  for (size_t i = 0; i < old->capacity; i++) {
    const Slot& slot = old->slots()[i];
    if (slot.offset != kNone && slot.offset >= floor) Add(made, slot);
  }
  const size_t first = place & ~(Span(*old) - 1);
  Drop(old);
  Put(first, made);
  return made;
}

uint64_t KeyIndex::Find(const RecordKeyHash& hash) const {
  if (directory_.empty()) return kNone;
  const Bucket& bucket = *directory_[PlaceOf(hash)].bucket;
  return bucket.slots()[bucket.SlotOf(hash)].offset;
}

uint64_t KeyIndex::Set(const RecordKeyHash& hash, uint64_t offset, uint64_t floor) {
  ASSERT(offset != kNone);
  if (directory_.empty()) {
    directory_.emplace_back();
    Put(0, NewBucket(kCapacities[0], 0));
  }
  Bucket* bucket = Mutable(PlaceOf(hash));
  size_t slot = bucket->SlotOf(hash);
  const uint64_t before = bucket->slots()[slot].offset;
  if (before == kNone) {
    if (bucket->size >= MostIn(bucket->capacity)) {
      bucket = MakeRoom(hash, floor);
      slot = bucket->SlotOf(hash);
    }
    bucket->size++;
    size_++;
  }
  bucket->slots()[slot] = {hash, offset};
  return before;
}

// The bucket of the hash is full: returns the one that has room for it.
KeyIndex::Bucket* KeyIndex::MakeRoom(const RecordKeyHash& hash, uint64_t floor) {
  for (;;) {
    const size_t place = PlaceOf(hash);
    const Bucket& bucket = *directory_[place].bucket;
    size_t kept = 0;
    for (size_t i = 0; i < bucket.capacity; i++) {
      const uint64_t offset = bucket.slots()[i].offset;
      kept += offset != kNone && offset >= floor ? 1 : 0;
    }
    const bool forgets_much = kept + kept / 8 < bucket.size;
    if (forgets_much || bucket.capacity < kMostSlots || !MaySplit(bucket)) {
      return Rebuild(place, CapacityFor(kept), floor);
    }
    Split(place);
    Bucket* const half = directory_[PlaceOf(hash)].bucket;
    if (half->size < MostIn(half->capacity)) return half;
  }
}

// Hashes are spread evenly, so no bucket needs many more bits than others. Hashes that are not,
// from a damaged file, would let the directory grow without bound.
bool KeyIndex::MaySplit(const Bucket& bucket) const {
  return (size_t{1} << bucket.depth) <= 16 * (std::max(size_, expected_) / kMostSlots + 1);
}

void KeyIndex::DoubleDirectory() {
  std::vector<Place> doubled;
  doubled.reserve(2 * directory_.size());
  for (const Place& place : directory_) {
    doubled.push_back(place);
    doubled.push_back(place);
  }
  directory_ = std::move(doubled);
  depth_++;
}

void KeyIndex::Split(size_t place) {
  Bucket* const old = directory_[place].bucket;
  if (old->depth == depth_) {
    DoubleDirectory();
    place *= 2;
  }
  const size_t first = place & ~(Span(*old) - 1);
  const auto depth = static_cast<uint8_t>(old->depth + 1);
  size_t sizes[2] = {0, 0};
  const auto half_of = [depth](const Slot& slot) { return slot.hash.high >> (64 - depth) & 1; };
  for (size_t i = 0; i < old->capacity; i++) {
    const Slot& slot = old->slots()[i];
    if (slot.offset != kNone) sizes[half_of(slot)]++;
  }
  // A half that gets all entries needs no more slots than they have now: if it is full, it is split
  // in its turn.
  const auto capacity_for = [old](size_t size) {
    return std::min(CapacityFor(size), old->capacity);
  };
  Bucket* const halves[] = {NewBucket(capacity_for(sizes[0]), depth),
                            NewBucket(capacity_for(sizes[1]), depth)};
  for (size_t i = 0; i < old->capacity; i++) {
    const Slot& slot = old->slots()[i];
    if (slot.offset != kNone) Add(halves[half_of(slot)], slot);
  }
  Drop(old);
  Put(first, halves[0]);
  Put(first + Span(*halves[0]), halves[1]);
}

void KeyIndex::Erase(const RecordKeyHash& hash) {
  if (Find(hash) == kNone) return;
  if (size_ == 1) return Clear();
  const size_t place = PlaceOf(hash);
  Bucket* const bucket = Mutable(place);
  // Entries after it that would not be found any more move up.
  size_t hole = bucket->SlotOf(hash);
  Slot* const slots = bucket->slots();
  for (size_t at = bucket->After(hole); slots[at].offset != kNone; at = bucket->After(at)) {
    const size_t home = bucket->HomeOf(slots[at].hash);
    const size_t from_home = (at + bucket->capacity - home) % bucket->capacity;
    const size_t from_hole = (at + bucket->capacity - hole) % bucket->capacity;
    if (from_home < from_hole) continue;
    slots[hole] = slots[at];
    hole = at;
  }
  slots[hole] = Slot();
  bucket->size--;
  size_--;
  if (bucket->capacity > kCapacities[0] && bucket->size < bucket->capacity / 4) {
    Rebuild(place, CapacityFor(bucket->size), 0);
  }
}

}  // namespace runnel
