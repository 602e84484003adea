#include "effects/topic_group_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/testing.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/string_effects.h"
#include "effects/topic_effects.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Strings = std::vector<std::string_view>;
using Numbers = std::vector<uint64_t>;

// Topic t with three partitions. Effects are applied, and their records to another keyspace.
class TopicGroupEffectsTest : public ::testing::Test, private KeyspaceObserver {
 protected:
  TopicGroupEffectsTest() {
    batch_.set_on(true);
    keyspace_.Observe(this);
    CreateTopic("t");
  }
  void TearDown() override {
    keyspace_.Observe(nullptr);
    Keyspace replayed(2);
    ASSERT_TRUE(Batch::ForEach(batch_.bytes(), [&](const runnel::Record& record) {
      ASSERT_TRUE(Replay(record, replayed).ok());
    }));
    EXPECT_EQ(ContentOf(replayed), ContentOf(keyspace_));
    for (const auto& [key, content] : ContentOf(keyspace_)) {
      const auto again = FindObjectKind(content.type)->Load(content.payload);
      ASSERT_NE(again, nullptr);
      std::string payload;
      again->Serialize(&payload);
      EXPECT_EQ(payload, content.payload);
    }
  }

  template <class E>
  void Apply(const E& effect) {
    heard_.clear();
    ASSERT_TRUE(effect.Fits(keyspace_).fits()) << effect.Fits(keyspace_).why();
    batch_.Add(effect);
    effect.Apply(keyspace_);
  }
  template <class E>
  std::string WhyNot(const E& effect) {
    const Misfit misfit = effect.Fits(keyspace_);
    return misfit.fits() ? "it fits" : misfit.why();
  }

  void CreateTopic(std::string_view name) {
    Apply(TopicCreate{KeyRef(1, name), "0123456789abcdef", 3, {}});
  }
  // The group knows the topic's partitions 0 and 1, and has member m.
  void CreateGroup() {
    Apply(TopicGroupCreate{key_, {}});
    Apply(TopicGroupSee{key_, "t", Numbers{10, 0}});
    Apply(TopicGroupSubscribe{key_, "m", 5, Strings{"t"}});
  }
  const TopicGroup& group() { return *keyspace_.Find(key_)->As<TopicGroup>(); }
  const GroupPartition& partition(uint32_t number) { return *group().FindPartition("t", number); }
  std::vector<std::string> Readers(std::string_view topic) {
    const auto& readers = keyspace_.Find(KeyRef(1, topic))->As<Topic>()->readers();
    return {readers.begin(), readers.end()};
  }

  const KeyRef key_{CompanionOf(1), "*g"};
  const KeyRef topic_{1, "t"};
  Keyspace keyspace_{2};
  std::vector<std::string> heard_;

 private:
  void OnKeyChange(uint32_t, std::string_view name, KeyChange change) override {
    static const std::map<KeyChange, std::string> kNames = {{KeyChange::kAdded, "added "},
                                                            {KeyChange::kModified, "modified "},
                                                            {KeyChange::kRemoved, "removed "},
                                                            {KeyChange::kBeside, "beside "}};
    heard_.push_back(kNames.at(change) + std::string(name));
  }
  void OnFlush(uint32_t) override {}
  void OnSwap(uint32_t, uint32_t) override {}
  void OnTopicsChange(uint32_t db) override { heard_.push_back("topics " + std::to_string(db)); }

  Batch batch_;
};

TEST_F(TopicGroupEffectsTest, ChangesOfTopicsAreTold) {
  CreateTopic("u");
  EXPECT_THAT(heard_, ElementsAre("added u", "topics 1"));
  Apply(TopicConfigure{topic_, 3, 1});
  EXPECT_THAT(heard_, ElementsAre("modified t"));
  Apply(TopicConfigure{topic_, 4, 1});
  EXPECT_THAT(heard_, ElementsAre("modified t", "topics 1"));
  Apply(KeyRemove{topic_});
  EXPECT_THAT(heard_, ElementsAre("removed t", "topics 1"));
}

TEST_F(TopicGroupEffectsTest, AGroupIsMadeAndConfigured) {
  TopicGroupOptions options;
  options.start = GroupStart::kTime;
  options.start_ms = 7;
  Apply(TopicGroupCreate{key_, options});
  EXPECT_THAT(heard_, ElementsAre("added *g"));
  EXPECT_EQ(group().options(), options);
  options.assignor = Assignor::kRange;
  Apply(TopicGroupConfigure{key_, options});
  EXPECT_THAT(heard_, ElementsAre("beside *g"));
  EXPECT_EQ(group().options(), options);
  EXPECT_EQ(keyspace_.listed(CompanionOf(1)).size(), 1u);
}

TEST_F(TopicGroupEffectsTest, MembersSubscribeAndLeave) {
  CreateGroup();
  Apply(TopicGroupSubscribe{key_, "n", 6, Strings{"t", "u*"}});
  EXPECT_THAT(heard_, ElementsAre("beside *g"));
  EXPECT_THAT(group().FindMember("n")->topics, ElementsAre("t", "u*"));
  EXPECT_EQ(group().FindMember("n")->since_ms, 6);
  Apply(TopicGroupAssign{key_, "t", "n", Numbers{1, 0}});
  EXPECT_EQ(group().FindMember("n")->partitions, 2u);
  Apply(TopicGroupAssign{key_, "t", "", Numbers{0}});
  Apply(TopicGroupAssign{key_, "t", "m", Numbers{0, 0}});
  EXPECT_EQ(partition(0).epoch, 4u);
  EXPECT_EQ(group().moves(), 1u);
  // The names may be those of the members themselves.
  Apply(TopicGroupLeave{key_, Strings{group().FindMember("n")->name, "m"}});
  EXPECT_THAT(heard_, ElementsAre("beside *g"));
  EXPECT_THAT(group().members(), IsEmpty());
  EXPECT_EQ(partition(0).owner, kNobody);
  EXPECT_EQ(partition(1).owner, kNobody);
  EXPECT_EQ(partition(1).epoch, 1u);
}

TEST_F(TopicGroupEffectsTest, OffsetsAreCommitted) {
  CreateGroup();
  Apply(TopicGroupAcknowledge{key_, "t", 0, Numbers{11, 12, 20}});
  EXPECT_EQ(partition(0).committed, 10u);
  Apply(TopicGroupCommit{key_, "t", Numbers{0, 11, 1, 5}});
  EXPECT_THAT(heard_, ElementsAre("beside *g"));
  EXPECT_EQ(partition(0).committed, 13u);
  EXPECT_EQ(partition(1).committed, 5u);
  Apply(TopicGroupSkip{key_, "t", 0, 20, 7});
  EXPECT_EQ(partition(0).committed, 21u);
  EXPECT_EQ(partition(0).skipped, 7u);
  Apply(TopicGroupReset{key_, "t", Numbers{1, 2, 0, 3}});
  EXPECT_EQ(partition(0).committed, 3u);
  EXPECT_EQ(partition(0).epoch, 1u);
  EXPECT_EQ(partition(1).committed, 2u);
}

TEST_F(TopicGroupEffectsTest, TopicAndGroupKnowEachOther) {
  CreateGroup();
  EXPECT_THAT(Readers("t"), ElementsAre("g"));
  Apply(TopicGroupSee{key_, "t", Numbers{3}});
  EXPECT_THAT(heard_, ElementsAre("beside *g", "beside t"));
  EXPECT_EQ(partition(2).committed, 3u);
  Apply(TopicGroupAssign{key_, "t", "m", Numbers{0}});
  Apply(KeyRemove{topic_});
  EXPECT_THAT(group().topics(), IsEmpty());
  EXPECT_EQ(group().FindMember("m")->partitions, 0u);
  CreateTopic("t");
  EXPECT_THAT(Readers("t"), IsEmpty());
  Apply(TopicGroupSee{key_, "t", Numbers{0}});
  Apply(KeyRemove{key_});
  EXPECT_THAT(heard_, ElementsAre("removed *g", "beside t"));
  EXPECT_THAT(Readers("t"), IsEmpty());
  CreateGroup();
  Apply(StringSet{topic_, "v"});
  EXPECT_THAT(group().topics(), IsEmpty());
}

TEST_F(TopicGroupEffectsTest, FlushAndSwapTakeBoth) {
  CreateGroup();
  Apply(Swap{0, 1});
  const KeyRef swapped(CompanionOf(0), "*g");
  Apply(TopicGroupSee{swapped, "t", Numbers{1}});
  Apply(Flush{false, 0});
  EXPECT_TRUE(ContentOf(keyspace_).empty());
  CreateTopic("t");
  EXPECT_THAT(Readers("t"), IsEmpty());
}

TEST_F(TopicGroupEffectsTest, WhatDoesNotFitIsRefused) {
  const KeyRef in_database(1, "*g");
  EXPECT_EQ(WhyNot(TopicGroupCreate{in_database, {}}), "a topic group is in a companion");
  EXPECT_EQ(WhyNot(TopicGroupCreate{KeyRef(CompanionOf(1), "g"), {}}),
            "the key is none of a topic group");
  EXPECT_EQ(WhyNot(TopicGroupCreate{KeyRef(CompanionOf(1), "*"), {}}),
            "the key is none of a topic group");
  const std::string longest = TopicGroupKey(std::string(255, 'x'));
  const std::string longer = longest + "x";
  EXPECT_EQ(WhyNot(TopicGroupCreate{KeyRef(CompanionOf(1), longest), {}}), "it fits");
  EXPECT_EQ(WhyNot(TopicGroupCreate{KeyRef(CompanionOf(1), longer), {}}),
            "the key is none of a topic group");
  TopicGroupOptions wrong;
  wrong.start = static_cast<GroupStart>(3);
  EXPECT_EQ(WhyNot(TopicGroupCreate{key_, wrong}), "there are no such options");
  EXPECT_EQ(WhyNot(TopicGroupSubscribe{key_, "m", 1, Strings{"t"}}), "there is no such key");
  CreateGroup();
  EXPECT_EQ(WhyNot(TopicGroupCreate{key_, {}}), "there is such a key");
  EXPECT_EQ(WhyNot(TopicGroupConfigure{key_, wrong}), "there are no such options");
  wrong = {};
  wrong.assignor = static_cast<Assignor>(2);
  EXPECT_EQ(WhyNot(TopicGroupConfigure{key_, wrong}), "there are no such options");

  EXPECT_EQ(WhyNot(TopicGroupSubscribe{key_, "", 1, Strings{"t"}}), "a member has a name");
  EXPECT_EQ(WhyNot(TopicGroupSubscribe{key_, "m", 1, {}}), "a member subscribes to topics");
  EXPECT_EQ(WhyNot(TopicGroupSubscribe{key_, "m", 1, Strings{"u", "t"}}),
            "the topics are not sorted");
  EXPECT_EQ(WhyNot(TopicGroupSubscribe{key_, "m", 1, Strings{"t", "t"}}),
            "the topics are not sorted");
  EXPECT_EQ(WhyNot(TopicGroupLeave{key_, Strings{"n"}}), "the group has no such member");
  EXPECT_EQ(WhyNot(TopicGroupLeave{key_, Strings{"m", "m"}}), "a member is named twice");

  EXPECT_EQ(WhyNot(TopicGroupSee{key_, "u", Numbers{1}}), "there is no such topic");
  EXPECT_EQ(WhyNot(TopicGroupSee{key_, "t", {}}), "no partitions");
  EXPECT_EQ(WhyNot(TopicGroupSee{key_, "t", Numbers{1}}), "it fits");
  EXPECT_EQ(WhyNot(TopicGroupSee{key_, "t", Numbers{1, 2}}), "the topic has fewer partitions");

  EXPECT_EQ(WhyNot(TopicGroupAssign{key_, "u", "m", Numbers{0}}),
            "the group does not know the topic");
  EXPECT_EQ(WhyNot(TopicGroupAssign{key_, "t", "n", Numbers{0}}), "the group has no such member");
  EXPECT_EQ(WhyNot(TopicGroupAssign{key_, "t", "m", Numbers{0, 2}}),
            "the group knows no such partition");
  EXPECT_EQ(WhyNot(TopicGroupAssign{key_, "t", "", Numbers{uint64_t{1} << 32}}),
            "the group knows no such partition");

  EXPECT_EQ(WhyNot(TopicGroupCommit{key_, "t", Numbers{0}}), "partitions and offsets do not pair");
  EXPECT_EQ(WhyNot(TopicGroupCommit{key_, "t", Numbers{0, 1, 2, 1}}),
            "the group knows no such partition");
  EXPECT_EQ(WhyNot(TopicGroupReset{key_, "t", Numbers{uint64_t{1} << 32, 1}}),
            "the group knows no such partition");
  EXPECT_EQ(WhyNot(TopicGroupAcknowledge{key_, "t", 2, Numbers{1}}),
            "the group knows no such partition");
  EXPECT_EQ(WhyNot(TopicGroupAcknowledge{key_, "t", 1, Numbers{UINT64_MAX}}),
            "no record has the last offset");
  EXPECT_EQ(WhyNot(TopicGroupSkip{key_, "t", 2, 1, 1}), "the group knows no such partition");
  Apply(TopicGroupSkip{key_, "t", 1, 1, 1});
  EXPECT_EQ(WhyNot(TopicGroupSkip{key_, "t", 1, 1, UINT64_MAX}), "too many records");

  EXPECT_EQ(WhyNot(KeyRename{key_, KeyRef(0, "x")}),
            "values of a companion have effects of their own");
  EXPECT_EQ(WhyNot(KeyCopy{key_, KeyRef(0, "x")}),
            "values of a companion have effects of their own");
  std::string payload;
  group().Serialize(&payload);
  EXPECT_EQ(WhyNot(KeyRestore{KeyRef(0, "x"), ObjectType::kTopicGroup, payload, kNoExpiry}),
            "such a value stays at its key");
}

// A group from a file may have used up its numbers.
TEST_F(TopicGroupEffectsTest, NumbersEnd) {
  const KeyRef other(CompanionOf(0), "*g");
  const std::string last("\xff\xff\xff\xff\x0f");
  const std::string epoch("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  using namespace std::string_literals;
  auto group = LoadAs<TopicGroup>("\x01\x00\x00\x00\x00\x00\x00\x00"s + last + last + "\x00"s +
                                  "\x01\x01m\x01\x00\x01\x01t\x01\x01t\x01\x01"s + epoch +
                                  "\x00\x00\x00\x00"s);
  ASSERT_NE(group, nullptr);
  Keyspace keyspace(1);
  keyspace.Put(other, std::move(group));
  keyspace.Put(KeyRef(0, "u"), std::make_unique<Topic>(TopicId(), 1, TopicOptions()));
  const auto why = [&](const auto& effect) {
    const Misfit misfit = effect.Fits(keyspace);
    return std::string(misfit.fits() ? "it fits" : misfit.why());
  };
  EXPECT_EQ(why(TopicGroupSubscribe{other, "m", 1, Strings{"t"}}), "it fits");
  EXPECT_EQ(why(TopicGroupSubscribe{other, "n", 1, Strings{"t"}}), "there are no further members");
  EXPECT_EQ(why(TopicGroupSee{other, "u", Numbers{1}}), "there are no further topics");
  EXPECT_EQ(why(TopicGroupAssign{other, "t", "m", Numbers{0}}), "it fits");
  EXPECT_EQ(why(TopicGroupAssign{other, "t", "m", Numbers{0, 0}}),
            "the partition has no further epochs");
  EXPECT_EQ(why(TopicGroupReset{other, "t", Numbers{0, 0}}), "it fits");
  EXPECT_EQ(why(TopicGroupReset{other, "t", Numbers{0, 0, 0, 0}}),
            "the partition has no further epochs");
}

}  // namespace
}  // namespace runnel
