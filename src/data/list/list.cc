#include "data/list/list.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/coding.h"
#include "base/varint.h"
#include "data/list/run.h"
#include "data/list/search.h"
#include "data/list/spill.h"

namespace runnel {
namespace {

// There may be millions of short lists.
static_assert(sizeof(List) == 48);

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
    if (!block.cold() && block.reversed() == kFront) {
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
  if (ListSpill* spill = this->spill()) {
    spill->NoteAdded(kFront);
  } else if (reports_to_ != 0 && blocks_.size() == kLongBlocks) {
    BecomeLong(reinterpret_cast<HotBlocks*>(reports_to_));
  }
}

// The size of the next block at an end, whose first element takes `needed` bytes: an eighth of the
// list, so that a list of a few blocks does not pay for one more that is nearly empty, up to the
// full size. A full-sized block of large elements is as large as a whole number of them.
size_t List::NewCapacity(size_t needed) const {
  if (blocks_.empty()) return needed;
  const auto capacity = [](const ListBlock& block) {
    return block.cold() ? ListBlock::kMaxCapacity : block.block()->capacity();
  };
  const size_t usual = std::max(capacity(blocks_.front()), capacity(blocks_.back()));
  const size_t share = usual * blocks_.size() / 8;
  if (share < ListBlock::kMaxCapacity) return std::max(share, needed);
  return ListBlock::kMaxCapacity / needed * needed;
}

void List::PopFront() {
  ListBlock& block = blocks_.front();
  if (block.size() == 1) return DropBlock<true>();
  if (block.cold()) return DropFrom(block, 1, true);
  block.DropFront(1);
  TrimAfterPops();
}

void List::PopBack() {
  ListBlock& block = blocks_.back();
  if (block.size() == 1) return DropBlock<false>();
  if (block.cold()) return DropFrom(block, 1, false);
  block.DropBack(1);
  TrimAfterPops();
}

// All of the block at that end. What there is to be freed goes to `dropped`, if there is that.
template <bool kFront>
void List::DropBlock(std::vector<ListBlock>* dropped) {
  ListSpill* const spill = this->spill();
  if (spill != nullptr) spill->NoteDropping(kFront);
  if (dropped != nullptr) {
    dropped->push_back(std::move(kFront ? blocks_.front() : blocks_.back()));
  }
  kFront ? blocks_.PopFront() : blocks_.PopBack();
  if (spill == nullptr) return;
  if (blocks_.size() < kLongBlocks / 2 && spill->runs() == 0) {
    reports_to_ = reinterpret_cast<uintptr_t>(spill->hot());
    delete spill;
  } else {
    spill->ExpectAtEnd(kFront);
  }
}

// Less than all.
void List::DropFrom(ListBlock& block, size_t count, bool front) {
  if (block.cold()) {
    front ? block.DropColdFront(count) : block.DropColdBack(count);
    if (ListSpill* spill = this->spill()) spill->CountCold(-count, 0);
  } else {
    front ? block.DropFront(count) : block.DropBack(count);
  }
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
  const size_t b = FindBlock(number);
  const ListBlock& block = blocks_[b];
  const size_t position = static_cast<size_t>(number - block.start());
  return block.cold() ? ColdAt(b, position) : block.At(position);
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
  // Until low's block does not begin after the number, and high's (if there is one) does.
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
  if (index >= size()) return Iterator(this, blocks_.size(), 0);
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  const size_t block = FindBlock(number);
  return Iterator(this, block, static_cast<size_t>(number - blocks_[block].start()));
}

List::Iterator::Iterator(const List* list, size_t block, size_t position)
    : list_(list), block_(block) {
  Open(position);
}

// Stands at that position of the block.
void List::Iterator::Open(size_t position) {
  run_ = nullptr;
  in_ = nullptr;
  begin_ = end_ = 0;
  position_ = position;
  if (!Valid()) return;
  const ListBlock& block = list_->blocks_[block_];
  end_ = block.size();
  if (!block.cold()) in_ = &block;
}

void List::Iterator::NextBlock() {
  if (run_ != nullptr && in_run_ + 1 < run_->blocks()) {
    OpenInRun(in_run_ + 1);
    position_ = begin_;
    if (begin_ < end_) return;
  }
  block_++;
  Open(0);
}

void List::Iterator::PreviousBlock() {
  if (run_ != nullptr && in_run_ > 0) {
    OpenInRun(in_run_ - 1);
    position_ = end_ - 1;
    if (begin_ < end_) return;
  }
  block_--;
  Open(Valid() ? list_->blocks_[block_].size() - 1 : 0);
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

// The block of the element with that number, as one that can be changed.
size_t List::FindToChange(int64_t number) {
  const size_t b = FindBlock(number);
  if (!blocks_[b].cold()) return b;
  Thaw(b);
  return FindBlock(number);
}

void List::Splice(size_t index, size_t removed, std::string_view value) {
  const int64_t number = blocks_.front().start() + static_cast<int64_t>(index);
  size_t b = FindBlock(number);
  size_t position = static_cast<size_t>(number - blocks_[b].start());
  if (removed == 0 && position == 0 && blocks_[b].cold()) {
    // Between two blocks: this one need not be in memory.
    if (blocks_[b - 1].cold()) {
      const ListSpill::Edit edit(spill(), b, b);
      const bool large = value.size() > ListBlock::kLargestSlot;
      ListBlock block = large ? ListBlock::Large(value, false)
                              : ListBlock(ListBlock::Footprint(value.size()), false);
      if (!large) CHECK(block.Append(value));
      blocks_.Insert(b, std::move(block));
      return Renumber(b, b + 1);
    }
    b--;
    position = blocks_[b].size();
  } else if (blocks_[b].cold()) {
    b = FindToChange(number);
    position = static_cast<size_t>(number - blocks_[b].start());
  }
  ListBlock& block = blocks_[b];
  if (removed == 1 && block.Overwrite(position, value)) return;
  std::vector<ListBlock> parts = block.Splice(position, removed, value);
  const ListSpill::Edit edit(spill(), b, b + 1);
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
  if (has_cold()) {
    ListSearch search;
    std::vector<uint64_t> found =
        search.Find(*this, value, {.from_back = from_back, .wanted = limit});
    Erase(ListSearch::ToRanges(&found));
    return found.size();
  }
  const ListSpill::Edit edit(spill(), 0, blocks_.size());
  size_t removed = 0;
  size_t lowest = blocks_.size();
  size_t highest = 0;
  for (size_t i = 0; i < blocks_.size() && removed < limit; i++) {
    const size_t b = from_back ? blocks_.size() - 1 - i : i;
    if (blocks_[b].cold()) continue;
    const size_t found = blocks_[b].RemoveMatching(value, limit - removed, from_back);
    if (found == 0) continue;
    removed += found;
    lowest = std::min(lowest, b);
    highest = std::max(highest, b);
  }
  if (removed > 0) Tidy(lowest, highest + 1);
  return removed;
}

void List::Erase(std::span<const Range> ranges) {
  if (ranges.empty()) return;
  const ListSpill::Edit edit(spill(), 0, blocks_.size());
  Ring<ListBlock> kept;
  std::vector<Range> removed;  // of the block
  size_t next = 0;             // the first range that is not done with
  uint64_t begin = 0;          // of the block
  for (size_t b = 0; b < blocks_.size(); b++) {
    const uint64_t end = begin + blocks_[b].size();
    removed.clear();
    for (size_t i = next; i < ranges.size() && ranges[i].begin < end; i++) {
      const uint64_t first = std::max(ranges[i].begin, begin);
      const uint64_t stop = std::min(ranges[i].begin + ranges[i].count, end);
      if (first < stop) removed.push_back({first - begin, stop - first});
      if (ranges[i].begin + ranges[i].count <= end) next = i + 1;
    }
    KeepParts(std::move(blocks_[b]), removed, &kept);
    begin = end;
  }
  blocks_ = std::move(kept);
  if (!blocks_.empty()) Renumber(0, blocks_.size());
}

// Appends what is left of the block.
void List::KeepParts(ListBlock block, std::span<const Range> removed, Ring<ListBlock>* kept) {
  if (block.cold() && !removed.empty()) {
    uint64_t next = 0;
    for (const Range& range : removed) {
      if (range.begin > next) kept->PushBack(block.ColdPart(next, range.begin - next));
      next = range.begin + range.count;
    }
    if (next < block.size()) kept->PushBack(block.ColdPart(next, block.size() - next));
    return;
  }
  if (!removed.empty()) {
    std::vector<uint32_t> positions;
    for (const Range& range : removed) {
      for (uint64_t i = 0; i < range.count; i++) {
        positions.push_back(static_cast<uint32_t>(range.begin + i));
      }
    }
    block.RemoveAt(positions);
    if (block.size() == 0) return;
    if (!kept->empty() && kept->back().JoinsWith(block)) {
      kept->back() = ListBlock::Merge(kept->back(), block);
      return;
    }
  }
  kept->PushBack(std::move(block));
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
      if (last.JoinsWith(block)) {
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
  size_t after = size() - start - count;
  // A list of fewer blocks has nothing that takes long to free.
  const HotBlocks* hot =
      blocks_.size() > kMostFreedInPlace && spill() != nullptr ? spill()->hot() : nullptr;
  Disposer* const disposer = hot != nullptr ? hot->disposer() : nullptr;
  std::vector<ListBlock> gone;
  std::vector<ListBlock>* const dropped = disposer != nullptr ? &gone : nullptr;
  TrimBlocks(start, count, after, dropped);
  DisposeOf(std::move(gone), disposer);
}

void List::TrimBlocks(size_t start, size_t count, size_t after, std::vector<ListBlock>* dropped) {
  if (count == 0) {
    while (!empty()) {
      DropBlock<false>(dropped);
    }
    return;
  }
  while (start >= blocks_.front().size()) {
    start -= blocks_.front().size();
    DropBlock<true>(dropped);
  }
  if (start > 0) DropFrom(blocks_.front(), start, true);
  while (after >= blocks_.back().size()) {
    after -= blocks_.back().size();
    DropBlock<false>(dropped);
  }
  if (after > 0) DropFrom(blocks_.back(), after, false);
  if (blocks_.size() == 1 && !blocks_.front().cold()) blocks_.front().TrimAfterPops();
}

std::string_view List::encoding() const {
  size_t total = 0;
  for (size_t b = 0; b < blocks_.size(); b++) {
    if (blocks_[b].cold()) return "quicklist";
    total += blocks_[b].footprint();
    if (total > ListBlock::kMaxCapacity) return "quicklist";
  }
  return "listpack";
}

size_t List::MemoryBytes(size_t samples) const {
  const size_t fixed = sizeof(*this) + blocks_.capacity() * sizeof(ListBlock) +
                       (spill() != nullptr ? sizeof(ListSpill) : 0);
  const size_t count = blocks_.size();
  if (samples == 0 || samples > count) samples = count;
  size_t sum = 0;
  for (size_t i = 0; i < samples; i++) {
    const ListBlock& block = blocks_[i * count / samples];
    if (!block.cold()) sum += block.block()->MemoryBytes();
  }
  if (samples == count) return fixed + sum;
  return fixed + static_cast<size_t>(static_cast<double>(sum) / samples * count);
}

size_t List::FreeEffort() const {
  size_t effort = blocks_.size() + 1;
  // Above that, nobody asks how much it is.
  if (effort > kMostFreedInPlace) return effort;
  for (size_t b = 0; b < blocks_.size(); b++) {
    // Returning the pages of a large element to the system takes time, too.
    if (blocks_[b].large() && !blocks_[b].cold()) effort += blocks_[b].bytes() / 4096;
  }
  return effort;
}

std::unique_ptr<Object> List::Clone() const {
  auto clone = std::make_unique<List>();
  for (size_t b = 0; b < blocks_.size(); b++) {
    clone->blocks_.PushBack(blocks_[b].Share());
  }
  return clone;
}

std::unique_ptr<Object> List::Load(Decoder* in) {
  auto list = std::make_unique<List>();
  if (in->Byte() != kVersion) return nullptr;
  const uint64_t begin = in->position();
  const uint64_t count = in->Count(1);
  if (count == 0 || in->position() - begin != VarintSize(count)) return nullptr;
  if (!list->LoadElements(in, count)) return nullptr;
  return list;
}

bool List::LoadElements(Decoder* in, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t begin = in->position();
    const std::string_view value = in->Bytes();
    // A varint has longer forms too, which Encode does not write.
    const size_t size = VarintSize(value.size()) + value.size();
    if (!in->ok() || in->position() - begin != size) return false;
    PushBack(value);
  }
  return true;
}

}  // namespace runnel
