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

// Bytes that wait to be sent: a chain of chunks that is written at the end and taken from the
// front. Most chunks are the rope's own; bytes for many receivers may be a slice of a block that
// their ropes share.
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

  // Room for `bytes` bytes in one piece at the end; Commit says how many of them were written. The
  // place is valid until then, or until something else is appended. For a number of bytes that the
  // caller bounds: Append cuts long bytes into chunks.
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
  // Appends bytes that are in `block` and never change. They are not copied if the rope is empty,
  // if it ends with the bytes directly before them in the block, or if they are more than a chunk
  // holds.
  void AppendSlice(const Ref<Block>& block, std::string_view slice);
  // Copies slices that are less than half of their block. For ropes that will wait: otherwise each
  // would keep a whole block for its few bytes.
  void Unshare();

  // Removes bytes from the end until `size` are left (at most as many as there are).
  void Truncate(size_t size);
  // Removes the first `bytes` bytes (at most as many as there are).
  void Consume(size_t bytes);
  // Moves the first `bytes` bytes (at most as many as there are) to a rope of their own.
  Rope TakeFront(size_t bytes);
  void Clear();

  // Describes the first `bytes` bytes, or as many of them as `count` vectors can, and returns how
  // many vectors were filled. They are valid until the bytes are consumed.
  int Gather(size_t bytes, iovec* vectors, int count) const;
  // A copy of all bytes.
  std::string ToString() const;

 private:
  struct Chunk {
    // For the rope's own bytes, which follow the chunk in the same allocation.
    static Chunk* Create(size_t capacity);
    // For a slice, without free room.
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
    Ref<Block> block;  // the block of the bytes, if they are not the rope's own
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
