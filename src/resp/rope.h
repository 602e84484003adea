#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/block.h"
#include "base/ref.h"

struct iovec;

namespace runnel {

// Bytes waiting to be sent: a chain of chunks that is written at the end and taken from the front.
// Most are the rope's own; what many receive alike may be a slice of a block that they share. An
// empty rope owns no memory.
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
  // Bytes of memory that the rope holds for itself.
  size_t MemoryBytes() const { return memory_; }

  // Room for `bytes` bytes in one piece at the end; Commit says how many of them were written.
  // Until then the place stays good as long as nothing else is appended.
  char* Reserve(size_t bytes) {
    if (tail_ == nullptr || tail_->capacity - tail_->end < bytes) AddChunk(bytes);
    return tail_->bytes + tail_->end;
  }
  void Commit(const char* end) {
    const auto written = static_cast<uint32_t>(end - (tail_->bytes + tail_->end));
    ASSERT(tail_->end + written <= tail_->capacity);
    tail_->end += written;
    size_ += written;
  }
  void Append(std::string_view bytes);
  // Takes all bytes of `other`, which is empty afterwards.
  void Append(Rope&& other);
  // Appends bytes that lie in `block` and never change. They are not copied where the rope is
  // empty, or ends with what lies directly before them in the block.
  void AppendSlice(const Ref<Block>& block, std::string_view slice);
  // Copies what is shared. For ropes that are to wait: each would keep a whole block for its few
  // bytes.
  void Unshare();

  // Takes bytes back from the end until `size` are left (at most what is there).
  void Truncate(size_t size);
  // Takes the first `bytes` away (at most what is there).
  void Consume(size_t bytes);
  void Clear();

  // Describes the first `bytes` bytes, or as many of them as `count` vectors can, and returns how
  // many vectors were filled. They are good until the bytes are consumed.
  int Gather(size_t bytes, iovec* vectors, int count) const;
  // A copy of all bytes.
  std::string ToString() const;

 private:
  struct Chunk {
    // Of the rope's own bytes, which lie behind the chunk in the same allocation.
    static Chunk* Create(size_t capacity);
    // Of a slice, which leaves no room.
    static Chunk* Create(const Ref<Block>& block, std::string_view slice);
    static void Destroy(Chunk* chunk);

    size_t size() const { return end - begin; }
    size_t MemoryBytes() const { return sizeof(Chunk) + (block ? 0 : capacity); }

    Chunk* next = nullptr;
    char* bytes;  // written up to `end`, taken up to `begin`
    uint32_t capacity;
    uint32_t begin = 0;
    uint32_t end;
    Ref<Block> block;  // that the bytes lie in if they are not the rope's own
  };

  void AddChunk(size_t least);
  void Push(Chunk* chunk);
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
