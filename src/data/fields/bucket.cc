#include "data/fields/bucket.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <new>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {
namespace {

constexpr uint64_t kEachByte = 0x0101010101010101;

uint64_t LoadWord(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// The last `count` (1 to 7) bytes before `end`, as the low bytes of a word. Eight bytes before
// `end` can be read: the header lies before the rows.
uint64_t LoadTail(const uint8_t* end, size_t count) {
  return LoadWord(end - sizeof(uint64_t)) >> (64 - 8 * count);
}

// The sum of the sizes in eight marks.
size_t SumOfWord(uint64_t marks) {
  marks &= ~(kEachByte * Cell::kInBlock);
  constexpr uint64_t kPairs = 0x00ff00ff00ff00ff;
  const uint64_t pairs = (marks & kPairs) + ((marks >> 8) & kPairs);
  return static_cast<size_t>((pairs * 0x0001000100010001) >> 48);
}

size_t SumOfMarks(const uint8_t* marks, size_t count) {
  size_t sum = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    sum += SumOfWord(LoadWord(marks + i));
  }
  if (i < count) sum += SumOfWord(LoadTail(marks + count, count - i));
  return sum;
}

}  // namespace

FieldBucket* FieldBucket::Create(size_t count, size_t bytes) {
  ASSERT(count > 0);
  void* const memory = std::malloc(sizeof(FieldBucket) + 3 * count + bytes);
  CHECK(memory != nullptr);
  FieldBucket* const bucket = new (memory) FieldBucket;
  const size_t capacity = AllocationSize(memory) - sizeof(FieldBucket);
  // Room that the allocator adds is shared out to rows and data, as the elements so far need them.
  const size_t spare = capacity - 3 * count - bytes;
  const size_t slots = count + spare / (3 + bytes / count);
  // So many elements do not have the same part of a hash under a secret seed.
  CHECK(slots <= std::numeric_limits<uint16_t>::max());
  bucket->capacity_ = static_cast<uint32_t>(capacity);
  bucket->slots_ = static_cast<uint16_t>(slots);
  return bucket;
}

size_t FieldBucket::OffsetOf(size_t position) const {
  return SumOfMarks(names(), position) + SumOfMarks(values(), position);
}

Field FieldBucket::FieldAt(size_t position, size_t offset) const {
  const uint8_t name = names()[position];
  const uint8_t value = values()[position];
  const char* const name_at = data() + offset;
  const char* const value_at = name_at + Cell::Bytes(name);
  Field field{Cell::Read(name, name_at), Cell::Read(value, value_at)};
  if (Cell::InBlock(name)) field.name_block = Cell::BlockAt(name_at);
  if (Cell::InBlock(value)) field.value_block = Cell::BlockAt(value_at);
  return field;
}

size_t FieldBucket::Find(uint8_t tag, std::string_view name) const {
  // The rows may lie in two lines, and both are looked at.
  __builtin_prefetch(reinterpret_cast<const char*>(this) + 64);
  const uint64_t sought = kEachByte * tag;
  for (size_t i = 0; i < count_; i += 8) {
    const size_t count = std::min<size_t>(count_ - i, 8);
    const uint64_t word = count == 8 ? LoadWord(tags() + i) : LoadTail(tags() + count_, count);
    // The high bit of each byte that is equal. A byte above an equal one may be marked although it
    // is not: then the names differ.
    const uint64_t differing = word ^ sought;
    uint64_t equal = (differing - kEachByte) & ~differing & (kEachByte << 7);
    for (; equal != 0; equal &= equal - 1) {
      const size_t at = i + static_cast<size_t>(std::countr_zero(equal)) / 8;
      if (at >= count_) break;
      const uint8_t mark = names()[at];
      if (!Cell::InBlock(mark) && mark != name.size()) continue;
      if (Cell::Read(mark, data() + OffsetOf(at)) == name) return at;
    }
  }
  return kNowhere;
}

bool FieldBucket::HasBlocks() const {
  uint8_t marks = 0;
  for (size_t i = 0; i < count_; i++) {
    marks |= names()[i] | values()[i];
  }
  return Cell::InBlock(marks);
}

template <class Visit>
void FieldBucket::ForEachBlock(Visit visit) const {
  if (!HasBlocks()) return;
  ForEach([&](const Field& field) {
    if (field.name_block != nullptr) visit(*field.name_block);
    if (field.value_block != nullptr) visit(*field.value_block);
  });
}

// A copy that has room for so many elements and bytes in all, which are not fewer.
FieldBucket* FieldBucket::CopyOf(const FieldBucket& from, size_t count, size_t bytes) {
  FieldBucket* const copy = Create(count, bytes);
  copy->PutAll(from);
  return copy;
}

void FieldBucket::PutAll(const FieldBucket& from) {
  std::memcpy(tags() + count_, from.tags(), from.count_);
  std::memcpy(names() + count_, from.names(), from.count_);
  std::memcpy(values() + count_, from.values(), from.count_);
  std::memcpy(data() + used_, from.data(), from.used_);
  count_ = static_cast<uint16_t>(count_ + from.count_);
  used_ += from.used_;
  from.ForEachBlock([](const Block& block) { block.AddRef(); });
}

void FieldBucket::PutFrom(const FieldBucket& from, size_t position, size_t offset) {
  const size_t bytes = from.BytesAt(position);
  tags()[count_] = from.tags()[position];
  names()[count_] = from.names()[position];
  values()[count_] = from.values()[position];
  std::memcpy(data() + used_, from.data() + offset, bytes);
  const Field field = FieldAt(count_, used_);
  if (field.name_block != nullptr) field.name_block->AddRef();
  if (field.value_block != nullptr) field.value_block->AddRef();
  count_++;
  used_ += static_cast<uint32_t>(bytes);
}

void FieldBucket::Put(uint8_t tag, const Cell& name, const Cell& value) {
  tags()[count_] = tag;
  names()[count_] = name.mark();
  values()[count_] = value.mark();
  name.Write(data() + used_);
  value.Write(data() + used_ + name.size());
  count_++;
  used_ += static_cast<uint32_t>(name.size() + value.size());
}

FieldBucket* FieldBucket::Add(FieldBucket* bucket, uint8_t tag, const Cell& name,
                              const Cell& value) {
  const size_t bytes = name.size() + value.size();
  if (bucket == nullptr) {
    bucket = Create(1, bytes);
  } else if (bucket->count_ == bucket->slots_ || bucket->room() < bytes || !bucket->unique()) {
    Replace(&bucket, CopyOf(*bucket, size_t{bucket->count_} + 1, bucket->used_ + bytes));
  }
  bucket->Put(tag, name, value);
  return bucket;
}

FieldBucket* FieldBucket::SetValue(FieldBucket* bucket, size_t position, const Cell& value) {
  const size_t old_bytes = Cell::Bytes(bucket->values()[position]);
  if (bucket->room() + old_bytes < value.size() || !bucket->unique()) {
    const size_t bytes = bucket->used_ + std::max(value.size(), old_bytes) - old_bytes;
    Replace(&bucket, CopyOf(*bucket, bucket->count_, bytes));
  }
  const size_t offset = bucket->OffsetOf(position);
  uint8_t& mark = bucket->values()[position];
  char* const at = bucket->data() + offset + Cell::Bytes(bucket->names()[position]);
  const Block* const old_block = Cell::InBlock(mark) ? Cell::BlockAt(at) : nullptr;
  if (value.size() != old_bytes) {
    const size_t after = bucket->used_ - static_cast<size_t>(at - bucket->data()) - old_bytes;
    std::memmove(at + value.size(), at + old_bytes, after);
    bucket->used_ += static_cast<uint32_t>(value.size()) - static_cast<uint32_t>(old_bytes);
  }
  value.Write(at);
  mark = value.mark();
  if (old_block != nullptr) old_block->Unref();
  return bucket;
}

FieldBucket* FieldBucket::Erase(FieldBucket* bucket, size_t position) {
  if (bucket->count_ == 1) {
    bucket->Unref();
    return nullptr;
  }
  const size_t offset = bucket->OffsetOf(position);
  const size_t bytes = bucket->BytesAt(position);
  const size_t count = bucket->count_ - size_t{1};
  const size_t left = bucket->used_ - bytes;
  // Memory is given back when more than half of it is unused.
  const bool sparse = bucket->capacity_ > 96 && 3 * count + left < bucket->capacity_ / 2;
  if (!bucket->unique() || sparse) {
    FieldBucket* const copy = Create(count, left);
    size_t at = 0;
    for (size_t i = 0; i < bucket->count_; i++) {
      if (i != position) copy->PutFrom(*bucket, i, at);
      at += bucket->BytesAt(i);
    }
    Replace(&bucket, copy);
    return bucket;
  }
  const Field field = bucket->FieldAt(position, offset);
  for (uint8_t* const row : {bucket->tags(), bucket->names(), bucket->values()}) {
    std::memmove(row + position, row + position + 1, count - position);
  }
  char* const at = bucket->data() + offset;
  std::memmove(at, at + bytes, left - offset);
  bucket->count_--;
  bucket->used_ = static_cast<uint32_t>(left);
  if (field.name_block != nullptr) field.name_block->Unref();
  if (field.value_block != nullptr) field.value_block->Unref();
  return bucket;
}

FieldBucket* FieldBucket::Join(FieldBucket* a, FieldBucket* b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  FieldBucket* const both = CopyOf(*a, size_t{a->count_} + b->count_, size_t{a->used_} + b->used_);
  both->PutAll(*b);
  a->Unref();
  b->Unref();
  return both;
}

size_t FieldBucket::MemoryBytes() const {
  size_t bytes = sizeof(FieldBucket) + capacity_;
  ForEachBlock([&](const Block& block) { bytes += block.MemoryBytes(); });
  return bytes;
}

void FieldBucket::Free() const {
  ForEachBlock([](const Block& block) { block.Unref(); });
  FieldBucket* const self = const_cast<FieldBucket*>(this);
  self->~FieldBucket();
  std::free(self);
}

}  // namespace runnel
