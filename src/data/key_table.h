#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "data/key_entry.h"

namespace runnel {

// The hash table from names to entries. It grows and shrinks by one bucket at a time (linear
// hashing), so no insertion ever waits for a rehash of millions of keys, and a walk with a cursor
// sees every key that is there during the whole walk.
//
// A bucket is one cache line: seven slots and the pointer to an overflow bucket. A slot holds the
// address of an entry in its low 48 bits and 16 bits of the hash above them, so a lookup touches
// the line of the bucket and, nearly always, only the entry that it looks for.
//
// The table does not own the entries.
class KeyTable {
 public:
  KeyTable();
  ~KeyTable();
  KeyTable(KeyTable&& other) noexcept;
  KeyTable& operator=(KeyTable&& other) noexcept;

  size_t size() const { return size_; }

  // `hash` is always HashKey(name). nullptr if there is no such key.
  KeyEntry* Find(uint64_t hash, std::string_view name) const;
  // Fetch what Find will look at into the processor's cache: the bucket, and then, once that is
  // there, the entry that Find probably gives.
  void PrefetchBucket(uint64_t hash) const { __builtin_prefetch(BucketAt(AddressOf(hash))); }
  void PrefetchEntry(uint64_t hash) const;
  // REQUIRES: no entry of this name is in the table.
  void Insert(uint64_t hash, KeyEntry* entry);
  // Takes the entry out and returns it; nullptr if there is none.
  KeyEntry* Remove(uint64_t hash, std::string_view name);

  // Visits the entries of one bucket and returns the cursor of the next; 0 begins and, returned,
  // ends. Every key that is in the table from the first call to the last is visited at least once,
  // whatever else comes and goes meanwhile. `visit` must not change the table.
  template <class Visit>
  uint64_t Scan(uint64_t cursor, Visit visit) const {
    for (const Bucket* bucket = BucketAt(AddressOf(cursor)); bucket != nullptr;
         bucket = bucket->next) {
      for (const uint64_t slot : bucket->slots) {
        if (slot != 0) visit(EntryOf(slot));
      }
    }
    return NextCursor(cursor);
  }

  // Visits all entries in no order. `visit` must not change the table.
  template <class Visit>
  void ForEach(Visit visit) const {
    uint64_t cursor = 0;
    do {
      cursor = Scan(cursor, visit);
    } while (cursor != 0);
  }

  // Some entry, chosen by `random` (any 64 bits); nullptr if the table is empty.
  KeyEntry* Random(uint64_t random) const;

  // Bytes of memory that the table itself takes.
  size_t MemoryBytes() const;

 private:
  static constexpr int kSlots = 7;
  struct Bucket {
    uint64_t slots[kSlots] = {};
    Bucket* next = nullptr;
  };
  static_assert(sizeof(Bucket) == 64);

  static KeyEntry* EntryOf(uint64_t slot) {
    return reinterpret_cast<KeyEntry*>(slot & ((uint64_t{1} << 48) - 1));
  }
  static uint64_t TagOf(uint64_t hash) { return hash & (uint64_t{0xffff} << 48); }

  uint64_t buckets() const { return (uint64_t{1} << level_) + split_; }
  uint64_t AddressOf(uint64_t hash) const;
  Bucket* BucketAt(uint64_t address) const;
  // Bits of the hash that address this bucket.
  int DepthOf(uint64_t address) const;
  uint64_t NextCursor(uint64_t cursor) const;

  void Add(Bucket* bucket, uint64_t slot);
  void Split();
  void Merge();
  void FreeChain(Bucket* bucket);
  void Clear();

  // Segment 0 holds buckets 0..3, segment k buckets 2^(k+1) .. 2^(k+2)-1. A segment is allocated
  // when its first bucket is needed and never moves.
  static constexpr int kFirstLevel = 2;
  std::array<Bucket*, 32> segments_{};
  int level_ =
      kFirstLevel;  // buckets below `split_` are addressed by level_ + 1 bits, others by level_
  uint64_t split_ = 0;
  size_t size_ = 0;
  size_t overflow_buckets_ = 0;
};

}  // namespace runnel
