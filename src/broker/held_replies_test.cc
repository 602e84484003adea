#include "broker/held_replies.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

Demand OfLeader(Position position) {
  return {Appended{position}, Acks::kLeader};
}

Demand OfAll(Position position, uint64_t question) {
  return {Appended{position}, Acks::kAll, question};
}

Watermarks SafeUpTo(Position safe) {
  Watermarks now;
  now.safe.position = safe;
  return now;
}

Rope Bytes(std::string_view text) {
  Rope rope;
  rope.Append(text);
  return rope;
}

TEST(HeldReplies, LeaveInOrderWhenTheWatermarkReachesThem) {
  HeldReplies held;
  held.Add(Bytes("a"), OfLeader(10), 0);
  held.Add(Bytes("b"), OfLeader(10), 0);
  held.Add(Bytes("c"), OfLeader(25), 0);
  EXPECT_EQ(held.bytes(), 3u);
  EXPECT_EQ(held.Release(SafeUpTo(9), 9).ToString(), "");
  EXPECT_EQ(held.Release(SafeUpTo(10), 9).ToString(), "ab");
  EXPECT_EQ(held.bytes(), 1u);
  EXPECT_EQ(held.Release(SafeUpTo(24), 9).ToString(), "");
  EXPECT_EQ(held.Release(SafeUpTo(100), 9).ToString(), "c");
  EXPECT_TRUE(held.empty());
}

// While the disk takes its time, each turn of a busy client or subscriber adds a few bytes.
TEST(HeldReplies, OfManyTurnsArePacked) {
  HeldReplies held;
  constexpr Position kTurns = 10'000;
  for (Position i = 1; i <= kTurns; i++) {
    held.Add(Bytes(std::to_string(i % 10)), OfLeader(i), 0);
  }
  EXPECT_LT(held.MemoryBytes(), 300'000u);
  EXPECT_EQ(held.Release(SafeUpTo(7), 9).ToString(), "1234567");
  EXPECT_EQ(held.Release(SafeUpTo(12), 9).ToString(), "89012");
  EXPECT_EQ(held.Release(SafeUpTo(kTurns), 9).size(), kTurns - 12);
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.MemoryBytes(), 0u);
}

// So many servers must have it while it leaves.
TEST(HeldReplies, WaitForSoManyServersAsWereAskedFor) {
  HeldReplies held;
  held.Add(Bytes("a"), {Appended{10}, Acks::kAll, 0, 2}, 0);
  held.Add(Bytes("b"), {Appended{10}, Acks::kAll, 0, 1000}, 0);
  held.Add(Bytes("c"), {Appended{10}, Acks::kLeader, 0, 7}, 0);
  Watermarks now = SafeUpTo(10);
  now.committed.position = 9;
  now.members = 2;
  EXPECT_EQ(held.Release(now, 9).ToString(), "");
  now.committed.position = 10;
  now.members = 1;
  EXPECT_EQ(held.Release(now, 9).ToString(), "");
  now.members = 2;
  EXPECT_EQ(held.Release(now, 9).ToString(), "a");
  now.members = 999;
  EXPECT_EQ(held.Release(now, 9).ToString(), "");
  now.members = 1000;
  EXPECT_EQ(held.Release(now, 9).ToString(), "bc");
}

TEST(HeldReplies, KeepTheirOrderWhenTheLevelChanges) {
  HeldReplies held;
  held.Add(Bytes("a"), OfLeader(10), 0);
  held.Add(Bytes("b"), OfAll(20, 1), 5);
  held.Add(Bytes("c"), {Appended{20}, Acks::kNone}, 6);
  held.Add(Bytes("d"), OfLeader(20), 7);
  Watermarks now = SafeUpTo(20);
  now.answered = 0;
  EXPECT_EQ(held.Release(now, 9).ToString(), "a");
  EXPECT_EQ(held.since_ms(), 9);
  now.committed.position = 20;
  EXPECT_EQ(held.Release(now, 9).ToString(), "");
  now.answered = 1;
  EXPECT_EQ(held.Release(now, 9).ToString(), "bcd");
  EXPECT_TRUE(held.empty());
}

TEST(Watermarks, AReplyLeavesWhenAllThatItShowsIsAsSafeAsItAsks) {
  Watermarks now;
  now.safe.position = 7;
  now.committed.position = 5;
  now.answered = 3;
  EXPECT_TRUE(MayLeave(OfLeader(7), now));
  EXPECT_TRUE(MayLeave(OfLeader(0), now));
  EXPECT_FALSE(MayLeave(OfLeader(8), now));
  EXPECT_TRUE(MayLeave({Appended{8}, Acks::kNone}, now));
  EXPECT_TRUE(MayLeave(OfAll(5, 0), now));
  EXPECT_TRUE(MayLeave(OfAll(5, 3), now));
  EXPECT_FALSE(MayLeave(OfAll(6, 0), now));
  EXPECT_FALSE(MayLeave(OfAll(5, 4), now));
  EXPECT_TRUE(MayLeave(OfAll(0, 0), Watermarks()));
}

}  // namespace
}  // namespace runnel
