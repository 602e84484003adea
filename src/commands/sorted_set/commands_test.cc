#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "base/random.h"
#include "commands/families.h"
#include "commands/testing.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class SortedSetCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }
  std::string Run(std::initializer_list<std::string_view> args) { return runner_.Run(args); }
  std::string All(const char* key) { return runner_.Run({"ZRANGE", key, "0", "-1", "WITHSCORES"}); }

  // The commands of sets may not be there: the value is put where they would put it.
  void PutSet(std::string_view name, std::initializer_list<std::string_view> members) {
    auto set = std::make_unique<Set>();
    for (const std::string_view member : members)
      set->Add(member);
    runner_.keyspace().Put(KeyRef(0, name), std::move(set));
  }
  // So many members m0, m1, ... with their numbers as scores.
  void Fill(std::string_view key, int count) {
    for (int i = 0; i < count; i++) {
      Run({"ZADD", key, std::to_string(i), "m" + std::to_string(i)});
    }
  }

  CommandRunner runner_{SortedSetCommands(), ListCommands(), StringCommands(), KeyspaceCommands()};
};

constexpr const char* kWrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";

// --- ZADD, ZINCRBY, ZREM ---

TEST_F(SortedSetCommandsTest, AnAddOfManyIsOneEffect) {
  EXPECT_EQ(Run("ZADD z 1 a 2 b 3 c"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-add"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added z"));
  EXPECT_THAT(runner_.events(), ElementsAre("new z", "zadd z"));
  EXPECT_EQ(Run("ZADD z 4 d"), ":1");
  EXPECT_THAT(runner_.changes(), ElementsAre("grown z"));
  EXPECT_EQ(Run("ZADD z 5 a"), ":0");
  EXPECT_THAT(runner_.changes(), ElementsAre("modified z"));
  EXPECT_THAT(runner_.events(), ElementsAre("zadd z"));
  EXPECT_EQ(All("z"), "*8 $1 b $1 2 $1 c $1 3 $1 d $1 4 $1 a $1 5");
}

TEST_F(SortedSetCommandsTest, ScoresThatStayAreNoChange) {
  Run("ZADD z 1 a 2 b");
  EXPECT_EQ(Run("ZADD z CH 1 a 2.0 b"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Run("ZINCRBY z 0 a"), "$1 1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
}

TEST_F(SortedSetCommandsTest, AddCountsAndRefusesByOptions) {
  EXPECT_EQ(Run("ZADD z XX 1 a"), ":0");
  EXPECT_EQ(Run("EXISTS z"), ":0");
  EXPECT_EQ(Run("ZADD z NX 1 a 2 b"), ":2");
  EXPECT_EQ(Run("ZADD z NX CH 9 a 3 c"), ":1");
  EXPECT_EQ(Run("ZADD z XX CH 9 a 4 d"), ":1");
  EXPECT_EQ(Run("ZADD z GT CH 8 a 3 b 5 e"), ":2");
  EXPECT_EQ(Run("ZADD z LT CH 8 a 5 b 1 f"), ":2");
  EXPECT_EQ(Run("ZADD z XX GT CH 9 a 9 none"), ":1");
  EXPECT_EQ(All("z"), "*10 $1 f $1 1 $1 b $1 3 $1 c $1 3 $1 e $1 5 $1 a $1 9");
  EXPECT_EQ(Run("ZADD z NX XX 1 a"), "-ERR XX and NX options at the same time are not compatible");
  EXPECT_EQ(Run("ZADD z NX GT 1 a"),
            "-ERR GT, LT, and/or NX options at the same time are not compatible");
  EXPECT_EQ(Run("ZADD z GT LT 1 a"),
            "-ERR GT, LT, and/or NX options at the same time are not compatible");
  EXPECT_EQ(Run("ZADD z INCR 1 a 2 b"),
            "-ERR INCR option supports a single increment-element pair");
  EXPECT_EQ(Run("ZADD z 1 a 2"), "-ERR syntax error");
  EXPECT_EQ(Run("ZADD z NX CH GT"), "-ERR syntax error");
}

// A command decides about each pair as if the pairs before it had been added already.
TEST_F(SortedSetCommandsTest, AMemberMayBeNamedTwice) {
  EXPECT_EQ(Run("ZADD z 1 a 2 a"), ":1");
  EXPECT_EQ(Run("ZSCORE z a"), "$1 2");
  EXPECT_EQ(Run("ZADD z NX 5 b 6 b"), ":1");
  EXPECT_EQ(Run("ZSCORE z b"), "$1 5");
  EXPECT_EQ(Run("ZADD z CH GT 7 b 6 b 8 b"), ":2");
  EXPECT_EQ(Run("ZSCORE z b"), "$1 8");
  // With more members than are searched one by one.
  std::vector<std::string> words = {"ZADD", "y", "NX", "CH"};
  for (int i = 0; i < 60; i++) {
    words.push_back(std::to_string(i));
    words.push_back("m" + std::to_string(i % 30));
  }
  const std::vector<std::string_view> args(words.begin(), words.end());
  EXPECT_EQ(runner_.Run(std::span<const std::string_view>(args)), ":30");
  EXPECT_EQ(Run("ZSCORE y m29"), "$2 29");
}

TEST_F(SortedSetCommandsTest, AWrongScoreFailsBeforeAnythingChanges) {
  for (const char* score : {"x", "", "nan", "NaN", " 1", "1 ", "1e400", "0x", "--1"}) {
    EXPECT_EQ(Run({"ZADD", "z", "1", "a", score, "b"}), "-ERR value is not a valid float") << score;
    EXPECT_EQ(Run({"ZINCRBY", "z", score, "b"}), "-ERR value is not a valid float") << score;
    EXPECT_THAT(runner_.effects(), IsEmpty());
  }
  EXPECT_EQ(Run("EXISTS z"), ":0");
  Run("SET s v");
  EXPECT_EQ(Run("ZADD s x a"), "-ERR value is not a valid float");
  EXPECT_EQ(Run("ZADD s 1 a"), kWrong);
  EXPECT_EQ(Run("ZINCRBY s 1 a"), kWrong);
  EXPECT_EQ(Run("ZREM s a"), kWrong);
}

TEST_F(SortedSetCommandsTest, ScoresAreReadAndPrintedAsInRedis) {
  const std::pair<const char*, const char*> kScores[] = {
      {"1", "1"},
      {"-1", "-1"},
      {"+2", "2"},
      {"007", "7"},
      {"1e3", "1000"},
      {"0x10", "16"},
      {"0x1p-3", "0.125"},
      {".5", "0.5"},
      {"inf", "inf"},
      {"-INF", "-inf"},
      {"+Infinity", "inf"},
      {"0.1", "0.10000000000000001"},
      {"123456789012345678", "1.2345678901234568e+17"},
      {"9007199254740993", "9007199254740992"},
      {"1e16", "10000000000000000"},
      {"1e17", "1e+17"},
      {"1e-7", "9.9999999999999995e-08"},
      {"4.9406564584124654e-324", "4.9406564584124654e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
  };
  for (const auto& [given, printed] : kScores) {
    Run({"ZADD", "z", given, "m"});
    const std::string text = printed;
    runner_.protocol = 2;
    EXPECT_EQ(Run("ZSCORE z m"), "$" + std::to_string(text.size()) + " " + text) << given;
    runner_.protocol = 3;
    EXPECT_EQ(Run("ZSCORE z m"), "," + text) << given;
  }
  // The set makes it 0.
  Run("ZADD z -0 m");
  EXPECT_EQ(Run("ZSCORE z m"), ",0");
}

TEST_F(SortedSetCommandsTest, AnIncrementAnswersTheScore) {
  EXPECT_EQ(Run("ZINCRBY z 1.5 a"), "$3 1.5");
  EXPECT_THAT(runner_.events(), ElementsAre("new z", "zincr z"));
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-add"));
  EXPECT_EQ(Run("ZADD z INCR 1.5 a"), "$1 3");
  EXPECT_THAT(runner_.events(), ElementsAre("zincr z"));
  EXPECT_EQ(Run("ZADD z NX INCR 1 a"), "$-1");
  EXPECT_EQ(Run("ZADD z XX INCR 1 b"), "$-1");
  EXPECT_EQ(Run("ZADD z GT INCR -1 a"), "$-1");
  EXPECT_EQ(Run("ZADD z LT INCR 0 a"), "$-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZADD z LT INCR -1 a"), "$1 2");
  runner_.protocol = 3;
  EXPECT_EQ(Run("ZINCRBY z 0.5 a"), ",2.5");
  EXPECT_EQ(Run("ZADD z NX INCR 1 a"), "_");
}

TEST_F(SortedSetCommandsTest, WhatIsNoNumberIsRefused) {
  Run("ZADD z inf a -inf b");
  EXPECT_EQ(Run("ZINCRBY z -inf a"), "-ERR resulting score is not a number (NaN)");
  EXPECT_EQ(Run("ZADD z INCR +inf b"), "-ERR resulting score is not a number (NaN)");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZINCRBY z 1 a"), "$3 inf");
  EXPECT_EQ(All("z"), "*4 $1 b $4 -inf $1 a $3 inf");
}

TEST_F(SortedSetCommandsTest, RemovingCountsMembersOnce) {
  Run("ZADD z 1 a 2 b 3 c");
  EXPECT_EQ(Run("ZREM z none"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZREM z a none a"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("zrem z"));
  EXPECT_EQ(Run("ZREM z c b c b"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("zrem z", "del z"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed z"));
  EXPECT_EQ(Run("ZREM z a"), ":0");
}

// --- Looking ---

TEST_F(SortedSetCommandsTest, ScoresRanksAndCounts) {
  Run("ZADD z 1 a 2 b 2 c 3.5 d");
  EXPECT_EQ(Run("ZCARD z"), ":4");
  EXPECT_EQ(Run("ZMSCORE z a none d"), "*3 $1 1 $-1 $3 3.5");
  EXPECT_EQ(Run("ZRANK z c"), ":2");
  EXPECT_EQ(Run("ZREVRANK z c"), ":1");
  EXPECT_EQ(Run("ZRANK z c WITHSCORE"), "*2 :2 $1 2");
  EXPECT_EQ(Run("ZREVRANK z d withscore"), "*2 :0 $3 3.5");
  EXPECT_EQ(Run("ZRANK z none"), "$-1");
  EXPECT_EQ(Run("ZRANK z none WITHSCORE"), "*-1");
  EXPECT_EQ(Run("ZRANK z a WITHSCORES"), "-ERR syntax error");
  EXPECT_EQ(Run("ZRANK z a WITHSCORE x"), "-ERR wrong number of arguments for 'zrank' command");
  EXPECT_EQ(Run("ZREVRANK z a b c"), "-ERR wrong number of arguments for 'zrevrank' command");
  EXPECT_EQ(Run("ZCOUNT z 2 3.5"), ":3");
  EXPECT_EQ(Run("ZCOUNT z (2 (3.5"), ":0");
  EXPECT_EQ(Run("ZCOUNT z -inf +inf"), ":4");
  EXPECT_EQ(Run("ZCOUNT z 3 1"), ":0");
  EXPECT_EQ(Run("ZCOUNT z x 1"), "-ERR min or max is not a float");
  EXPECT_EQ(Run("ZCOUNT z 1 nan"), "-ERR min or max is not a float");
  runner_.protocol = 3;
  EXPECT_EQ(Run("ZMSCORE z a none"), "*2 ,1 _");
  EXPECT_EQ(Run("ZREVRANK z a WITHSCORE"), "*2 :3 ,1");
  EXPECT_EQ(Run("ZRANK none a WITHSCORE"), "_");
}

TEST_F(SortedSetCommandsTest, WithoutTheKeyThereIsNothing) {
  EXPECT_EQ(Run("ZCARD z"), ":0");
  EXPECT_EQ(Run("ZSCORE z a"), "$-1");
  EXPECT_EQ(Run("ZMSCORE z a b"), "*2 $-1 $-1");
  EXPECT_EQ(Run("ZCOUNT z 1 2"), ":0");
  EXPECT_EQ(Run("ZLEXCOUNT z - +"), ":0");
  EXPECT_EQ(Run("ZRANK z a"), "$-1");
  EXPECT_EQ(Run("ZRANGE z 0 -1"), "*0");
  EXPECT_EQ(Run("ZRANDMEMBER z"), "$-1");
  EXPECT_EQ(Run("ZRANDMEMBER z -5"), "*0");
  EXPECT_EQ(Run("ZSCAN z 7"), "*2 $1 0 *0");
  EXPECT_EQ(Run("ZPOPMIN z"), "*0");
  EXPECT_EQ(Run("ZMPOP 1 z MIN"), "*-1");
  EXPECT_EQ(Run("ZREMRANGEBYRANK z 0 -1"), ":0");
  EXPECT_EQ(Run("ZINTERCARD 1 z"), ":0");
}

TEST_F(SortedSetCommandsTest, AnotherTypeIsAnError) {
  Run("SET s v");
  for (const char* line : {"ZCARD s",
                           "ZSCORE s a",
                           "ZMSCORE s a",
                           "ZCOUNT s 1 2",
                           "ZLEXCOUNT s - +",
                           "ZRANK s a",
                           "ZREVRANK s a",
                           "ZRANGE s 0 -1",
                           "ZRANGESTORE d s 0 -1",
                           "ZRANDMEMBER s",
                           "ZSCAN s 0",
                           "ZPOPMIN s",
                           "ZPOPMAX s 0",
                           "ZMPOP 2 none s MAX",
                           "BZPOPMIN none s 0",
                           "BZMPOP 0 1 s MIN",
                           "ZREMRANGEBYRANK s 0 1",
                           "ZREMRANGEBYSCORE s 0 1",
                           "ZREMRANGEBYLEX s - +",
                           "ZUNION 1 s",
                           "ZINTER 2 none s",
                           "ZDIFF 2 none s",
                           "ZUNIONSTORE d 1 s",
                           "ZINTERCARD 1 s"}) {
    EXPECT_EQ(Run(line), kWrong) << line;
    EXPECT_THAT(runner_.effects(), IsEmpty()) << line;
  }
}

TEST_F(SortedSetCommandsTest, RandomMembers) {
  Fill("z", 100);
  const auto members_of = [](const std::string& reply) {
    std::multiset<std::string> members;
    for (size_t at = 0; (at = reply.find(" m", at)) != std::string::npos; at++) {
      members.insert(reply.substr(at + 1, reply.find(' ', at + 1) - at - 1));
    }
    return members;
  };
  for (const char* count : {"1", "3", "40", "99"}) {
    const std::string reply = Run({"ZRANDMEMBER", "z", count});
    const auto members = members_of(reply);
    EXPECT_EQ(std::to_string(members.size()), count);
    EXPECT_EQ(std::set<std::string>(members.begin(), members.end()).size(), members.size());
  }
  EXPECT_EQ(members_of(Run("ZRANDMEMBER z 1000")).size(), 100u);
  EXPECT_EQ(members_of(Run("ZRANDMEMBER z -1000")).size(), 1000u);
  EXPECT_THAT(Run("ZRANDMEMBER z -3 WITHSCORES"), StartsWith("*6 "));
  EXPECT_THAT(Run("ZRANDMEMBER z 3 WITHSCORES"), StartsWith("*6 "));
  EXPECT_THAT(Run("ZRANDMEMBER z"), HasSubstr(" m"));
  runner_.protocol = 3;
  EXPECT_THAT(Run("ZRANDMEMBER z 3 WITHSCORES"), StartsWith("*3 *2 $"));
  EXPECT_THAT(Run("ZRANDMEMBER z -3 WITHSCORES"), StartsWith("*3 *2 $"));
}

// A client that asks for more than a reply may hold is refused.
TEST_F(SortedSetCommandsTest, RandomMembersHaveABound) {
  Run("ZADD z 1 a 2 b");
  const std::string range =
      "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
  EXPECT_EQ(Run("ZRANDMEMBER z -9223372036854775808"), range);
  EXPECT_EQ(Run("ZRANDMEMBER z x"), "-ERR value is not an integer or out of range");
  const std::string draws =
      "-ERR value is out of range, value must between -1000000 and 9223372036854775807";
  EXPECT_EQ(Run("ZRANDMEMBER z -9223372036854775807"), draws);
  EXPECT_EQ(Run("ZRANDMEMBER z -1000001"), draws);
  EXPECT_EQ(Run("ZRANDMEMBER z 9223372036854775807"), "*2 $1 a $1 b");
  EXPECT_EQ(Run("ZRANDMEMBER z 9223372036854775807 WITHSCORES"), "-ERR value is out of range");
  EXPECT_EQ(Run("ZRANDMEMBER z 1 WITHSCORE"), "-ERR syntax error");
  EXPECT_EQ(Run("ZRANDMEMBER z 1 WITHSCORES x"), "-ERR syntax error");
  const std::string large(1000, 'x');
  runner_.options.most_change_bytes = 100'000;
  Run({"ZADD", "large", "1", large});
  EXPECT_THAT(Run("ZRANDMEMBER large -98"), StartsWith("*98 "));
  const std::string bytes = "-ERR the reply would repeat more than 100000 bytes";
  EXPECT_EQ(Run("ZRANDMEMBER large -101"), bytes);
  EXPECT_EQ(Run("ZRANDMEMBER large -101 WITHSCORES"), bytes);
}

TEST_F(SortedSetCommandsTest, ScanGivesEveryMember) {
  Fill("z", 1000);
  std::map<std::string, int> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    const std::string reply = Run({"ZSCAN", "z", cursor, "COUNT", "20"});
    calls++;
    // *2 $n cursor *n ...
    size_t at = reply.find(' ', 3) + 1;
    cursor = reply.substr(at, reply.find(' ', at) - at);
    for (at = 0; (at = reply.find(" m", at)) != std::string::npos; at++) {
      seen[reply.substr(at + 1, reply.find(' ', at + 1) - at - 1)]++;
    }
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_GT(calls, 10);
}

TEST_F(SortedSetCommandsTest, ScanOptions) {
  Run("ZADD z 1 a 0.1 ab 3 b");
  EXPECT_EQ(Run("ZSCAN z 0"), "*2 $1 0 *6 $2 ab $19 0.10000000000000001 $1 a $1 1 $1 b $1 3");
  EXPECT_EQ(Run("ZSCAN z 0 MATCH a* COUNT 1"),
            "*2 $1 0 *4 $2 ab $19 0.10000000000000001 $1 a $1 1");
  EXPECT_EQ(Run("ZSCAN z x"), "-ERR invalid cursor");
  EXPECT_EQ(Run("ZSCAN z 0 COUNT 0"), "-ERR syntax error");
  EXPECT_EQ(Run("ZSCAN z 0 COUNT x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("ZSCAN z 0 MATCH"), "-ERR syntax error");
  EXPECT_EQ(Run("ZSCAN z 0 TYPE zset"), "-ERR syntax error");
  EXPECT_EQ(Run("ZSCAN none 0 FOO"), "*2 $1 0 *0");
  runner_.protocol = 3;
  EXPECT_EQ(Run("ZSCAN z 0 MATCH b"), "*2 $1 0 *2 $1 b $1 3");
}

// --- Ranges ---

TEST_F(SortedSetCommandsTest, RangesByRank) {
  Run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(Run("ZRANGE z 1 2"), "*2 $1 b $1 c");
  EXPECT_EQ(Run("ZRANGE z -2 -1"), "*2 $1 c $1 d");
  EXPECT_EQ(Run("ZRANGE z -100 100"), "*4 $1 a $1 b $1 c $1 d");
  EXPECT_EQ(Run("ZRANGE z 2 1"), "*0");
  EXPECT_EQ(Run("ZRANGE z 4 9"), "*0");
  EXPECT_EQ(Run("ZRANGE z 0 -5"), "*0");
  EXPECT_EQ(Run("ZRANGE z -9223372036854775808 9223372036854775807"), "*4 $1 a $1 b $1 c $1 d");
  EXPECT_EQ(Run("ZRANGE z 0 1 REV"), "*2 $1 d $1 c");
  EXPECT_EQ(Run("ZREVRANGE z 0 1 WITHSCORES"), "*4 $1 d $1 4 $1 c $1 3");
  EXPECT_EQ(Run("ZREVRANGE z -1 -1"), "*1 $1 a");
  EXPECT_EQ(Run("ZREVRANGE z 0 1 REV"), "-ERR syntax error");
  EXPECT_EQ(Run("ZRANGE z 0 x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("ZRANGE z 0 1 LIMIT 0 1"),
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
            "BYLEX");
  EXPECT_EQ(Run("ZRANGE z 0 1 LIMIT 5 -1"), "*2 $1 a $1 b");
  runner_.protocol = 3;
  EXPECT_EQ(Run("ZRANGE z 0 1 WITHSCORES"), "*2 *2 $1 a ,1 *2 $1 b ,2");
}

TEST_F(SortedSetCommandsTest, RangesByScore) {
  Run("ZADD z 1 a 2 b 2 c 3 d");
  EXPECT_EQ(Run("ZRANGE z 2 3 BYSCORE"), "*3 $1 b $1 c $1 d");
  EXPECT_EQ(Run("ZRANGE z (2 +inf BYSCORE"), "*1 $1 d");
  EXPECT_EQ(Run("ZRANGE z 3 (1 BYSCORE REV"), "*3 $1 d $1 c $1 b");
  EXPECT_EQ(Run("ZRANGE z -inf inf BYSCORE LIMIT 1 2 WITHSCORES"), "*4 $1 b $1 2 $1 c $1 2");
  EXPECT_EQ(Run("ZRANGE z inf -inf BYSCORE REV LIMIT 1 2"), "*2 $1 c $1 b");
  EXPECT_EQ(Run("ZRANGE z -inf inf BYSCORE LIMIT 1 -7"), "*3 $1 b $1 c $1 d");
  EXPECT_EQ(Run("ZRANGE z -inf inf BYSCORE LIMIT -1 2"), "*0");
  EXPECT_EQ(Run("ZRANGE z -inf inf BYSCORE LIMIT 9 2"), "*0");
  EXPECT_EQ(Run("ZRANGE z -inf inf BYSCORE LIMIT 0 0"), "*0");
  EXPECT_EQ(Run("ZRANGE z 3 1 BYSCORE"), "*0");
  EXPECT_EQ(Run("ZRANGEBYSCORE z (1 2"), "*2 $1 b $1 c");
  EXPECT_EQ(Run("ZREVRANGEBYSCORE z 2 -inf LIMIT 0 1 WITHSCORES"), "*2 $1 c $1 2");
  EXPECT_EQ(Run("ZRANGEBYSCORE z 1 2 BYSCORE"), "-ERR syntax error");
  EXPECT_EQ(Run("ZRANGEBYSCORE z 1 2 LIMIT 0"), "-ERR syntax error");
  EXPECT_EQ(Run("ZRANGEBYSCORE z 1 2 LIMIT 0 x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("ZRANGEBYSCORE z ((1 2"), "-ERR min or max is not a float");
  EXPECT_EQ(Run("ZRANGE z a b BYSCORE"), "-ERR min or max is not a float");
  EXPECT_EQ(Run("ZRANGE z 1 2 BYSCORE BYLEX"), "-ERR syntax error");
  // Bounds are read less strictly than scores.
  EXPECT_EQ(Run({"ZRANGEBYSCORE", "z", "", "1"}), "*1 $1 a");
  EXPECT_EQ(Run({"ZRANGEBYSCORE", "z", " 2", "1e400"}), "*3 $1 b $1 c $1 d");
  EXPECT_EQ(Run({"ZRANGEBYSCORE", "z", "(", "0x2"}), "*3 $1 a $1 b $1 c");
}

TEST_F(SortedSetCommandsTest, RangesByLex) {
  Run("ZADD z 0 a 0 b 0 bb 0 c");
  EXPECT_EQ(Run("ZRANGE z [b (c BYLEX"), "*2 $1 b $2 bb");
  EXPECT_EQ(Run("ZRANGE z + [bb BYLEX REV"), "*2 $1 c $2 bb");
  EXPECT_EQ(Run("ZRANGEBYLEX z - + LIMIT 1 2"), "*2 $1 b $2 bb");
  EXPECT_EQ(Run("ZREVRANGEBYLEX z (bb -"), "*2 $1 b $1 a");
  EXPECT_EQ(Run("ZRANGEBYLEX z + -"), "*0");
  EXPECT_EQ(Run("ZRANGEBYLEX z [ ["), "*0");
  EXPECT_EQ(Run("ZLEXCOUNT z (a [c"), ":3");
  EXPECT_EQ(Run("ZLEXCOUNT z a c"), "-ERR min or max not valid string range item");
  EXPECT_EQ(Run("ZRANGEBYLEX z -x +"), "-ERR min or max not valid string range item");
  EXPECT_EQ(Run("ZRANGE z - + BYLEX WITHSCORES"),
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX");
}

TEST_F(SortedSetCommandsTest, ARangeMayBeStored) {
  Run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(Run("ZRANGESTORE d z 1 2"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("new d", "zrangestore d"));
  EXPECT_EQ(All("d"), "*4 $1 b $1 2 $1 c $1 3");
  EXPECT_EQ(Run("ZRANGESTORE d z 4 3 BYSCORE REV LIMIT 0 1"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove", "sorted-set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("zrangestore d"));
  EXPECT_EQ(All("d"), "*2 $1 d $1 4");
  // From itself: the members are its own.
  EXPECT_EQ(Run("ZRANGESTORE z z 0 1"), ":2");
  EXPECT_EQ(All("z"), "*4 $1 a $1 1 $1 b $1 2");
  EXPECT_EQ(Run("ZRANGESTORE d z 5 6"), ":0");
  EXPECT_THAT(runner_.events(), ElementsAre("del d"));
  EXPECT_EQ(Run("ZRANGESTORE d none 0 -1"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZRANGESTORE d z 0 -1 WITHSCORES"), "-ERR syntax error");
  Run("SET d v EX 100");
  EXPECT_EQ(Run("ZRANGESTORE d z 0 -1"), ":2");
  EXPECT_EQ(Run("TTL d"), ":-1");
}

TEST_F(SortedSetCommandsTest, RangesAreRemoved) {
  Run("ZADD z 1 a 2 b 3 c 4 d 5 e");
  EXPECT_EQ(Run("ZREMRANGEBYRANK z 3 2"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZREMRANGEBYRANK z -2 -1"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("zremrangebyrank z"));
  EXPECT_EQ(Run("ZREMRANGEBYSCORE z (1 2"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("zremrangebyscore z"));
  EXPECT_EQ(All("z"), "*4 $1 a $1 1 $1 c $1 3");
  EXPECT_EQ(Run("ZREMRANGEBYLEX z - +"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("zremrangebylex z", "del z"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed z"));
  EXPECT_EQ(Run("ZREMRANGEBYRANK z x 1"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("ZREMRANGEBYSCORE z x 1"), "-ERR min or max is not a float");
  EXPECT_EQ(Run("ZREMRANGEBYLEX z x 1"), "-ERR min or max not valid string range item");
}

// Members that a short request removes are named in the journal: that has a bound.
TEST_F(SortedSetCommandsTest, TooManyMembersAreNotRemovedOrStored) {
  Fill("z", 20);
  Fill("whole", 20);
  runner_.options.most_change_bytes = 200;
  const std::string refused = "-ERR the command may write";
  EXPECT_THAT(Run("ZREMRANGEBYRANK z 0 14"), StartsWith(refused));
  EXPECT_THAT(Run("ZPOPMIN z 15"), StartsWith(refused));
  EXPECT_THAT(Run("ZMPOP 1 z MAX COUNT 15"), StartsWith(refused));
  EXPECT_THAT(Run("ZUNIONSTORE d 1 z"), StartsWith(refused));
  EXPECT_THAT(Run("ZRANGESTORE whole z 0 -1"), StartsWith(refused));
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZCARD z"), ":20");
  // That all go is one fact.
  EXPECT_EQ(Run("ZREMRANGEBYRANK whole 0 -1"), ":20");
}

// --- Taking ---

TEST_F(SortedSetCommandsTest, PopsTakeFromOneEnd) {
  Run("ZADD z 1 a 2 b 3 c 4 d 5 e");
  EXPECT_EQ(Run("ZPOPMIN z"), "*2 $1 a $1 1");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmin z"));
  EXPECT_EQ(Run("ZPOPMAX z 2"), "*4 $1 e $1 5 $1 d $1 4");
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmax z"));
  EXPECT_EQ(Run("ZPOPMIN z 0"), "*0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("ZPOPMIN z 9"), "*4 $1 b $1 2 $1 c $1 3");
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmin z", "del z"));
  EXPECT_EQ(Run("ZPOPMIN z -1"), "-ERR value is out of range, must be positive");
  EXPECT_EQ(Run("ZPOPMIN z x"), "-ERR value is out of range, must be positive");
  EXPECT_EQ(Run("ZPOPMIN z 1 2"), "-ERR syntax error");
  Run("ZADD z 1 a");
  EXPECT_EQ(Run("ZPOPMAX z"), "*2 $1 a $1 1");
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmax z", "del z"));
}

TEST_F(SortedSetCommandsTest, PopsInResp3) {
  runner_.protocol = 3;
  Run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(Run("ZPOPMIN z"), "*2 $1 a ,1");
  EXPECT_EQ(Run("ZPOPMIN z 1"), "*1 *2 $1 b ,2");
  EXPECT_EQ(Run("ZMPOP 1 z MAX"), "*2 $1 z *1 *2 $1 d ,4");
  EXPECT_EQ(Run("BZPOPMAX z 0"), "*3 $1 z $1 c ,3");
}

TEST_F(SortedSetCommandsTest, AMultiPopTakesFromTheFirstSetThatThereIs) {
  Run("ZADD b 1 x 2 y 3 z");
  Run("ZADD c 1 w");
  EXPECT_EQ(Run("ZMPOP 3 a b c MAX COUNT 2"), "*2 $1 b *2 *2 $1 z $1 3 *2 $1 y $1 2");
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmax b"));
  EXPECT_EQ(Run("ZMPOP 2 b c min"), "*2 $1 b *1 *2 $1 x $1 1");
  EXPECT_EQ(Run("ZMPOP 0 a MIN"), "-ERR numkeys should be greater than 0");
  EXPECT_EQ(Run("ZMPOP 2 b MIN"), "-ERR syntax error");
  EXPECT_EQ(Run("ZMPOP 1 b LEFT"), "-ERR syntax error");
  EXPECT_EQ(Run("ZMPOP 1 b MIN COUNT 0"), "-ERR count should be greater than 0");
  EXPECT_EQ(Run("ZMPOP 1 b MIN COUNT 1 COUNT 1"), "-ERR syntax error");
}

TEST_F(SortedSetCommandsTest, ABlockingPopThatFindsNothingWaitsOnAllItsKeys) {
  EXPECT_EQ(Run("BZPOPMIN a b 1.5"), "");
  ASSERT_TRUE(runner_.blocked());
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kSortedSet);
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a", "b"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 1500);
  EXPECT_TRUE(runner_.blocked()->timeout_is_array);
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("BZPOPMAX a 0"), "");
  EXPECT_EQ(runner_.blocked()->deadline_ms, Wait::kForever);
  EXPECT_EQ(Run("BZMPOP 2 2 a b MIN COUNT 9"), "");
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kSortedSet);
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a", "b"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 2000);
  EXPECT_EQ(Run("BZPOPMIN a -1"), "-ERR timeout is negative");
  EXPECT_EQ(Run("BZMPOP x 1 a MIN"), "-ERR timeout is not a float or out of range");
}

TEST_F(SortedSetCommandsTest, ABlockingPopServesInTheOrderOfItsKeys) {
  Run("ZADD b 1 x");
  Run("ZADD c 2 y 3 z");
  EXPECT_EQ(Run("BZPOPMIN a b c 0"), "*3 $1 b $1 x $1 1");
  EXPECT_THAT(runner_.events(), ElementsAre("zpopmin b", "del b"));
  EXPECT_EQ(Run("BZPOPMAX a b c 0"), "*3 $1 c $1 z $1 3");
  EXPECT_EQ(Run("BZMPOP 0 2 a c MIN COUNT 5"), "*2 $1 c *1 *2 $1 y $1 2");
}

TEST_F(SortedSetCommandsTest, AResumedPopRunsAgainFromTheStart) {
  EXPECT_EQ(Run("BZPOPMIN a b 0"), "");
  Run("ZADD b 1 x");
  EXPECT_EQ(runner_.Resume("BZPOPMIN a b 0"), "*3 $1 b $1 x $1 1");
  EXPECT_FALSE(runner_.blocked());
  EXPECT_EQ(runner_.Resume("BZPOPMIN a b 0"), "");
  EXPECT_TRUE(runner_.blocked());
  // A key before the one that woke it is of another type by now.
  Run("SET a v");
  Run("ZADD b 1 x");
  EXPECT_EQ(runner_.Resume("BZPOPMIN a b 0"), kWrong);
}

TEST_F(SortedSetCommandsTest, InATransactionNothingBlocks) {
  runner_.may_block = false;
  EXPECT_EQ(Run("BZPOPMIN a 0"), "*-1");
  EXPECT_EQ(Run("BZPOPMAX a 0"), "*-1");
  EXPECT_EQ(Run("BZMPOP 0 1 a MIN"), "*-1");
}

// --- Several sets ---

TEST_F(SortedSetCommandsTest, UnionsAddScoresUp) {
  Run("ZADD a 1 x 2 y");
  Run("ZADD b 10 y 20 z");
  EXPECT_EQ(Run("ZUNION 2 a b"), "*3 $1 x $1 y $1 z");
  EXPECT_EQ(Run("ZUNION 2 a b WITHSCORES"), "*6 $1 x $1 1 $1 y $2 12 $1 z $2 20");
  EXPECT_EQ(Run("ZUNION 2 a b WEIGHTS 2 -1 WITHSCORES"), "*6 $1 z $3 -20 $1 y $2 -6 $1 x $1 2");
  EXPECT_EQ(Run("ZUNION 2 a b AGGREGATE MIN WITHSCORES"), "*6 $1 x $1 1 $1 y $1 2 $1 z $2 20");
  EXPECT_EQ(Run("ZUNION 2 a b aggregate max withscores"), "*6 $1 x $1 1 $1 y $2 10 $1 z $2 20");
  EXPECT_EQ(Run("ZUNION 3 a none a WITHSCORES"), "*4 $1 x $1 2 $1 y $1 4");
  runner_.protocol = 3;
  EXPECT_EQ(Run("ZUNION 1 a WITHSCORES"), "*2 *2 $1 x ,1 *2 $1 y ,2");
  EXPECT_EQ(Run("ZUNION 1 a"), "*2 $1 x $1 y");
}

TEST_F(SortedSetCommandsTest, IntersectionsAndDifferences) {
  Run("ZADD a 1 x 2 y 3 z");
  Run("ZADD b 10 y 20 z 30 w");
  EXPECT_EQ(Run("ZINTER 2 a b WITHSCORES"), "*4 $1 y $2 12 $1 z $2 23");
  EXPECT_EQ(Run("ZINTER 2 a b WEIGHTS 1 0.5 AGGREGATE MIN WITHSCORES"), "*4 $1 y $1 2 $1 z $1 3");
  EXPECT_EQ(Run("ZINTER 2 a none"), "*0");
  EXPECT_EQ(Run("ZINTER 2 a a WITHSCORES"), "*6 $1 x $1 2 $1 y $1 4 $1 z $1 6");
  EXPECT_EQ(Run("ZDIFF 2 a b WITHSCORES"), "*2 $1 x $1 1");
  EXPECT_EQ(Run("ZDIFF 2 a a"), "*0");
  EXPECT_EQ(Run("ZDIFF 2 none a"), "*0");
  EXPECT_EQ(Run("ZDIFF 1 a WEIGHTS 1"), "-ERR syntax error");
  EXPECT_EQ(Run("ZINTERCARD 2 a b"), ":2");
  EXPECT_EQ(Run("ZINTERCARD 2 a b LIMIT 1"), ":1");
  EXPECT_EQ(Run("ZINTERCARD 2 a b LIMIT 0"), ":2");
  EXPECT_EQ(Run("ZINTERCARD 2 a b LIMIT -1"), "-ERR LIMIT can't be negative");
  EXPECT_EQ(Run("ZINTERCARD 2 a b WITHSCORES"), "-ERR syntax error");
}

TEST_F(SortedSetCommandsTest, MembersOfPlainSetsHaveTheScoreOne) {
  PutSet("numbers", {"1", "2", "3"});
  PutSet("words", {"2", "w"});
  Run("ZADD z 5 2 7 w");
  EXPECT_EQ(Run("ZUNION 2 numbers words WITHSCORES"), "*8 $1 1 $1 1 $1 3 $1 1 $1 w $1 1 $1 2 $1 2");
  EXPECT_EQ(Run("ZINTER 2 words z WEIGHTS 3 1 WITHSCORES"), "*4 $1 2 $1 8 $1 w $2 10");
  EXPECT_EQ(Run("ZDIFF 2 numbers z WITHSCORES"), "*4 $1 1 $1 1 $1 3 $1 1");
  EXPECT_EQ(Run("ZDIFF 2 z numbers WITHSCORES"), "*2 $1 w $1 7");
  EXPECT_EQ(Run("ZINTERCARD 3 numbers words z"), ":1");
  EXPECT_EQ(Run("ZUNIONSTORE numbers 1 numbers"), ":3");
  EXPECT_EQ(All("numbers"), "*6 $1 1 $1 1 $1 2 $1 1 $1 3 $1 1");
}

// Infinities that meet make 0, as in Redis.
TEST_F(SortedSetCommandsTest, SumsThatAreNoNumberAreZero) {
  Run("ZADD a inf x");
  Run("ZADD b -inf x");
  EXPECT_EQ(Run("ZUNION 2 a b WITHSCORES"), "*2 $1 x $1 0");
  EXPECT_EQ(Run("ZINTER 2 a b WITHSCORES"), "*2 $1 x $1 0");
  EXPECT_EQ(Run("ZUNION 1 a WEIGHTS 0 WITHSCORES"), "*2 $1 x $1 0");
  EXPECT_EQ(Run("ZUNION 2 a b WEIGHTS inf -inf WITHSCORES"), "*2 $1 x $3 inf");
}

TEST_F(SortedSetCommandsTest, ResultsAreStored) {
  Run("ZADD a 1 x 2 y");
  Run("ZADD b 3 y");
  EXPECT_EQ(Run("ZUNIONSTORE d 2 a b"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("new d", "zunionstore d"));
  EXPECT_EQ(Run("ZINTERSTORE d 2 a b"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove", "sorted-set-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("zinterstore d"));
  EXPECT_EQ(All("d"), "*2 $1 y $1 5");
  EXPECT_EQ(Run("ZDIFFSTORE a 2 a b"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("zdiffstore a"));
  EXPECT_EQ(All("a"), "*2 $1 x $1 1");
  EXPECT_EQ(Run("ZINTERSTORE d 2 a b"), ":0");
  EXPECT_THAT(runner_.events(), ElementsAre("del d"));
  EXPECT_EQ(Run("ZINTERSTORE d 2 a b"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  Run("SET s v");
  EXPECT_EQ(Run("ZUNIONSTORE s 1 a"), ":1");
  EXPECT_EQ(Run("ZUNIONSTORE s 1 a WITHSCORES"), "-ERR syntax error");
}

// A score as a text: many are no whole numbers, and sums of them depend on the order.
std::string RandomScore(Random* random) {
  constexpr const char* kScores[] = {"0.1",  "-0.3", "1e17", "-1e17", "3",    "-7",
                                     "1e-9", "0",    "-0",   "inf",   "-inf", "9007199254740993"};
  return kScores[random->Below(std::size(kScores))];
}

// What Redis computes, as it computes it: one value after the other.
class CombinationModel {
 public:
  struct Input {
    const std::map<std::string, double>* members;
    double weight;
  };

  CombinationModel(std::vector<Input> inputs, std::string aggregate)
      : inputs_(std::move(inputs)), aggregate_(std::move(aggregate)) {
    std::stable_sort(inputs_.begin(), inputs_.end(), [](const Input& a, const Input& b) {
      return a.members->size() < b.members->size();
    });
  }

  std::map<std::string, double> Union() const {
    std::map<std::string, double> totals;
    for (const Input& input : inputs_) {
      for (const auto& [member, score] : *input.members) {
        const double weighted = NotNan(score * input.weight);
        const auto [found, is_new] = totals.emplace(member, weighted);
        if (!is_new) Add(weighted, &found->second);
      }
    }
    return totals;
  }

  std::map<std::string, double> Inter() const {
    std::map<std::string, double> totals;
    for (const auto& [member, score] : *inputs_[0].members) {
      double total = NotNan(score * inputs_[0].weight);
      bool in_all = true;
      for (size_t i = 1; i < inputs_.size() && in_all; i++) {
        const auto found = inputs_[i].members->find(member);
        in_all = found != inputs_[i].members->end();
        if (in_all) Add(found->second * inputs_[i].weight, &total);
      }
      if (in_all) totals[member] = total;
    }
    return totals;
  }

 private:
  static double NotNan(double score) { return std::isnan(score) ? 0 : score; }
  void Add(double score, double* total) const {
    if (aggregate_ == "SUM") *total = NotNan(*total + score);
    if (aggregate_ == "MIN") *total = score < *total ? score : *total;
    if (aggregate_ == "MAX") *total = score > *total ? score : *total;
  }

  std::vector<Input> inputs_;
  std::string aggregate_;
};

TEST_F(SortedSetCommandsTest, RepeatedKeysAreAddedUpAsIfEachWereAnother) {
  Random random(20);
  std::map<std::string, std::map<std::string, double>> values = {{"none", {}}};
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    // Some are equally large, so that keys are added up as they are named.
    for (uint64_t left = key[0] < 'd' ? 12 : 7 + random.Below(20); left > 0; left--) {
      const std::string member = "m" + std::to_string(random.Below(30));
      const std::string score = RandomScore(&random);
      Run({"ZADD", key, score, member});
      values[key][member] = std::strtod(score.c_str(), nullptr) + 0.0;
    }
  }
  PutSet("p", {"m1", "m2", "m3", "m4", "m5", "m6", "m7"});
  for (int i = 1; i <= 7; i++) {
    values["p"]["m" + std::to_string(i)] = 1;
  }
  const auto expect_result = [&](std::vector<std::string> words,
                                 const std::map<std::string, double>& expected) {
    std::string shown;
    for (const std::string& word : words) {
      shown += word + " ";
    }
    words[0] += "STORE";
    words.insert(words.begin() + 1, "target");
    ASSERT_EQ(runner_.Run(std::vector<std::string_view>(words.begin(), words.end())),
              ":" + std::to_string(expected.size()))
        << shown;
    const auto* set =
        expected.empty() ? nullptr : runner_.keyspace().Find(KeyRef(0, "target"))->As<SortedSet>();
    for (const auto& [member, score] : expected) {
      const std::optional<double> found = set->Score(member);
      ASSERT_TRUE(found.has_value()) << shown << member;
      ASSERT_EQ(*found, score) << shown << member;
    }
  };
  for (int round = 0; round < 4000; round++) {
    const uint64_t keys = 1 + random.Below(9);
    std::vector<std::string> words = {"ZUNION", std::to_string(keys)};
    std::vector<CombinationModel::Input> inputs;
    constexpr const char* kKeys[] = {"a", "b", "c", "d", "e", "p", "none"};
    const uint64_t different = 1 + random.Below(std::size(kKeys));
    for (uint64_t i = 0; i < keys; i++) {
      words.push_back(kKeys[random.Below(different)]);
      inputs.push_back({&values[words.back()], 1});
    }
    if (random.Below(2) == 0) {
      words.push_back("WEIGHTS");
      for (uint64_t i = 0; i < keys; i++) {
        words.push_back(random.Below(2) == 0 ? "1" : RandomScore(&random));
        inputs[i].weight = std::strtod(words.back().c_str(), nullptr);
      }
    }
    constexpr const char* kAggregates[] = {"SUM", "MIN", "MAX"};
    const std::string aggregate = kAggregates[random.Below(3)];
    words.insert(words.end(), {"AGGREGATE", aggregate});
    const CombinationModel model(inputs, aggregate);
    expect_result(words, model.Union());
    words[0] = "ZINTER";
    expect_result(words, model.Inter());
    // The count, and the difference, have neither weights nor scores.
    words.resize(2 + keys);
    words[0] = "ZINTERCARD";
    EXPECT_EQ(runner_.Run(std::vector<std::string_view>(words.begin(), words.end())),
              ":" + std::to_string(model.Inter().size()));
    std::map<std::string, double> rest = *inputs[0].members;
    for (uint64_t i = 1; i < keys; i++) {
      for (const auto& [member, score] : *inputs[i].members)
        rest.erase(member);
    }
    words[0] = "ZDIFF";
    expect_result(words, rest);
  }
}

// The work is bounded by the sizes of the values and of the request, not by their product. (Without
// that, each of these would take minutes.)
TEST_F(SortedSetCommandsTest, KeysThatAreNamedAgainAndAgain) {
  constexpr size_t kTimes = 100'000;
  constexpr int kMembers = 10'000;
  Fill("z", kMembers);
  Fill("y", kMembers);
  Run("ZADD one 0.1 m1");
  const auto run = [&](std::string_view command, std::initializer_list<std::string_view> keys,
                       std::vector<std::string_view> more = {}) {
    std::vector<std::string_view> words = {command};
    if (command.ends_with("STORE")) words.push_back("target");
    const std::string count = std::to_string(keys.size() * kTimes);
    words.push_back(count);
    for (size_t i = 0; i < kTimes; i++)
      words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), more.begin(), more.end());
    return runner_.Run(words);
  };
  EXPECT_EQ(run("ZUNIONSTORE", {"z"}), ":10000");
  EXPECT_EQ(Run("ZSCORE target m7"), "$6 700000");
  EXPECT_EQ(run("ZINTERSTORE", {"z"}, {"AGGREGATE", "MIN"}), ":10000");
  EXPECT_EQ(Run("ZSCORE target m7"), "$1 7");
  EXPECT_EQ(run("ZINTERCARD", {"z", "y"}), ":10000");
  EXPECT_EQ(run("ZDIFFSTORE", {"z", "none", "one"}), ":0");
  EXPECT_EQ(run("ZDIFF", {"one", "none"}), "*0");
  // One of the first is the last: it has been 100,000 sums of something that is no whole number.
  double sum = 0;
  for (size_t i = 0; i < kTimes; i++)
    sum += 0.1;
  EXPECT_EQ(run("ZUNIONSTORE", {"one"}), ":1");
  const auto* target = runner_.keyspace().Find(KeyRef(0, "target"))->As<SortedSet>();
  EXPECT_EQ(target->Score("m1"), sum);
  // What needs so many steps, because nothing can be taken together, is refused.
  const std::string refused = "-ERR keys are named again and again";
  EXPECT_THAT(run("ZUNIONSTORE", {"z", "y"}), StartsWith(refused));
  EXPECT_THAT(run("ZINTER", {"z", "y"}), StartsWith(refused));
  std::vector<std::string_view> weights = {"WEIGHTS"};
  for (size_t i = 0; i < kTimes; i++)
    weights.push_back(i % 2 == 0 ? "0.1" : "0.3");
  EXPECT_THAT(run("ZUNION", {"z"}, weights), StartsWith(refused));
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

// A journal is read record by record, so none is as long as a value may be.
TEST_F(SortedSetCommandsTest, LargeChangesAreStatedInParts) {
  Fill("z", 2500);
  EXPECT_EQ(Run("ZUNIONSTORE d 1 z"), ":2500");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-add", "sorted-set-add", "sorted-set-add"));
  EXPECT_EQ(All("d"), All("z"));
  EXPECT_EQ(Run("ZRANGESTORE d z 10 1100"), ":1091");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove", "sorted-set-add", "sorted-set-add"));
  EXPECT_EQ(Run("ZREMRANGEBYRANK z 0 1999"), ":2000");
  EXPECT_THAT(runner_.effects(), ElementsAre("sorted-set-remove", "sorted-set-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("zremrangebyrank z"));
  EXPECT_EQ(Run("ZCARD z"), ":500");
  // By their bytes, too.
  for (int i = 0; i < 5; i++) {
    Run({"ZADD", "long", "1", std::string(200'000, static_cast<char>('a' + i))});
  }
  EXPECT_EQ(Run("ZUNIONSTORE d 1 long"), ":5");
  EXPECT_EQ(runner_.effects().size(), 4u);
  EXPECT_EQ(Run("ZREMRANGEBYRANK d 0 3"), ":4");
  EXPECT_EQ(runner_.effects().size(), 2u);
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SortedSetCommandsTest, WrongArgumentsOfCombinations) {
  EXPECT_EQ(Run("ZUNION x a"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("ZUNION 0 a"), "-ERR at least 1 input key is needed for 'zunion' command");
  EXPECT_EQ(Run("ZInterStore d -1 a"),
            "-ERR at least 1 input key is needed for 'zinterstore' command");
  EXPECT_EQ(Run("ZUNION 2 a"), "-ERR syntax error");
  EXPECT_EQ(Run("ZUNION 9223372036854775807 a"), "-ERR syntax error");
  EXPECT_EQ(Run("ZUNION 2 a b WEIGHTS 1"), "-ERR syntax error");
  EXPECT_EQ(Run("ZUNION 2 a b WEIGHTS 1 x"), "-ERR weight value is not a float");
  EXPECT_EQ(Run("ZUNION 1 a AGGREGATE AVG"), "-ERR syntax error");
  EXPECT_EQ(Run("ZUNION 1 a AGGREGATE"), "-ERR syntax error");
  EXPECT_EQ(Run("ZUNION 1 a LIMIT 1"), "-ERR syntax error");
}

}  // namespace
}  // namespace runnel
