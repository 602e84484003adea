#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/assert.h"

namespace runnel {

// A vector that may get long, in pages of kPage values: growing moves at most one page, and little
// memory is lost, which the allocator would add to one large piece. T is movable and
// default-constructible. References are valid until the next Grow.
template <class T, size_t kPage>
class PagedVector {
 public:
  template <class Vector, class Value>
  class Iterator {
   public:
    Iterator(Vector* vector, size_t at) : vector_(vector), at_(at) {}
    Value& operator*() const { return (*vector_)[at_]; }
    Iterator& operator++() {
      at_++;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    Vector* vector_;
    size_t at_;
  };

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) {
    ASSERT(i < size_);
    return pages_[i / kPage][i % kPage];
  }
  const T& operator[](size_t i) const {
    ASSERT(i < size_);
    return pages_[i / kPage][i % kPage];
  }
  auto begin() { return Iterator<PagedVector, T>(this, 0); }
  auto end() { return Iterator<PagedVector, T>(this, size_); }
  auto begin() const { return Iterator<const PagedVector, const T>(this, 0); }
  auto end() const { return Iterator<const PagedVector, const T>(this, size_); }

  // Adds this many values at the end. The last page takes no more memory than its values.
  void Grow(size_t count) {
    while (count > 0) {
      if (size_ % kPage == 0) pages_.emplace_back();
      std::vector<T>& page = pages_.back();
      const size_t added = std::min(count, kPage - page.size());
      page.reserve(page.size() + added);
      page.resize(page.size() + added);
      size_ += added;
      count -= added;
    }
  }

  // Without what the values own.
  size_t MemoryBytes() const {
    size_t bytes = pages_.capacity() * sizeof(std::vector<T>);
    for (const std::vector<T>& page : pages_) {
      bytes += page.capacity() * sizeof(T);
    }
    return bytes;
  }

 private:
  std::vector<std::vector<T>> pages_;
  size_t size_ = 0;
};

}  // namespace runnel
