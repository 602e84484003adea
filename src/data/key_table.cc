#include "data/key_table.h"

#include <bit>
#include <cstdlib>
#include <utility>

#include "base/assert.h"

namespace runnel {
namespace {

// Entries per bucket at which the table grows and shrinks: far enough apart that a table whose size
// swings does not split and merge the same bucket over and over.
constexpr size_t kGrowAt = 5;
constexpr size_t kShrinkAt = 2;

uint64_t ReverseBits(uint64_t value) {
  value = ((value >> 1) & 0x5555555555555555) | ((value & 0x5555555555555555) << 1);
  value = ((value >> 2) & 0x3333333333333333) | ((value & 0x3333333333333333) << 2);
  value = ((value >> 4) & 0x0f0f0f0f0f0f0f0f) | ((value & 0x0f0f0f0f0f0f0f0f) << 4);
  return __builtin_bswap64(value);
}

int SegmentOf(uint64_t address) {
  return address < 4 ? 0 : std::bit_width(address) - 2;
}
uint64_t SegmentBegin(int segment) {
  return segment == 0 ? 0 : uint64_t{2} << segment;
}
uint64_t SegmentSize(int segment) {
  return segment == 0 ? 4 : uint64_t{2} << segment;
}

}  // namespace

KeyTable::KeyTable() = default;

KeyTable::~KeyTable() {
  Clear();
}

KeyTable::KeyTable(KeyTable&& other) noexcept {
  *this = std::move(other);
}

KeyTable& KeyTable::operator=(KeyTable&& other) noexcept {
  std::swap(segments_, other.segments_);
  std::swap(level_, other.level_);
  std::swap(split_, other.split_);
  std::swap(size_, other.size_);
  std::swap(overflow_buckets_, other.overflow_buckets_);
  return *this;
}

void KeyTable::Clear() {
  for (uint64_t address = 0; address < buckets(); address++) {
    if (Bucket* bucket = BucketAt(address)) FreeChain(bucket->next);
  }
  for (Bucket* segment : segments_) {
    std::free(segment);
  }
  segments_ = {};
}

uint64_t KeyTable::AddressOf(uint64_t hash) const {
  const uint64_t address = hash & ((uint64_t{1} << level_) - 1);
  return address >= split_ ? address : hash & ((uint64_t{2} << level_) - 1);
}

KeyTable::Bucket* KeyTable::BucketAt(uint64_t address) const {
  const int segment = SegmentOf(address);
  Bucket* buckets = segments_[segment];
  return buckets == nullptr ? nullptr : buckets + (address - SegmentBegin(segment));
}

int KeyTable::DepthOf(uint64_t address) const {
  const bool was_split = address < split_ || address >= (uint64_t{1} << level_);
  return level_ + (was_split ? 1 : 0);
}

// Buckets are visited in the order of their addresses read with the bits reversed. A bucket that
// splits becomes two neighbours in that order, and two that merge were neighbours; so buckets
// before the cursor were seen and buckets after it follow, whatever size the table has by then.
// (The reversed cursor is an idea of Pieter Noordhuis in Redis's SCAN.)
uint64_t KeyTable::NextCursor(uint64_t cursor) const {
  const uint64_t mask = (uint64_t{1} << DepthOf(AddressOf(cursor))) - 1;
  return ReverseBits(ReverseBits(cursor | ~mask) + 1);
}

KeyEntry* KeyTable::Find(uint64_t hash, std::string_view name) const {
  const uint64_t tag = TagOf(hash);
  for (const Bucket* bucket = BucketAt(AddressOf(hash)); bucket != nullptr; bucket = bucket->next) {
    for (const uint64_t slot : bucket->slots) {
      if (slot != 0 && TagOf(slot) == tag && EntryOf(slot)->name() == name) return EntryOf(slot);
    }
  }
  return nullptr;
}

void KeyTable::PrefetchEntry(uint64_t hash) const {
  const Bucket* const bucket = BucketAt(AddressOf(hash));
  if (bucket == nullptr) return;
  for (const uint64_t slot : bucket->slots) {
    if (slot != 0 && TagOf(slot) == TagOf(hash)) return __builtin_prefetch(EntryOf(slot));
  }
}

void KeyTable::Insert(uint64_t hash, KeyEntry* entry) {
  ASSERT(Find(hash, entry->name()) == nullptr);
  if (segments_[0] == nullptr) {
    segments_[0] = static_cast<Bucket*>(std::calloc(SegmentSize(0), sizeof(Bucket)));
    CHECK(segments_[0] != nullptr);
  }
  Add(BucketAt(AddressOf(hash)), TagOf(hash) | reinterpret_cast<uint64_t>(entry));
  size_++;
  if (size_ > kGrowAt * buckets()) Split();
}

void KeyTable::Add(Bucket* bucket, uint64_t slot) {
  while (true) {
    for (uint64_t& place : bucket->slots) {
      if (place == 0) {
        place = slot;
        return;
      }
    }
    if (bucket->next == nullptr) {
      bucket->next = new Bucket;
      overflow_buckets_++;
    }
    bucket = bucket->next;
  }
}

KeyEntry* KeyTable::Remove(uint64_t hash, std::string_view name) {
  const uint64_t tag = TagOf(hash);
  for (Bucket* bucket = BucketAt(AddressOf(hash)); bucket != nullptr; bucket = bucket->next) {
    for (uint64_t& slot : bucket->slots) {
      if (slot == 0 || TagOf(slot) != tag || EntryOf(slot)->name() != name) continue;
      KeyEntry* entry = EntryOf(slot);
      slot = 0;
      size_--;
      if (size_ < kShrinkAt * buckets()) Merge();
      return entry;
    }
  }
  return nullptr;
}

void KeyTable::Split() {
  const uint64_t from = split_;
  const uint64_t to = from + (uint64_t{1} << level_);
  const int segment = SegmentOf(to);
  CHECK(segment < static_cast<int>(segments_.size()));
  if (segments_[segment] == nullptr) {
    // Zeroed by the kernel page by page as the buckets come into use.
    segments_[segment] = static_cast<Bucket*>(std::calloc(SegmentSize(segment), sizeof(Bucket)));
    CHECK(segments_[segment] != nullptr);
  }
  split_++;
  if (split_ == uint64_t{1} << level_) {
    level_++;
    split_ = 0;
  }

  Bucket* source = BucketAt(from);
  Bucket old = *source;
  *source = Bucket();
  for (Bucket* bucket = &old; bucket != nullptr; bucket = bucket->next) {
    for (const uint64_t slot : bucket->slots) {
      if (slot != 0) Add(BucketAt(AddressOf(EntryOf(slot)->hash_low())), slot);
    }
  }
  FreeChain(old.next);
}

void KeyTable::Merge() {
  if (level_ == kFirstLevel && split_ == 0) return;
  if (split_ == 0) {
    level_--;
    split_ = uint64_t{1} << level_;
  }
  split_--;
  const uint64_t from = split_ + (uint64_t{1} << level_);
  Bucket* source = BucketAt(from);
  Bucket* target = BucketAt(split_);
  for (Bucket* bucket = source; bucket != nullptr; bucket = bucket->next) {
    for (const uint64_t slot : bucket->slots) {
      if (slot != 0) Add(target, slot);
    }
  }
  FreeChain(source->next);
  *source = Bucket();
  const int segment = SegmentOf(from);
  if (from == SegmentBegin(segment)) {
    std::free(segments_[segment]);
    segments_[segment] = nullptr;
  }
}

void KeyTable::FreeChain(Bucket* bucket) {
  while (bucket != nullptr) {
    Bucket* next = bucket->next;
    delete bucket;
    overflow_buckets_--;
    bucket = next;
  }
}

KeyEntry* KeyTable::Random(uint64_t random) const {
  if (size_ == 0) return nullptr;
  // A bucket is drawn until one has entries; at no less than two entries a bucket few draws do.
  while (true) {
    random = random * 6364136223846793005 + 1442695040888963407;
    const Bucket* head = BucketAt((random >> 16) % buckets());
    size_t entries = 0;
    for (const Bucket* bucket = head; bucket != nullptr; bucket = bucket->next) {
      for (const uint64_t slot : bucket->slots) {
        entries += slot != 0 ? 1 : 0;
      }
    }
    if (entries == 0) continue;
    size_t chosen = (random >> 40) % entries;
    for (const Bucket* bucket = head; bucket != nullptr; bucket = bucket->next) {
      for (const uint64_t slot : bucket->slots) {
        if (slot != 0 && chosen-- == 0) return EntryOf(slot);
      }
    }
  }
}

size_t KeyTable::MemoryBytes() const {
  size_t bytes = overflow_buckets_ * sizeof(Bucket);
  for (int i = 0; i < static_cast<int>(segments_.size()); i++) {
    if (segments_[i] != nullptr) bytes += SegmentSize(i) * sizeof(Bucket);
  }
  return bytes;
}

}  // namespace runnel
