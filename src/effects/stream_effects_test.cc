#include "effects/stream_effects.h"

#include <string>
#include <vector>

#include "data/stream.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using testing::ElementsAre;

// Applies effects to a keyspace, listens to it, and sees to it that their records do the same to
// another one.
class StreamEffectsTest : public testing::Test, private KeyspaceObserver {
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
