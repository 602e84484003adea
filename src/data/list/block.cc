#include "data/list/block.h"

#include <algorithm>
#include <limits>
#include <span>

namespace runnel {
namespace {

// The smallest block takes 64 bytes, its header included.
constexpr size_t kMinCapacity = 64 - sizeof(Block);
// What is smaller than this is not worth making smaller.
constexpr size_t kSmallCapacity = 1024 - sizeof(Block);

// Makes blocks of `values`, in their order: one if they fit, else several of about half of all
// bytes, so that the next element put in at the same place finds room.
std::vector<ListBlock> Pack(std::span<const std::string_view> values, bool reversed) {
  size_t total = 0;
  for (const std::string_view value : values) {
    total += ListBlock::Footprint(value.size());
  }
  const size_t target = total <= ListBlock::kMaxCapacity ? total : total / 2;
  std::vector<ListBlock> blocks;
  for (size_t i = 0; i < values.size();) {
    if (values[i].size() > ListBlock::kLargestSlot) {
      blocks.push_back(ListBlock::Large(values[i++], reversed));
      continue;
    }
    size_t end = i;
    size_t size = 0;
    while (end < values.size() && size < target) {
      const size_t more = ListBlock::Footprint(values[end].size());
      if (size + more > ListBlock::kMaxCapacity) break;
      size += more;
      end++;
    }
    ListBlock& block = blocks.emplace_back(size, reversed);
    for (; i < end; i++) {
      CHECK(block.Append(values[i]));
    }
  }
  return blocks;
}

}  // namespace

ListBlock::ListBlock(size_t capacity, bool reversed) {
  block_ = Block::Create(std::max(capacity, kMinCapacity)).Release();
  reversed_ = reversed;
  // Offsets are 16-bit and numbers of slots 14-bit, whatever the allocator rounds up to.
  ASSERT(block_->capacity() < kForeign * kTableEntry);
}

ListBlock ListBlock::Large(std::string_view value, bool reversed) {
  CHECK(value.size() <= std::numeric_limits<uint32_t>::max());
  ListBlock result;
  result.block_ = Block::Create(value.size()).Release();
  std::memcpy(result.block_->data(), value.data(), value.size());
  result.end_ = static_cast<uint32_t>(value.size());
  result.count_ = 1;
  result.written_ = kForeign;
  result.reversed_ = reversed;
  return result;
}

ListBlock ListBlock::Share() const {
  ListBlock result;
  result.parts() = *this;
  result.written_ = kForeign;
  cold_ ? extent_->AddRef() : block_->AddRef();
  return result;
}

ListBlock ListBlock::Cold(Ref<ColdExtent> extent, uint32_t skip, uint32_t count, uint32_t bytes) {
  ListBlock result;
  result.extent_ = extent.Release();
  result.begin_ = skip;
  result.end_ = bytes;
  result.count_ = count;
  result.first_ = kColdFirst;
  result.written_ = kForeign;
  result.cold_ = true;
  return result;
}

ListBlock ListBlock::ColdPart(size_t first, size_t count) const {
  ASSERT(cold_ && first + count <= count_);
  // Parts that lie side by side have the bytes of the whole.
  const auto bytes_before = [this](uint64_t elements) {
    return static_cast<uint32_t>(uint64_t{end_} * elements / count_);
  };
  return Cold(ShareExtent(), begin_ + static_cast<uint32_t>(first), static_cast<uint32_t>(count),
              bytes_before(first + count) - bytes_before(first));
}

bool ListBlock::MakeRoom(size_t size) {
  if (large()) return false;
  const size_t needed = Footprint(size);
  const bool unique = block_->unique();
  if (unique) {
    written_ = static_cast<uint16_t>(top()) & kForeign;
    if (needed <= free_room()) return true;
  }
  const size_t total = footprint() + needed;
  if (total > kMaxCapacity) return false;
  // A short queue runs through its block, from the other end's pops to its pushes, again and again.
  if (unique && total <= block_->capacity() / 3 * 2) {
    SlideDown();
    return true;
  }
  // Below the full size a block grows. A full-sized one that cannot be appended to because it is
  // shared is copied while it is small: else a push after each pop, under snapshots, would leave
  // small blocks.
  if (block_->capacity() >= kMaxCapacity && total > kMaxCapacity / 4) return false;
  MoveTo(std::min(total / 2 * 3, kMaxCapacity));
  return true;
}

void ListBlock::TrimRoom() {
  if (large() || free_room() <= block_->capacity() / 8) return;
  MoveTo(footprint());
}

void ListBlock::TrimAfterPops() {
  if (large() || block_->capacity() < kSmallCapacity || footprint() > block_->capacity() / 8)
    return;
  // With room for more: the queue may well grow again.
  MoveTo(block_->capacity() / 4);
}

bool ListBlock::Overwrite(size_t position, std::string_view value) {
  const std::string_view old = At(position);
  if (old.size() != value.size() || !block_->unique()) return false;
  std::char_traits<char>::move(const_cast<char*>(old.data()), value.data(), value.size());
  return true;
}

std::vector<ListBlock> ListBlock::Splice(size_t position, size_t removed,
                                         std::string_view value) const {
  ASSERT(position + removed <= count_);
  // The same in the order of the slots.
  const size_t below = reversed_ ? count_ - position - removed : position;
  const size_t after = first_ + below + removed;
  size_t total = footprint() + Footprint(value.size());
  if (removed != 0) total -= Footprint(At(position).size());
  std::vector<ListBlock> blocks;
  if (total <= kMaxCapacity) {
    ListBlock& block = blocks.emplace_back(total, reversed_);
    block.AppendSlots(*this, first_, below);
    CHECK(block.Append(value));
    block.AppendSlots(*this, after, top() - after);
  } else {
    std::vector<std::string_view> values;
    values.reserve(size_t{count_} + 1);
    for (size_t slot = first_; slot < first_ + below; slot++) {
      values.push_back(Slot(slot));
    }
    values.push_back(value);
    for (size_t slot = after; slot < top(); slot++) {
      values.push_back(Slot(slot));
    }
    blocks = Pack(values, reversed_);
    if (reversed_) std::reverse(blocks.begin(), blocks.end());
  }
  return blocks;
}

size_t ListBlock::RemoveMatching(std::string_view value, size_t limit, bool from_back) {
  std::vector<size_t> slots;
  const bool upwards = from_back == reversed_;
  for (size_t i = 0; i < count_ && slots.size() < limit; i++) {
    const size_t slot = upwards ? first_ + i : top() - 1 - i;
    if (Slot(slot) == value) slots.push_back(slot);
  }
  if (slots.empty()) return 0;
  if (!upwards) std::reverse(slots.begin(), slots.end());
  RemoveSlots(slots);
  return slots.size();
}

void ListBlock::RemoveAt(std::span<const uint32_t> positions) {
  std::vector<size_t> slots;
  slots.reserve(positions.size());
  for (const uint32_t position : positions) {
    slots.push_back(reversed_ ? top() - 1 - position : first_ + position);
  }
  if (reversed_) std::reverse(slots.begin(), slots.end());
  RemoveSlots(slots);
}

// The slots ascend.
void ListBlock::RemoveSlots(std::span<const size_t> slots) {
  const ListBlock old = std::move(*this);
  if (slots.size() == old.count_) {
    *this = ListBlock();
  } else {
    const bool in_place = old.block_->unique();
    *this = in_place ? old.Share() : ListBlock(old.footprint(), old.reversed_);
    first_ = count_ = written_ = 0;
    begin_ = end_ = 0;
    size_t next = old.first_;
    for (const size_t slot : slots) {
      AppendSlots(old, next, slot - next);
      next = slot + 1;
    }
    AppendSlots(old, next, old.top() - next);
  }
}

ListBlock ListBlock::Merge(const ListBlock& front, const ListBlock& back) {
  ASSERT(front.reversed_ == back.reversed_);
  ListBlock result(front.footprint() + back.footprint(), front.reversed_);
  const ListBlock& below = front.reversed_ ? back : front;
  const ListBlock& above = front.reversed_ ? front : back;
  result.AppendSlots(below, below.first_, below.count_);
  result.AppendSlots(above, above.first_, above.count_);
  return result;
}

// The elements go to a new block.
void ListBlock::MoveTo(size_t capacity) {
  ListBlock moved(capacity, reversed_);
  moved.AppendSlots(*this, first_, count_);
  moved.start_ = start_;
  *this = std::move(moved);
}

// The elements go to the front of this block. REQUIRES: nobody else holds it.
void ListBlock::SlideDown() {
  const ListBlock old = Share();
  first_ = count_ = written_ = 0;
  begin_ = end_ = 0;
  AppendSlots(old, old.first_, old.count_);
}

// Puts slots of `from` on top. `from` may describe the same block if the slots only move down.
void ListBlock::AppendSlots(const ListBlock& from, size_t slot, size_t count) {
  if (count == 0) return;
  const uint32_t begin = from.SlotBegin(slot);
  const uint32_t size = from.SlotEnd(slot + count - 1) - begin;
  std::memmove(block_->data() + end_, from.block_->data() + begin, size);
  const auto moved = static_cast<uint16_t>(end_ - begin);
  const char* source = from.TableEntry(slot);
  char* target = TableEntry(top());
  for (size_t i = 0; i < count; i++) {
    WriteFixed(target, static_cast<uint16_t>(ReadFixed<uint16_t>(source) + moved));
    source -= kTableEntry;
    target -= kTableEntry;
  }
  end_ += size;
  count_ += static_cast<uint32_t>(count);
  written_ = static_cast<uint16_t>(top()) & kForeign;
}

}  // namespace runnel
