#include "data/list.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/coding.h"
#include "base/varint.h"

namespace runnel {
namespace {

constexpr uint8_t kPayloadVersion = 1;

bool LiesIn(std::string_view value, const Block& block) {
  const std::less<const char*> before;
  return !before(value.data(), block.data()) &&
         before(value.data(), block.data() + block.capacity());
}

}  // namespace

void List::PushFront(std::string_view value) {
  if (!blocks_.empty() && blocks_.front().reversed() && blocks_.front().Append(value)) return;
  PushSlow<true>(value);
}

void List::PushBack(std::string_view value) {
  if (!blocks_.empty() && !blocks_.back().reversed() && blocks_.back().Append(value)) return;
  PushSlow<false>(value);
}

// Makes room for the element in the block at that end, or opens another one.
template <bool kFront>
void List::PushSlow(std::string_view value) {
  const bool large = value.size() > ListBlock::kLargestSlot;
  if (!blocks_.empty()) {
    ListBlock& block = kFront ? blocks_.front() : blocks_.back();
    if (block.reversed() == kFront) {
      if (LiesIn(value, *block.block())) return PushSlow<kFront>(std::string(value));
      if (!large && block.MakeRoom(value.size())) {
        CHECK(block.Append(value));
        return;
      }
      block.TrimRoom();
    }
  }
  if (large) {
    AttachBlock<kFront>(ListBlock::Large(value, kFront));
  } else {
    ListBlock block(NewCapacity(ListBlock::Footprint(value.size())), kFront);
    CHECK(block.Append(value));
    AttachBlock<kFront>(std::move(block));
  }
}

template <bool kFront>
void List::AttachBlock(ListBlock block) {
  if (blocks_.empty()) {
    block.set_start(0);
    blocks_.PushBack(std::move(block));
  } else if (kFront) {
    block.set_start(blocks_.front().start() - static_cast<int64_t>(block.size()));
    blocks_.PushFront(std::move(block));
  } else {
    block.set_start(blocks_.back().stop());
    blocks_.PushBack(std::move(block));
  }
}

// The size of the next block at an end, whose first element takes `needed` bytes: an eighth of the
// list, so that a list of a few blocks does not pay for one more that is nearly empty, up to the
// full size. A full-sized block of large elements is as large as a whole number of them.
size_t List::NewCapacity(size_t needed) const {
  if (blocks_.empty()) return needed;
  const size_t usual =
      std::max(blocks_.front().block()->capacity(), blocks_.back().block()->capacity());
  const size_t share = usual * blocks_.size() / 8;
  if (share < ListBlock::kMaxCapacity) return std::max(share, needed);
  return ListBlock::kMaxCapacity / needed * needed;
}

void List::PopFront() {
  ListBlock& block = blocks_.front();
  if (block.size() == 1) {
    blocks_.PopFront();
    return;
  }
  block.DropFront(1);
  TrimAfterPops();
}

void List::PopBack() {
  ListBlock& block = blocks_.back();
  if (block.size() == 1) {
    blocks_.PopBack();
    return;
  }
  block.DropBack(1);
  TrimAfterPops();
}

// A queue that was long once shall not keep a large block for a few elements. Looks each time the
// number of elements has halved, which is often enough.
inline void List::TrimAfterPops() {
  if (blocks_.size() == 1 && std::has_single_bit(blocks_.front().size())) {
    blocks_.front().TrimAfterPops();
  }
}

std::string_view List::At(size_t index) const {
  ASSERT(index < size());
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  const ListBlock& block = blocks_[FindBlock(number)];
  return block.At(static_cast<size_t>(number - block.start()));
}

// The block of the element with that number. Guesses as if all blocks had the same number of
// elements, which is right or nearly so in a queue of similar elements, and doubles its steps from
// there.
size_t List::FindBlock(int64_t number) const {
  const size_t count = blocks_.size();
  const int64_t first = blocks_.front().start();
  const double share = static_cast<double>(number - first) / static_cast<double>(size());
  size_t low = std::min(static_cast<size_t>(share * static_cast<double>(count)), count - 1);
  size_t high = low + 1;
  // Until low's block does not begin behind the number, and high's (if there is one) does.
  for (size_t step = 1; blocks_[low].start() > number; step *= 2) {
    high = low;
    low = low > step ? low - step : 0;
  }
  for (size_t step = 1; high < count && blocks_[high].start() <= number; step *= 2) {
    low = high;
    high = std::min(high + step, count);
  }
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (blocks_[middle].start() <= number ? low : high) = middle;
  }
  return low;
}

List::Iterator List::Seek(size_t index) const {
  if (index >= size()) return Iterator(&blocks_, blocks_.size(), 0);
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  const size_t block = FindBlock(number);
  return Iterator(&blocks_, block, static_cast<size_t>(number - blocks_[block].start()));
}

void List::Set(size_t index, std::string_view value) {
  ASSERT(index < size());
  Splice(index, 1, value);
}

void List::Insert(size_t index, std::string_view value) {
  ASSERT(index <= size());
  if (index == 0) {
    PushFront(value);
  } else if (index == size()) {
    PushBack(value);
  } else {
    Splice(index, 0, value);
  }
}

void List::Splice(size_t index, size_t removed, std::string_view value) {
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  const size_t b = FindBlock(number);
  ListBlock& block = blocks_[b];
  const size_t position = static_cast<size_t>(number - block.start());
  if (removed == 1 && block.Overwrite(position, value)) return;
  std::vector<ListBlock> parts = block.Splice(position, removed, value);
  block = std::move(parts[0]);
  for (size_t i = 1; i < parts.size(); i++) {
    blocks_.Insert(b + i, std::move(parts[i]));
  }
  Tidy(b, b + parts.size());
}

size_t List::Remove(std::string_view value, int64_t count) {
  const bool from_back = count < 0;
  const uint64_t magnitude =
      from_back ? uint64_t{0} - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  const size_t limit = count == 0 ? size() : magnitude;
  size_t removed = 0;
  size_t lowest = blocks_.size();
  size_t highest = 0;
  for (size_t i = 0; i < blocks_.size() && removed < limit; i++) {
    const size_t b = from_back ? blocks_.size() - 1 - i : i;
    const size_t found = blocks_[b].RemoveMatching(value, limit - removed, from_back);
    if (found == 0) continue;
    removed += found;
    lowest = std::min(lowest, b);
    highest = std::max(highest, b);
  }
  if (removed > 0) Tidy(lowest, highest + 1);
  return removed;
}

// After changes within the blocks from `from` to before `to`: takes out empty ones, joins small
// neighbours, and gives all their numbers.
void List::Tidy(size_t from, size_t to) {
  if (from > 0) from--;
  if (to < blocks_.size()) to++;
  size_t end = from;  // where the blocks that stay end
  for (size_t b = from; b < to; b++) {
    ListBlock& block = blocks_[b];
    if (block.size() == 0) continue;
    if (end > from) {
      ListBlock& last = blocks_[end - 1];
      if (last.reversed() == block.reversed() &&
          last.footprint() + block.footprint() <= ListBlock::kMaxCapacity / 2) {
        last = ListBlock::Merge(last, block);
        continue;
      }
    }
    if (end != b) blocks_[end] = std::move(block);
    end++;
  }
  blocks_.Erase(end, to - end);
  if (!blocks_.empty()) Renumber(from, end);
}

// Numbers the blocks from `from` to before `to`, and if there are more or fewer elements now, those
// on the side of them where there are fewer blocks.
void List::Renumber(size_t from, size_t to) {
  if (from < blocks_.size() - to) {
    int64_t number = blocks_[to].start();
    for (size_t b = to; b-- > 0;) {
      if (b < from && blocks_[b].stop() == number) return;
      number -= static_cast<int64_t>(blocks_[b].size());
      blocks_[b].set_start(number);
    }
  } else {
    int64_t number = from == 0 ? 0 : blocks_[from - 1].stop();
    for (size_t b = from; b < blocks_.size(); b++) {
      if (b >= to && blocks_[b].start() == number) return;
      blocks_[b].set_start(number);
      number = blocks_[b].stop();
    }
  }
}

void List::Trim(size_t start, size_t count) {
  ASSERT(start + count <= size());
  size_t behind = size() - start - count;
  if (count == 0) return blocks_.Clear();
  while (start >= blocks_.front().size()) {
    start -= blocks_.front().size();
    blocks_.PopFront();
  }
  if (start > 0) blocks_.front().DropFront(start);
  while (behind >= blocks_.back().size()) {
    behind -= blocks_.back().size();
    blocks_.PopBack();
  }
  if (behind > 0) blocks_.back().DropBack(behind);
  if (blocks_.size() == 1) blocks_.front().TrimAfterPops();
}

std::string_view List::encoding() const {
  size_t total = 0;
  for (size_t b = 0; b < blocks_.size(); b++) {
    total += blocks_[b].footprint();
    if (total > ListBlock::kMaxCapacity) return "quicklist";
  }
  return "listpack";
}

size_t List::MemoryBytes(size_t samples) const {
  const size_t fixed = sizeof(*this) + blocks_.capacity() * sizeof(ListBlock);
  const size_t count = blocks_.size();
  if (samples == 0 || samples > count) samples = count;
  size_t sum = 0;
  for (size_t i = 0; i < samples; i++) {
    sum += blocks_[i * count / samples].block()->MemoryBytes();
  }
  if (samples == count) return fixed + sum;
  return fixed + static_cast<size_t>(static_cast<double>(sum) / samples * count);
}

std::unique_ptr<Object> List::Clone() const {
  auto clone = std::make_unique<List>();
  for (size_t b = 0; b < blocks_.size(); b++) {
    clone->blocks_.PushBack(blocks_[b].Share());
  }
  return clone;
}

void List::Encode(Encoder* out) const {
  out->Byte(kPayloadVersion);
  out->Varint(size());
  for (Iterator it = Seek(0); it.Valid(); it.Next()) {
    out->Bytes(it.value());
    out->Checkpoint();
  }
}

std::unique_ptr<Object> List::Load(Decoder* in) {
  auto list = std::make_unique<List>();
  if (in->Byte() != kPayloadVersion) return nullptr;
  uint64_t begin = in->position();
  const uint64_t count = in->Count(1);
  if (count == 0 || in->position() - begin != VarintSize(count)) return nullptr;
  for (uint64_t i = 0; i < count; i++) {
    begin = in->position();
    const std::string_view value = in->Bytes();
    // A varint has longer forms too, which Encode does not write.
    const size_t size = VarintSize(value.size()) + value.size();
    if (!in->ok() || in->position() - begin != size) return nullptr;
    list->PushBack(value);
  }
  return list;
}

}  // namespace runnel
