#include "base/block.h"

#include <cstdlib>
#include <limits>
#include <new>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {

Ref<Block> Block::Create(size_t capacity) {
  void* memory = std::malloc(sizeof(Block) + capacity);
  CHECK(memory != nullptr);
  Block* block = new (memory) Block;
  const size_t usable = AllocationSize(block) - sizeof(Block);
  CHECK(usable <= std::numeric_limits<uint32_t>::max());
  block->capacity_ = static_cast<uint32_t>(usable);
  return Ref<Block>::Adopt(block);
}

size_t Block::MemoryBytes() const {
  return sizeof(Block) + capacity_;
}

void Block::Unref() const {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Block* self = const_cast<Block*>(this);
  self->~Block();
  std::free(self);
}

}  // namespace runnel
