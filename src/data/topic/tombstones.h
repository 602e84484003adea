#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ref.h"
#include "base/stream_id.h"
#include "data/paged_ring.h"
#include "data/topic/key_index.h"

namespace runnel {

// A record of a compacted partition that says that a key is gone.
struct Tombstone {
  StreamId id;  // the time and the offset
  RecordKeyHash key;
};

// The tombstones of a partition that are the newest records of their keys, in the order of their
// offsets and times.
class Tombstones {
 public:
  Tombstones() = default;
  Tombstones(Tombstones&&) = default;
  Tombstones& operator=(Tombstones&&) = default;
  // Shares all pages; a page is copied before it is changed. The two may be used on different
  // threads.
  Tombstones Clone() const;

  bool empty() const { return pages_.empty(); }
  size_t size() const { return size_; }
  // REQUIRES: !empty().
  const Tombstone& front() const { return pages_.front()->items.front(); }
  size_t MemoryBytes() const;
  // Calls visit(tombstone) for each one, in order, until that returns false.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (auto at = pages_.begin(); pages_.Contains(at); at = pages_.Next(at)) {
      for (const Tombstone& tombstone : pages_[at]->items) {
        if (!visit(tombstone)) return;
      }
    }
  }

  // REQUIRES: its offset is above all others, its time is not below them.
  void PushBack(const Tombstone& tombstone);
  // REQUIRES: !empty().
  void PopFront();
  // Removes the one with this offset; does nothing if there is none. Takes time for a page.
  void Erase(uint64_t offset);

 private:
  static constexpr size_t kPageItems = 64;
  struct Page {
    Page() = default;
    explicit Page(const Page& other) : items(other.items) {}
    void AddRef() const { references.fetch_add(1, std::memory_order_relaxed); }
    void Unref() const {
      if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    std::vector<Tombstone> items;  // at least one, in the ring
    mutable std::atomic<uint32_t> references{1};
  };
  using Pages = PagedRing<Ref<Page>>;

  Page& Mutable(Pages::Position at);
  void EraseItem(Pages::Position at, size_t item);

  Pages pages_;
  size_t size_ = 0;
};

}  // namespace runnel
