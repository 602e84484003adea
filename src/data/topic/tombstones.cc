#include "data/topic/tombstones.h"

#include <algorithm>

namespace runnel {

Tombstones Tombstones::Clone() const {
  Tombstones copy;
  for (auto at = pages_.begin(); pages_.Contains(at); at = pages_.Next(at)) {
    copy.pages_.PushBack(pages_[at]);
  }
  copy.size_ = size_;
  return copy;
}

size_t Tombstones::MemoryBytes() const {
  return pages_.MemoryBytes() + pages_.size() * (sizeof(Page) + kPageItems * sizeof(Tombstone));
}

Tombstones::Page& Tombstones::Mutable(Pages::Position at) {
  Ref<Page>& page = pages_[at];
  if (page->references.load(std::memory_order_acquire) > 1) {
    page = Ref<Page>::Adopt(new Page(*page));
  }
  return *page;
}

void Tombstones::PushBack(const Tombstone& tombstone) {
  if (pages_.empty() || pages_.back()->items.size() == kPageItems) {
    pages_.PushBack(Ref<Page>::Adopt(new Page()));
  }
  Mutable(pages_.Previous(pages_.end())).items.push_back(tombstone);
  size_++;
}

void Tombstones::PopFront() {
  EraseItem(pages_.begin(), 0);
}

void Tombstones::EraseItem(Pages::Position at, size_t item) {
  size_--;
  if (pages_[at]->items.size() == 1) {
    pages_.Erase(at);
    return;
  }
  std::vector<Tombstone>& items = Mutable(at).items;
  items.erase(items.begin() + static_cast<ptrdiff_t>(item));
}

void Tombstones::Erase(uint64_t offset) {
  const auto at = pages_.PartitionPoint(
      [offset](const Ref<Page>& page) { return page->items.back().id.seq < offset; });
  if (!pages_.Contains(at)) return;
  const std::vector<Tombstone>& items = pages_[at]->items;
  const auto item = std::lower_bound(
      items.begin(), items.end(), offset,
      [](const Tombstone& tombstone, uint64_t wanted) { return tombstone.id.seq < wanted; });
  if (item->id.seq == offset) EraseItem(at, static_cast<size_t>(item - items.begin()));
}

}  // namespace runnel
