#include "data/list/search.h"

#include <algorithm>

#include "base/assert.h"
#include "data/list/run.h"

namespace runnel {
namespace {

// What is fetched at once: so many runs, or fewer if they have so many bytes.
constexpr size_t kWindowRuns = 16;
constexpr uint64_t kWindowBytes = 4 * 1024 * 1024;
// They are looked for among so many blocks.
constexpr size_t kWindowBlocks = 4096;
// What it takes to know of a run in which nothing was found.
constexpr uint64_t kRunBytes = 64;

}  // namespace

struct ListSearch::Walk {
  const List& list;
  const std::string_view value;
  const Order& order;
  // null: only the count is of interest
  std::vector<uint64_t>* positions;
  uint64_t looked = 0;
  uint64_t found = 0;

  bool done() const { return found >= order.wanted || looked >= order.most_looked; }
  // The element at that position of a block has been looked at.
  void Take(const ListBlock& block, size_t position, bool equal) {
    looked++;
    if (!equal) return;
    found++;
    if (positions == nullptr) return;
    const int64_t number = block.start() + static_cast<int64_t>(position);
    positions->push_back(static_cast<uint64_t>(number - list.blocks_.front().start()));
  }
};

// First the walk goes on that has missed, which only fetches; then comes the one that counts.
std::vector<uint64_t> ListSearch::Find(const List& list, std::string_view value,
                                       const Order& order) {
  const size_t blocks = list.blocks_.size();
  std::vector<uint64_t> positions;
  if (blocks == 0) return positions;
  if (!runs_.empty()) runs_.begin()->second.extent->source().NoteKept(kept_bytes_);
  const auto walk_from = [&](Walk* walk, size_t first) {
    for (size_t b = first; b < blocks && !walk->done(); order.from_back ? b-- : b++) {
      Look(walk, b);
    }
  };
  if (stop_) {
    const int64_t number =
        std::clamp(stop_->number, list.blocks_.front().start(), list.blocks_.back().stop() - 1);
    Walk walk{list, value, order, nullptr, stop_->looked, stop_->found};
    walk_from(&walk, list.FindBlock(number));
    stop_.reset();
  }
  Walk walk{list, value, order, &positions};
  walk_from(&walk, order.from_back ? blocks - 1 : 0);
  return positions;
}

void ListSearch::Look(Walk* walk, size_t b) {
  const ListBlock& block = walk->list.blocks_[b];
  if (block.cold()) return LookIntoRun(walk, b);
  for (size_t i = 0; i < block.size() && !walk->done(); i++) {
    const size_t position = walk->order.from_back ? block.size() - 1 - i : i;
    walk->Take(block, position, block.At(position) == walk->value);
  }
}

void ListSearch::LookIntoRun(Walk* walk, size_t b) {
  const ListBlock& block = walk->list.blocks_[b];
  const std::vector<uint32_t>& found = FindInRun(*walk, b).positions;
  const auto begin = std::lower_bound(found.begin(), found.end(), block.skip());
  const auto end = std::lower_bound(begin, found.end(), block.skip() + block.size());
  // Positions in the block, in the order of the walk.
  size_t next = 0;
  const ptrdiff_t count = end - begin;
  for (ptrdiff_t i = 0; i < count && !walk->done(); i++) {
    const size_t in_block = (walk->order.from_back ? end[-1 - i] : begin[i]) - block.skip();
    const size_t met = walk->order.from_back ? block.size() - 1 - in_block : in_block;
    walk->looked += met - next;
    if (walk->done()) return;
    walk->Take(block, in_block, true);
    next = met + 1;
  }
  walk->looked += block.size() - next;
}

// Looks at all elements of the run, unless that was done before.
const ListSearch::Found& ListSearch::FindInRun(const Walk& walk, size_t b) {
  const ListBlock& block = walk.list.blocks_[b];
  const auto known = runs_.find(&block.extent());
  if (known != runs_.end()) return known->second;
  stop_ = Stop{block.start(), walk.looked, walk.found};
  ColdSource& source = block.extent().source();
  const std::shared_ptr<const BlockRun> blocks = source.Pass(Window(walk, b));
  ASSERT(blocks->kind() == RunKind::kList);
  if (block.skip() + block.size() > blocks->entries()) {
    throw ColdFailure{"elements of a list are missing in their file"};
  }
  const auto& run = static_cast<const ListRun&>(*blocks);
  Found found{block.ShareExtent(), {}};
  for (size_t i = 0; i < run.blocks(); i++) {
    const ListBlock& part = run.block(i);
    for (size_t position = 0; position < part.size(); position++) {
      if (part.At(position) != walk.value) continue;
      found.positions.push_back(static_cast<uint32_t>(part.start()) +
                                static_cast<uint32_t>(position));
    }
  }
  found.positions.shrink_to_fit();
  // Each may be one of the result, and of the effect or the reply, too.
  const uint64_t bytes =
      kRunBytes + found.positions.size() * (sizeof(uint32_t) + 3 * sizeof(uint64_t));
  source.NoteKept(bytes);
  kept_bytes_ += bytes;
  stop_.reset();
  return runs_.emplace(&block.extent(), std::move(found)).first->second;
}

// The run of this block, and those after it that are not in memory.
ColdExtents ListSearch::Window(const Walk& walk, size_t b) const {
  const Ring<ListBlock>& blocks = walk.list.blocks_;
  ColdExtents window;
  uint64_t bytes = 0;
  for (size_t looks = 0; looks < kWindowBlocks && b < blocks.size(); looks++) {
    const ListBlock& block = blocks[b];
    walk.order.from_back ? b-- : b++;
    if (!block.cold()) continue;
    if (!window.empty()) {
      if (block.extent().loaded() != nullptr || runs_.contains(&block.extent())) continue;
      // Parts of one run follow each other.
      if (window.back().get() == &block.extent()) continue;
    }
    window.push_back(block.ShareExtent());
    bytes += block.extent().raw_bytes();
    if (window.size() == kWindowRuns || bytes >= kWindowBytes) break;
  }
  return window;
}

std::vector<List::Range> ListSearch::ToRanges(std::vector<uint64_t>* positions) {
  std::sort(positions->begin(), positions->end());
  std::vector<List::Range> ranges;
  for (const uint64_t position : *positions) {
    if (!ranges.empty() && ranges.back().begin + ranges.back().count == position) {
      ranges.back().count++;
    } else {
      ranges.push_back({position, 1});
    }
  }
  return ranges;
}

}  // namespace runnel
