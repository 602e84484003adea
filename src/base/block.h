#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ref.h"

namespace runnel {

// A reference-counted byte buffer: what lists and streams are made of, and what replies to many are
// sent from. Bytes are written once and never change; the owner of an open block appends behind
// them. So whoever holds a reference and remembers a size sees the same bytes for as long as it
// likes, from any thread.
//
// The buffer lies directly behind the header in one allocation.
class Block {
 public:
  // A block with room for `capacity` bytes or a few more: what the allocator rounds up to is used.
  static Ref<Block> Create(size_t capacity);

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  size_t capacity() const { return capacity_; }

  // True if nobody but the caller holds a reference: then bytes may also be taken back.
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
