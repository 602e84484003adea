#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ref.h"

namespace runnel {

// A reference-counted byte buffer: lists and streams are made of blocks, and a message for many
// receivers is sent from one. Bytes are written once and never change; the owner of an open block
// appends after them. So a holder of a reference that remembers a size sees the same bytes as long
// as it holds the reference, from any thread.
//
// The buffer follows the header directly, in one allocation.
class Block {
 public:
  // A block with room for at least `capacity` bytes: room that the allocator adds by rounding up is
  // used.
  static Ref<Block> Create(size_t capacity);

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  size_t capacity() const { return capacity_; }

  // True if the caller holds the only reference: then bytes may also be overwritten.
  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }

  // Bytes of memory that the block takes, the header included.
  size_t MemoryBytes() const;

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const;

 private:
  Block() = default;

  mutable std::atomic<uint32_t> references_{1};
  uint32_t capacity_ = 0;
};

}  // namespace runnel
