#include "effects/stream_effects.h"

#include <string>
#include <vector>

#include "data/stream/stream.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/group_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;

// Applies effects to a keyspace, listens to it, and sees to it that their records do the same to
// another one.
class StreamEffectsTest : public ::testing::Test, private KeyspaceObserver {
 protected:
  StreamEffectsTest() {
    batch_.set_on(true);
    keyspace_.Observe(this);
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
  void Add(StreamId id) {
    const std::string_view fields[] = {"name", "value"};
    Apply(StreamAdd{key_, id, 2, 4096, fields});
  }
  const Stream& stream() { return keyspace_.Mutable<Stream>(key_); }
  std::vector<StreamId> Ids() {
    std::vector<StreamId> ids;
    for (EntryCursor at = stream().Seek(StreamId::Min()); at.valid(); at.Next()) {
      ids.push_back(at->id());
    }
    return ids;
  }

  const KeyRef key_{0, "stream"};
  Keyspace keyspace_{1};
  std::vector<KeyChange> changes_;

 private:
  void OnKeyChange(uint32_t, std::string_view name, KeyChange change) override {
    EXPECT_EQ(name, "stream");
    changes_.push_back(change);
  }
  void OnFlush(uint32_t) override {}
  void OnSwap(uint32_t, uint32_t) override {}
  void OnTopicsChange(uint32_t) override {}

  Batch batch_;
};

TEST_F(StreamEffectsTest, AddMakesTheStreamAndGrowsIt) {
  Add({1, 0});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kAdded));
  Add({1, 1});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kGrown));
  Add({2, 0});
  EXPECT_THAT(Ids(), ElementsAre(StreamId{1, 0}, StreamId{1, 1}, StreamId{2, 0}));
  EXPECT_EQ(stream().blocks(), 2u);
}

TEST_F(StreamEffectsTest, CreateMakesAnEmptyStream) {
  Apply(StreamCreate{key_});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kAdded));
  EXPECT_EQ(stream().length(), 0u);
  Add({1, 0});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kGrown));
}

TEST_F(StreamEffectsTest, EntriesGoInSeveralWays) {
  for (uint64_t i = 1; i <= 6; i++) {
    Add({i, 0});
  }
  Apply(StreamDropOldest{key_, 1, false});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  const StreamId deleted[] = {{3, 0}, {9, 0}};
  Apply(StreamRemove{key_, Removal::kDeleted, deleted});
  EXPECT_EQ(stream().max_deleted_id(), (StreamId{3, 0}));
  const StreamId trimmed[] = {{5, 0}};
  Apply(StreamRemove{key_, Removal::kTrimmed, trimmed});
  EXPECT_EQ(stream().max_deleted_id(), (StreamId{3, 0}));
  EXPECT_THAT(Ids(), ElementsAre(StreamId{2, 0}, StreamId{4, 0}, StreamId{6, 0}));
}

TEST_F(StreamEffectsTest, EntriesGoInRanges) {
  for (uint64_t i = 1; i <= 9; i++) {
    Add({i, 0});
  }
  const StreamId bounds[] = {{2, 0}, {3, 5}, {5, 0}, {5, 0}, {8, 1}, {99, 0}};
  Apply(StreamRemoveRanges{key_, bounds});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  EXPECT_EQ(stream().max_deleted_id(), StreamId());
  EXPECT_THAT(Ids(), ElementsAre(StreamId{1, 0}, StreamId{4, 0}, StreamId{6, 0}, StreamId{7, 0},
                                 StreamId{8, 0}));
  EXPECT_FALSE(StreamRemoveRanges({key_, std::span(bounds).first(3)}).Fits(keyspace_).fits());
  const StreamId falling[] = {{3, 0}, {2, 0}};
  EXPECT_FALSE(StreamRemoveRanges({key_, falling}).Fits(keyspace_).fits());
}

TEST_F(StreamEffectsTest, GroupsForgetUpToAnId) {
  for (uint64_t i = 1; i <= 4; i++) {
    Add({i, 0});
  }
  Apply(GroupCreate{key_, "g", StreamId(), 0});
  Apply(ConsumerCreate{key_, "g", "c", 1});
  Apply(GroupDeliver{key_, "g", "c", {4, 0}, 1, false});
  const StreamId deleted[] = {{2, 0}};
  Apply(StreamRemove{key_, Removal::kDeleted, deleted});
  Apply(StreamForget{key_, {2, 7}});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kBeside));
  const ConsumerGroup& group = *stream().FindGroup("g");
  EXPECT_EQ(group.pending().size(), 2u);
  EXPECT_EQ(group.pending().first_id(), (StreamId{3, 0}));
  EXPECT_EQ(group.FindConsumer("c")->pending, 2u);
}

// What makes entries that are kept without need is known to upkeep, until they are swept.
TEST_F(StreamEffectsTest, ChangesOfGroupsAskForASweep) {
  for (uint64_t i = 1; i <= 4; i++) {
    Add({i, 0});
  }
  Apply(GroupCreate{key_, "g", StreamId(), 0});
  Apply(GroupCreate{key_, "h", StreamId(), 0});
  Apply(ConsumerCreate{key_, "g", "c", 1});
  Apply(GroupSetId{key_, "g", {2, 0}, 0});
  EXPECT_EQ(stream().unswept(), std::nullopt);
  const auto swept = [&] {
    const bool awaits =
        stream().unswept() == StreamId::Min() && keyspace_.NextUnswept(0, nullptr) != nullptr;
    Apply(StreamSwept{key_, {3, 0}});
    EXPECT_EQ(stream().unswept(), (StreamId{3, 0}));
    Apply(StreamSwept{key_, StreamId::Max()});
    EXPECT_EQ(stream().unswept(), std::nullopt);
    EXPECT_EQ(keyspace_.NextUnswept(0, nullptr), nullptr);
    return awaits;
  };
  Apply(StreamRetain{key_, 0, 0, 0, true});
  EXPECT_TRUE(swept());
  Apply(GroupSetId{key_, "g", {3, 0}, 0});
  EXPECT_TRUE(swept());
  Apply(ConsumerDelete{key_, "g", "c"});
  EXPECT_TRUE(swept());
  Apply(GroupDestroy{key_, "g"});
  EXPECT_TRUE(swept());
  // Without a group nothing was acknowledged.
  Apply(GroupDestroy{key_, "h"});
  EXPECT_EQ(stream().unswept(), std::nullopt);
  Apply(GroupCreate{key_, "g", {4, 0}, 0});
  Apply(GroupSetId{key_, "g", {3, 0}, 0});
  EXPECT_NE(stream().unswept(), std::nullopt);
  Apply(StreamRetain{key_, 0, 0, 0, false});
  EXPECT_EQ(stream().unswept(), std::nullopt);
}

TEST_F(StreamEffectsTest, SetIdSetsAllCounters) {
  Add({1, 0});
  Apply(StreamSetId{key_, {7, 7}, 70, {6, 6}});
  EXPECT_EQ(stream().last_id(), (StreamId{7, 7}));
  EXPECT_EQ(stream().entries_added(), 70u);
  EXPECT_EQ(stream().max_deleted_id(), (StreamId{6, 6}));
}

TEST_F(StreamEffectsTest, MessagesAreRememberedAsConfigured) {
  Add({1, 0});
  Apply(StreamRecordMessage{key_, "pid", "iid", {1, 0}, 10, 2});
  ASSERT_NE(stream().idempotence(), nullptr);
  EXPECT_EQ(stream().idempotence()->Find("pid", "iid", 1), (StreamId{1, 0}));
  EXPECT_EQ(stream().idempotence()->duration(), 10);
  EXPECT_EQ(stream().idempotence()->max_size(), 2u);
  Apply(StreamCountDuplicate{key_});
  EXPECT_EQ(stream().idempotence()->iids_duplicates(), 1u);
  // What the stream has counts, and not the server's configuration at a later time.
  Apply(StreamRecordMessage{key_, "pid", "other", {1, 0}, 99, 99});
  EXPECT_EQ(stream().idempotence()->duration(), 10);
  Apply(StreamConfigure{key_, 10, 3});
  EXPECT_EQ(stream().idempotence()->max_size(), 3u);
  EXPECT_EQ(stream().idempotence()->iids_tracked(), 0u);
  EXPECT_EQ(stream().idempotence()->iids_added(), 2u);
}

}  // namespace
}  // namespace runnel
