#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/set/set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SetCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }
  // Runs the command with `members` names after it: m0, m1, ...
  std::string RunWith(std::vector<std::string> args, int members) {
    for (int i = 0; i < members; i++)
      args.push_back("m" + std::to_string(i));
    const std::vector<std::string_view> views(args.begin(), args.end());
    return runner_.Run(std::span<const std::string_view>(views));
  }
  // The members that a command replies, without regard to their order.
  std::multiset<std::string> Members(const std::string& reply) {
    std::multiset<std::string> members;
    std::istringstream words(reply);
    std::string word;
    words >> word;
    EXPECT_TRUE(word[0] == '*' || word[0] == '~') << reply;
    while (words >> word) {
      EXPECT_EQ(word[0], '$') << reply;
      words >> word;
      members.insert(word);
    }
    return members;
  }
  std::multiset<std::string> Get(const char* line) { return Members(Run(line)); }
  size_t Size(const std::string& key) {
    const KeyEntry* entry = runner_.keyspace().Find(KeyRef(0, key));
    return entry == nullptr ? 0 : entry->As<Set>()->size();
  }

  using Names = std::multiset<std::string>;
  static constexpr const char* kWrong =
      "-WRONGTYPE Operation against a key holding the wrong kind of value";
  CommandRunner runner_{SetCommands(), StringCommands(), KeyspaceCommands(), ListCommands()};
};

TEST_F(SetCommandsTest, AddingIsOneEffectWithTheNewMembers) {
  EXPECT_EQ(Run("SADD s a b a"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-add"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added s"));
  EXPECT_THAT(runner_.events(), ElementsAre("new s", "sadd s"));
  EXPECT_EQ(Run("SADD s b c d"), ":2");
  EXPECT_THAT(runner_.changes(), ElementsAre("grown s"));
  EXPECT_THAT(runner_.events(), ElementsAre("sadd s"));
  EXPECT_EQ(Get("SMEMBERS s"), (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(Run("SADD s a d"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
  Run("SET x v");
  EXPECT_EQ(Run("SADD x a"), kWrong);
  EXPECT_EQ(Run("SADD s"), "-ERR wrong number of arguments for 'sadd' command");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SetCommandsTest, RemovingTheLastMemberTakesTheKeyAway) {
  Run("SADD s a b 3");
  EXPECT_EQ(Run("SREM s x y"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SREM s x a a"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("srem s"));
  EXPECT_EQ(Run("SREM s b 3 x"), ":2");
  EXPECT_THAT(runner_.changes(), ElementsAre("removed s"));
  EXPECT_THAT(runner_.events(), ElementsAre("srem s", "del s"));
  EXPECT_EQ(Run("SREM s a"), ":0");
  Run("SET x v");
  EXPECT_EQ(Run("SREM x a"), kWrong);
}

TEST_F(SetCommandsTest, LookingAtMembers) {
  Run("SADD s a 1");
  EXPECT_EQ(Run("SISMEMBER s a"), ":1");
  EXPECT_EQ(Run("SISMEMBER s b"), ":0");
  EXPECT_EQ(Run("SISMEMBER none a"), ":0");
  EXPECT_EQ(runner_.misses(), 1u);
  EXPECT_EQ(Run("SMISMEMBER s a b 1 01"), "*4 :1 :0 :1 :0");
  EXPECT_EQ(Run("SMISMEMBER none a b"), "*2 :0 :0");
  EXPECT_EQ(Run("SCARD s"), ":2");
  EXPECT_EQ(Run("SCARD none"), ":0");
  EXPECT_EQ(Run("SMEMBERS none"), "*0");
  runner_.protocol = 3;
  EXPECT_EQ(Run("SMEMBERS none"), "~0");
  EXPECT_EQ(Run("SMEMBERS s").substr(0, 2), "~2");
  Run("SET x v");
  for (const char* line : {"SISMEMBER x a", "SMISMEMBER x a", "SCARD x", "SMEMBERS x"}) {
    EXPECT_EQ(Run(line), kWrong) << line;
  }
}

TEST_F(SetCommandsTest, MovingAMember) {
  Run("SADD a 1 2");
  EXPECT_EQ(Run("SMOVE a b 1"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-remove", "set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("srem a", "new b", "sadd b"));
  EXPECT_EQ(Run("SMOVE a b 7"), ":0");
  EXPECT_EQ(Run("SMOVE none b 7"), ":0");
  EXPECT_EQ(Run("SMOVE a a 2"), ":1");
  EXPECT_EQ(Run("SMOVE a a 7"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  Run("SADD b 2");
  // It is there already: the other set does not change.
  EXPECT_EQ(Run("SMOVE a b 2"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("srem a", "del a"));
  Run("SET x v");
  EXPECT_EQ(Run("SMOVE x b 1"), kWrong);
  EXPECT_EQ(Run("SMOVE b x 1"), kWrong);
  EXPECT_EQ(Run("SMOVE none x 1"), ":0");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

// --- By chance ---

TEST_F(SetCommandsTest, PoppingStatesWhichMembersWent) {
  EXPECT_EQ(Run("SPOP s"), "$-1");
  EXPECT_EQ(Run("SPOP s 1"), "*0");
  Run("SADD s a");
  EXPECT_EQ(Run("SPOP s"), "$1 a");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("spop s", "del s"));
  RunWith({"SADD", "s"}, 20);
  EXPECT_EQ(Run("SPOP s 0"), "*0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  const Names popped = Get("SPOP s 5");
  EXPECT_EQ(std::set<std::string>(popped.begin(), popped.end()).size(), 5u);
  EXPECT_THAT(runner_.events(), ElementsAre("spop s"));
  EXPECT_EQ(Size("s"), 15u);
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
  // All: the effect does not name them.
  EXPECT_EQ(Get("SPOP s 100").size(), 15u);
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("spop s", "del s"));
  runner_.protocol = 3;
  EXPECT_EQ(Run("SPOP s 1"), "~0");
  EXPECT_EQ(Run("SPOP s"), "_");
}

TEST_F(SetCommandsTest, PopErrors) {
  Run("SADD s a");
  EXPECT_EQ(Run("SPOP s -1"), "-ERR value is out of range, must be positive");
  EXPECT_EQ(Run("SPOP s x"), "-ERR value is out of range, must be positive");
  EXPECT_EQ(Run("SPOP s 1 1"), "-ERR syntax error");
  Run("SET x v");
  EXPECT_EQ(Run("SPOP x"), kWrong);
  EXPECT_EQ(Run("SPOP x 1"), kWrong);
  EXPECT_EQ(Size("s"), 1u);
}

// A large set is sampled by draws, and by a walk if most of it is wanted; a small one by a walk.
TEST_F(SetCommandsTest, PoppedMembersWereThereAndAreGone) {
  for (const int size : {10, 2000}) {
    for (const int percent : {1, 10, 49, 51, 99}) {
      RunWith({"SADD", "s"}, size);
      const int count = std::max(1, size * percent / 100);
      const Names popped = Get(("SPOP s " + std::to_string(count)).c_str());
      ASSERT_EQ(std::set<std::string>(popped.begin(), popped.end()).size(),
                static_cast<size_t>(count));
      for (const std::string& member : popped) {
        ASSERT_EQ(runner_.Run({"SISMEMBER", "s", member}), ":0");
      }
      ASSERT_EQ(Size("s"), static_cast<size_t>(size - count));
      Run("DEL s");
    }
  }
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SetCommandsTest, APopThatWouldWriteTooMuchChangesNothing) {
  RunWith({"SADD", "s"}, 100);
  runner_.options.most_change_bytes = 100;
  EXPECT_EQ(Run("SPOP s 50").substr(0, 26), "-ERR the command may write");
  EXPECT_EQ(Size("s"), 100u);
  EXPECT_EQ(Run("SUNIONSTORE t s").substr(0, 26), "-ERR the command may write");
  EXPECT_EQ(Size("t"), 0u);
}

TEST_F(SetCommandsTest, RandomMembers) {
  EXPECT_EQ(Run("SRANDMEMBER s"), "$-1");
  EXPECT_EQ(Run("SRANDMEMBER s 2"), "*0");
  RunWith({"SADD", "s"}, 5);
  EXPECT_EQ(Run("SRANDMEMBER s").substr(0, 4), "$2 m");
  EXPECT_EQ(Run("SRANDMEMBER s 0"), "*0");
  const Names some = Get("SRANDMEMBER s 3");
  EXPECT_EQ(std::set<std::string>(some.begin(), some.end()).size(), 3u);
  EXPECT_EQ(Get("SRANDMEMBER s 9"), Get("SMEMBERS s"));
  EXPECT_EQ(Get("SRANDMEMBER s -50").size(), 50u);
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SRANDMEMBER s 1 1"), "-ERR syntax error");
  EXPECT_EQ(Run("SRANDMEMBER s x"), "-ERR value is not an integer or out of range");
  Run("SET x v");
  EXPECT_EQ(Run("SRANDMEMBER x"), kWrong);
  EXPECT_EQ(Run("SRANDMEMBER x 1"), kWrong);
  runner_.protocol = 3;
  EXPECT_EQ(Run("SRANDMEMBER none 2"), "*0");
  EXPECT_EQ(Run("SRANDMEMBER none"), "_");
}

// The set bounds no reply to a negative count.
TEST_F(SetCommandsTest, RepeatedRandomMembersAreBounded) {
  Run("SADD s abcdefghij");
  const std::string range = "-ERR value is out of range, value must between ";
  EXPECT_EQ(Run("SRANDMEMBER s -9223372036854775808"),
            range + "-9223372036854775807 and 9223372036854775807");
  EXPECT_EQ(Run("SRANDMEMBER s -1000001"), range + "-1000000 and 9223372036854775807");
  EXPECT_EQ(Run("SRANDMEMBER none -1000001"), "*0");
  runner_.options.most_change_bytes = 200;
  EXPECT_EQ(Get("SRANDMEMBER s -10").size(), 10u);
  EXPECT_EQ(Run("SRANDMEMBER s -13"), "-ERR the reply would repeat more than 200 bytes");
  // What names each member once may be of any size.
  RunWith({"SADD", "s"}, 200);
  EXPECT_EQ(Get("SRANDMEMBER s 150").size(), 150u);
}

// Each member as often as every other: by draws and by walks, of a table and of integers. (The
// numbers are random, but a fair choice fails this less than once in 10^8 runs: the bounds are
// seven standard deviations away.)
TEST_F(SetCommandsTest, EachMemberHasTheSameChance) {
  Run("SADD integers 1 2 3 4 5 6 7 8 9 10");
  Run("SADD strings a b c d e f g h i j");
  for (const char* line : {"SRANDMEMBER integers 3", "SRANDMEMBER strings 3",
                           "SRANDMEMBER integers -3", "SRANDMEMBER strings -3"}) {
    std::map<std::string, int> counts;
    constexpr int kRounds = 3000;
    for (int i = 0; i < kRounds; i++) {
      for (const std::string& member : Get(line))
        counts[member]++;
    }
    ASSERT_EQ(counts.size(), 10u) << line;
    for (const auto& [member, count] : counts) {
      EXPECT_NEAR(count, kRounds * 3 / 10, 200) << line << " " << member;
    }
  }
  RunWith({"SADD", "large"}, 1000);
  std::map<std::string, int> counts;
  for (int i = 0; i < 2000; i++) {
    for (const std::string& member : Get("SRANDMEMBER large 50"))
      counts[member]++;
  }
  for (int i = 0; i < 1000; i++) {
    EXPECT_NEAR(counts["m" + std::to_string(i)], 100, 75) << i;
  }
}

// --- Several sets ---

TEST_F(SetCommandsTest, Intersections) {
  Run("SADD a 1 2 3 x y");
  Run("SADD b 2 3 4 y z");
  Run("SADD c 3 y");
  EXPECT_EQ(Get("SINTER a"), (Names{"1", "2", "3", "x", "y"}));
  EXPECT_EQ(Get("SINTER a b"), (Names{"2", "3", "y"}));
  EXPECT_EQ(Get("SINTER a b c a b"), (Names{"3", "y"}));
  EXPECT_EQ(Run("SINTER a none"), "*0");
  EXPECT_EQ(Run("SINTERCARD 3 a b c"), ":2");
  EXPECT_EQ(Run("SINTERCARD 2 a b LIMIT 2"), ":2");
  EXPECT_EQ(Run("SINTERCARD 2 a b LIMIT 0"), ":3");
  EXPECT_EQ(Run("SINTERCARD 2 a b LIMIT 1 limit 9"), ":3");
  EXPECT_EQ(Run("SINTERCARD 2 a none"), ":0");
  runner_.protocol = 3;
  EXPECT_EQ(Run("SINTER a none"), "~0");
  EXPECT_EQ(Run("SINTER c").substr(0, 2), "~2");
}

TEST_F(SetCommandsTest, UnionsAndDifferences) {
  Run("SADD a 1 2 3 x y");
  Run("SADD b 2 3 4 y z");
  Run("SADD c 3 y w");
  EXPECT_EQ(Get("SUNION a b c"), (Names{"1", "2", "3", "4", "x", "y", "z", "w"}));
  EXPECT_EQ(Get("SUNION c none a c"), (Names{"1", "2", "3", "x", "y", "w"}));
  EXPECT_EQ(Run("SUNION none"), "*0");
  EXPECT_EQ(Get("SDIFF a b"), (Names{"1", "x"}));
  EXPECT_EQ(Get("SDIFF a none"), (Names{"1", "2", "3", "x", "y"}));
  EXPECT_EQ(Get("SDIFF a c b"), (Names{"1", "x"}));
  EXPECT_EQ(Run("SDIFF none a"), "*0");
  EXPECT_EQ(Run("SDIFF a b a"), "*0");
}

// With many small sets the difference is made in a copy, which the first set must not notice.
TEST_F(SetCommandsTest, ADifferenceOfManySmallSets) {
  RunWith({"SADD", "a"}, 300);
  std::vector<std::string> args = {"SDIFF", "a"};
  for (int i = 0; i < 5; i++) {
    const std::string key = "k" + std::to_string(i);
    runner_.Run({"SADD", key, "m" + std::to_string(i), "other"});
    args.push_back(key);
  }
  Run("COPY a twin");
  const std::vector<std::string_view> views(args.begin(), args.end());
  const Names left = Members(runner_.Run(std::span<const std::string_view>(views)));
  EXPECT_EQ(left.size(), 295u);
  EXPECT_FALSE(left.contains("m4"));
  EXPECT_TRUE(left.contains("m5"));
  EXPECT_EQ(Size("a"), 300u);
  EXPECT_EQ(Size("twin"), 300u);
  EXPECT_EQ(Run("SDIFF a twin"), "*0");
}

TEST_F(SetCommandsTest, StoringReplacesTheTarget) {
  Run("SADD a 1 2 3");
  Run("SADD b 2 3 4");
  EXPECT_EQ(Run("SINTERSTORE t a b"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("new t", "sinterstore t"));
  Run("SET s v");
  Run("PEXPIREAT s 1800000000000");
  EXPECT_EQ(Run("SUNIONSTORE s a b"), ":4");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove", "set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("sunionstore s"));
  EXPECT_EQ(Run("PTTL s"), ":-1");
  // The target may be one of the sources.
  EXPECT_EQ(Run("SDIFFSTORE a a b"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("sdiffstore a"));
  EXPECT_EQ(Get("SMEMBERS a"), (Names{"1"}));
  EXPECT_EQ(Run("SINTERSTORE a a b"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("del a"));
  EXPECT_EQ(Run("SINTERSTORE a none"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), ElementsAre("keymiss none"));
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SetCommandsTest, ALargeResultIsStoredInParts) {
  RunWith({"SADD", "a"}, 2500);
  EXPECT_EQ(Run("SUNIONSTORE t a"), ":2500");
  EXPECT_THAT(runner_.effects(), ElementsAre("set-add", "set-add", "set-add"));
  EXPECT_EQ(Get("SMEMBERS t"), Get("SMEMBERS a"));
  EXPECT_EQ(Get("SPOP t 2000").size(), 2000u);
  EXPECT_THAT(runner_.effects(), ElementsAre("set-remove", "set-remove"));
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SetCommandsTest, AllSourcesMustBeSets) {
  Run("SADD a 1");
  Run("SET x v");
  for (const char* line :
       {"SINTER a x", "SINTER none x", "SUNION a x", "SDIFF none x", "SDIFF x", "SINTERSTORE a x",
        "SUNIONSTORE a none x", "SDIFFSTORE a a x", "SINTERCARD 2 none x"}) {
    EXPECT_EQ(Run(line), kWrong) << line;
    EXPECT_THAT(runner_.effects(), IsEmpty()) << line;
  }
}

TEST_F(SetCommandsTest, InterCardErrors) {
  EXPECT_EQ(Run("SINTERCARD 0 a"), "-ERR numkeys should be greater than 0");
  EXPECT_EQ(Run("SINTERCARD x a"), "-ERR numkeys should be greater than 0");
  EXPECT_EQ(Run("SINTERCARD 2 a"), "-ERR Number of keys can't be greater than number of args");
  EXPECT_EQ(Run("SINTERCARD 1 a b"), "-ERR syntax error");
  EXPECT_EQ(Run("SINTERCARD 1 a LIMIT"), "-ERR syntax error");
  EXPECT_EQ(Run("SINTERCARD 1 a LIMIT -1"), "-ERR LIMIT can't be negative");
  EXPECT_EQ(Run("SINTERCARD 1 a LIMIT x"), "-ERR LIMIT can't be negative");
}

// --- SSCAN ---

TEST_F(SetCommandsTest, ScanVisitsEveryMember) {
  EXPECT_EQ(Run("SSCAN none 0"), "*2 $1 0 *0");
  EXPECT_EQ(Run("SSCAN none 0 WHAT"), "*2 $1 0 *0");
  Run("SADD i 1 2 3");
  EXPECT_EQ(Run("SSCAN i 0 COUNT 1"), "*2 $1 0 *3 $1 1 $1 2 $1 3");
  EXPECT_EQ(Run("SSCAN i 0 MATCH [12]"), "*2 $1 0 *2 $1 1 $1 2");
  RunWith({"SADD", "s"}, 1000);
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    std::istringstream words(runner_.Run({"SSCAN", "s", cursor, "COUNT", "20"}));
    std::string word;
    words >> word >> word >> cursor >> word;
    while (words >> word >> word)
      seen.insert(word);
    calls++;
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_GT(calls, 10);
  EXPECT_LT(calls, 60);
}

TEST_F(SetCommandsTest, ScanErrors) {
  Run("SADD s a");
  Run("SET x v");
  EXPECT_EQ(Run("SSCAN s x"), "-ERR invalid cursor");
  EXPECT_EQ(Run("SSCAN x 0"), kWrong);
  EXPECT_EQ(Run("SSCAN s 0 COUNT 0"), "-ERR syntax error");
  EXPECT_EQ(Run("SSCAN s 0 COUNT x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("SSCAN s 0 COUNT"), "-ERR syntax error");
  EXPECT_EQ(Run("SSCAN s 0 TYPE set"), "-ERR syntax error");
  EXPECT_EQ(Run("SSCAN s 18446744073709551615 COUNT 5"), "*2 $1 0 *1 $1 a");
}

}  // namespace
}  // namespace runnel
