#include "data/list/run.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace runnel {

ListRun::ListRun(std::vector<ListBlock> blocks)
    : BlockRun(RunKind::kList), blocks_(std::move(blocks)) {
  int64_t next = 0;
  for (ListBlock& block : blocks_) {
    block.set_start(next);
    next = block.stop();
    block_bytes_ += block.block()->MemoryBytes();
  }
}

size_t ListRun::Find(size_t element) const {
  const auto number = static_cast<int64_t>(element);
  const auto next =
      std::partition_point(blocks_.begin(), blocks_.end(),
                           [number](const ListBlock& block) { return block.start() <= number; });
  return static_cast<size_t>(next - blocks_.begin()) - 1;
}

std::vector<ListBlock> ListRun::Share(size_t first, size_t count) const {
  std::vector<ListBlock> parts;
  const auto end = static_cast<int64_t>(first + count);
  for (size_t i = Find(first); i < blocks_.size() && blocks_[i].start() < end; i++) {
    ListBlock& part = parts.emplace_back(blocks_[i].Share());
    const int64_t before = static_cast<int64_t>(first) - part.start();
    const int64_t after = part.stop() - end;
    if (before > 0) part.DropFront(static_cast<size_t>(before));
    if (after > 0) part.DropBack(static_cast<size_t>(after));
  }
  return parts;
}

void ListRun::Serialize(Encoder* out) const {
  out->Varint(blocks_.size());
  for (const ListBlock& block : blocks_) {
    const size_t count = block.size();
    out->Varint(count << 1 | (block.reversed() ? 1 : 0));
    out->Varint(block.bytes());
    for (size_t i = 0; i < count; i++) {
      out->Bytes(block.At(block.reversed() ? count - 1 - i : i));
    }
  }
}

namespace {

// A block without elements if the bytes are none.
ListBlock LoadBlock(Decoder* in) {
  const uint64_t head = in->Varint();
  const uint64_t bytes = in->Varint();
  const uint64_t count = head >> 1;
  const bool reversed = (head & 1) != 0;
  // Each element takes a byte at least.
  if (!in->ok() || count == 0 || count > in->remaining() || bytes > in->remaining()) return {};
  if (bytes > ListBlock::kLargestSlot) {
    const std::string_view value = in->Bytes();
    if (count != 1 || value.size() != bytes) return {};
    return ListBlock::Large(value, reversed);
  }
  const uint64_t footprint = bytes + count * ListBlock::kTableEntry;
  if (footprint > ListBlock::kMaxCapacity) return {};
  ListBlock block(footprint, reversed);
  uint64_t left = bytes;
  for (uint64_t i = 0; i < count; i++) {
    const std::string_view value = in->Bytes();
    if (!in->ok() || value.size() > left) return {};
    left -= value.size();
    CHECK(block.Append(value));
  }
  if (left != 0) return {};
  return block;
}

}  // namespace

std::shared_ptr<const BlockRun> ListRun::Load(Decoder* in) {
  const uint64_t count = in->Count(2);
  std::vector<ListBlock> blocks;
  for (uint64_t i = 0; i < count; i++) {
    blocks.push_back(LoadBlock(in));
    if (blocks.back().size() == 0) return nullptr;
  }
  if (blocks.empty()) return nullptr;
  return std::make_shared<const ListRun>(std::move(blocks));
}

}  // namespace runnel
