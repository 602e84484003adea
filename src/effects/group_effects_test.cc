#include "effects/group_effects.h"

#include <string>
#include <vector>

#include "data/stream/stream.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/stream_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;

constexpr StreamId kIds[] = {{1, 0}, {2, 0}, {3, 0}};

// Entries 1 to 3, group g, and its consumers a and b. Effects are applied, and their records to
// another keyspace.
class GroupEffectsTest : public ::testing::Test, private KeyspaceObserver {
 protected:
  GroupEffectsTest() {
    batch_.set_on(true);
    keyspace_.Observe(this);
    const std::string_view fields[] = {"name", "value"};
    for (const StreamId id : kIds) {
      Apply(StreamAdd{key_, id, 100, 4096, fields});
    }
    Apply(GroupCreate{key_, "g", StreamId(), 0});
    Apply(ConsumerCreate{key_, "g", "a", 10});
    Apply(ConsumerCreate{key_, "g", "b", 10});
  }
  void TearDown() override {
    keyspace_.Observe(nullptr);
    Keyspace replayed(1);
    ASSERT_TRUE(Batch::ForEach(
        batch_.bytes(), [&](const Record& record) { ASSERT_TRUE(Replay(record, replayed).ok()); }));
    EXPECT_EQ(ContentOf(replayed), ContentOf(keyspace_));
  }

  template <class E>
  void Apply(const E& effect) {
    changes_.clear();
    batch_.Add(effect);
    effect.Apply(keyspace_);
  }
  const Stream& stream() { return keyspace_.Mutable<Stream>(key_); }
  const ConsumerGroup& group() { return *stream().FindGroup("g"); }
  // Owner, delivery time and count of a pending entry.
  std::string PendingAt(StreamId id) {
    const std::optional<PendingEntry> entry = group().pending().Find(id);
    if (!entry) return "none";
    return std::string(group().NameOf(entry->consumer)) + " " +
           std::to_string(entry->delivery_time) + " " + std::to_string(entry->deliveries);
  }

  const KeyRef key_{0, "stream"};
  Keyspace keyspace_{1};
  std::vector<KeyChange> changes_;

 private:
  void OnKeyChange(uint32_t, std::string_view, KeyChange change) override {
    changes_.push_back(change);
  }
  void OnFlush(uint32_t) override {}
  void OnSwap(uint32_t, uint32_t) override {}
  void OnTopicsChange(uint32_t) override {}

  Batch batch_;
};

TEST_F(GroupEffectsTest, DeliverMovesTheGroup) {
  Apply(GroupDeliver{key_, "g", "a", {2, 0}, 20, false});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kBeside));
  EXPECT_EQ(group().last_delivered(), (StreamId{2, 0}));
  EXPECT_EQ(group().entries_read(), 2u);
  EXPECT_EQ(PendingAt({1, 0}), "a 20 1");
  EXPECT_EQ(group().FindConsumer("a")->seen_time, 20);
  EXPECT_EQ(group().FindConsumer("a")->active_time, 20);
  Apply(GroupDeliver{key_, "g", "b", {3, 0}, 30, true});
  EXPECT_EQ(PendingAt({3, 0}), "none");
  EXPECT_EQ(group().last_delivered(), (StreamId{3, 0}));
  EXPECT_EQ(group().FindConsumer("b")->seen_time, 30);
  EXPECT_EQ(group().FindConsumer("b")->active_time, -1);
}

TEST_F(GroupEffectsTest, RedeliverCountsOnceMore) {
  Apply(GroupDeliver{key_, "g", "a", {3, 0}, 20, false});
  Apply(GroupRedeliver{key_, "g", "a", 50, std::span(kIds).first(2)});
  EXPECT_EQ(PendingAt({1, 0}), "a 50 2");
  EXPECT_EQ(PendingAt({2, 0}), "a 50 2");
  EXPECT_EQ(PendingAt({3, 0}), "a 20 1");
  EXPECT_EQ(group().FindConsumer("a")->seen_time, 50);
  EXPECT_EQ(group().FindConsumer("a")->active_time, 20);
}

TEST_F(GroupEffectsTest, AckForgets) {
  Apply(GroupDeliver{key_, "g", "a", {3, 0}, 20, false});
  const StreamId ids[] = {{1, 0}, {1, 0}, {9, 0}};
  Apply(GroupAck{key_, "g", ids});
  EXPECT_EQ(group().pending().size(), 2u);
  EXPECT_EQ(group().FindConsumer("a")->pending, 2u);
}

TEST_F(GroupEffectsTest, ClaimChangesOwnerTimeAndCount) {
  Apply(GroupDeliver{key_, "g", "a", {2, 0}, 20, false});
  const std::span<const StreamId> first = std::span(kIds).first(1);
  Apply(GroupClaim{key_, "g", "b", 60, 40, CountChange::kIncrement, 0, first});
  EXPECT_EQ(PendingAt({1, 0}), "b 40 2");
  EXPECT_EQ(group().FindConsumer("b")->seen_time, 60);
  EXPECT_EQ(group().FindConsumer("b")->active_time, 60);
  Apply(GroupClaim{key_, "g", "a", 60, 60, CountChange::kKeep, 0, first});
  EXPECT_EQ(PendingAt({1, 0}), "a 60 2");
  Apply(GroupClaim{key_, "g", "a", 60, 60, CountChange::kSet, UINT64_MAX, first});
  EXPECT_EQ(PendingAt({1, 0}), "a 60 9223372036854775807");
  Apply(GroupClaim{key_, "g", "a", 60, 60, CountChange::kIncrement, 0, first});
  EXPECT_EQ(PendingAt({1, 0}), "a 60 9223372036854775807");
  // What was not pending has been delivered once before it is claimed.
  Apply(GroupClaim{key_, "g", "a", 60, 60, CountChange::kKeep, 0, std::span(kIds).last(1)});
  EXPECT_EQ(PendingAt({3, 0}), "a 60 1");
}

TEST_F(GroupEffectsTest, ReleaseTakesTheOwner) {
  Apply(GroupDeliver{key_, "g", "a", {2, 0}, 20, false});
  const std::span<const StreamId> first = std::span(kIds).first(1);
  Apply(GroupRelease{key_, "g", CountChange::kDecrement, 0, first});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kBesideAwaited));
  EXPECT_EQ(PendingAt({1, 0}), " 0 0");
  EXPECT_EQ(group().nacked(), 1u);
  EXPECT_EQ(group().FindConsumer("a")->pending, 1u);
  Apply(GroupRelease{key_, "g", CountChange::kDecrement, 0, first});
  EXPECT_EQ(PendingAt({1, 0}), " 0 0");
  Apply(GroupRelease{key_, "g", CountChange::kKeep, 0, std::span(kIds).last(1)});
  EXPECT_EQ(PendingAt({3, 0}), " 0 0");
}

TEST_F(GroupEffectsTest, TheEndOfAGroupIsTold) {
  Apply(GroupDestroy{key_, "g"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kBesideAwaited));
  EXPECT_EQ(stream().FindGroup("g"), nullptr);
  EXPECT_EQ(stream().length(), 3u);
}

TEST_F(GroupEffectsTest, PositionsMayHaveNoCounter) {
  Apply(GroupSetId{key_, "g", {2, 0}, kEntriesReadUnknown});
  EXPECT_EQ(group().last_delivered(), (StreamId{2, 0}));
  EXPECT_EQ(group().entries_read(), std::nullopt);
  Apply(GroupSetId{key_, "g", {1, 0}, 1});
  EXPECT_EQ(group().entries_read(), 1u);
}

TEST_F(GroupEffectsTest, ConsumersComeAndGo) {
  Apply(GroupDeliver{key_, "g", "a", {2, 0}, 20, false});
  Apply(ConsumerDelete{key_, "g", "a"});
  EXPECT_TRUE(group().pending().empty());
  EXPECT_EQ(group().FindConsumer("a"), nullptr);
  Apply(ConsumerSeen{key_, "g", "b", 77});
  EXPECT_EQ(group().FindConsumer("b")->seen_time, 77);
  Apply(ConsumerCreate{key_, "g", "c", 80});
  EXPECT_EQ(group().FindConsumer("c")->seen_time, 80);
  EXPECT_EQ(group().FindConsumer("c")->active_time, -1);
}

TEST_F(GroupEffectsTest, ReferencesGoWithTheirEntries) {
  Apply(GroupDeliver{key_, "g", "a", {3, 0}, 20, false});
  Apply(StreamDropOldest{key_, 1, true});
  EXPECT_EQ(PendingAt({1, 0}), "none");
  Apply(StreamRemove{key_, Removal::kDeletedWithReferences, std::span(kIds).subspan(1, 1)});
  EXPECT_EQ(PendingAt({2, 0}), "none");
  Apply(StreamRemove{key_, Removal::kDeleted, std::span(kIds).last(1)});
  EXPECT_EQ(PendingAt({3, 0}), "a 20 1");
  EXPECT_EQ(stream().length(), 0u);
}

}  // namespace
}  // namespace runnel
