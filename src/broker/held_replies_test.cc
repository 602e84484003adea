#include "broker/held_replies.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

Rope Bytes(std::string_view text) {
  Rope rope;
  rope.Append(text);
  return rope;
}

TEST(HeldReplies, LeaveInOrderWhenTheWatermarkReachesThem) {
  HeldReplies held;
  held.Add(Bytes("a"), Appended{10});
  held.Add(Bytes("b"), Appended{10});
  held.Add(Bytes("c"), Appended{25});
  EXPECT_EQ(held.bytes(), 3u);
  EXPECT_EQ(held.Release(Safe{9}).ToString(), "");
  EXPECT_EQ(held.Release(Safe{10}).ToString(), "ab");
  EXPECT_EQ(held.bytes(), 1u);
  EXPECT_EQ(held.Release(Safe{24}).ToString(), "");
  EXPECT_EQ(held.Release(Safe{100}).ToString(), "c");
  EXPECT_TRUE(held.empty());
}

// While the disk takes its time, each turn of a busy client or subscriber adds a few bytes.
TEST(HeldReplies, OfManyTurnsArePacked) {
  HeldReplies held;
  constexpr Position kTurns = 10'000;
  for (Position i = 1; i <= kTurns; i++) {
    held.Add(Bytes(std::to_string(i % 10)), Appended{i});
  }
  EXPECT_LT(held.MemoryBytes(), 300'000u);
  EXPECT_EQ(held.Release(Safe{7}).ToString(), "1234567");
  EXPECT_EQ(held.Release(Safe{12}).ToString(), "89012");
  EXPECT_EQ(held.Release(Safe{kTurns}).size(), kTurns - 12);
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.MemoryBytes(), 0u);
}

TEST(Watermarks, AReplyLeavesWhenAllThatItShowsIsSafe) {
  EXPECT_TRUE(MayLeave(Appended{7}, Safe{7}));
  EXPECT_TRUE(MayLeave(Appended{0}, Safe{0}));
  EXPECT_FALSE(MayLeave(Appended{8}, Safe{7}));
}

}  // namespace
}  // namespace runnel
