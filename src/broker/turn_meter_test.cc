#include "broker/turn_meter.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

using Part = TurnMeter::Part;

// A cycle is a microsecond.
constexpr double kNanos = 1000;

TEST(TurnMeter, TellsTheLongestTurnAndWhatWasDoneInIt) {
  TurnMeter meter;
  EXPECT_EQ(meter.longest().longest, "");

  meter.Did(Part::kCommands, "get", 10);
  meter.Did(Part::kCommands, "keys", 300);
  meter.Did(Part::kUpkeep, "expire", 20);
  meter.Did(Part::kCommands, "get", 10);
  EXPECT_EQ(meter.End(400, 7, kNanos), 400);
  EXPECT_EQ(meter.longest().cycles, 400u);
  EXPECT_EQ(meter.longest().commands, 3u);
  EXPECT_EQ(meter.longest().longest, "keys");
  EXPECT_EQ(meter.longest().longest_cycles, 300u);

  // What was done in one turn is not in the next.
  meter.Did(Part::kCommands, "get", 20);
  EXPECT_EQ(meter.End(30, 90, kNanos), 30);
  EXPECT_EQ(meter.longest().longest, "keys");
  EXPECT_EQ(meter.most_steps().longest, "get");
  EXPECT_EQ(meter.most_steps().steps, 90u);

  EXPECT_EQ(meter.turns(), 2u);
  EXPECT_EQ(meter.cycles(), 430u);
  EXPECT_EQ(meter.cycles(Part::kCommands), 340u);
  EXPECT_EQ(meter.cycles(Part::kUpkeep), 20u);
  EXPECT_EQ(meter.cycles(Part::kJournal), 0u);
  EXPECT_EQ(meter.most_commands(), 3u);
  EXPECT_EQ(meter.histogram()[5], 1u);  // 16 to 31
  EXPECT_EQ(meter.histogram()[9], 1u);  // 256 to 511

  meter.Reset();
  EXPECT_EQ(meter.turns(), 0u);
  EXPECT_EQ(meter.cycles(Part::kCommands), 0u);
  EXPECT_EQ(meter.longest().longest, "");
  EXPECT_EQ(meter.most_steps().steps, 0u);
  EXPECT_EQ(meter.histogram()[9], 0u);
}

TEST(TurnMeter, WhatIsNotMeasuredOnItsOwnMayBeTheLongest) {
  TurnMeter meter;
  meter.Did(Part::kCommands, "get", 10);
  meter.End(100, 0, kNanos);
  EXPECT_EQ(meter.longest().longest, "rest");
  EXPECT_EQ(meter.longest().longest_cycles, 90u);
  // The counter has gone back: the whole is less than its parts.
  meter.Did(Part::kCommands, "get", 200);
  meter.End(150, 0, kNanos);
  EXPECT_EQ(meter.longest().longest, "get");
}

TEST(TurnMeter, TakesAnyTime) {
  TurnMeter meter;
  meter.End(~uint64_t{0}, 0, 1e9);
  EXPECT_EQ(meter.histogram()[TurnMeter::kBuckets - 1], 1u);
  meter.End(0, 0, kNanos);
  EXPECT_EQ(meter.histogram()[0], 1u);
}

}  // namespace
}  // namespace runnel
