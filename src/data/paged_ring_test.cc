#include "data/paged_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace runnel {
namespace {

// Small pages, so that few values make many of them.
using Numbers = PagedRing<std::unique_ptr<uint64_t>, 8>;

std::vector<uint64_t> Forward(const Numbers& numbers) {
  std::vector<uint64_t> seen;
  for (auto at = numbers.begin(); numbers.Contains(at); at = numbers.Next(at)) {
    seen.push_back(*numbers[at]);
  }
  return seen;
}

std::vector<uint64_t> Backward(const Numbers& numbers) {
  std::vector<uint64_t> seen;
  for (auto at = numbers.end(); at != numbers.begin();) {
    at = numbers.Previous(at);
    seen.push_back(*numbers[at]);
  }
  return seen;
}

TEST(PagedRingTest, EmptyHasNoPositions) {
  Numbers numbers;
  EXPECT_EQ(numbers.begin(), numbers.end());
  EXPECT_FALSE(numbers.Contains(numbers.begin()));
  EXPECT_EQ(numbers.PartitionPoint([](const auto&) { return true; }), numbers.end());
}

TEST(PagedRingTest, PositionsStayRightWhileTheEndsMove) {
  Numbers numbers;
  for (uint64_t i = 0; i < 100; i++) {
    numbers.PushBack(std::make_unique<uint64_t>(i));
  }
  const auto at = numbers.PartitionPoint([](const auto& value) { return *value < 50; });
  for (uint64_t i = 0; i < 50; i++) {
    ASSERT_EQ(*numbers[at], 50u);
    numbers.PopFront();
    numbers.PushBack(std::make_unique<uint64_t>(100 + i));
  }
  EXPECT_EQ(at, numbers.begin());
  numbers.PopFront();
  EXPECT_FALSE(numbers.Contains(at));
}

// Random changes against a deque. Values are kept sorted, so that PartitionPoint can be asked, too.
TEST(PagedRingTest, BehavesAsASequence) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Numbers numbers;
    std::deque<uint64_t> model;
    // Phases that grow and phases that shrink, so that pages split and join.
    for (int step = 0; step < 20'000; step++) {
      const bool growing = (step / 1000) % 2 == 0;
      const uint64_t choice = random() % 8;
      if (choice < (growing ? 5u : 2u)) {
        const uint64_t value = random() % 100'000;
        const auto at =
            numbers.PartitionPoint([value](const auto& other) { return *other < value; });
        const auto place = std::lower_bound(model.begin(), model.end(), value);
        const auto inserted = numbers.Insert(at, std::make_unique<uint64_t>(value));
        ASSERT_EQ(*numbers[inserted], value);
        model.insert(place, value);
      } else if (model.empty()) {
        ASSERT_TRUE(numbers.empty());
      } else if (choice < 6) {
        const uint64_t value = model[random() % model.size()];
        const auto at =
            numbers.PartitionPoint([value](const auto& other) { return *other < value; });
        ASSERT_EQ(*numbers[at], value);
        const auto next = numbers.Erase(at);
        const auto place = model.erase(std::lower_bound(model.begin(), model.end(), value));
        ASSERT_EQ(numbers.Contains(next), place != model.end());
        if (place != model.end()) {
          ASSERT_EQ(*numbers[next], *place);
        }
      } else if (choice == 6) {
        numbers.PopFront();
        model.pop_front();
      } else {
        ASSERT_EQ(*numbers.front(), model.front());
        ASSERT_EQ(*numbers.back(), model.back());
      }
      ASSERT_EQ(numbers.size(), model.size());
      if (step % 500 != 0) continue;
      ASSERT_EQ(Forward(numbers), std::vector<uint64_t>(model.begin(), model.end()));
      ASSERT_EQ(Backward(numbers), std::vector<uint64_t>(model.rbegin(), model.rend()));
    }
  }
}

TEST(PagedRingTest, ErasingMostDoesNotLeaveARowOfNearlyEmptyPages) {
  PagedRing<uint64_t> numbers;
  constexpr uint64_t kCount = 100'000;
  for (uint64_t i = 0; i < kCount; i++) {
    numbers.PushBack(i);
  }
  for (auto at = numbers.begin(); numbers.Contains(at);) {
    at = numbers[at] % 100 == 0 ? numbers.Next(at) : numbers.Erase(at);
  }
  EXPECT_EQ(numbers.size(), kCount / 100);
  EXPECT_LT(numbers.MemoryBytes(), kCount / 100 * sizeof(uint64_t) * 16);
}

}  // namespace
}  // namespace runnel
