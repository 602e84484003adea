#include "effects/sorted_set_effects.h"

#include <limits>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "data/sorted_set/sorted_set.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/string_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Applies effects to a keyspace, listens to it, and sees to it that their records do the same to
// another one.
class SortedSetEffectsTest : public ::testing::Test, private KeyspaceObserver {
 protected:
  SortedSetEffectsTest() {
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
    ASSERT_TRUE(effect.Fits(keyspace_).fits());
    batch_.Add(effect);
    effect.Apply(keyspace_);
  }
  void Add(std::vector<ScoredMember> members) { Apply(SortedSetAdd{key_, members}); }
  void Remove(std::vector<std::string_view> members) { Apply(SortedSetRemove{key_, members}); }

  // "member score" in order.
  std::vector<std::string> Members() {
    std::vector<std::string> members;
    const KeyEntry* entry = keyspace_.Find(key_);
    if (entry == nullptr) return members;
    for (auto at = entry->As<SortedSet>()->Seek(0); at.Valid(); at.Next()) {
      members.push_back(std::string(at.member()) + " " + FormatDouble(at.score()));
    }
    return members;
  }

  const KeyRef key_{0, "z"};
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

TEST_F(SortedSetEffectsTest, AddMakesTheSetAndGrowsIt) {
  Add({{2, "b"}, {1, "c"}});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kAdded));
  Add({{2, "a"}});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kGrown));
  EXPECT_THAT(Members(), ElementsAre("c 1", "a 2", "b 2"));
}

// Blocked clients wait for members, not for scores.
TEST_F(SortedSetEffectsTest, AnotherScoreDoesNotGrowTheSet) {
  Add({{1, "a"}, {2, "b"}});
  Add({{3, "a"}});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  Add({{4, "a"}, {0, "c"}});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kGrown));
  EXPECT_THAT(Members(), ElementsAre("c 0", "b 2", "a 4"));
}

TEST_F(SortedSetEffectsTest, OfTwoScoresForAMemberTheLastCounts) {
  Add({{1, "a"}, {5, "b"}, {9, "a"}});
  EXPECT_THAT(Members(), ElementsAre("b 5", "a 9"));
}

TEST_F(SortedSetEffectsTest, TheKeyGoesWithItsLastMember) {
  Add({{1, "a"}, {2, "b"}, {3, "c"}});
  Remove({"b"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kModified));
  EXPECT_THAT(Members(), ElementsAre("a 1", "c 3"));
  Remove({"c", "a"});
  EXPECT_THAT(changes_, ElementsAre(KeyChange::kRemoved));
  EXPECT_EQ(keyspace_.Find(key_), nullptr);
}

TEST_F(SortedSetEffectsTest, WhatDoesNotFit) {
  const ScoredMember members[] = {{1, "a"}};
  const ScoredMember bad[] = {{1, "a"}, {std::numeric_limits<double>::quiet_NaN(), "b"}};
  const std::string_view names[] = {"a"};
  const std::string_view others[] = {"a", "b"};
  EXPECT_STREQ((SortedSetAdd{key_, {}}).Fits(keyspace_).why(), "it concerns no member");
  EXPECT_STREQ((SortedSetAdd{key_, bad}).Fits(keyspace_).why(), "a score is no number");
  EXPECT_STREQ((SortedSetAdd{KeyRef(CompanionOf(0), "z"), members}).Fits(keyspace_).why(),
               "a companion has no sorted sets");
  EXPECT_STREQ((SortedSetRemove{key_, names}).Fits(keyspace_).why(), "there is no such key");
  Apply(SortedSetAdd{key_, members});
  EXPECT_STREQ((SortedSetRemove{key_, {}}).Fits(keyspace_).why(), "it concerns no member");
  EXPECT_STREQ((SortedSetRemove{key_, others}).Fits(keyspace_).why(),
               "the sorted set does not have the member");
  Apply(StringSet{key_, "v"});
  EXPECT_STREQ((SortedSetAdd{key_, members}).Fits(keyspace_).why(),
               "the key holds a value of another type");
  EXPECT_STREQ((SortedSetRemove{key_, names}).Fits(keyspace_).why(),
               "the key holds a value of another type");
}

}  // namespace
}  // namespace runnel
