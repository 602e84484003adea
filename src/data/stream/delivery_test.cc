#include "data/stream/stream.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace runnel {
namespace {

constexpr int64_t kDeliveryNow = 1'700'000'000'000;

// Appends entries 1-0, 2-0, ... up to `count`-0, after those that are there.
void FillForDelivery(Stream* stream, uint64_t count) {
  while (stream->last_id().ms < count) {
    stream->Append({stream->last_id().ms + 1, 0}, std::vector<std::string_view>{"f", "v"},
                   StreamLimits());
  }
}

class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() { FillForDelivery(&stream_, 10); }

  ConsumerGroup& NewGroup(StreamId last_delivered, std::optional<uint64_t> entries_read) {
    ConsumerGroup& group = stream_.CreateGroup("g", last_delivered, entries_read);
    consumer_ = group.CreateConsumer("c", kDeliveryNow).index;
    return group;
  }

  Stream stream_;
  ConsumerIndex consumer_ = kNoConsumer;
};

TEST_F(DeliveryTest, MakesEntriesPendingOnceAndMovesThePosition) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Delete({2, 0});
  EXPECT_EQ(stream_.SeekNew(group)->id(), (StreamId{1, 0}));
  EXPECT_EQ(stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow + 5, false), 3u);
  EXPECT_EQ(group.last_delivered(), (StreamId{4, 0}));
  EXPECT_EQ(stream_.SeekNew(group)->id(), (StreamId{5, 0}));
  const PendingEntry entry = *group.pending().Find({3, 0});
  EXPECT_EQ(entry.consumer, consumer_);
  EXPECT_EQ(entry.delivery_time, kDeliveryNow + 5);
  EXPECT_EQ(entry.deliveries, 1u);
  EXPECT_FALSE(group.pending().Contains({2, 0}));
  EXPECT_EQ(group.consumer(consumer_).active_time, kDeliveryNow + 5);
}

TEST_F(DeliveryTest, WithoutAcknowledgementOnlyThePositionMoves) {
  ConsumerGroup& group = NewGroup({}, 0);
  EXPECT_EQ(stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow + 5, true), 4u);
  EXPECT_EQ(group.last_delivered(), (StreamId{4, 0}));
  EXPECT_EQ(group.entries_read(), 4u);
  EXPECT_TRUE(group.pending().empty());
  EXPECT_EQ(group.consumer(consumer_).seen_time, kDeliveryNow + 5);
  EXPECT_EQ(group.consumer(consumer_).active_time, -1);
}

TEST_F(DeliveryTest, TakesOverEntriesThatArePendingAlready) {
  ConsumerGroup& group = NewGroup({}, 0);
  const ConsumerIndex other = group.CreateConsumer("other", kDeliveryNow).index;
  group.Assign({2, 0}, other, kDeliveryNow, 7);
  group.Release({3, 0}, 4);
  stream_.Deliver(&group, consumer_, {3, 0}, kDeliveryNow + 1, false);
  for (const StreamId id : {StreamId{2, 0}, StreamId{3, 0}}) {
    EXPECT_EQ(group.pending().Find(id)->consumer, consumer_);
    EXPECT_EQ(group.pending().Find(id)->deliveries, 1u);
  }
  EXPECT_EQ(group.consumer(other).pending, 0u);
  EXPECT_EQ(group.consumer(consumer_).pending, 3u);
  EXPECT_EQ(group.nacked(), 0u);
}

TEST_F(DeliveryTest, GoesOnWhereThePositionIsEvenIfThatEntryIsGone) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow, false);
  stream_.Delete({4, 0});
  EXPECT_EQ(stream_.SeekNew(group)->id(), (StreamId{5, 0}));
  stream_.DropOldest(6);
  EXPECT_EQ(stream_.SeekNew(group)->id(), (StreamId{8, 0}));
  stream_.DropOldest(3);
  EXPECT_FALSE(stream_.SeekNew(group).valid());
  FillForDelivery(&stream_, 11);
  EXPECT_EQ(stream_.SeekNew(group)->id(), (StreamId{11, 0}));
}

// --- The counter entries-read, and lag ---

TEST_F(DeliveryTest, TheCounterGoesUpWithEachEntry) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Deliver(&group, consumer_, {1, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 1u);
  stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 4u);
  EXPECT_EQ(stream_.Lag(group), 6);
}

TEST_F(DeliveryTest, TheCounterJumpsOverWhatWasTrimmedBeforeTheFirstEntry) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.DropOldest(5);
  stream_.Deliver(&group, consumer_, {6, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 6u);
  stream_.Deliver(&group, consumer_, {7, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 7u);
  EXPECT_EQ(stream_.Lag(group), 3);
}

TEST_F(DeliveryTest, ATombstoneAheadMakesTheCounterUnknownUntilTheEnd) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Deliver(&group, consumer_, {2, 0}, kDeliveryNow, false);
  stream_.Delete({5, 0});
  stream_.Deliver(&group, consumer_, {3, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), std::nullopt);
  EXPECT_EQ(stream_.Lag(group), std::nullopt);
  // Behind the tombstone it stays unknown: it cannot be estimated in the middle.
  stream_.Deliver(&group, consumer_, {7, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), std::nullopt);
  stream_.Deliver(&group, consumer_, {10, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 10u);
  EXPECT_EQ(stream_.Lag(group), 0);
}

TEST_F(DeliveryTest, ATombstoneBehindThePositionDoesNotHurt) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow, false);
  stream_.Delete({3, 0});
  stream_.Deliver(&group, consumer_, {6, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 6u);
  EXPECT_EQ(stream_.Lag(group), 4);
}

TEST_F(DeliveryTest, ATombstoneAtThePositionMakesTheCounterUnknown) {
  ConsumerGroup& group = NewGroup({}, 0);
  stream_.Deliver(&group, consumer_, {4, 0}, kDeliveryNow, false);
  stream_.Delete({4, 0});
  EXPECT_EQ(stream_.Lag(group), std::nullopt);
  stream_.Deliver(&group, consumer_, {5, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), std::nullopt);
}

TEST_F(DeliveryTest, AnUnknownCounterIsFoundAgainAtTheFirstOrTheLastEntry) {
  ConsumerGroup& group = NewGroup({}, std::nullopt);
  EXPECT_EQ(stream_.Lag(group), 10);
  stream_.Deliver(&group, consumer_, {1, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 1u);
  group.SetLastDelivered({5, 0}, std::nullopt);
  EXPECT_EQ(stream_.Lag(group), std::nullopt);
  stream_.Deliver(&group, consumer_, {6, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), std::nullopt);
  stream_.Deliver(&group, consumer_, {10, 0}, kDeliveryNow, false);
  EXPECT_EQ(group.entries_read(), 10u);
}

TEST(LagTest, OfAStreamThatNeverHadAnEntryIsZero) {
  Stream stream;
  ConsumerGroup& group = stream.CreateGroup("g", {5, 0}, std::nullopt);
  EXPECT_EQ(stream.Lag(group), 0);
}

TEST(LagTest, OfAnEmptiedStreamIsZero) {
  Stream stream;
  FillForDelivery(&stream, 4);
  ConsumerGroup& group = stream.CreateGroup("g", {}, 0);
  stream.DropOldest(4);
  EXPECT_EQ(stream.Lag(group), 0);
}

TEST(LagTest, IsTheLengthIfThePositionAndAllTombstonesLieBeforeTheFirstEntry) {
  Stream stream;
  FillForDelivery(&stream, 10);
  ConsumerGroup& group = stream.CreateGroup("g", {2, 0}, 2);
  stream.Delete({1, 0});
  EXPECT_EQ(stream.Lag(group), 8);
  stream.DropOldest(5);
  EXPECT_EQ(stream.Lag(group), 4);
  stream.Delete({8, 0});
  EXPECT_EQ(stream.Lag(group), std::nullopt);
}

TEST(LagTest, IsCountedFromTheCounterIfThatIsKnown) {
  Stream stream;
  FillForDelivery(&stream, 10);
  ConsumerGroup& group = stream.CreateGroup("g", {6, 0}, 6);
  EXPECT_EQ(stream.Lag(group), 4);
  group.SetLastDelivered({6, 0}, 20);
  EXPECT_EQ(stream.Lag(group), -10);
  group.SetLastDelivered({10, 0}, std::nullopt);
  EXPECT_EQ(stream.Lag(group), 0);
  group.SetLastDelivered({1, 0}, std::nullopt);
  EXPECT_EQ(stream.Lag(group), 9);
}

// As long as nothing is deleted out of order, lag is what counting gives.
TEST(LagTest, IsTheNumberOfEntriesBehindThePositionWhileEntriesAreOnlyTrimmed) {
  Stream stream;
  ConsumerGroup& group = stream.CreateGroup("g", {}, 0);
  const ConsumerIndex consumer = group.CreateConsumer("c", kDeliveryNow).index;
  uint64_t random = 1;
  for (int step = 0; step < 20'000; step++) {
    random = random * 6364136223846793005 + 1442695040888963407;
    const uint64_t choice = (random >> 40) % 10;
    const uint64_t amount = (random >> 50) % 5;
    if (choice < 5) {
      FillForDelivery(&stream, stream.last_id().ms + amount);
    } else if (choice < 9) {
      EntryCursor at = stream.SeekNew(group);
      if (at.valid())
        stream.Deliver(&group, consumer, {at->id().ms + amount, 0}, kDeliveryNow, true);
    } else {
      stream.DropOldest(amount);
    }
    uint64_t behind = 0;
    for (EntryCursor at = stream.SeekAfter(group.last_delivered()); at.valid(); at.Next()) {
      behind++;
    }
    ASSERT_EQ(stream.Lag(group), static_cast<int64_t>(behind)) << "step " << step;
  }
}

TEST(EstimateTest, OfAnUnusedStreamIsZero) {
  const Stream stream;
  EXPECT_EQ(stream.EstimateEntriesRead({7, 0}), 0u);
}

TEST(EstimateTest, IsKnownAtBothEndsOnly) {
  Stream stream;
  FillForDelivery(&stream, 10);
  stream.DropOldest(3);
  EXPECT_EQ(stream.EstimateEntriesRead({}), 3u);
  EXPECT_EQ(stream.EstimateEntriesRead({2, 0}), 3u);
  EXPECT_EQ(stream.EstimateEntriesRead({4, 0}), 4u);
  EXPECT_EQ(stream.EstimateEntriesRead({5, 0}), std::nullopt);
  EXPECT_EQ(stream.EstimateEntriesRead({10, 0}), 10u);
  EXPECT_EQ(stream.EstimateEntriesRead({10, 1}), std::nullopt);
}

TEST(EstimateTest, OfAnEmptiedStreamIsAllUpToTheLastId) {
  Stream stream;
  FillForDelivery(&stream, 10);
  stream.DropOldest(10);
  EXPECT_EQ(stream.EstimateEntriesRead({1, 0}), 10u);
  EXPECT_EQ(stream.EstimateEntriesRead({10, 0}), 10u);
  EXPECT_EQ(stream.EstimateEntriesRead({11, 0}), std::nullopt);
}

TEST(EstimateTest, IsUnknownBelowTheHighestTombstone) {
  Stream stream;
  FillForDelivery(&stream, 10);
  stream.Delete({5, 0});
  EXPECT_EQ(stream.EstimateEntriesRead({1, 0}), std::nullopt);
  EXPECT_EQ(stream.EstimateEntriesRead({}), std::nullopt);
  EXPECT_EQ(stream.EstimateEntriesRead({10, 0}), 10u);
  // Trimmed past the tombstone, the first entry can be told again.
  stream.DropOldest(5);
  EXPECT_EQ(stream.first_id(), (StreamId{7, 0}));
  EXPECT_EQ(stream.EstimateEntriesRead({7, 0}), 7u);
  EXPECT_EQ(stream.EstimateEntriesRead({3, 0}), std::nullopt);
}

}  // namespace
}  // namespace runnel
