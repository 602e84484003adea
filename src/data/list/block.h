#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/block.h"
#include "base/ref.h"
#include "base/varint.h"
#include "data/cold.h"

namespace runnel {

// The members of a ListBlock, which can be copied as a whole.
struct ListBlockParts {
  // Never the number of slots of a block: the descriptor has no right to append.
  static constexpr uint16_t kForeign = 0x3fff;

  union {
    Block* block_ = nullptr;
    ColdExtent* extent_;  // of a cold one
  };
  int64_t start_ = 0;
  uint32_t begin_ = 0;  // offset of the first slot's bytes; of a cold one, the elements to skip
  uint32_t end_ = 0;    // offset after the last slot's bytes; of a cold one, bytes it counts for
  uint32_t count_ = 0;  // slots with elements; of a cold one, elements
  uint16_t first_ = 0;  // the lowest slot with an element
  uint16_t written_ : 14 = 0;  // slots that were ever written, as Append must know, or kForeign
  bool reversed_ : 1 = false;
  bool cold_ : 1 = false;
};

// A descriptor of consecutive elements of a list in one Block, as one list sees them: what the list
// keeps per block, and all that is needed to read it. The same few bytes can also be all that a
// list knows of a run of blocks on the disk (Cold). Then it has a start, a size and an extent, and
// nothing else may be asked for.
//
// A block is a row of slots, one for each element. Their bytes grow up from the block's front; a
// table with the 16-bit end offset of each slot grows down from the block's end:
//
//     | slot 0 | slot 1 | slot 2 |    free    | end of 2 | end of 1 | end of 0 |
//
// So any slot is found in O(1), for two bytes an element. New slots are only added on top, after
// the last one. At the back of a list this is the order of the elements. At the front, where each
// new element goes before the others, the block is reversed: its top slot is its first element. An
// element larger than kLargestSlot has a block of its own, without a table.
//
// Clones, snapshots and replies hold the same Block with descriptors of their own, perhaps in other
// threads. Popping changes the descriptor only. A slot is written by the one descriptor whose top
// is the top of the block, because it is after everything that another descriptor could look at; or
// by a descriptor that is the only holder of the block.
//
// Positions count the elements in the order of the list. A `value` argument must not be in the
// block, except where a function says so.
class ListBlock : private ListBlockParts {
 public:
  // The largest block takes 8 KiB, its header included.
  static constexpr size_t kMaxCapacity = 8192 - sizeof(Block);
  static constexpr size_t kTableEntry = sizeof(uint16_t);
  static constexpr size_t kLargestSlot = kMaxCapacity - kTableEntry;

  // Bytes that an element of `size` bytes takes in a block.
  static constexpr size_t Footprint(size_t size) { return size + kTableEntry; }

  // No block and no elements.
  ListBlock() = default;
  // A new block without elements and with room for a footprint of `capacity` (<= kMaxCapacity)
  // bytes.
  ListBlock(size_t capacity, bool reversed);
  // A new block for one element that is larger than kLargestSlot.
  static ListBlock Large(std::string_view value, bool reversed);
  // A second descriptor of the same elements, without the right to append.
  ListBlock Share() const;

  // `count` elements on the disk, after the first `skip` elements of the extent (a ListRun). They
  // count for `bytes` of its bytes.
  static ListBlock Cold(Ref<ColdExtent> extent, uint32_t skip, uint32_t count, uint32_t bytes);

  ListBlock(ListBlock&& other) noexcept { TakeFrom(other); }
  ListBlock& operator=(ListBlock&& other) noexcept {
    if (this == &other) return *this;
    Release();
    TakeFrom(other);
    return *this;
  }
  ~ListBlock() { Release(); }

  bool cold() const { return cold_; }
  // REQUIRES for these: cold().
  ColdExtent& extent() const { return *extent_; }
  Ref<ColdExtent> ShareExtent() const {
    extent_->AddRef();
    return Ref<ColdExtent>::Adopt(extent_);
  }
  uint32_t skip() const { return begin_; }
  uint32_t cold_bytes() const { return end_; }
  // The `count` elements from position `first` on as a block of their own, without a number, with
  // their share of the bytes.
  ListBlock ColdPart(size_t first, size_t count) const;
  // Drops elements at an end, but not all of them.
  void DropColdFront(size_t count) {
    ASSERT(cold_ && count < count_);
    start_ += static_cast<int64_t>(count);
    begin_ += static_cast<uint32_t>(count);
    count_ -= static_cast<uint32_t>(count);
  }
  void DropColdBack(size_t count) {
    ASSERT(cold_ && count < count_);
    count_ -= static_cast<uint32_t>(count);
  }

  size_t size() const { return count_; }
  // Bytes of the elements, and with their table entries.
  size_t bytes() const { return end_ - begin_; }
  size_t footprint() const { return bytes() + kTableEntry * count_; }
  bool reversed() const { return reversed_; }
  bool large() const { return bytes() > kLargestSlot && count_ == 1; }
  // Never null while there are elements.
  Block* block() const {
    ASSERT(!cold_);
    return block_;
  }
  // Whether both hold the same elements in the same place.
  bool SameAs(const ListBlock& other) const {
    return cold_ == other.cold_ && block_ == other.block_ && first_ == other.first_ &&
           count_ == other.count_;
  }

  // The number of the first element. Numbers ascend by one over the whole list. Adding and dropping
  // elements at the front changes the first number.
  int64_t start() const { return start_; }
  int64_t stop() const { return start_ + count_; }
  void set_start(int64_t start) { start_ = start; }

  // REQUIRES: position < size().
  std::string_view At(size_t position) const {
    ASSERT(position < count_);
    return Slot(reversed_ ? top() - 1 - position : first_ + position);
  }

  // Adds an element after the last one, or before the first one of a reversed block. Returns false,
  // and does nothing, if there is no room: the caller then needs MakeRoom or another block. `value`
  // may be in this block.
  bool Append(std::string_view value) {
    const size_t slot = top();
    if (slot != written_) return false;
    const size_t table = kTableEntry * (slot + 1);
    if (end_ + value.size() + table > block_->capacity()) return false;
    value.copy(block_->data() + end_, value.size());
    end_ += static_cast<uint32_t>(value.size());
    SetSlotEnd(slot, end_);
    count_++;
    written_++;
    start_ -= reversed_;
    return true;
  }

  // Makes the next Append of `size` bytes succeed, if the block should take the element: reuses the
  // room of popped elements, or moves the elements to a larger block. Returns false if the list
  // should open another block: this one is full, or it is shared and not worth copying.
  bool MakeRoom(size_t size);

  // Moves the elements to a block without free room, if this one has much of it. For a block that
  // will take no more elements.
  void TrimRoom();
  // Moves the elements to a smaller block if most of this one is no longer used. For the last block
  // of a list that was longer.
  void TrimAfterPops();

  // REQUIRES: count < size().
  void DropFront(size_t count) {
    start_ += static_cast<int64_t>(count);
    reversed_ ? DropTop(count) : DropBottom(count);
  }
  void DropBack(size_t count) { reversed_ ? DropBottom(count) : DropTop(count); }

  // Overwrites an element with `value` if that can be done in place: the size is the same and the
  // block has no other holder. `value` may be in this block.
  bool Overwrite(size_t position, std::string_view value);

  // The elements with `value` in place of the `removed` (0 or 1) at `position` (<= size()): one
  // block, or several of about the same size, in the order of the list and reversed like this one,
  // which stays as it is. `value` may be in this block.
  std::vector<ListBlock> Splice(size_t position, size_t removed, std::string_view value) const;

  // Removes the first (or last) `limit` elements equal to `value`; returns how many there were.
  // start() is not kept.
  size_t RemoveMatching(std::string_view value, size_t limit, bool from_back);
  // Removes the elements at these positions, which ascend. start() is not kept.
  void RemoveAt(std::span<const uint32_t> positions);

  // Whether both are so small that they should become one by Merge.
  bool JoinsWith(const ListBlock& next) const {
    return !cold_ && !next.cold_ && reversed_ == next.reversed_ &&
           footprint() + next.footprint() <= kMaxCapacity / 2;
  }
  // The elements of both in one block. REQUIRES: both are reversed or both are not, and their
  // footprints fit a block.
  static ListBlock Merge(const ListBlock& front, const ListBlock& back);

 private:
  // For lists on the disk no slot is ever the next one to be written.
  static constexpr uint16_t kColdFirst = 0xffff;

  ListBlockParts& parts() { return *this; }
  void TakeFrom(ListBlock& other) {
    // One by one, as they were written: a wider load right after narrower stores would stall.
    block_ = other.block_;
    start_ = other.start_;
    begin_ = other.begin_;
    end_ = other.end_;
    count_ = other.count_;
    first_ = other.first_;
    written_ = other.written_;
    reversed_ = other.reversed_;
    cold_ = other.cold_;
    other.block_ = nullptr;
    other.count_ = 0;
    other.cold_ = false;
  }
  void Release() {
    if (block_ == nullptr) return;
    cold_ ? extent_->Unref() : block_->Unref();
  }

  size_t top() const { return size_t{first_} + count_; }

  char* TableEntry(size_t slot) const {
    return block_->data() + block_->capacity() - kTableEntry * (slot + 1);
  }
  // Offsets of a slot from first_ to below top().
  uint32_t SlotBegin(size_t slot) const {
    return slot == first_ ? begin_ : ReadFixed<uint16_t>(TableEntry(slot - 1));
  }
  uint32_t SlotEnd(size_t slot) const {
    return slot + 1 == top() ? end_ : ReadFixed<uint16_t>(TableEntry(slot));
  }
  void SetSlotEnd(size_t slot, uint32_t end) {
    WriteFixed(TableEntry(slot), static_cast<uint16_t>(end));
  }
  std::string_view Slot(size_t slot) const {
    const uint32_t begin = SlotBegin(slot);
    return {block_->data() + begin, SlotEnd(slot) - begin};
  }

  void DropTop(size_t count) {
    ASSERT(count < count_);
    count_ -= static_cast<uint32_t>(count);
    end_ = ReadFixed<uint16_t>(TableEntry(top() - 1));
  }
  void DropBottom(size_t count) {
    ASSERT(count < count_);
    count_ -= static_cast<uint32_t>(count);
    first_ = static_cast<uint16_t>(first_ + count);
    begin_ = ReadFixed<uint16_t>(TableEntry(first_ - 1u));
  }

  size_t free_room() const { return block_->capacity() - end_ - kTableEntry * top(); }
  void MoveTo(size_t capacity);
  void SlideDown();
  void RemoveSlots(std::span<const size_t> slots);
  void AppendSlots(const ListBlock& from, size_t slot, size_t count);
};

// A long list is thousands of these.
static_assert(sizeof(ListBlock) == 32);

}  // namespace runnel
