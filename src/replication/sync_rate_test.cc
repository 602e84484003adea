#include "replication/sync_rate.h"

#include <gtest/gtest.h>

namespace runnel::replication {
namespace {

TEST(SyncRateTest, WhatWasReadIsADebt) {
  SyncRate rate(1000);
  EXPECT_TRUE(rate.MayRead(500, 1000));
  rate.Count(1000);
  EXPECT_FALSE(rate.MayRead(500, 1000));
  EXPECT_EQ(rate.ask_again_ms(), 2000) << "a second later at most";
  EXPECT_FALSE(rate.MayRead(500, 2900));
  EXPECT_EQ(rate.ask_again_ms(), 3001);
  EXPECT_FALSE(rate.MayRead(500, 2999));
  EXPECT_TRUE(rate.MayRead(500, 3000));
  // What was not used is not saved up.
  EXPECT_TRUE(rate.MayRead(500, 100'000));
  rate.Count(500);
  EXPECT_FALSE(rate.MayRead(500, 100'999));
  EXPECT_TRUE(rate.MayRead(500, 101'000));
}

TEST(SyncRateTest, AnotherRateHoldsAtOnce) {
  SyncRate rate(0);
  rate.Count(1'000'000);
  EXPECT_FALSE(rate.MayRead(1, 10));
  EXPECT_FALSE(rate.MayRead(1'000'000, 500));
  EXPECT_TRUE(rate.MayRead(1'000'000, 1010));
  rate.Count(1'000'000);
  EXPECT_FALSE(rate.MayRead(1, 1020));
  EXPECT_TRUE(rate.MayRead(0, 1020));
}

// A low rate counts in short turns, too.
TEST(SyncRateTest, TurnsMayBeShort) {
  SyncRate rate(0);
  rate.Count(10);
  int64_t now_ms = 0;
  while (!rate.MayRead(7, now_ms)) {
    now_ms++;
  }
  EXPECT_GE(now_ms, 10 * 1000 / 7);
  EXPECT_LE(now_ms, 10 * 1000 / 7 + 1);
}

TEST(SyncRateTest, TheHighestRateAndTheLongestTimeFit) {
  SyncRate rate(0);
  rate.Count(uint64_t{1} << 49);
  EXPECT_TRUE(rate.MayRead(SyncRate::kMostRate, int64_t{1} << 60));
}

}  // namespace
}  // namespace runnel::replication
