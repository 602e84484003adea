#include "data/stream/consumer_group.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace runnel {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

class ConsumerGroupTest : public ::testing::Test {
 protected:
  ConsumerGroupTest() : group_("group", {}, 0) {
    alice_ = group_.CreateConsumer("alice", kNow).index;
    bob_ = group_.CreateConsumer("bob", kNow).index;
  }

  // The times of pending IDs from the one that waited longest on.
  std::vector<uint64_t> ByAge() const {
    std::vector<uint64_t> times;
    for (auto at = group_.pending().Oldest(); at.valid(); at.Next()) {
      times.push_back(at->id.ms);
    }
    return times;
  }
  std::vector<uint64_t> HistoryOf(ConsumerIndex consumer, StreamId from) const {
    std::vector<uint64_t> times;
    for (auto at = group_.History(group_.consumer(consumer), from); at.valid(); at.Next()) {
      times.push_back(at->id.ms);
    }
    return times;
  }

  ConsumerGroup group_;
  ConsumerIndex alice_ = kNoConsumer;
  ConsumerIndex bob_ = kNoConsumer;
};

TEST_F(ConsumerGroupTest, ConsumersAreListedByName) {
  group_.CreateConsumer("aaron", kNow);
  std::vector<std::string> names;
  for (const auto& [name, consumer] : group_.consumers()) {
    names.push_back(name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"aaron", "alice", "bob"}));
}

TEST_F(ConsumerGroupTest, CreatingAConsumerAgainChangesNothing) {
  EXPECT_EQ(group_.CreateConsumer("bob", kNow + 9).index, bob_);
  EXPECT_EQ(group_.consumer(bob_).seen_time, kNow);
  EXPECT_EQ(group_.consumer(bob_).active_time, -1);
}

TEST_F(ConsumerGroupTest, ARemovedConsumerTakesItsPendingEntriesWithIt) {
  group_.Deliver({1, 0}, alice_, kNow);
  group_.Deliver({2, 0}, bob_, kNow);
  group_.Deliver({3, 0}, alice_, kNow);
  EXPECT_EQ(group_.RemoveConsumer(alice_), 2u);
  EXPECT_EQ(group_.FindConsumer("alice"), nullptr);
  EXPECT_EQ(group_.pending().size(), 1u);
  // The index goes to the next consumer, which has none of these entries.
  EXPECT_EQ(group_.CreateConsumer("carol", kNow).index, alice_);
  EXPECT_TRUE(HistoryOf(alice_, {}).empty());
}

TEST_F(ConsumerGroupTest, HistoryIsTheConsumersOwnFromAnIdOn) {
  for (uint64_t i = 1; i <= 9; i++) {
    group_.Deliver({i, 0}, i % 3 == 0 ? bob_ : alice_, kNow);
  }
  EXPECT_EQ(HistoryOf(bob_, {}), (std::vector<uint64_t>{3, 6, 9}));
  EXPECT_EQ(HistoryOf(bob_, {4, 0}), (std::vector<uint64_t>{6, 9}));
  EXPECT_EQ(HistoryOf(bob_, {9, 1}), (std::vector<uint64_t>{}));
  group_.Ack({3, 0});
  group_.Assign({1, 0}, bob_, kNow, 2);
  EXPECT_EQ(HistoryOf(bob_, {}), (std::vector<uint64_t>{1, 6, 9}));
}

TEST_F(ConsumerGroupTest, AckTellsWhatWasPending) {
  group_.Deliver({1, 0}, alice_, kNow);
  EXPECT_EQ(group_.Ack(std::vector<StreamId>{{1, 0}, {1, 0}, {2, 0}}), 1u);
  EXPECT_FALSE(group_.Ack({1, 0}));
  EXPECT_EQ(group_.consumer(alice_).pending, 0u);
}

TEST_F(ConsumerGroupTest, RedeliveryAddsOneAndMayMoveTheEntry) {
  group_.Deliver({1, 0}, alice_, kNow);
  group_.Redeliver({1, 0}, bob_, kNow + 5);
  EXPECT_EQ(group_.pending().Find({1, 0})->deliveries, 2u);
  EXPECT_EQ(group_.pending().Find({1, 0})->delivery_time, kNow + 5);
  EXPECT_EQ(group_.consumer(alice_).pending, 0u);
  EXPECT_EQ(group_.consumer(bob_).pending, 1u);
  group_.Redeliver({2, 0}, bob_, kNow);
  EXPECT_EQ(group_.pending().size(), 1u);
}

TEST_F(ConsumerGroupTest, DeliveryCountsSaturate) {
  group_.Assign({1, 0}, alice_, kNow, kMaxDeliveries);
  group_.Redeliver({1, 0}, alice_, kNow);
  EXPECT_EQ(group_.pending().Find({1, 0})->deliveries, kMaxDeliveries);
}

TEST_F(ConsumerGroupTest, OldestComesByDeliveryTimeThenById) {
  group_.Deliver({1, 0}, alice_, kNow + 30);
  group_.Deliver({2, 0}, alice_, kNow + 10);
  group_.Deliver({3, 0}, bob_, kNow + 20);
  group_.Deliver({4, 0}, bob_, kNow + 10);
  EXPECT_EQ(ByAge(), (std::vector<uint64_t>{2, 4, 3, 1}));
  EXPECT_EQ(group_.OldestDeliveryTime(), kNow + 10);
  // The order is kept up to date through all kinds of changes.
  group_.Redeliver({2, 0}, bob_, kNow + 40);
  group_.Ack({4, 0});
  group_.Deliver({5, 0}, alice_, kNow + 15);
  EXPECT_EQ(ByAge(), (std::vector<uint64_t>{5, 3, 1, 2}));
  group_.RemoveConsumer(alice_);
  EXPECT_EQ(ByAge(), (std::vector<uint64_t>{3, 2}));
}

TEST_F(ConsumerGroupTest, ReleasedEntriesComeFirstInTheOrderOfTheirRelease) {
  for (uint64_t i = 1; i <= 5; i++) {
    group_.Deliver({i, 0}, alice_, kNow + static_cast<int64_t>(i));
  }
  group_.Release({4, 0}, 1);
  group_.Release({2, 0}, 0);
  EXPECT_EQ(group_.nacked(), 2u);
  EXPECT_EQ(group_.consumer(alice_).pending, 3u);
  EXPECT_EQ(ByAge(), (std::vector<uint64_t>{4, 2, 1, 3, 5}));
  EXPECT_EQ(group_.OldestDeliveryTime(), 0);
  EXPECT_EQ(group_.NameOf(group_.pending().Find({4, 0})->consumer), "");
  // By ID they keep their places.
  EXPECT_EQ(group_.pending().Seek({2, 0})->id, (StreamId{2, 0}));
  group_.Redeliver({4, 0}, bob_, kNow + 9);
  EXPECT_EQ(group_.nacked(), 1u);
  EXPECT_EQ(group_.consumer(bob_).pending, 1u);
  EXPECT_EQ(ByAge(), (std::vector<uint64_t>{2, 1, 3, 5, 4}));
  group_.Ack({2, 0});
  EXPECT_EQ(group_.nacked(), 0u);
}

TEST_F(ConsumerGroupTest, AReleaseMayAddAnEntry) {
  group_.Release({7, 0}, kMaxDeliveries);
  EXPECT_EQ(group_.nacked(), 1u);
  EXPECT_TRUE(group_.pending().Find({7, 0})->released());
}

TEST_F(ConsumerGroupTest, WithoutPendingEntriesNothingIsOldest) {
  EXPECT_EQ(group_.OldestDeliveryTime(), std::nullopt);
}

TEST_F(ConsumerGroupTest, KeepsEverythingWhenCopiedAndWhenStored) {
  group_.CreateConsumer("carol", kNow + 1);
  group_.RemoveConsumer(alice_);
  group_.Deliver({1, 5}, bob_, kNow);
  group_.Release({2, 0}, 3);
  group_.Release({1, 7}, 3);
  group_.MarkActive(bob_, kNow + 2);
  group_.SetLastDelivered({3, 1}, std::nullopt);
  std::string payload;
  Encoder out(&payload);
  group_.Serialize(&out);
  Decoder in(payload);
  const std::unique_ptr<ConsumerGroup> stored = ConsumerGroup::Load(&in);
  const std::unique_ptr<ConsumerGroup> copied = group_.Clone();
  ASSERT_NE(stored, nullptr);
  EXPECT_TRUE(in.done());
  for (const ConsumerGroup* group : {stored.get(), copied.get()}) {
    EXPECT_EQ(group->name(), "group");
    EXPECT_EQ(group->last_delivered(), (StreamId{3, 1}));
    EXPECT_EQ(group->entries_read(), std::nullopt);
    EXPECT_EQ(group->nacked(), 2u);
    EXPECT_EQ(group->consumers().size(), 2u);
    EXPECT_EQ(group->FindConsumer("bob")->index, bob_);
    EXPECT_EQ(group->FindConsumer("bob")->active_time, kNow + 2);
    EXPECT_EQ(group->FindConsumer("bob")->pending, 1u);
    EXPECT_EQ(group->FindConsumer("carol")->seen_time, kNow + 1);
    EXPECT_EQ(group->pending().Oldest()->id, (StreamId{2, 0}));
  }
}

TEST_F(ConsumerGroupTest, RefusesPendingEntriesOfAConsumerThatIsNotThere) {
  group_.Deliver({1, 0}, alice_, kNow);
  std::string payload;
  Encoder out(&payload);
  group_.Serialize(&out);
  // The byte that says that index 0 is in use follows the group's head; without it "alice" is gone.
  const size_t alice = payload.find("alice") - 2;
  payload.erase(alice, payload.find("bob") - 2 - alice);
  payload.insert(alice, 1, '\0');
  Decoder in(payload);
  EXPECT_EQ(ConsumerGroup::Load(&in), nullptr);
}

}  // namespace
}  // namespace runnel
