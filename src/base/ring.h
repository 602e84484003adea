#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace runnel {

// A sequence with cheap pushes and pops at both ends and access by position: a circular vector. It
// is used instead of std::deque because an empty ring owns no memory (a list or a stream with one
// block is the common case, and a server has many). T is movable and default-constructible.
// References are valid until the next change of the sequence.
template <class T>
class Ring {
 public:
  Ring() = default;
  Ring(Ring&& other) noexcept { *this = std::move(other); }
  Ring& operator=(Ring&& other) noexcept {
    slots_ = std::move(other.slots_);
    capacity_ = std::exchange(other.capacity_, 0);
    first_ = std::exchange(other.first_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The number of allocated slots. The memory of the ring is capacity() * sizeof(T).
  size_t capacity() const { return capacity_; }

  T& operator[](size_t i) {
    ASSERT(i < size_);
    return slots_[Slot(i)];
  }
  const T& operator[](size_t i) const {
    ASSERT(i < size_);
    return slots_[Slot(i)];
  }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  T& PushBack(T value) {
    Reserve();
    size_++;
    return back() = std::move(value);
  }
  T& PushFront(T value) {
    Reserve();
    first_ = (first_ + capacity_ - 1) & (capacity_ - 1);
    size_++;
    return front() = std::move(value);
  }
  void PopBack() {
    back() = T();
    size_--;
    Shrink();
  }
  void PopFront() {
    front() = T();
    first_ = (first_ + 1) & (capacity_ - 1);
    size_--;
    Shrink();
  }

  // Puts `value` before position i (i == size() appends). Moves the shorter side.
  T& Insert(size_t i, T value) {
    Open(i, 1);
    return (*this)[i] = std::move(value);
  }
  // Puts `count` empty values before position i. Moves the shorter side.
  void Open(size_t i, size_t count) {
    ASSERT(i <= size_);
    if (count == 0) return;
    const size_t after = size_ - i;
    if (i < after) {
      for (size_t k = 0; k < count; k++) {
        PushFront(T());
      }
      for (size_t k = 0; k < i; k++) {
        (*this)[k] = std::move((*this)[k + count]);
      }
    } else {
      for (size_t k = 0; k < count; k++) {
        PushBack(T());
      }
      for (size_t k = size_; k-- > i + count;) {
        (*this)[k] = std::move((*this)[k - count]);
      }
    }
    for (size_t k = i; k < i + count; k++) {
      (*this)[k] = T();
    }
  }
  // Removes `count` values from position i on. Moves the shorter side.
  void Erase(size_t i, size_t count = 1) {
    ASSERT(i + count <= size_);
    if (count == 0) return;
    if (i < size_ - i - count) {
      for (size_t k = i; k-- > 0;) {
        (*this)[k + count] = std::move((*this)[k]);
      }
      while (count-- > 0) {
        PopFront();
      }
    } else {
      for (size_t k = i; k + count < size_; k++) {
        (*this)[k] = std::move((*this)[k + count]);
      }
      while (count-- > 0) {
        PopBack();
      }
    }
  }
  void Clear() {
    while (!empty()) {
      PopBack();
    }
  }

 private:
  // Larger than any ring; the numbers have few bits because there are many small rings.
  static constexpr size_t kMostSlots = size_t{1} << 31;

  size_t Slot(size_t i) const { return (first_ + i) & (capacity_ - 1); }

  void Reserve() {
    if (size_ == capacity_) Resize(capacity_ == 0 ? 1 : size_t{2} * capacity_);
  }
  // A ring that was long does not keep that memory. A short ring keeps it, so that a queue whose
  // length often falls to zero does not allocate each time.
  void Shrink() {
    if (capacity_ > 16 && size_ <= capacity_ / 8) Resize(capacity_ / 4);
  }
  void Resize(size_t capacity) {
    CHECK(capacity <= kMostSlots);
    auto slots = std::make_unique<T[]>(capacity);
    for (size_t i = 0; i < size_; i++) {
      slots[i] = std::move(slots_[Slot(i)]);
    }
    slots_ = std::move(slots);
    capacity_ = static_cast<uint32_t>(capacity);
    first_ = 0;
  }

  std::unique_ptr<T[]> slots_;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t first_ = 0;
  uint32_t size_ = 0;
};

}  // namespace runnel
