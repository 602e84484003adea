// The journal's promise: replaying the effects of any commands gives the keyspace that the commands
// made. And that of snapshots: a capture holds what was there when it began.

#include <random>
#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

class RandomCommands {
 public:
  explicit RandomCommands(int seed) : random_(seed) {}

  // One command with its arguments, mostly a sensible one.
  std::vector<std::string> Next() {
    const std::string key = Key();
    if (random_() % 4 == 0) return NextOnSets();
    switch (random_() % 46) {
      case 0:
      case 1:
      case 2:
        return With({"RPUSH", key}, 1 + random_() % 6);
      case 3:
      case 4:
        return With({"LPUSH", key}, 1 + random_() % 6);
      case 5:
        return With({"LPUSHX", key}, 1);
      case 6:
        return {"LPOP", key};
      case 7:
        return {"RPOP", key, Number()};
      case 8:
        return {"LMPOP", "2", key, Key(), End(), "COUNT", Number()};
      case 9:
        return {"BRPOP", key, Key(), "0"};
      case 10:
        return {"LMOVE", key, Key(), End(), End()};
      case 11:
        return {"LMOVEM", key, Key(), End(), End(), "COUNT", Number(), Pick({"OBO", "BULK"})};
      case 12:
        return {
            "BLMOVEM", key, Key(), End(), End(), "0", "EXACTLY", Number(), Pick({"OBO", "BULK"})};
      case 13:
        return {"LSET", key, Number(), Value()};
      case 14:
        return {"LINSERT", key, Pick({"BEFORE", "AFTER"}), Value(), Value()};
      case 15:
        return {"LREM", key, Number(), Value()};
      case 16:
        return {"LTRIM", key, Number(), Number()};
      case 17:
        return {"SET", key, Value()};
      case 18:
        return {"SET", key, Value(), Pick({"NX", "XX"}), Pick({"EX", "PX", "PXAT"}), Time()};
      case 19:
        return {"SET", key, Value(), "KEEPTTL", "GET"};
      case 20:
        return {"GETEX", key, Pick({"EX", "PX", "PXAT"}), Time()};
      case 21:
        return {"MSETNX", key, Value(), Key(), Value()};
      case 22:
        return {"APPEND", key, Value()};
      case 23:
        return {"SETRANGE", key, Number(), Value()};
      case 24:
        return {"INCRBY", key, Number()};
      case 25:
        return {"INCRBYFLOAT", key, "0.1"};
      case 26:
        return {"DEL", key, Key()};
      case 27:
        return {Pick({"EXPIRE", "PEXPIRE", "PEXPIREAT"}), key, Time()};
      case 28:
        return {"PERSIST", key};
      case 29:
        return {Pick({"RENAME", "RENAMENX"}), key, Key()};
      case 30:
        return {"COPY", key, Key(), "DB", Pick({"0", "1"}), "REPLACE"};
      case 31:
        return {"MOVE", key, Pick({"0", "1"})};
      case 32:
        return {"SWAPDB", "0", "1"};
      case 33:
      case 34:
        return {Pick({"HSET", "HMSET"}), key, Field(), Value(), Field(), Value()};
      case 35:
        return {Pick({"HSETNX", "HSET"}), key, Field(), Value()};
      case 36:
      case 37:
        return {"HDEL", key, Field(), Field()};
      case 38:
        return {Pick({"HINCRBY", "HINCRBYFLOAT"}), key, Field(), Number()};
      case 39:
        return {Pick({"HEXPIRE", "HPEXPIRE", "HPEXPIREAT"}),
                key,
                Time(),
                "FIELDS",
                "2",
                Field(),
                Field()};
      case 40:
        return {"HPEXPIRE", key, Time(), Pick({"NX", "XX", "GT", "LT"}), "FIELDS", "1", Field()};
      case 41:
        return {"HPERSIST", key, "FIELDS", "1", Field()};
      case 42:
        return {"HGETALL", key};
      case 43:
        return {"SETBIT", key, Number(), Pick({"0", "1"})};
      case 44:
        return {"BITOP", Pick({"AND", "OR", "XOR"}), key, Key(), Key()};
      default:
        return random_() % 20 == 0 ? std::vector<std::string>{"FLUSHDB"}
                                   : std::vector<std::string>{"GET", key};
    }
  }

  uint32_t Random() { return static_cast<uint32_t>(random_()); }

 private:
  std::vector<std::string> NextOnSets() {
    const std::string key = Key();
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
        return With({"SADD", key}, 1 + random_() % 6);
      case 3:
        return With({"SREM", key}, 1 + random_() % 3);
      case 4:
        return {"SMOVE", key, Key(), Value()};
      case 5:
        return {"SPOP", key};
      case 6:
        return {"SPOP", key, Number()};
      case 7:
        return {Pick({"SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"}), key, Key(), Key()};
      case 8:
        return {"SORT", key, "ALPHA", "STORE", Key()};
      default:
        return {"SORT", key, "BY", "*", "GET", "#", "GET", "*", "LIMIT", "0", "5", "STORE", Key()};
    }
  }

  std::string Pick(std::initializer_list<const char*> words) {
    return *(words.begin() + random_() % words.size());
  }
  std::string Field() { return Pick({"f", "g", "h"}); }
  std::string Key() { return Pick({"a", "b", "c", "d", "e"}); }
  std::string End() { return Pick({"LEFT", "RIGHT"}); }
  std::string Number() { return Pick({"0", "1", "1", "2", "3", "-1", "-2", "5", "100"}); }
  std::string Value() {
    if (random_() % 10 == 0) return std::string(random_() % 5000, 'x');
    return Pick({"", "1", "2", "3", "v"});
  }
  std::string Time() {
    return Pick({"1", "50", "100", "1700000000050", "1700000001000", "0", "-1"});
  }
  std::vector<std::string> With(std::vector<std::string> args, size_t values) {
    while (values-- > 0)
      args.push_back(Value());
    return args;
  }

  std::mt19937 random_;
};

class CommandReplay : public testing::TestWithParam<int> {};

TEST_P(CommandReplay, GivesTheKeyspaceThatTheCommandsMade) {
  CommandRunner runner(
      {ListCommands(), StringCommands(), HashCommands(), KeyspaceCommands(), SetCommands()});
  RandomCommands commands(GetParam());
  CaptureCheck captures;
  for (int i = 0; i < 3000; i++) {
    // The clock goes on, so that keys expire; effects know the time only from what they carry.
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
  ASSERT_GT(captures.finished(), 20);
  ASSERT_EQ(captures.wrong(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CommandReplay, testing::Range(0, 20));

}  // namespace
}  // namespace runnel
