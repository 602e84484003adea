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
