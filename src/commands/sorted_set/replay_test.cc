// Replaying the effects of any commands on sorted sets gives the keyspace that the commands made,
// and a capture holds what was there when it began.

#include <random>
#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

class RandomScoredCommands {
 public:
  explicit RandomScoredCommands(int seed) : random_(seed) {}

  std::vector<std::string> Next() {
    const std::string key = Key();
    switch (random_() % 30) {
      case 0:
      case 1:
      case 2:
      case 3:
        return WithPairs({"ZADD", key}, 1 + random_() % 6);
      case 4:
        // Enough of them for a table.
        return WithPairs({"ZADD", key}, 200);
      case 5:
        return WithPairs({"ZADD", key, Pick({"NX", "XX", "GT", "LT", "CH"})}, 1 + random_() % 30);
      case 6:
        return {"ZADD", key, Pick({"NX", "XX", "GT", "LT"}), "INCR", Score(), Member()};
      case 7:
        return {"ZINCRBY", key, Score(), Member()};
      case 8:
      case 9:
        return {"ZREM", key, Member(), Member(), Member()};
      case 10:
        return {Pick({"ZPOPMIN", "ZPOPMAX"}), key, Rank()};
      case 11:
        return {Pick({"ZPOPMIN", "ZPOPMAX"}), key};
      case 12:
        return {"ZMPOP", "2", key, Key(), Pick({"MIN", "MAX"}), "COUNT", Rank()};
      case 13:
        return {Pick({"BZPOPMIN", "BZPOPMAX"}), key, Key(), "0"};
      case 14:
        return {"BZMPOP", "0", "2", key, Key(), Pick({"MIN", "MAX"}), "COUNT", Rank()};
      case 15:
        return {"ZREMRANGEBYRANK", key, Rank(), Rank()};
      case 16:
        return {"ZREMRANGEBYSCORE", key, Score(), Score()};
      case 17:
        return {"ZREMRANGEBYLEX", key, Pick({"-", "[a", "(b"}), Pick({"+", "[b", "(c"})};
      case 18:
        return {"ZRANGESTORE", key, Key(), Rank(), Rank()};
      case 19:
        return {"ZRANGESTORE", key, Key(), "-inf", Score(), "BYSCORE", "LIMIT", "0", Rank()};
      case 20:
        return {Pick({"ZUNIONSTORE", "ZINTERSTORE"}),
                key,
                "2",
                Key(),
                Key(),
                "WEIGHTS",
                Score(),
                Score(),
                "AGGREGATE",
                Pick({"SUM", "MIN", "MAX"})};
      case 21:
        return {"ZDIFFSTORE", key, "2", Key(), Key()};
      case 22:
        return {"ZUNIONSTORE", key, "1", key};
      case 23:
        return {"DEL", key};
      case 24:
        return {"PEXPIRE", key, Pick({"1", "50", "1000"})};
      case 25:
        return {"RENAME", key, Key()};
      case 26:
        return {"COPY", key, Key(), "DB", Pick({"0", "1"}), "REPLACE"};
      case 27:
        return {"SET", key, "v"};
      case 28:
        return {"MOVE", key, Pick({"0", "1"})};
      default:
        return {"ZRANGE", key, Rank(), Rank(), "WITHSCORES"};
    }
  }

  uint32_t Random() { return static_cast<uint32_t>(random_()); }

 private:
  std::string Pick(std::initializer_list<const char*> words) {
    return *(words.begin() + random_() % words.size());
  }
  std::string Key() { return Pick({"a", "b", "c", "d"}); }
  std::string Rank() { return Pick({"0", "1", "2", "3", "5", "40", "-1", "-2", "-30"}); }
  std::string Score() {
    return Pick({"0", "1", "1", "2", "-1", "0.5", "1e300", "inf", "-inf", "-0", "1700000000000"});
  }
  std::string Member() {
    if (random_() % 20 == 0) return std::string(100 + random_() % 3, 'x');
    return Pick({"", "a", "b", "c", "d"}) +
           (random_() % 2 == 0 ? std::to_string(random_() % 300) : "");
  }
  std::vector<std::string> WithPairs(std::vector<std::string> args, size_t pairs) {
    while (pairs-- > 0) {
      args.push_back(Score());
      args.push_back(Member());
    }
    return args;
  }

  std::mt19937 random_;
};

class SortedSetReplay : public testing::TestWithParam<int> {};

TEST_P(SortedSetReplay, GivesTheKeyspaceThatTheCommandsMade) {
  CommandRunner runner({SortedSetCommands(), StringCommands(), KeyspaceCommands()});
  RandomScoredCommands commands(GetParam());
  CaptureCheck captures;
  for (int i = 0; i < 2000; i++) {
    runner.now_ms += commands.Random() % 3;
    runner.db = commands.Random() % 2;
    runner.may_block = commands.Random() % 2 == 0;
    const std::vector<std::string> args = commands.Next();
    const std::vector<std::string_view> views(args.begin(), args.end());
    const std::string reply = runner.Run(std::span<const std::string_view>(views));
    // What failed, or waits, has changed nothing but what was past its expiry.
    if (reply.starts_with("-") || runner.blocked()) {
      const size_t expired = static_cast<size_t>(
          std::count_if(runner.events().begin(), runner.events().end(),
                        [](const std::string& event) { return event.starts_with("expired "); }));
      ASSERT_EQ(runner.effects().size(), expired) << args[0] << " " << reply;
    }
    captures.Step(runner.keyspace(), [&] { return commands.Random(); });
    if (i % 500 != 0) continue;
    ASSERT_EQ(runner.Replayed(), ContentOf(runner.keyspace())) << "after " << i;
  }
  ASSERT_EQ(runner.Replayed(), ContentOf(runner.keyspace()));
  ASSERT_GT(captures.finished(), 10);
  ASSERT_EQ(captures.wrong(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SortedSetReplay, testing::Range(0, 10));

}  // namespace
}  // namespace runnel
