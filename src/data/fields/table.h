#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/prefetch.h"
#include "data/fields/bucket.h"

namespace runnel {

// A map from byte strings to byte strings: the fields of a hash, the members of a set (with empty
// values), the members of a sorted set (with their scores).
//
// Linear hashing, as in KeyTable: the table grows and shrinks by one bucket at a time, so no
// insertion waits for a rehash. A bucket packs its elements into one allocation (FieldBucket). A
// small table is exactly one bucket, and the table object is one word. A larger one has a
// directory: buckets in pages of 256.
//
// Buckets and pages are counted by reference. A copy (Share) shares all pages; a page, and then a
// bucket, that is shared is copied before it is changed. So a copy of ten million elements takes
// about two thousand references, and a change afterwards copies at most a page of 256 references
// and the buckets that it touches. Bytes that another holder can see never change: a copy may go to
// another thread.
//
// `hash` is always HashKey(name). Views that the table gives out are valid until its next change.
// Views that it is given must not be its own. A name or value has less than 4 GiB.
class FieldTable {
 public:
  class Iterator;

  FieldTable() = default;
  ~FieldTable() { Clear(); }
  FieldTable(FieldTable&& other) noexcept : root_(std::exchange(other.root_, 0)) {}
  FieldTable& operator=(FieldTable&& other) noexcept {
    std::swap(root_, other.root_);
    return *this;
  }

  // A copy that shares everything.
  FieldTable Share() const;

  size_t size() const {
    if (const Directory* all = directory()) return all->size;
    return single() != nullptr ? single()->size() : 0;
  }
  bool empty() const { return root_ == 0; }

  std::optional<Field> Find(uint64_t hash, std::string_view name) const;
  bool Contains(uint64_t hash, std::string_view name) const;

  // Fetches a small table into the processor's cache.
  void Prefetch() const {
    if (single() != nullptr) PrefetchLines(single(), 384);
  }

  // Returns whether the name is new. `name_block`, if there is one, holds the bytes of the name
  // from its beginning on: then the table refers to it and copies nothing.
  bool Set(uint64_t hash, std::string_view name, std::string_view value,
           const Block* name_block = nullptr);
  // Returns whether there was such an element.
  bool Remove(uint64_t hash, std::string_view name);
  void Clear();

  // Visits the elements of one bucket and returns the cursor of the next; 0 begins and, returned,
  // ends. Every element that is in the table from the first call to the last is visited at least
  // once, whatever else comes and goes meanwhile. Any cursor is taken.
  template <class Visit>
  uint64_t Scan(uint64_t cursor, Visit visit) const {
    if (const FieldBucket* bucket = BucketAt(AddressOf(cursor))) bucket->ForEach(visit);
    return NextCursor(cursor);
  }
  // Visits all elements, in no order.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (uint64_t address = 0; address < buckets(); address++) {
      if (const FieldBucket* bucket = BucketAt(address)) bucket->ForEach(visit);
    }
  }
  // The same one at a time.
  Iterator begin() const;

  // An element chosen by `random`, any 64 bits: each with the same probability if the bits are
  // evenly distributed. Takes O(1) on the average. REQUIRES: !empty().
  Field Random(uint64_t random) const;

  // Bytes of memory without the table object. Looks at `samples` buckets at most and scales up; 0
  // looks at all.
  size_t MemoryBytes(size_t samples) const;
  // About how many allocations freeing the table frees.
  size_t FreeEffort() const;
  // Where an element is, until the next change.
  struct Place {
    uint32_t bucket = 0;
    uint32_t position = 0;
  };
  Field At(Place place) const { return BucketAt(place.bucket)->At(place.position); }
  template <class Visit>
  void ForEachPlace(Visit visit) const {
    for (uint64_t address = 0; address < buckets(); address++) {
      const FieldBucket* const bucket = BucketAt(address);
      for (size_t i = 0; bucket != nullptr && i < bucket->size(); i++) {
        visit(Place{static_cast<uint32_t>(address), static_cast<uint32_t>(i)});
      }
    }
  }

  // How many references a copy takes.
  size_t ShareEffort() const { return directory() != nullptr ? directory()->pages.size() : 1; }

 private:
  // Some buckets, any of which may be null.
  class Page;
  struct Directory {
    std::vector<Page*> pages;
    // Buckets below `split` are addressed by level + 1 bits of the hash, others by `level`.
    int level = 0;
    uint32_t most = 0;  // no bucket has more elements
    uint64_t split = 0;
    uint64_t size = 0;          // elements
    uint64_t block_effort = 0;  // of freeing the blocks of long names and values
  };

  // root_ is a bucket, or with bit 0 set a directory, or 0.
  FieldBucket* single() const {
    return (root_ & 1) == 0 ? reinterpret_cast<FieldBucket*>(root_) : nullptr;
  }
  Directory* directory() const {
    return (root_ & 1) != 0 ? reinterpret_cast<Directory*>(root_ - 1) : nullptr;
  }
  static uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }

  uint64_t buckets() const {
    const Directory* const all = directory();
    return all == nullptr ? 1 : (uint64_t{1} << all->level) + all->split;
  }
  uint64_t AddressOf(uint64_t hash) const {
    const Directory* const all = directory();
    if (all == nullptr) return 0;
    const uint64_t address = hash & ((uint64_t{1} << all->level) - 1);
    return address >= all->split ? address : hash & ((uint64_t{2} << all->level) - 1);
  }
  const FieldBucket* BucketAt(uint64_t address) const;
  int DepthOf(uint64_t address) const;
  uint64_t NextCursor(uint64_t cursor) const;

  FieldBucket** WritableSlot(uint64_t address);
  void BecomeLarge();
  void BecomeSingle();
  void Split();
  void Merge();

  uintptr_t root_ = 0;
};

class FieldTable::Iterator {
 public:
  bool Valid() const { return at_.Valid(); }
  // REQUIRES for these: Valid().
  Field Get() const { return at_.Get(); }
  void Next() {
    at_.Next();
    if (!at_.Valid()) FindBucket();
  }

 private:
  friend class FieldTable;
  explicit Iterator(const FieldTable* table) : table_(table) { FindBucket(); }

  void FindBucket();

  const FieldTable* table_;
  uint64_t next_ = 0;  // bucket
  FieldBucket::Iterator at_{nullptr};
};

inline FieldTable::Iterator FieldTable::begin() const {
  return Iterator(this);
}

}  // namespace runnel
