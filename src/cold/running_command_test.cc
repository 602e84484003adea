#include "cold/running_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace runnel::cold {
namespace {

using ::testing::HasSubstr;

// An extent of which only the size matters.
class Extent final : public ColdExtent {
 public:
  explicit Extent(uint32_t bytes) : ColdExtent(nullptr, RunKind::kStream, bytes, 1) {}
  void Describe(Encoder*) const override {}
};

class RunningCommandTest : public ::testing::Test {
 protected:
  RunningCommandTest() {
    settings_.cold_read_limit = 1000;
    command_.AskPhase([this] { return phase_; });
  }
  // What the function throws; empty if it throws nothing.
  template <class What>
  static std::string FailureOf(What what) {
    try {
      what();
    } catch (const ColdFailure& failure) {
      EXPECT_TRUE(failure.too_much);
      return failure.message;
    }
    return "";
  }
  std::string Use(const Extent& extent) {
    return FailureOf([&] { command_.NoteUse(extent); });
  }

  ColdSettings settings_;
  RunningCommand command_{settings_};
  Phase phase_ = Phase::kLooking;
  Rope reply_;
  Extent small_{400};
  Extent large_{700};
};

TEST_F(RunningCommandTest, AnExtentCountsOnceInACommand) {
  command_.Begin(reply_, false);
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(Use(small_), "");
  }
  EXPECT_THAT(Use(large_), HasSubstr("at least 1100 bytes"));
  EXPECT_THAT(Use(large_), HasSubstr("cold-read-limit is 1000"));
  command_.Begin(reply_, false);
  EXPECT_EQ(Use(large_), "");
}

TEST_F(RunningCommandTest, ATransactionSharesTheLimit) {
  command_.Begin(reply_, false);
  command_.Begin(reply_, true);
  EXPECT_EQ(Use(small_), "");
  command_.Begin(reply_, true);
  EXPECT_THAT(Use(large_), HasSubstr("at least 1100 bytes"));
}

// The reply counts from the first look at cold data to the last, for each command of a transaction.
TEST_F(RunningCommandTest, RepliesCount) {
  reply_.Append(std::string(5000, 'x'));
  command_.Begin(reply_, false);
  EXPECT_EQ(Use(small_), "");
  reply_.Append(std::string(350, 'x'));
  EXPECT_EQ(Use(small_), "");
  reply_.Append(std::string(5000, 'x'));
  command_.Begin(reply_, true);
  EXPECT_EQ(FailureOf([&] { command_.NoteKept(250); }), "");
  EXPECT_THAT(FailureOf([&] { command_.NoteKept(1); }), HasSubstr("at least 1001 bytes"));
}

TEST_F(RunningCommandTest, NothingIsRefusedOutsideOfCommandsOrDuringAChange) {
  EXPECT_EQ(Use(small_), "");
  EXPECT_EQ(FailureOf([&] { command_.NoteKept(5000); }), "");
  command_.Begin(reply_, false);
  for (const Phase phase : {Phase::kChanging, Phase::kChanged}) {
    phase_ = phase;
    EXPECT_EQ(FailureOf([&] { command_.NoteKept(5000); }), "");
  }
  phase_ = Phase::kInside;
  EXPECT_NE(FailureOf([&] { command_.Check(); }), "");
  settings_.cold_read_limit = 0;
  EXPECT_EQ(FailureOf([&] { command_.Check(); }), "");
  settings_.cold_read_limit = 1000;
  command_.End();
  EXPECT_EQ(FailureOf([&] { command_.Check(); }), "");
}

TEST_F(RunningCommandTest, ALookIsInThePhaseOfLooking) {
  phase_ = Phase::kChanging;
  command_.set_looking(true);
  EXPECT_EQ(command_.phase(), Phase::kLooking);
  command_.set_looking(false);
  EXPECT_EQ(command_.phase(), Phase::kChanging);
  command_.AskPhase(nullptr);
  phase_ = Phase::kInside;
  EXPECT_EQ(command_.phase(), Phase::kChanging);
}

TEST_F(RunningCommandTest, TheLoopWaitsForABoundedNumberOfExtentsInATransaction) {
  command_.Begin(reply_, false);
  phase_ = Phase::kInside;
  for (int i = 0; i < 64; i++) {
    EXPECT_EQ(FailureOf([&] { command_.CountBlockingRead(); }), "");
  }
  EXPECT_THAT(FailureOf([&] { command_.CountBlockingRead(); }), HasSubstr("more than 64 pieces"));
  phase_ = Phase::kChanging;
  EXPECT_EQ(FailureOf([&] { command_.CountBlockingRead(); }), "");
  command_.Begin(reply_, false);
  phase_ = Phase::kInside;
  EXPECT_EQ(FailureOf([&] { command_.CountBlockingRead(); }), "");
  EXPECT_EQ(command_.blocking_reads(), 66u);
}

}  // namespace
}  // namespace runnel::cold
