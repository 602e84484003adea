#include "base/search.h"

#include <gtest/gtest.h>

#include <vector>

namespace runnel {
namespace {

TEST(SearchTest, EveryGuessFindsTheSamePlace) {
  for (size_t size = 0; size < 40; size++) {
    for (size_t count = 0; count <= size; count++) {
      for (size_t guess = 0; guess < 45; guess++) {
        const auto before = [&](size_t i) {
          EXPECT_LT(i, size);
          return i < count;
        };
        ASSERT_EQ(CountBeforeNear(size, guess, before), count) << size << " " << guess;
      }
    }
  }
}

TEST(SearchTest, AGoodGuessTakesFewLooks) {
  constexpr size_t kSize = 1'000'000;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{500'000}, kSize - 1, kSize}) {
    for (const size_t miss : {0, 1, 2}) {
      size_t looks = 0;
      CountBeforeNear(kSize, count + miss, [&](size_t i) {
        looks++;
        return i < count;
      });
      EXPECT_LE(looks, 5u) << count << " " << miss;
    }
  }
  size_t looks = 0;
  CountBeforeNear(kSize, 0, [&](size_t i) {
    looks++;
    return i < kSize - 1;
  });
  EXPECT_LE(looks, 41u);
}

TEST(SearchTest, GuessesAreRightWhereNumbersAreSpreadEvenly) {
  EXPECT_EQ(GuessPlace(7, 7, 7, 1), 0u);
  for (uint64_t i = 0; i < 100; i++) {
    const size_t guess = GuessPlace(50 + 3 * i, 50, 50 + 3 * 99, 100);
    EXPECT_LE(guess, i);
    EXPECT_GE(guess + 1, i);
  }
  EXPECT_EQ(GuessPlace(UINT64_MAX, 0, UINT64_MAX, 10), 9u);
}

}  // namespace
}  // namespace runnel
