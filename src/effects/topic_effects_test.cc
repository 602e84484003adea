#include "effects/topic_effects.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/record.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/stream_effects.h"
#include "effects/string_effects.h"

namespace runnel {
namespace {

constexpr std::string_view kTopicId = "0123456789abcdef";

// Applies effects to a keyspace, and sees to it that their records do the same to another one.
class TopicEffectsTest : public ::testing::Test {
 protected:
  TopicEffectsTest() { batch_.set_on(true); }
  void TearDown() override {
    Keyspace replayed(2);
    ASSERT_TRUE(Batch::ForEach(batch_.bytes(), [&](const runnel::Record& record) {
      ASSERT_TRUE(Replay(record, replayed).ok());
    }));
    EXPECT_EQ(ContentOf(replayed), ContentOf(keyspace_));
  }

  template <class E>
  void Apply(const E& effect) {
    ASSERT_TRUE(effect.Fits(keyspace_).fits()) << effect.Fits(keyspace_).why();
    batch_.Add(effect);
    effect.Apply(keyspace_);
  }
  template <class E>
  std::string WhyNot(const E& effect) {
    const Misfit misfit = effect.Fits(keyspace_);
    return misfit.fits() ? "it fits" : misfit.why();
  }
  void Create(uint32_t partitions = 3) { Apply(TopicCreate{topic_, kTopicId, partitions, {}}); }
  void Add(uint64_t ms) {
    const std::string_view fields[] = {"f", "v"};
    Apply(RecordAdd{partition_, ms, fields});
  }
  void CreateCompacted(uint64_t tombstone_ms = 10) {
    TopicOptions options;
    options.cleanup = Cleanup::kCompact;
    options.tombstone_ms = tombstone_ms;
    Apply(TopicCreate{topic_, kTopicId, 3, options});
  }
  void AddKeyed(uint64_t ms, std::string_view key) {
    const std::string_view fields[] = {kRecordKey, key, "f", "v"};
    Apply(RecordAdd{partition_, ms, fields});
  }
  void AddTombstone(uint64_t ms, std::string_view key) {
    const std::string_view fields[] = {kRecordKey, key};
    Apply(RecordAdd{partition_, ms, fields});
  }
  const Topic& topic() { return *keyspace_.Find(topic_)->As<Topic>(); }
  const Stream& partition() { return *keyspace_.Find(partition_)->As<Stream>(); }
  std::vector<StreamId> Ids() {
    std::vector<StreamId> ids;
    for (EntryCursor at = partition().Seek(StreamId::Min()); at.valid(); at.Next()) {
      ids.push_back(at->id());
    }
    return ids;
  }

  const KeyRef topic_{1, "t"};
  const KeyRef partition_{CompanionOf(1), "t/2"};
  Keyspace keyspace_{2};
  Batch batch_;
};

TEST_F(TopicEffectsTest, RecordsGetTheNextOffsets) {
  Create();
  Add(5);
  Add(5);
  const std::string_view names[] = {"a", "b"};
  const std::string_view values[] = {"1", "2", "3", "4"};
  Apply(RecordsAdd{partition_, 7, names, values});
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{5, 0}, {5, 1}, {7, 2}, {7, 3}}));
  EXPECT_EQ(partition().retention(), TopicOptions().PartitionRetention());
  const EntryCursor last = partition().SeekBack(StreamId::Max());
  EXPECT_EQ(last->begin()->name, "a");
  EXPECT_EQ(last->begin()->value, "3");
  Apply(PartitionTrim{partition_, 3});
  EXPECT_EQ(partition().first_offset(), 3u);
  Apply(PartitionTrim{partition_, 4});
  Add(8);
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{8, 4}}));
}

TEST_F(TopicEffectsTest, OptionsHoldForPartitionsThatExistAndForThoseThatCome) {
  Create();
  Add(5);
  Apply(TopicConfigure{topic_, 4, 0, 0, 9, 1, 2});
  EXPECT_EQ(topic().partitions(), 4u);
  EXPECT_EQ(topic().options().tombstone_ms, 1u);
  EXPECT_EQ(topic().options().max_record_bytes, 2u);
  EXPECT_EQ(partition().retention(), (Retention{.entries = 9}));
  const KeyRef other(CompanionOf(1), "t/3");
  Apply(PartitionCreate{other});
  EXPECT_EQ(keyspace_.Find(other)->As<Stream>()->retention(), (Retention{.entries = 9}));
  EXPECT_TRUE(keyspace_.Find(other)->As<Stream>()->is_partition());
}

TEST_F(TopicEffectsTest, WhatDoesNotFitIsRefused) {
  const std::string_view fields[] = {"f", "v"};
  EXPECT_EQ(WhyNot(RecordAdd{partition_, 5, fields}), "there is no topic with such a partition");
  EXPECT_EQ(WhyNot(RecordAdd{KeyRef(1, "t/2"), 5, fields}), "a partition is in a companion");
  EXPECT_EQ(WhyNot(TopicCreate{KeyRef(CompanionOf(1), "t"), kTopicId, 1, {}}),
            "a topic is not in a companion");
  EXPECT_EQ(WhyNot(TopicCreate{KeyRef(0, "t/1"), kTopicId, 1, {}}),
            "the key is no name of a topic");
  EXPECT_EQ(WhyNot(TopicCreate{topic_, "short", 1, {}}), "an ID of a topic has 16 bytes");
  EXPECT_EQ(WhyNot(TopicCreate{topic_, kTopicId, 0, {}}), "no number of partitions");
  Create();
  EXPECT_EQ(WhyNot(TopicCreate{topic_, kTopicId, 1, {}}), "there is such a key");
  EXPECT_EQ(WhyNot(TopicConfigure{topic_, 2}), "the topic has more partitions");
  EXPECT_EQ(WhyNot(RecordAdd{KeyRef(CompanionOf(1), "t/3"), 5, fields}),
            "there is no topic with such a partition");
  EXPECT_EQ(WhyNot(RecordAdd{partition_, 0, fields}), "no time");
  EXPECT_EQ(WhyNot(RecordAdd{partition_, 5, {}}), "names and values do not pair");
  EXPECT_EQ(WhyNot(RecordsAdd{partition_, 5, fields, {fields, 1}}), "names and values do not pair");
  EXPECT_EQ(WhyNot(PartitionTrim{partition_, 0}), "there is no such key");
  Add(5);
  EXPECT_EQ(WhyNot(RecordAdd{partition_, 4, fields}), "the time goes back");
  EXPECT_EQ(WhyNot(PartitionTrim{partition_, 2}), "the partition has no such offset");
  EXPECT_EQ(WhyNot(PartitionCreate{partition_}), "there is such a key");
  EXPECT_EQ(WhyNot(KeyRename{topic_, KeyRef(0, "x")}), "such a value stays at its key");
  EXPECT_EQ(WhyNot(KeyCopy{topic_, KeyRef(0, "x")}), "such a value stays at its key");
  std::string payload;
  topic().Serialize(&payload);
  EXPECT_EQ(WhyNot(KeyRestore{KeyRef(0, "x"), ObjectType::kTopic, payload, kNoExpiry}),
            "such a value stays at its key");
  const StreamId added[] = {{5, 0}, {2, 1}};
  EXPECT_EQ(WhyNot(ProducerAccept{topic_, "p", 1, added}), "there is no such producer");
  Apply(ProducerOpen{topic_, "p", 1});
  EXPECT_EQ(WhyNot(ProducerAccept{topic_, "p", 1, {added, 1}}),
            "records and partitions do not pair");
  const StreamId nowhere[] = {{5, 0}, {3, 1}};
  EXPECT_EQ(WhyNot(ProducerAccept{topic_, "p", 1, nowhere}), "the topic has no such partition");
  const StreamId nothing[] = {{5, 0}, {2, 0}};
  EXPECT_EQ(WhyNot(ProducerAccept{topic_, "p", 1, nothing}), "no number of records");
}

TEST_F(TopicEffectsTest, ACompactedPartitionKeepsTheNewestOfEachKey) {
  CreateCompacted();
  AddKeyed(5, "a");
  AddKeyed(5, "b");
  AddKeyed(6, "a");
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{5, 1}, {6, 2}}));
  const std::string_view names[] = {kRecordKey, "f"};
  const std::string_view values[] = {"b", "1", "c", "2", "b", "3", "c", "4"};
  Apply(RecordsAdd{partition_, 7, names, values});
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{6, 2}, {7, 5}, {7, 6}}));
  EXPECT_EQ(partition().first_offset(), 0u);
  EXPECT_EQ(partition().keys(), 3u);
  // Which offset is the first one then does not follow from a number of records.
  EXPECT_EQ(WhyNot(StreamDropOldest{partition_, 2, false}),
            "a compacted partition is trimmed by an offset");
  Apply(PartitionTrim{partition_, 6});
  AddKeyed(8, "a");
  AddKeyed(8, "b");
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{7, 6}, {8, 7}, {8, 8}}));
  Apply(PartitionTrim{partition_, 9});
  AddKeyed(9, "c");
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{9, 9}}));
}

TEST_F(TopicEffectsTest, TombstonesGoThatAreBelowTheOffset) {
  CreateCompacted(10);
  AddTombstone(5, "a");
  AddKeyed(5, "b");
  AddTombstone(6, "c");
  AddTombstone(7, "a");
  AddTombstone(8, "d");
  EXPECT_EQ(partition().RetentionDue(), 17);
  EXPECT_EQ(partition().PlanTombstones(16), 0u);
  EXPECT_EQ(partition().PlanTombstones(18), 4u);
  Apply(TombstonesDrop{partition_, 3});
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{5, 1}, {7, 3}, {8, 4}}));
  // The effect says which ones: their time does not matter, and it may meet none.
  Apply(TombstonesDrop{partition_, 3});
  Apply(TombstonesDrop{partition_, 0});
  Apply(TombstonesDrop{partition_, 4});
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{5, 1}, {8, 4}}));
  AddKeyed(9, "d");
  Apply(TombstonesDrop{partition_, 6});
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{5, 1}, {9, 5}}));
  EXPECT_EQ(partition().RetentionDue(), Stream::kNeverDue);
  Apply(TopicConfigure{topic_, 3, 0, 0, 0, 20, 1000});
  AddTombstone(10, "a");
  EXPECT_EQ(partition().RetentionDue(), 31);
  Apply(TopicConfigure{topic_, 3, 0, 0, 0, 5, 1000});
  EXPECT_EQ(partition().RetentionDue(), 16);
  Apply(TopicConfigure{topic_, 3, 0, 0, 0, 0, 1000});
  EXPECT_EQ(partition().RetentionDue(), Stream::kNeverDue);
}

TEST_F(TopicEffectsTest, ADemandStaysUntilThereIsAnother) {
  EXPECT_EQ(WhyNot(TopicDemand{topic_, 2}), "there is no such key");
  Create();
  const auto demand = [&] { return keyspace_.Find(topic_)->As<Topic>()->options().min_insync; };
  EXPECT_EQ(demand(), 0u);
  Apply(TopicDemand{topic_, 3});
  EXPECT_EQ(demand(), 3u);
  Apply(TopicConfigure{topic_, 4, 1, 2, 3, 4, 5});
  EXPECT_EQ(demand(), 3u);
  Apply(TopicDemand{topic_, 0});
  EXPECT_EQ(demand(), 0u);
  EXPECT_EQ(WhyNot(TopicDemand{topic_, 1001}), "no number of in-sync replicas");
  EXPECT_EQ(WhyNot(TopicDemand{partition_, 2}), "there is no such key");
}

TEST_F(TopicEffectsTest, WhatDoesNotFitACompactedPartitionIsRefused) {
  constexpr const char* kNoKey = "a record of a compacted topic has a key";
  const std::string_view plain[] = {"f", "v"};
  const std::string_view none[] = {kNoRecordKey, ""};
  const std::string_view late[] = {"f", "v", kRecordKey, "k"};
  const KeyRef new_one(CompanionOf(1), "t/0");
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, 0}), "there is no such key");
  Create();
  Add(5);
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, 0}),
            "the key holds no partition of a compacted topic");
  Apply(KeyRemove{topic_});
  CreateCompacted();
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, 0}), "there is no such key");
  AddKeyed(5, "a");
  Apply(PartitionCreate{KeyRef(CompanionOf(1), "t/1")});
  // A partition with records, one without, and one that is not made yet.
  for (const KeyRef& key : {partition_, KeyRef(CompanionOf(1), "t/1"), new_one}) {
    EXPECT_EQ(WhyNot(RecordAdd{key, 5, plain}), kNoKey);
    EXPECT_EQ(WhyNot(RecordAdd{key, 5, none}), kNoKey);
    EXPECT_EQ(WhyNot(RecordAdd{key, 5, late}), kNoKey);
    EXPECT_EQ(WhyNot(RecordsAdd{key, 5, {plain, 1}, {plain, 1}}), kNoKey);
    EXPECT_EQ(WhyNot(RecordAdd{key, 0, plain}), "no time");
  }
  EXPECT_EQ(WhyNot(TombstonesDrop{new_one, 0}), "there is no such key");
  EXPECT_EQ(WhyNot(TombstonesDrop{KeyRef(CompanionOf(1), "t/1"), 1}),
            "the partition has no such offset");
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, 2}), "the partition has no such offset");
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, UINT64_MAX}), "the partition has no such offset");
  EXPECT_EQ(WhyNot(TombstonesDrop{partition_, 1}), "it fits");
  EXPECT_EQ(WhyNot(TombstonesDrop{topic_, 0}), "the key holds a value of another type");
  Apply(StringSet{KeyRef(0, "s"), "v"});
  EXPECT_EQ(WhyNot(TombstonesDrop{KeyRef(0, "s"), 0}), "the key holds a value of another type");
  Apply(StreamCreate{KeyRef(0, "x")});
  EXPECT_EQ(WhyNot(TombstonesDrop{KeyRef(0, "x"), 0}),
            "the key holds no partition of a compacted topic");
}

TEST_F(TopicEffectsTest, ProducersAreNumbered) {
  Create();
  Apply(ProducerOpen{topic_, "p", 10});
  const StreamId added[] = {{5, 0}, {2, 3}, {5, 9}, {0, 1}};
  Apply(ProducerAccept{topic_, "p", 20, added});
  const Producer& producer = *topic().producers().Find("p");
  EXPECT_EQ(producer.last_seq(), 3);
  EXPECT_EQ(producer.Find(0)->added, (AddedList{{2, {5, 0}, 3}, {0, {5, 9}, 1}}));
  Apply(ProducerClose{topic_, "p"});
  EXPECT_EQ(topic().producers().Find("p"), nullptr);
}

TEST_F(TopicEffectsTest, ATopicThatIsOverwrittenTakesItsPartitionsAlong) {
  Create();
  Add(5);
  Apply(StringSet{topic_, "v"});
  EXPECT_EQ(keyspace_.Find(partition_), nullptr);
  Apply(KeyRemove{topic_});
  Create();
  Add(9);
  EXPECT_EQ(Ids(), (std::vector<StreamId>{{9, 0}}));
}

}  // namespace
}  // namespace runnel
