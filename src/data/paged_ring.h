#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/assert.h"
#include "base/ring.h"
#include "base/search.h"

namespace runnel {

// A Ring for sequences that may get very long: values are in pages of at most kPage, so that growth
// and changes in the middle never move more than a page of values and some of the page headers. (A
// plain ring of the 300 000 blocks of a ten-million-entry stream moves 16 MB when it grows, and on
// average 4 MB when a block in the middle goes.)
//
// A Position names a value by the number of its page and its number within the page, both counted
// from the first value ever pushed. PushBack and PopFront do not change it. After Insert and Erase
// it may name another value or none: the caller checks with Contains() and a test of the value.
template <class T, size_t kPage = 128>
class PagedRing {
 public:
  struct Position {
    uint64_t page = 0;
    uint64_t slot = 0;
    bool operator==(const Position&) const = default;
  };

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The position of the first value and the position after the last value; equal if there are none.
  Position begin() const { return empty() ? end() : Position{first_page_, pages_.front().popped}; }
  Position end() const { return {first_page_ + pages_.size(), 0}; }

  // False for end() and for a position whose value is gone.
  bool Contains(Position at) const {
    if (at.page - first_page_ >= pages_.size()) return false;
    const Page& page = pages_[at.page - first_page_];
    return at.slot - page.popped < page.values.size();
  }

  // REQUIRES: Contains(at). References are valid until the next change of the sequence.
  T& operator[](Position at) { return PageOf(at).values[at.slot - PageOf(at).popped]; }
  const T& operator[](Position at) const { return PageOf(at).values[at.slot - PageOf(at).popped]; }

  T& front() { return pages_.front().values.front(); }
  const T& front() const { return pages_.front().values.front(); }
  T& back() { return pages_.back().values.back(); }
  const T& back() const { return pages_.back().values.back(); }

  // REQUIRES: Contains(at).
  Position Next(Position at) const {
    const Page& page = PageOf(at);
    if (at.slot + 1 - page.popped < page.values.size()) return {at.page, at.slot + 1};
    return FirstOf(at.page + 1);
  }
  // REQUIRES: at != begin(), and Contains(at) or at == end().
  Position Previous(Position at) const {
    ASSERT(at != begin());
    if (at.page - first_page_ < pages_.size() && at.slot != PageOf(at).popped) {
      return {at.page, at.slot - 1};
    }
    const Page& page = pages_[at.page - 1 - first_page_];
    return {at.page - 1, page.popped + page.values.size() - 1};
  }

  // The first position whose value is not `before` what is sought, or end(). `before(value)` is
  // true for a leading part of the sequence only.
  template <class Before>
  Position PartitionPoint(Before before) const {
    const size_t index =
        CountBefore(pages_.size(), [&](size_t i) { return before(pages_[i].values.back()); });
    if (index == pages_.size()) return end();
    const Page& page = pages_[index];
    const size_t slot =
        CountBefore(page.values.size() - 1, [&](size_t i) { return before(page.values[i]); });
    return {first_page_ + index, page.popped + slot};
  }

  // The same for values that ascend in a number: `number_of(value)`. `before` is true for those
  // whose number is below `sought`. Numbers that are spread evenly are found with fewer looks.
  template <class Before, class NumberOf>
  Position PartitionPointNear(Before before, uint64_t sought, NumberOf number_of) const {
    const size_t index =
        CountBefore(pages_.size(), [&](size_t i) { return before(pages_[i].values.back()); });
    if (index == pages_.size()) return end();
    const Page& page = pages_[index];
    const uint64_t first = number_of(page.values.front());
    if (sought <= first) return {first_page_ + index, page.popped};
    const size_t size = page.values.size();
    const size_t guess = GuessPlace(sought, first, number_of(page.values.back()), size);
    const size_t slot =
        CountBeforeNear(size - 1, guess, [&](size_t i) { return before(page.values[i]); });
    return {first_page_ + index, page.popped + slot};
  }

  T& PushBack(T value) {
    if (pages_.empty() || pages_.back().values.size() == kPage) pages_.PushBack(Page());
    size_++;
    return pages_.back().values.PushBack(std::move(value));
  }

  void PopFront() {
    Page& page = pages_.front();
    page.values.PopFront();
    page.popped++;
    size_--;
    if (!page.values.empty()) return;
    pages_.PopFront();
    first_page_++;
  }

  // Puts `value` before `at`, which may be end(); returns where it is now.
  Position Insert(Position at, T value) {
    if (at == end()) {
      PushBack(std::move(value));
      return Previous(end());
    }
    if (PageOf(at).values.size() == kPage) at = Split(at);
    Page& page = PageOf(at);
    page.values.Insert(at.slot - page.popped, std::move(value));
    size_++;
    return at;
  }

  // Returns the position of the value that followed, or end().
  Position Erase(Position at) {
    if (at == begin()) {
      PopFront();
      return begin();
    }
    Page& page = PageOf(at);
    page.values.Erase(at.slot - page.popped);
    size_--;
    if (page.values.empty()) {
      pages_.Erase(at.page - first_page_);
      return FirstOf(at.page);
    }
    return Merge(at);
  }

  void Clear() { *this = PagedRing(); }

  // Bytes of memory of the sequence itself, without what its values own.
  size_t MemoryBytes() const {
    size_t bytes = pages_.capacity() * sizeof(Page);
    for (size_t i = 0; i < pages_.size(); i++) {
      bytes += pages_[i].values.capacity() * sizeof(T);
    }
    return bytes;
  }

 private:
  struct Page {
    Ring<T> values;       // never empty, but for a page just made
    uint64_t popped = 0;  // values popped from its front: the number of the first one
  };

  // For how many of the numbers below `size` the predicate holds. The steps of the search select
  // numbers instead of branching, because the processor could not predict the branches.
  template <class Before>
  static size_t CountBefore(size_t size, Before before) {
    size_t low = 0;
    while (size > 0) {
      const size_t half = size / 2;
      const bool is_before = before(low + half);
      low = is_before ? low + half + 1 : low;
      size = is_before ? size - half - 1 : half;
    }
    return low;
  }

  Page& PageOf(Position at) { return pages_[at.page - first_page_]; }
  const Page& PageOf(Position at) const { return pages_[at.page - first_page_]; }
  Position FirstOf(uint64_t page) const {
    if (page - first_page_ >= pages_.size()) return end();
    return {page, pages_[page - first_page_].popped};
  }

  // Cuts a full page in two halves; returns where `at` went.
  Position Split(Position at) {
    const size_t index = at.page - first_page_;
    Page upper;
    Page& lower = pages_[index];
    for (size_t i = kPage / 2; i < kPage; i++) {
      upper.values.PushBack(std::move(lower.values[i]));
    }
    while (lower.values.size() > kPage / 2) {
      lower.values.PopBack();
    }
    const size_t offset = at.slot - lower.popped;
    pages_.Insert(index + 1, std::move(upper));
    if (offset < kPage / 2) return at;
    return {at.page + 1, offset - kPage / 2};
  }

  // Joins the page of `at` with its successor if both are mostly empty, so that erasing here and
  // there leaves no long row of nearly empty pages. `at` may be one past the page's last value.
  Position Merge(Position at) {
    const size_t index = at.page - first_page_;
    Page& page = pages_[index];
    if (index + 1 < pages_.size() &&
        page.values.size() + pages_[index + 1].values.size() <= kPage / 2) {
      Page& next = pages_[index + 1];
      for (size_t i = 0; i < next.values.size(); i++) {
        page.values.PushBack(std::move(next.values[i]));
      }
      pages_.Erase(index + 1);
    }
    const Page& joined = pages_[index];
    return at.slot - joined.popped < joined.values.size() ? at : FirstOf(at.page + 1);
  }

  Ring<Page> pages_;
  uint64_t first_page_ = 0;
  size_t size_ = 0;
};

}  // namespace runnel
