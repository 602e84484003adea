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
// Most are the rope's own; what many receive alike may be a slice of a block that they share.
//
// Memory: an empty rope owns none. A rope takes at most twice its bytes and about 1 MiB more (a
// chunk goes when its last byte is taken), also if it grew from many small ropes: they are packed.
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
  // Bytes of memory that the rope holds. A shared slice counts in full, for each rope that has it.
  size_t MemoryBytes() const { return memory_; }

  // Room for `bytes` bytes in one piece at the end; Commit says how many of them were written.
  // Until then the place stays good as long as nothing else is appended. For bytes whose number is
  // bounded by the caller: Append cuts what is long into chunks.
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
  // Takes all bytes of `other`, which is empty afterwards. Bytes that fit the room at the end are
  // copied there; whole chunks change their owner.
  void Append(Rope&& other);
  // Appends bytes that lie in `block` and never change. They are not copied where the rope is
  // empty, or ends with what lies directly before them in the block, or they are more than a chunk
  // holds.
  void AppendSlice(const Ref<Block>& block, std::string_view slice);
  // Copies slices that are less than half of their block. For ropes that are to wait: each would
  // keep a whole block for its few bytes.
  void Unshare();

  // Takes bytes back from the end until `size` are left (at most what is there).
  void Truncate(size_t size);
  // Takes the first `bytes` away (at most what is there).
  void Consume(size_t bytes);
  // Takes the first `bytes` (at most what is there) out as a rope of their own.
  Rope TakeFront(size_t bytes);
  void Clear();

  // Describes the first `bytes` bytes, or as many of them as `count` vectors can, and returns how
  // many vectors were filled. They are good until the bytes are consumed.
  int Gather(size_t bytes, iovec* vectors, int count) const;
  // A copy of all bytes.
  std::string ToString() const;

 private:
  struct Chunk {
    // Of the rope's own bytes, which lie after the chunk in the same allocation.
    static Chunk* Create(size_t capacity);
    // Of a slice, which leaves no room.
    static Chunk* Create(const Ref<Block>& block, std::string_view slice);
    static void Destroy(Chunk* chunk);

    size_t size() const { return end - begin; }
    std::string_view view() const { return {bytes + begin, size()}; }
    size_t room() const { return capacity - end; }
    size_t MemoryBytes() const { return sizeof(Chunk) + capacity; }

    Chunk* next = nullptr;
    char* bytes;        // written up to `end`, taken up to `begin`
    uint32_t capacity;  // of a slice: its end
    uint32_t begin = 0;
    uint32_t end;
    Ref<Block> block;  // that the bytes lie in if they are not the rope's own
  };

  static bool IsPackedInto(const Chunk& tail, const Chunk& chunk);
  void AddChunk(size_t least);
  // Links the chunk, and counts its memory and bytes.
  void Push(Chunk* chunk);
  // Unlinks the first chunk, and counts its memory and bytes no more. REQUIRES: head_ != nullptr.
  Chunk* TakeChunk();
  void PopChunk() { Chunk::Destroy(TakeChunk()); }
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
