#include "data/topic/offset_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace runnel {
namespace {

// Offsets one by one: what a set of ranges must say.
class Offsets {
 public:
  bool Add(uint64_t offset) { return set_.insert(offset).second; }
  void Append(uint64_t first, uint64_t end) {
    for (; first < end; first++) {
      set_.insert(first);
    }
  }
  void RemoveBelow(uint64_t offset) { set_.erase(set_.begin(), set_.lower_bound(offset)); }
  uint64_t last() const { return set_.empty() ? 0 : *set_.rbegin(); }

  void ExpectSame(const OffsetRanges& ranges, uint64_t offset) const {
    EXPECT_EQ(ranges.Contains(offset), set_.contains(offset));
    uint64_t missing = offset;
    while (set_.contains(missing)) {
      missing++;
    }
    EXPECT_EQ(ranges.NextMissing(offset), missing);
    const auto next = set_.lower_bound(offset);
    EXPECT_EQ(ranges.NextContained(offset), next == set_.end() ? UINT64_MAX : *next);
    EXPECT_EQ(ranges.CountBelow(offset),
              static_cast<uint64_t>(std::distance(set_.begin(), set_.lower_bound(offset))));
  }
  void ExpectSame(const OffsetRanges& ranges) const {
    OffsetRanges::Map map;
    for (const uint64_t offset : set_) {
      if (!map.empty() && map.rbegin()->second == offset) {
        map.rbegin()->second++;
      } else {
        map.insert({offset, offset + 1});
      }
    }
    EXPECT_EQ(ranges.all(), map);
    EXPECT_EQ(ranges.size(), map.size());
    EXPECT_EQ(ranges.empty(), map.empty());
  }

 private:
  std::set<uint64_t> set_;
};

class OffsetRangesSeeds : public testing::TestWithParam<int> {};

TEST_P(OffsetRangesSeeds, AreASetOfOffsets) {
  std::mt19937_64 random(GetParam());
  OffsetRanges ranges;
  Offsets offsets;
  for (int i = 0; i < 1000; i++) {
    const uint64_t offset = random() % 60;
    if (random() % 20 == 0) {
      ranges.RemoveBelow(offset);
      offsets.RemoveBelow(offset);
    } else if (random() % 30 == 0) {
      const uint64_t first = offsets.last() + 2;
      const uint64_t end = first + 1 + random() % 5;
      if (end > 100) continue;
      ranges.Append(first, end);
      offsets.Append(first, end);
    } else {
      EXPECT_EQ(ranges.Add(offset), offsets.Add(offset));
    }
    ASSERT_NO_FATAL_FAILURE(offsets.ExpectSame(ranges)) << "after step " << i;
    for (uint64_t at = 0; at < 110; at++) {
      offsets.ExpectSame(ranges, at);
    }
    ASSERT_FALSE(HasFailure()) << "after step " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OffsetRangesSeeds, testing::Range(0, 10));

TEST(OffsetRangesTest, TheLastOffsets) {
  OffsetRanges ranges;
  EXPECT_TRUE(ranges.Add(UINT64_MAX - 1));
  EXPECT_TRUE(ranges.Add(UINT64_MAX - 2));
  EXPECT_EQ(ranges.all(), (OffsetRanges::Map{{UINT64_MAX - 2, UINT64_MAX}}));
  EXPECT_FALSE(ranges.Contains(UINT64_MAX));
  EXPECT_EQ(ranges.NextMissing(UINT64_MAX - 2), UINT64_MAX);
  EXPECT_EQ(ranges.NextContained(0), UINT64_MAX - 2);
  EXPECT_EQ(ranges.CountBelow(UINT64_MAX), 2u);
  ranges.RemoveBelow(UINT64_MAX);
  EXPECT_TRUE(ranges.empty());
}

}  // namespace
}  // namespace runnel
