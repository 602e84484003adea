#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace runnel {

// Where a number would be among `size` ascending ones, if they were spread evenly from `first` to
// `last`. REQUIRES: first <= sought <= last, size > 0.
inline size_t GuessPlace(uint64_t sought, uint64_t first, uint64_t last, size_t size) {
  if (first == last) return 0;
  const double part = static_cast<double>(sought - first) / static_cast<double>(last - first);
  return static_cast<size_t>(part * static_cast<double>(size - 1));
}

// For how many of the numbers below `size` the predicate holds, which is true for a leading part of
// them. Looks near `guess` first: a good guess takes a few looks that are close to each other,
// where a search from the middle takes log2(size) looks all over the place; a bad one takes twice
// as many.
template <class Before>
size_t CountBeforeNear(size_t size, size_t guess, Before before) {
  if (size == 0) return 0;
  size_t low = 0;
  size_t high = size;
  const size_t at = std::min(guess, size - 1);
  if (before(at)) {
    low = at + 1;
    for (size_t step = 1; low < high; step *= 2) {
      const size_t probe = std::min(low + step - 1, high - 1);
      if (!before(probe)) {
        high = probe;
        break;
      }
      low = probe + 1;
    }
  } else {
    high = at;
    for (size_t step = 1; low < high; step *= 2) {
      const size_t probe = high - std::min(step, high);
      if (before(probe)) {
        low = probe + 1;
        break;
      }
      high = probe;
    }
  }
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (before(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace runnel
