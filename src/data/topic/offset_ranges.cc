#include "data/topic/offset_ranges.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace runnel {

bool OffsetRanges::Contains(uint64_t offset) const {
  const auto after = ranges_.upper_bound(offset);
  return after != ranges_.begin() && offset < std::prev(after)->second;
}

uint64_t OffsetRanges::NextMissing(uint64_t offset) const {
  const auto after = ranges_.upper_bound(offset);
  if (after == ranges_.begin()) return offset;
  return std::max(offset, std::prev(after)->second);
}

uint64_t OffsetRanges::NextContained(uint64_t offset) const {
  const auto after = ranges_.upper_bound(offset);
  if (after != ranges_.begin() && offset < std::prev(after)->second) return offset;
  return after == ranges_.end() ? UINT64_MAX : after->first;
}

uint64_t OffsetRanges::CountBelow(uint64_t offset) const {
  uint64_t count = 0;
  for (const auto& [first, end] : ranges_) {
    if (first >= offset) break;
    count += std::min(end, offset) - first;
  }
  return count;
}

bool OffsetRanges::Add(uint64_t offset) {
  ASSERT(offset < UINT64_MAX);
  auto after = ranges_.upper_bound(offset);
  const bool touches_next = after != ranges_.end() && after->first == offset + 1;
  if (after != ranges_.begin()) {
    const auto before = std::prev(after);
    if (offset < before->second) return false;
    if (offset == before->second) {
      before->second = touches_next ? after->second : offset + 1;
      if (touches_next) ranges_.erase(after);
      return true;
    }
  }
  uint64_t end = offset + 1;
  if (touches_next) {
    end = after->second;
    after = ranges_.erase(after);
  }
  ranges_.insert(after, {offset, end});
  return true;
}

void OffsetRanges::Append(uint64_t first, uint64_t end) {
  ASSERT(first < end && (ranges_.empty() || first > ranges_.rbegin()->second));
  ranges_.insert(ranges_.end(), {first, end});
}

void OffsetRanges::RemoveBelow(uint64_t offset) {
  const auto kept = ranges_.lower_bound(offset);
  if (kept == ranges_.begin()) return;
  const uint64_t end = std::prev(kept)->second;
  const auto next = ranges_.erase(ranges_.begin(), kept);
  if (end > offset) ranges_.insert(next, {offset, end});
}

}  // namespace runnel
