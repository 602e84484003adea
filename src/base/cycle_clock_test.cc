#include "base/cycle_clock.h"

#include <gtest/gtest.h>

namespace runnel {
namespace {

TEST(CycleClockTest, ACounterThatGoesBackShowsNoTime) {
  EXPECT_EQ(CyclesBetween(5, 12), 7u);
  EXPECT_EQ(CyclesBetween(12, 12), 0u);
  EXPECT_EQ(CyclesBetween(12, 5), 0u);
}

TEST(CycleClockTest, ACycleHasALength) {
  EXPECT_GT(NanosPerCycle(), 0.0);
}

}  // namespace
}  // namespace runnel
