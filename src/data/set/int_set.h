#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

namespace runnel {

// A small set of integers, sorted in one allocation: 2, 4 or 8 bytes for each, as the largest of
// them needs. The object is one word.
class IntSet {
 public:
  // More belong into a table: an insertion moves half of the bytes.
  static constexpr size_t kMost = 512;

  IntSet() = default;
  ~IntSet();
  IntSet(IntSet&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  IntSet& operator=(IntSet&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  // Copies all members.
  IntSet Copy() const;

  size_t size() const { return data_ != nullptr ? data_->count : 0; }
  bool empty() const { return data_ == nullptr; }
  // In ascending order. REQUIRES: index < size().
  int64_t At(size_t index) const;
  bool Contains(int64_t member) const;
  // Returns whether the member is new. REQUIRES: size() < kMost or the member is in the set.
  bool Add(int64_t member);
  // Returns whether it was there.
  bool Remove(int64_t member);

  size_t MemoryBytes() const;

 private:
  struct Data {
    uint16_t count;
    uint16_t capacity;  // members
    uint16_t width;     // bytes of a member
    uint16_t unused;

    char* At(size_t index) { return reinterpret_cast<char*>(this + 1) + index * width; }
  };
  static_assert(sizeof(Data) == 8);

  static Data* Create(size_t count, size_t width);
  static void Write(Data* data, size_t index, int64_t member);
  size_t LowerBound(int64_t member) const;

  Data* data_ = nullptr;  // null if there is no member
};

}  // namespace runnel
