#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "data/cold.h"
#include "data/list/block.h"

namespace runnel {

// Consecutive blocks of a list as a run. Elements count from 0, which is also what the blocks'
// start() counts from.
class ListRun final : public BlockRun {
 public:
  // The blocks in the order of the list; at least one, none of them empty or cold.
  explicit ListRun(std::vector<ListBlock> blocks);

  size_t blocks() const override { return blocks_.size(); }
  uint64_t block_bytes() const override { return block_bytes_; }
  uint64_t entries() const override { return static_cast<uint64_t>(blocks_.back().stop()); }
  size_t MemoryBytes() const override {
    return sizeof(*this) + blocks_.capacity() * sizeof(ListBlock) + block_bytes_;
  }

  const ListBlock& block(size_t i) const { return blocks_[i]; }
  // The block in which the element is. REQUIRES for these: element < entries().
  size_t Find(size_t element) const;
  std::string_view At(size_t element) const {
    const ListBlock& block = blocks_[Find(element)];
    return block.At(element - static_cast<size_t>(block.start()));
  }
  // Blocks of `count` elements from `first` on, shared with this.
  std::vector<ListBlock> Share(size_t first, size_t count) const;

  // The form is the number of blocks, and then the blocks. A block is the number of its elements
  // with a bit for whether it is reversed, the bytes of all its elements, and each element as its
  // size and its bytes, from the lowest slot to the top. All numbers are varints.
  void Serialize(Encoder* out) const override;
  static std::shared_ptr<const BlockRun> Load(Decoder* in);

 private:
  std::vector<ListBlock> blocks_;
  uint64_t block_bytes_ = 0;
};

}  // namespace runnel
