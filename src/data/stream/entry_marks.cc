#include "data/stream/entry_marks.h"

#include <algorithm>

namespace runnel {

EntryMarks& EntryMarks::operator=(const EntryMarks& other) {
  if (this == &other) return *this;
  if (bits_ != 0) Free();
  bits_ = other.bits_;
  if (is_small()) return *this;
  auto* const copy = new uint64_t[other.words()[0] + 1];
  std::copy_n(other.words(), other.words()[0] + 1, copy);
  bits_ = reinterpret_cast<uint64_t>(copy);
  return *this;
}

void EntryMarks::Free() {
  if (!is_small()) delete[] words();
  bits_ = 0;
}

void EntryMarks::Mark(size_t entry, size_t entries) {
  if (is_small() && entry < kSmall) {
    bits_ |= uint64_t{2} << entry | 1;
    return;
  }
  const size_t needed = std::max(entry, entries) / 64 + 1;
  if (is_small() || words()[0] <= entry / 64) {
    auto* const grown = new uint64_t[needed + 1];
    grown[0] = needed;
    for (size_t i = 0; i < needed; i++) {
      grown[1 + i] = Word(i);
    }
    Free();
    bits_ = reinterpret_cast<uint64_t>(grown);
  }
  words()[1 + entry / 64] |= uint64_t{1} << (entry % 64);
}

size_t EntryMarks::Count(size_t from, size_t to) const {
  size_t count = 0;
  for (size_t i = from / 64; i * 64 < to; i++) {
    uint64_t word = Word(i);
    if (i == from / 64) word &= ~uint64_t{0} << (from % 64);
    if (i == to / 64) word &= (uint64_t{1} << (to % 64)) - 1;
    count += static_cast<size_t>(std::popcount(word));
  }
  return count;
}

}  // namespace runnel
