#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/block.h"
#include "base/ref.h"

namespace runnel {

// A byte string as it lies in a packed bucket or node: the bytes themselves if they are few,
// otherwise a block that holds them and their number, so that the bucket stays cheap to move. The
// mark of a cell is one byte beside it, which says how many bytes it takes and of which kind it is.
//
// A Cell object is a cell on its way into a bucket. It refers to the bytes that it was made from,
// and has a reference to the block, which goes to the bucket with it. So it is put into exactly
// one.
class Cell {
 public:
  // The longest string that can lie in a cell itself.
  static constexpr size_t kMostInline = 127;

  // `bytes` stay valid until the cell is put somewhere. More than `most_inline` go to a block.
  explicit Cell(std::string_view bytes, size_t most_inline = kMostInline) {
    if (bytes.size() <= most_inline) {
      view_ = bytes;
      return;
    }
    Ref<Block> block = Block::Create(bytes.size());
    std::memcpy(block->data(), bytes.data(), bytes.size());
    Refer(block.Release(), bytes.size());
  }
  // The same bytes that another cell refers to.
  Cell(const Block& block, size_t size) {
    block.AddRef();
    Refer(&block, size);
  }
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  uint8_t mark() const {
    return static_cast<uint8_t>(block_ ? kInBlock | kReference : view_.size());
  }
  // Bytes that the cell takes.
  size_t size() const { return block_ ? size_t{kReference} : view_.size(); }
  void Write(char* out) const {
    if (size() > 0) std::memcpy(out, block_ ? reference_ : view_.data(), size());
  }

  // What a mark says, and what lies in a cell with this mark at `in`.
  static bool InBlock(uint8_t mark) { return (mark & kInBlock) != 0; }
  static size_t Bytes(uint8_t mark) { return mark & ~size_t{kInBlock}; }
  static const Block* BlockAt(const char* in) {
    const Block* block;
    std::memcpy(&block, in, sizeof(block));
    return block;
  }
  static std::string_view Read(uint8_t mark, const char* in) {
    if (!InBlock(mark)) return {in, mark};
    uint32_t size;
    std::memcpy(&size, in + sizeof(const Block*), sizeof(size));
    return {BlockAt(in)->data(), size};
  }

  // What freeing the block of a string of so many bytes counts for (Object::FreeEffort): returning
  // the pages of a large one to the system takes time, too.
  static size_t FreeEffort(size_t bytes) { return 1 + bytes / 4096; }

  static constexpr uint8_t kInBlock = 0x80;
  // Bytes of a cell that refers to a block.
  static constexpr uint8_t kReference = sizeof(const Block*) + sizeof(uint32_t);

 private:
  void Refer(const Block* block, size_t size) {
    block_ = true;
    const uint32_t size32 = static_cast<uint32_t>(size);
    std::memcpy(reference_, &block, sizeof(block));
    std::memcpy(reference_ + sizeof(block), &size32, sizeof(size32));
  }

  std::string_view view_;
  bool block_ = false;
  char reference_[kReference];
};

}  // namespace runnel
