#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/block.h"
#include "base/ref.h"
#include "data/fields/cell.h"

namespace runnel {

// A name with its value, as a bucket gives them out. The views are valid until the next change of
// the table that the bucket belongs to. Long bytes lie in a block, of which a caller may keep a
// reference; otherwise the block is null.
struct Field {
  std::string_view name;
  std::string_view value;
  const Block* name_block = nullptr;
  const Block* value_block = nullptr;
};

// Some elements of a FieldTable in one allocation, in no order:
//
//   header | tags | marks of the names | marks of the values | data
//
// There is a byte in each of the three rows for each of `slots` elements, of which `size` are used.
// A tag is 8 bits of the hash of the name. The marks (see Cell) say how many bytes of the data are
// the element's: its name, then its value, one element after the other. So a search compares tags,
// then sizes, then bytes; where an element lies is a sum of marks, eight of them at a time; and a
// change touches the rows, which are about a cache line, and the data from the element on.
//
// A bucket is counted by reference. Only one that is unique may be changed. The static functions
// that change one take over the caller's reference and return a reference to the bucket with the
// change: the same if it is unique and has the room, otherwise a copy.
class FieldBucket {
 public:
  static constexpr size_t kNowhere = SIZE_MAX;

  // Room for so many elements with so many bytes of data; what the allocator rounds up is used.
  static FieldBucket* Create(size_t count, size_t bytes);
  // With one element more. `bucket` may be null. REQUIRES: the name is not in the bucket.
  static FieldBucket* Add(FieldBucket* bucket, uint8_t tag, const Cell& name, const Cell& value);
  // REQUIRES for these: position < size().
  static FieldBucket* SetValue(FieldBucket* bucket, size_t position, const Cell& value);
  // Null if it was the last element.
  static FieldBucket* Erase(FieldBucket* bucket, size_t position);
  // All elements of both, of which either may be null.
  static FieldBucket* Join(FieldBucket* a, FieldBucket* b);
  // The elements for which `moves(name)` is true go to *moved, and the others stay. Either may
  // become null.
  template <class Moves>
  static FieldBucket* Split(FieldBucket* bucket, FieldBucket** moved, Moves moves);

  size_t size() const { return count_; }

  // The position of this name, or kNowhere.
  size_t Find(uint8_t tag, std::string_view name) const;
  // REQUIRES: position < size().
  Field At(size_t position) const { return FieldAt(position, OffsetOf(position)); }
  template <class Visit>
  void ForEach(Visit visit) const {
    size_t offset = 0;
    for (size_t i = 0; i < count_; i++) {
      visit(FieldAt(i, offset));
      offset += BytesAt(i);
    }
  }

  // Elements one after the other without a search for each.
  class Iterator {
   public:
    explicit Iterator(const FieldBucket* bucket) : bucket_(bucket) {}
    bool Valid() const { return bucket_ != nullptr && position_ < bucket_->size(); }
    // REQUIRES for these: Valid().
    Field Get() const { return bucket_->FieldAt(position_, offset_); }
    void Next() {
      offset_ += bucket_->BytesAt(position_);
      position_++;
    }

   private:
    const FieldBucket* bucket_;
    size_t position_ = 0;
    size_t offset_ = 0;
  };

  // Bytes of memory of the bucket and of the blocks that it refers to.
  size_t MemoryBytes() const;

  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }
  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) Free();
  }

 private:
  FieldBucket() = default;

  uint8_t* tags() { return reinterpret_cast<uint8_t*>(this + 1); }
  const uint8_t* tags() const { return reinterpret_cast<const uint8_t*>(this + 1); }
  uint8_t* names() { return tags() + slots_; }
  const uint8_t* names() const { return tags() + slots_; }
  uint8_t* values() { return tags() + size_t{2} * slots_; }
  const uint8_t* values() const { return tags() + size_t{2} * slots_; }
  char* data() { return reinterpret_cast<char*>(tags() + size_t{3} * slots_); }
  const char* data() const { return reinterpret_cast<const char*>(tags() + size_t{3} * slots_); }

  // Bytes that the data can still take.
  size_t room() const { return capacity_ - 3 * size_t{slots_} - used_; }
  size_t BytesAt(size_t position) const {
    return Cell::Bytes(names()[position]) + Cell::Bytes(values()[position]);
  }
  // Where the element's data begins.
  size_t OffsetOf(size_t position) const;
  Field FieldAt(size_t position, size_t offset) const;

  static FieldBucket* CopyOf(const FieldBucket& from, size_t count, size_t bytes);
  static void Replace(FieldBucket** bucket, FieldBucket* with) {
    (*bucket)->Unref();
    *bucket = with;
  }
  void Put(uint8_t tag, const Cell& name, const Cell& value);
  // Copies an element of another bucket; there is room for it.
  void PutFrom(const FieldBucket& from, size_t position, size_t offset);
  void PutAll(const FieldBucket& from);
  // Whether any name or value is in a block.
  bool HasBlocks() const;
  template <class Visit>
  void ForEachBlock(Visit visit) const;
  void Free() const;

  mutable std::atomic<uint32_t> references_{1};
  uint32_t capacity_ = 0;  // bytes after the header
  uint32_t used_ = 0;      // bytes of data
  uint16_t count_ = 0;
  uint16_t slots_ = 0;
};
static_assert(sizeof(FieldBucket) == 16);

template <class Moves>
FieldBucket* FieldBucket::Split(FieldBucket* bucket, FieldBucket** moved, Moves moves) {
  *moved = nullptr;
  if (bucket == nullptr) return nullptr;
  // A bit for each element; more than so many are split element by element.
  constexpr size_t kMost = 512;
  uint64_t marks[kMost / 64] = {};
  size_t counts[2] = {};
  size_t bytes[2] = {};
  const size_t looked_at = bucket->size() < kMost ? bucket->size() : kMost;
  const auto moves_at = [&](size_t i, size_t offset) {
    return i < kMost ? (marks[i / 64] >> (i % 64) & 1) != 0
                     : moves(bucket->FieldAt(i, offset).name);
  };
  size_t offset = 0;
  for (size_t i = 0; i < bucket->size(); i++) {
    const bool goes = moves(bucket->FieldAt(i, offset).name);
    if (i < looked_at && goes) marks[i / 64] |= uint64_t{1} << (i % 64);
    counts[goes]++;
    bytes[goes] += bucket->BytesAt(i);
    offset += bucket->BytesAt(i);
  }
  if (counts[1] == 0) return bucket;
  if (counts[0] == 0) {
    *moved = bucket;
    return nullptr;
  }
  FieldBucket* const parts[2] = {Create(counts[0], bytes[0]), Create(counts[1], bytes[1])};
  offset = 0;
  for (size_t i = 0; i < bucket->size(); i++) {
    parts[moves_at(i, offset)]->PutFrom(*bucket, i, offset);
    offset += bucket->BytesAt(i);
  }
  bucket->Unref();
  *moved = parts[1];
  return parts[0];
}

}  // namespace runnel
