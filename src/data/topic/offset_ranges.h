#pragma once

#include <cstddef>
#include <cstdint>

#include <absl/container/btree_map.h>

namespace runnel {

// A set of offsets, kept as ranges without gap between their offsets.
class OffsetRanges {
 public:
  // First offset and the offset after the last one. Neighbours do not touch.
  using Map = absl::btree_map<uint64_t, uint64_t>;

  const Map& all() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  size_t size() const { return ranges_.size(); }
  // The offset after the last one; 0 if there is none.
  uint64_t end() const { return empty() ? 0 : ranges_.rbegin()->second; }
  bool Contains(uint64_t offset) const;
  // The first offset from this one on that is not in the set.
  uint64_t NextMissing(uint64_t offset) const;
  // The first offset from this one on that is in the set; UINT64_MAX if there is none.
  uint64_t NextContained(uint64_t offset) const;
  // How many offsets below this one are in the set.
  uint64_t CountBelow(uint64_t offset) const;

  // Returns whether it is new. REQUIRES: offset < UINT64_MAX.
  bool Add(uint64_t offset);
  // Adds the offsets from `first` up to `end`. REQUIRES: first < end, and `first` is above the last
  // offset of the set and does not touch it.
  void Append(uint64_t first, uint64_t end);
  void RemoveBelow(uint64_t offset);

 private:
  Map ranges_;
};

}  // namespace runnel
