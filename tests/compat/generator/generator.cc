#include "tests/compat/generator/generator.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace runnel::compat {
namespace {

constexpr std::string_view kConnections = "abcde";
// Does nothing but free waiters, so it is always able to.
constexpr char kHelper = 'z';

bool Is(const std::string& word, const char* name) {
  return strcasecmp(word.c_str(), name) == 0;
}

bool IsOneOf(const std::string& word, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return Is(word, name); });
}

// A positive number that a clock could reach while the test runs, as seconds or milliseconds.
bool IsSoon(const std::string& word, double bound) {
  char* end = nullptr;
  const double value = strtod(word.c_str(), &end);
  return end != word.c_str() && value > 0 && value < bound;
}

bool IsHuge(const std::string& word) {
  return strtod(word.c_str(), nullptr) > 1e12;
}

// Whether spoiling has made a command whose outcome hangs on the clock, or that differences.txt
// says to avoid.
bool MustNotBeSent(const Argv& command, bool careful) {
  const std::string& name = command[0];
  const auto argument = [&](size_t i) { return i < command.size() ? command[i] : std::string(); };
  const auto after = [&](const char* word) {
    for (size_t i = 1; i + 1 < command.size(); ++i) {
      if (Is(command[i], word)) return command[i + 1];
    }
    return std::string();
  };
  if (IsOneOf(name, {"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX",
                     "BZMPOP"})) {
    const std::string timeout = IsOneOf(name, {"BLMPOP", "BZMPOP"}) ? argument(1) : command.back();
    return IsSoon(timeout, 1e4) || IsHuge(timeout);
  }
  if (IsOneOf(name, {"XREAD", "XREADGROUP"})) {
    return IsSoon(after("BLOCK"), 1e7) || IsHuge(after("BLOCK"));
  }
  if (IsOneOf(name, {"EXPIRE", "SETEX"})) return IsSoon(argument(2), 1e4);
  if (IsOneOf(name, {"PEXPIRE", "PSETEX"})) return IsSoon(argument(2), 1e7);
  if (Is(name, "SET") && (IsSoon(after("EXAT"), 1e9) || IsSoon(after("PXAT"), 1e12))) return true;
  if (IsOneOf(name, {"SET", "GETEX"})) return IsSoon(after("EX"), 1e4) || IsSoon(after("PX"), 1e7);
  if (Is(name, "COMMAND") && command.size() == 1) return true;  // the list of all is not served
  if (Is(name, "XADD") && std::any_of(command.begin(), command.end(), IsHuge)) return true;
  if (Is(name, "XCLAIM") && IsHuge(after("RETRYCOUNT"))) return true;
  if (command.size() == 1 && IsOneOf(name, {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"})) {
    return true;  // the order of the confirmations is nobody's promise
  }
  if (Is(name, "XADD") && careful) return IsSoon("1" + after("MAXLEN"), 11) || after("MINID") != "";
  // WITHSCORE, or a wrong number of arguments (rank-with-score).
  if (IsOneOf(name, {"ZRANK", "ZREVRANK"}) && command.size() == 4) return true;
  if (Is(name, "WAIT") || Is(name, "RESTORE")) return true;
  return false;
}

// Spoilt, these could do in a transaction, or to a waiter, what the families take care not to.
bool MayBeSpoilt(const Argv& command, bool careful) {
  // An error could name the ID of a client, which is another one on the other server.
  if (Is(command[0], "CLIENT") && command.size() > 2 && command[2][0] == '{') return false;
  if (IsOneOf(command[0], {"XSETID", "SCAN", "HSCAN", "HRANDFIELD", "SSCAN", "SRANDMEMBER", "SPOP",
                           "ZSCAN", "ZRANDMEMBER", "SORT", "SORT_RO"})) {
    return false;
  }
  // Nor could the scores of that one stay equal.
  if (std::find(command.begin(), command.end(), Draw::kEqualScores) != command.end()) return false;
  if (careful && IsOneOf(command[0], {"XADD", "XGROUP"})) return false;
  return true;
}

// The streams, group and consumer that a command names; no streams if it names none.
struct ConsumerUse {
  std::vector<std::string> streams;
  std::string group;
  std::string consumer;
};

ConsumerUse UsedConsumer(const Argv& command) {
  ConsumerUse use;
  if (IsOneOf(command[0], {"XCLAIM", "XAUTOCLAIM"}) && command.size() > 3) {
    return {{command[1]}, command[2], command[3]};
  }
  if (!Is(command[0], "XREADGROUP")) return use;
  size_t streams = command.size();
  for (size_t i = 1; i < command.size(); ++i) {
    if (Is(command[i], "GROUP") && i + 2 < command.size()) {
      use.group = command[i + 1];
      use.consumer = command[i + 2];
      i += 2;
    } else if (Is(command[i], "STREAMS")) {
      streams = i + 1;
      break;
    }
  }
  const size_t count = (command.size() - streams) / 2;
  for (size_t i = streams; i < streams + count; ++i)
    use.streams.push_back(command[i]);
  return use;
}

// Whether the command names a partition of the topic and does with it what it may not do, or what
// has another error there.
bool MayNotDoWithPartition(const Argv& command) {
  if (std::none_of(command.begin(), command.end(), Draw::IsPartition)) return false;
  return !IsOneOf(command[0],
                  {"XRANGE", "XREVRANGE", "XREAD", "XLEN", "XINFO", "XGROUP", "XREADGROUP", "XACK",
                   "XPENDING", "XCLAIM", "XAUTOCLAIM", "WATCH", "TYPE", "TTL", "PTTL", "EXISTS"});
}

// Whether it would tell the topic, which is one key, from the streams in its place, or take another
// database or none of the two.
bool SeesAllKeys(const Argv& command) {
  return IsOneOf(command[0], {"KEYS", "SCAN", "DBSIZE", "RANDOMKEY", "INFO", "FLUSHALL", "FLUSHDB",
                              "SWAPDB", "SELECT", "MOVE"});
}

bool HasUnorderedReply(const Argv& command) {
  return IsOneOf(command[0], {"KEYS", "SCAN", "HGETALL", "HKEYS", "HVALS", "HSCAN", "HRANDFIELD",
                              "SMEMBERS", "SINTER", "SUNION", "SDIFF", "SSCAN", "SRANDMEMBER",
                              "SPOP", "ZSCAN", "ZRANDMEMBER"}) ||
         (Is(command[0], "FUNCTION") && command.size() > 1 && Is(command[1], "LIST")) ||
         (Is(command[0], "PUBSUB") && command.size() > 1 && Is(command[1], "CHANNELS")) ||
         (IsOneOf(command[0], {"SORT", "SORT_RO"}) && command.size() > 3 && command[3] == "nosort");
}

// The oracle tells a client of these while it writes their reply, and so inside it, if the client
// listens to the events of keys (publish-to-self). In RESP2 no listener sends commands.
bool IsToldInsideReply(const Argv& command) {
  return IsOneOf(command[0], {"ZPOPMIN", "ZPOPMAX", "ZMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"});
}

// Whether the command puts a list or a sorted set in the place of whatever is there.
bool StoresOver(const Argv& command) {
  return IsOneOf(command[0], {"ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZRANGESTORE"}) ||
         (Is(command[0], "SORT") &&
          std::any_of(command.begin(), command.end(),
                      [](const auto& word) { return Is(word, "STORE"); }));
}

// Commands that the same script may call on both servers: differences.txt has no rule for them.
bool ScriptMayCall(const Argv& command) {
  static const std::set<std::string> names = {
      "APPEND", "BLPOP", "DECRBY", "EXISTS", "GET", "GETRANGE", "INCR", "LINDEX", "LINSERT", "LLEN",
      "LMOVE", "LPOP", "LPUSH", "LRANGE", "LREM", "LSET", "LTRIM", "MGET", "MSET", "RPOP", "RPUSH",
      "RPUSHX", "SETRANGE", "STRLEN",
      // Hashes
      "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HKEYS", "HLEN", "HMGET", "HMSET",
      "HRANDFIELD", "HSCAN", "HSET", "HSETNX", "HSTRLEN", "HVALS",
      // Sets
      "SADD", "SCARD", "SDIFF", "SDIFFSTORE", "SINTER", "SINTERCARD", "SINTERSTORE", "SISMEMBER",
      "SMEMBERS", "SMISMEMBER", "SMOVE", "SPOP", "SRANDMEMBER", "SREM", "SSCAN", "SUNION",
      "SUNIONSTORE", "SORT", "SORT_RO",
      // Sorted sets
      "BZMPOP", "BZPOPMAX", "BZPOPMIN", "ZADD", "ZCARD", "ZCOUNT", "ZDIFF", "ZDIFFSTORE", "ZINCRBY",
      "ZINTER", "ZINTERCARD", "ZINTERSTORE", "ZLEXCOUNT", "ZMPOP", "ZMSCORE", "ZPOPMAX", "ZPOPMIN",
      "ZRANDMEMBER", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZRANGESTORE", "ZRANK", "ZREM",
      "ZREMRANGEBYLEX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYLEX",
      "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE", "ZUNION", "ZUNIONSTORE"};
  return names.count(command[0]) > 0;
}

Argv AsScript(const Argv& command, bool catches) {
  Argv script = {
      "EVAL", catches ? "return {redis.pcall(unpack(ARGV)), 1}" : "return redis.call(unpack(ARGV))",
      "0"};
  script.insert(script.end(), command.begin(), command.end());
  return script;
}

}  // namespace

const std::vector<std::string>& Generator::Avoided() {
  static const std::vector<std::string> names = {"timeout-out-of-range",
                                                 "hello-is-atomic",
                                                 "order-of-ready-keys",
                                                 "woken-by-nothing",
                                                 "consumer-created-at-once",
                                                 "last-entry-id",
                                                 "setid-below-deleted",
                                                 "references-8.2",
                                                 "claim-8.4",
                                                 "idempotent-add-8.6",
                                                 "xnack-8.8",
                                                 "read-bounds-8.10",
                                                 "lmovem-8.10",
                                                 "hash-fields-7.4",
                                                 "bounded-repeats",
                                                 "served-after-overwrite",
                                                 "rank-with-score",
                                                 "client-since-7.2",
                                                 "signed-ids",
                                                 "not-served"};
  return names;
}

Generator::Generator(uint64_t seed, int protocol) : protocol_(protocol), draw_(seed) {
  draw_.waits_for_several = draw_.OneIn(2);
  draw_.with_topic = draw_.OneIn(3);
}

Script Generator::Opening() {
  Script script;
  const auto add = [&](char connection, Argv words) {
    Step step;
    step.connection = connection;
    step.words = std::move(words);
    script.push_back(std::move(step));
  };
  for (const char* const stream : {"s1", "s2", "s3"}) {
    add('a', {"XGROUP", "CREATE", stream, "g1", "0", "MKSTREAM"});
  }
  if (draw_.with_topic) {
    add('a', {"TOPIC", "CREATE", "t", "PARTITIONS", "3", "RETENTION-MS", "0"});
    script.back().modifiers.push_back({"mirror", {}});
    add('a', {"XGROUP", "CREATE", "t/0", "g1", "0"});
    add('a', {"XGROUP", "CREATE", "t/1", "g1", "0"});
  } else if (draw_.OneIn(2)) {  // events of records have names of their own
    add('a', {"CONFIG", "SET", "notify-keyspace-events", "KEA"});
    add('e', {"PSUBSCRIBE", "__key*"});
  }
  return script;
}

Script Generator::ChangeTopic(char connection) {
  Step step;
  step.connection = connection;
  step.modifiers.push_back({"mirror", {}});
  const std::string partition = draw_.Pick({"t/0", "t/0", "t/1", "t/2"});
  if (draw_.records > 0 && draw_.OneIn(10)) {
    step.words = {"TOPIC", "TRIM", partition,
                  draw_.OneIn(4) ? "LATEST" : "@{" + draw_.KeptRecord() + ".ms}"};
    return {step};
  }
  step.modifiers.push_back({"save", {fmt::format("i{}", draw_.records++)}});
  const auto name = [this] { return draw_.Pick({"f", "g", "h", "", "\0k"}); };
  const uint64_t fields = 1 + draw_.Below(3);
  if (draw_.OneIn(3)) {
    const bool keyed = draw_.OneIn(2);
    step.words = {"TADDM", partition};
    if (!keyed) step.words.push_back("NOKEYS");
    step.words.insert(step.words.end(), {"FIELDS", std::to_string(fields)});
    for (uint64_t i = 0; i < fields; ++i)
      step.words.push_back(name());
    step.words.push_back("RECORDS");
    for (uint64_t left = (1 + draw_.Below(4)) * (fields + (keyed ? 1 : 0)); left > 0; --left)
      step.words.push_back(draw_.Element());
    return {step};
  }
  step.words = {"TADD", draw_.OneIn(3) ? "t" : partition};
  if (draw_.OneIn(2)) step.words.insert(step.words.end(), {"KEY", draw_.Element()});
  step.words.push_back("*");
  for (uint64_t i = 0; i < fields; ++i)
    step.words.insert(step.words.end(), {name(), draw_.Element()});
  return {step};
}

char Generator::ChooseConnection(const Side& side) {
  std::string free;
  std::string all;
  for (const char name : kConnections) {
    if (side.Blocked(name)) continue;
    all += name;
    if (protocol_ == 3 || !side.Listening(name)) free += name;
  }
  // A listener of RESP2 can do little, so it is not asked as often.
  const std::string& chosen = free.empty() || draw_.OneIn(6) ? all : free;
  return chosen[draw_.Below(chosen.size())];
}

Script Generator::Release(const Side& side) {
  std::string waiting;
  for (const char name : kConnections) {
    if (side.Blocked(name)) waiting += name;
  }
  const char chosen = waiting[draw_.Below(waiting.size())];
  Step step;
  step.connection = kHelper;
  step.words = {"CLIENT", "UNBLOCK", fmt::format("{{{}.id}}", chosen),
                draw_.Pick({"TIMEOUT", "ERROR"})};
  return {step};
}

Argv Generator::DrawCommand() {
  if (draw_.may_block && draw_.OneIn(3)) {
    if (draw_.OneIn(3)) return DrawSortedSetWait(&draw_);
    return draw_.OneIn(2) ? DrawListWait(&draw_) : DrawStreamWait(&draw_);
  }
  const uint64_t roll = draw_.Below(100);
  // A transaction on a stream's key does nothing but streams, and others leave streams alone: so it
  // cannot replace what somebody waits for by something like it (unblocked-without-key).
  if (draw_.only_stream() && roll < 88) {
    return draw_.OneIn(2) ? DrawStreamCommand(&draw_) : DrawGroupCommand(&draw_);
  }
  // Nor does one put a string where others wait for one of several lists (order-of-ready-keys).
  const uint64_t lists = draw_.waits_for_several ? 80 : 68;
  if (draw_.in_transaction() && roll < lists) {
    if (draw_.only_key_is('z')) return DrawSortedSetCommand(&draw_);
    if (draw_.only_key_is('e') && roll < 60) return DrawSetCommand(&draw_);
    if (draw_.only_key_is('h') && roll < 40) return DrawHashCommand(&draw_);
    if (roll >= 20) return DrawListCommand(&draw_);
  }
  if (roll < 20) return DrawListCommand(&draw_);
  if (roll < 31) return DrawStreamCommand(&draw_);
  if (roll < 40) return DrawGroupCommand(&draw_);
  if (roll < 57) return DrawSortedSetCommand(&draw_);
  if (roll < 65) return DrawSetCommand(&draw_);
  if (roll < 68) return draw_.in_transaction() ? DrawListCommand(&draw_) : DrawSortCommand(&draw_);
  if (roll < 75) return DrawStringCommand(&draw_);
  if (roll < 79) return DrawHashCommand(&draw_);
  if (roll < 81) return DrawFunctionCommand(&draw_);
  if (roll < 89) return DrawKeyCommand(&draw_);
  if (roll < 93) return DrawPubSubCommand(&draw_);
  if (roll < 95)
    return draw_.in_transaction() ? DrawPubSubCommand(&draw_) : DrawSubscription(&draw_);
  return DrawConnectionCommand(&draw_);
}

Argv Generator::DrawForListener() {
  if (draw_.OneIn(6)) return {"PING"};
  if (draw_.OneIn(8)) return DrawStringCommand(&draw_);
  return DrawSubscription(&draw_);
}

void Generator::Append(char connection, Argv command, Script* pipeline) {
  const bool careful = draw_.in_transaction() || draw_.somebody_waits;
  if (draw_.OneIn(14) && MayBeSpoilt(command, careful)) command = Spoil(command, &draw_);
  if (MustNotBeSent(command, careful) || MayNotDoWithPartition(command)) return;
  if (listens_ && IsToldInsideReply(command)) return;
  // Where keys may hold any type, somebody may wait for one that holds another
  // (served-after-overwrite).
  if (draw_.somebody_waits && !draw_.waits_for_several && StoresOver(command)) return;
  if (draw_.with_topic && SeesAllKeys(command)) return;
  const auto add = [&](Argv words, bool glued, bool unordered) {
    Step step;
    step.connection = connection;
    step.words = std::move(words);
    step.glued = glued;
    if (unordered) step.modifiers.push_back({"sort", {}});
    pipeline->push_back(std::move(step));
  };
  // The consumer exists before the command that names it: consumer-created-at-once.
  const ConsumerUse use = UsedConsumer(command);
  bool glued = false;
  for (const std::string& stream : use.streams) {
    add({"XGROUP", "CREATECONSUMER", stream, use.group, use.consumer}, glued, false);
    glued = true;
  }
  const bool unordered = HasUnorderedReply(command);
  if (draw_.OneIn(10) && ScriptMayCall(command)) command = AsScript(command, draw_.OneIn(3));
  if (IsOneOf(command[0], {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"})) listens_ = true;
  add(std::move(command), glued, unordered);
}

void Generator::AppendReset(char connection, Script* pipeline) {
  for (Argv words : {Argv{"RESET"}, Argv{"HELLO", std::to_string(protocol_)}}) {
    Step step;
    step.connection = connection;
    step.glued = words[0] == "HELLO";
    step.words = std::move(words);
    pipeline->push_back(std::move(step));
  }
}

void Generator::AppendTransaction(char connection, bool begun, Script* pipeline) {
  std::string& key = transaction_keys_[connection];
  if (!begun || key.empty()) {
    key = draw_.OneIn(4)   ? draw_.StreamKey()
          : draw_.OneIn(3) ? draw_.SortedSetKey()
          : draw_.OneIn(2) ? draw_.ListKey()
                           : draw_.AnyKey();
  }
  draw_.set_only_key(key);
  if (!begun) Append(connection, {"MULTI"}, pipeline);
  for (uint64_t left = draw_.Below(6); left > 0; --left) {
    Append(connection, DrawCommand(), pipeline);
  }
  if (!draw_.OneIn(4)) Append(connection, {draw_.OneIn(10) ? "DISCARD" : "EXEC"}, pipeline);
  draw_.set_only_key("");
}

Script Generator::Next(const Side& side) {
  const size_t waiting = static_cast<size_t>(std::count_if(
      kConnections.begin(), kConnections.end(), [&](char name) { return side.Blocked(name); }));
  if (waiting + 1 >= kConnections.size() || (waiting > 1 && draw_.OneIn(12))) return Release(side);
  const char connection = ChooseConnection(side);
  draw_.somebody_waits = waiting > 0;
  draw_.may_block = false;

  Script pipeline;
  const bool listens = side.Listening(connection);
  listens_ = listens;
  if (draw_.with_topic && !listens && !side.InTransaction(connection) && draw_.OneIn(3)) {
    return ChangeTopic(connection);
  }
  // A listener's own transaction would be told of itself inside the reply (publish-to-self).
  const bool begins = !listens && draw_.OneIn(8);
  if (draw_.OneIn(protocol_ == 2 && listens ? 6 : 400)) {
    AppendReset(connection, &pipeline);
  } else if (protocol_ == 2 && listens) {
    for (uint64_t left = 1 + draw_.Below(4); left > 0; --left) {
      Append(connection, DrawForListener(), &pipeline);
    }
  } else if (side.InTransaction(connection) || begins) {
    AppendTransaction(connection, side.InTransaction(connection), &pipeline);
  } else {
    if (draw_.OneIn(10)) Append(connection, {"WATCH", draw_.AnyKey()}, &pipeline);
    for (uint64_t left = 1 + draw_.Below(10); left > 0; --left) {
      // Only the last command of a pipeline may block.
      draw_.may_block = left == 1;
      Append(connection, DrawCommand(), &pipeline);
    }
  }
  if (pipeline.empty()) Append(connection, {"PING"}, &pipeline);
  for (size_t i = 0; i + 1 < pipeline.size(); ++i)
    pipeline[i].more = true;
  pipeline.back().more = false;
  return pipeline;
}

}  // namespace runnel::compat
