#include "effects/set_effects.h"

#include <string>
#include <vector>

#include "data/set/set.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/string_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SetEffectsTest : public ::testing::Test {
 protected:
  template <class E>
  void Do(const E& effect) {
    ASSERT_TRUE(effect.Fits(keyspace_).fits());
    effect.Apply(keyspace_);
  }
  std::vector<std::string> Members(const KeyRef& key) {
    std::vector<std::string> members;
    if (const KeyEntry* entry = keyspace_.Find(key)) {
      entry->As<Set>()->ForEach([&](std::string_view member) { members.emplace_back(member); });
    }
    return members;
  }

  Keyspace keyspace_{2};
  const KeyRef key_{0, "k"};
};

TEST_F(SetEffectsTest, AddingMakesTheSetAndPassesOverWhatIsThere) {
  const std::string_view first[] = {"a", "b", "a"};
  Do(SetAdd{key_, first});
  EXPECT_THAT(Members(key_), UnorderedElementsAre("a", "b"));
  const std::string_view more[] = {"b", "", "7"};
  Do(SetAdd{key_, more});
  EXPECT_THAT(Members(key_), UnorderedElementsAre("a", "b", "", "7"));
}

TEST_F(SetEffectsTest, RemovingTheLastMemberRemovesTheKey) {
  const std::string_view members[] = {"1", "2", "3"};
  Do(SetAdd{key_, members});
  const std::string_view some[] = {"1", "4", "1"};
  Do(SetRemove{key_, some});
  EXPECT_THAT(Members(key_), UnorderedElementsAre("2", "3"));
  Do(SetRemove{key_, members});
  EXPECT_EQ(keyspace_.Find(key_), nullptr);
}

TEST_F(SetEffectsTest, TheExpiryOfASetStays) {
  const std::string_view members[] = {"1"};
  const std::string_view more[] = {"2"};
  Do(SetAdd{key_, members});
  Do(KeyExpire{key_, 1000});
  Do(SetAdd{key_, more});
  Do(SetRemove{key_, members});
  EXPECT_EQ(keyspace_.Find(key_)->expire_at_ms(), 1000);
}

TEST_F(SetEffectsTest, FitOnlySetsAndMembers) {
  const std::string_view members[] = {"a"};
  EXPECT_STREQ((SetAdd{key_, {}}.Fits(keyspace_).why()), "it concerns no member");
  EXPECT_STREQ((SetRemove{key_, members}.Fits(keyspace_).why()), "there is no such key");
  EXPECT_STREQ((SetAdd{KeyRef(CompanionOf(0), "k"), members}.Fits(keyspace_).why()),
               "a companion has no sets");
  Do(StringSet{key_, "v", kNoExpiry});
  EXPECT_STREQ((SetAdd{key_, members}.Fits(keyspace_).why()),
               "the key holds a value of another type");
  EXPECT_STREQ((SetRemove{key_, members}.Fits(keyspace_).why()),
               "the key holds a value of another type");
  Do(KeyRemove{key_});
  Do(SetAdd{key_, members});
  EXPECT_STREQ((SetRemove{key_, {}}.Fits(keyspace_).why()), "it concerns no member");
}

}  // namespace
}  // namespace runnel
