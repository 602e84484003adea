#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

struct iovec;

namespace runnel {

// Bytes waiting to be sent: a chain of chunks that is written at the end and taken from the front. An empty
// rope owns no memory.
class Rope {
 public:
  Rope() = default;
  ~Rope() { Clear(); }
  Rope(const Rope&) = delete;
  Rope& operator=(const Rope&) = delete;
  Rope(Rope&& other) noexcept { Swap(other); }
  Rope& operator=(Rope&& other) noexcept {
    Swap(other);
    return *this;
  }

  // Bytes in the rope.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Bytes of memory that the rope holds.
  size_t MemoryBytes() const { return memory_; }

  // Room for `bytes` bytes in one piece at the end; Commit says how many of them were written. Until then the
  // place stays good as long as nothing else is appended.
  char* Reserve(size_t bytes) {
    if (tail_ == nullptr || tail_->capacity - tail_->end < bytes) AddChunk(bytes);
    return tail_->data() + tail_->end;
  }
  void Commit(const char* end) {
    const auto written = static_cast<uint32_t>(end - (tail_->data() + tail_->end));
    ASSERT(tail_->end + written <= tail_->capacity);
    tail_->end += written;
    size_ += written;
  }
  void Append(std::string_view bytes);
  // Takes all bytes of `other`, which is empty afterwards.
  void Append(Rope&& other);

  // Takes bytes back from the end until `size` are left (at most what is there).
  void Truncate(size_t size);
  // Takes the first `bytes` away (at most what is there).
  void Consume(size_t bytes);
  void Clear();

  // Describes the first `bytes` bytes, or as many of them as `count` vectors can, and returns how many
  // vectors were filled. They are good until the bytes are consumed.
  int Gather(size_t bytes, iovec* vectors, int count) const;
  // A copy of all bytes.
  std::string ToString() const;

 private:
  struct Chunk {
    Chunk* next;
    uint32_t capacity;
    uint32_t begin;
    uint32_t end;
    char* data() { return reinterpret_cast<char*>(this + 1); }
    const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  };

  void AddChunk(size_t least);
  void PopChunk();
  void Swap(Rope& other) {
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(size_, other.size_);
    std::swap(memory_, other.memory_);
  }

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  size_t size_ = 0;
  size_t memory_ = 0;
};

}  // namespace runnel
