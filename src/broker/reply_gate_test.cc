#include "broker/reply_gate.h"

#include <gtest/gtest.h>

namespace runnel {
namespace {

Rope Bytes(std::string_view text) {
  Rope rope;
  rope.Append(text);
  return rope;
}

TEST(HeldReplies, LeaveInOrderWhenTheWatermarkReachesThem) {
  HeldReplies held;
  held.Add(Bytes("a"), 10);
  held.Add(Bytes("b"), 10);
  held.Add(Bytes("c"), 25);
  EXPECT_EQ(held.bytes(), 3u);
  EXPECT_EQ(held.Release(9).ToString(), "");
  EXPECT_EQ(held.Release(10).ToString(), "ab");
  EXPECT_EQ(held.bytes(), 1u);
  EXPECT_EQ(held.Release(24).ToString(), "");
  EXPECT_EQ(held.Release(100).ToString(), "c");
  EXPECT_TRUE(held.empty());
}

// While the disk takes its time, each turn of a busy client or subscriber adds a few bytes.
TEST(HeldReplies, OfManyTurnsArePacked) {
  HeldReplies held;
  constexpr int kTurns = 10'000;
  for (int i = 1; i <= kTurns; i++) {
    held.Add(Bytes(std::to_string(i % 10)), i);
  }
  EXPECT_LT(held.MemoryBytes(), 300'000u);
  EXPECT_EQ(held.Release(7).ToString(), "1234567");
  EXPECT_EQ(held.Release(12).ToString(), "89012");
  EXPECT_EQ(held.Release(kTurns).size(), static_cast<size_t>(kTurns - 12));
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.MemoryBytes(), 0u);
}

TEST(ReplyGate, TheWatermarkFollowsTheEndOfTheJournal) {
  ReplyGate gate;
  gate.Append(7);
  EXPECT_EQ(gate.appended(), 7u);
  EXPECT_EQ(gate.watermark(), 0u);
  gate.Advance(5);
  gate.Append(3);
  gate.Advance(10);
  EXPECT_EQ(gate.watermark(), 10u);
}

}  // namespace
}  // namespace runnel
