#include "server/loading.h"

#include <gtest/gtest.h>

#include "broker/testing.h"

namespace runnel {
namespace {

class LoadingTest : public ::testing::Test {
 protected:
  testing::ManualClock clock_;
  int turns_ = 0;
  Status verdict_;
  Loading loading_{clock_, [this] {
                     turns_++;
                     return verdict_;
                   }};
};

TEST_F(LoadingTest, TheLoopHasATurnNowAndThen) {
  EXPECT_TRUE(loading_.Reached(1, 100).ok());
  EXPECT_EQ(turns_, 1) << "who came before is not kept waiting";
  for (int ms = 1; ms < 20; ms++) {
    clock_.Advance(1);
    EXPECT_TRUE(loading_.Reached(1, 100).ok());
    EXPECT_TRUE(loading_.Breathe().ok());
  }
  EXPECT_EQ(turns_, 1);
  clock_.Advance(1);
  EXPECT_TRUE(loading_.Breathe().ok());
  EXPECT_TRUE(loading_.Breathe().ok());
  EXPECT_EQ(turns_, 2);
  clock_.Advance(1000);
  EXPECT_TRUE(loading_.Reached(2, 100).ok());
  EXPECT_EQ(turns_, 3);
}

// A crowd of clients does not keep the loop's turns from ending.
TEST_F(LoadingTest, ALongTurnDoesNotBringTheNextOneNearer) {
  int turns = 0;
  Loading loading(clock_, [&] {
    turns++;
    clock_.Advance(500);
    return Status();
  });
  EXPECT_TRUE(loading.Breathe().ok());
  EXPECT_TRUE(loading.Breathe().ok());
  EXPECT_EQ(turns, 1);
}

TEST_F(LoadingTest, TheTurnMayEndIt) {
  verdict_ = Status::Error("enough");
  EXPECT_EQ(loading_.Reached(1, 100).message(), "enough");
  clock_.Advance(20);
  EXPECT_EQ(loading_.Breathe().message(), "enough");
}

TEST_F(LoadingTest, TellsHowFarItIsAndHowLongItTakes) {
  EXPECT_EQ(loading_.start_s(), clock_.unix_us / 1'000'000);
  EXPECT_EQ(loading_.percent(), 0);
  EXPECT_EQ(loading_.eta_seconds(), 1) << "nothing is known yet";
  clock_.Advance(10'000);
  EXPECT_EQ(loading_.elapsed_seconds(), 10);
  EXPECT_EQ(loading_.eta_seconds(), 1);
  EXPECT_TRUE(loading_.Reached(250, 1000).ok());
  EXPECT_EQ(loading_.loaded_bytes(), 250u);
  EXPECT_EQ(loading_.total_bytes(), 1000u);
  EXPECT_EQ(loading_.percent(), 25);
  EXPECT_EQ(loading_.eta_seconds(), 30);
  clock_.Advance(100);
  EXPECT_EQ(loading_.eta_seconds(), 31);
  EXPECT_TRUE(loading_.Reached(1000, 1000).ok());
  EXPECT_EQ(loading_.percent(), 100);
  EXPECT_EQ(loading_.eta_seconds(), 1);
}

TEST_F(LoadingTest, AnEstimateThatWasTooSmallIsCorrected) {
  EXPECT_TRUE(loading_.Reached(150, 100).ok());
  EXPECT_EQ(loading_.total_bytes(), 150u);
  EXPECT_EQ(loading_.percent(), 100);
}

}  // namespace
}  // namespace runnel
