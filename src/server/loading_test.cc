#include "server/loading.h"

#include <gtest/gtest.h>

#include "broker/testing.h"

namespace runnel {
namespace {

class LoadingTest : public ::testing::Test {
 protected:
  testing::ManualClock clock_;
  Loading loading_{clock_};
};

TEST_F(LoadingTest, TellsHowFarItIsAndHowLongItTakes) {
  EXPECT_EQ(loading_.start_s(), clock_.unix_us / 1'000'000);
  EXPECT_EQ(loading_.percent(), 0);
  EXPECT_EQ(loading_.eta_seconds(), 1) << "nothing is known yet";
  clock_.Advance(10'000);
  EXPECT_EQ(loading_.elapsed_seconds(), 10);
  EXPECT_EQ(loading_.eta_seconds(), 1);
  loading_.Reached(250, 1000);
  EXPECT_EQ(loading_.loaded_bytes(), 250u);
  EXPECT_EQ(loading_.total_bytes(), 1000u);
  EXPECT_EQ(loading_.percent(), 25);
  EXPECT_EQ(loading_.eta_seconds(), 30);
  clock_.Advance(100);
  EXPECT_EQ(loading_.eta_seconds(), 31);
  loading_.Reached(1000, 1000);
  EXPECT_EQ(loading_.percent(), 100);
  EXPECT_EQ(loading_.eta_seconds(), 1);
}

TEST_F(LoadingTest, AnEstimateThatWasTooSmallIsCorrected) {
  loading_.Reached(150, 100);
  EXPECT_EQ(loading_.total_bytes(), 150u);
  EXPECT_EQ(loading_.percent(), 100);
}

}  // namespace
}  // namespace runnel
