// EVAL, EVALSHA, EVAL_RO, EVALSHA_RO and SCRIPT.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <sstream>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What other servers are to this one.
struct ScriptedSurroundings final : BrokerHost {
  bool LeaderIsLost() const override { return leader_is_lost; }
  size_t GoodFollowers() const override { return 0; }
  void ServeOthers(const Session& /*running*/) override {
    if (others) std::exchange(others, nullptr)();
  }
  bool leader_is_lost = false;
  // What happens inside of a slow script, when others are served for the first time.
  std::function<void()> others;
};

class ScriptCommandsTest : public ::testing::Test {
 protected:
  ScriptCommandsTest() {
    for (const auto family : {ConnectionCommands(), TransactionCommands(), ScriptCommands(),
                              PubSubCommands(), IntrospectionCommands(), ClientCommands()}) {
      harness_.broker.commands().Add(family);
    }
    client_ = harness_.Connect();
  }
  ~ScriptCommandsTest() override { client_.reset(); }

  std::string Run(const std::string& line) { return client_->Run(line); }
  // EVAL with this script, keys and arguments.
  std::string Eval(std::string script, std::vector<std::string> keys = {},
                   std::vector<std::string> args = {}, std::string command = "EVAL") {
    std::vector<std::string> request = {std::move(command), std::move(script),
                                        std::to_string(keys.size())};
    request.insert(request.end(), keys.begin(), keys.end());
    request.insert(request.end(), args.begin(), args.end());
    client_->Request(std::move(request));
    return client_->Lines();
  }
  const CommandStats& StatsOf(std::string_view command) {
    return harness_.broker.commands().Find(command)->stats;
  }

  Settings settings_;
  ScriptedSurroundings host_;
  BrokerHarness harness_{settings_, host_};
  std::unique_ptr<BrokerHarness::Client> client_;
};

TEST_F(ScriptCommandsTest, AScriptCallsCommandsWithKeysAndArguments) {
  EXPECT_EQ(Eval("return redis.call('set', KEYS[1], ARGV[1])", {"k"}, {"v"}), "+OK");
  EXPECT_EQ(Eval("return {redis.call('get', KEYS[1]), #KEYS, #ARGV}", {"k", "l"}, {"a"}),
            "*3 $1 v :2 :1");
  EXPECT_EQ(Run("GET k"), "$1 v");
}

TEST_F(ScriptCommandsTest, TheNumberOfKeysIsChecked) {
  EXPECT_EQ(Run("EVAL x"), "-ERR wrong number of arguments for 'eval' command");
  EXPECT_EQ(Run("EVAL x y"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("EVAL x -1"), "-ERR Number of keys can't be negative");
  EXPECT_EQ(Run("EVAL x 2 k"), "-ERR Number of keys can't be greater than number of args");
  EXPECT_EQ(Run("EVAL x 9223372036854775807 k"),
            "-ERR Number of keys can't be greater than number of args");
  // A name that cannot be one is looked at before the number.
  EXPECT_EQ(Run("EVALSHA x y"), "-NOSCRIPT No matching script. Please use EVAL.");
  EXPECT_EQ(Run("EVALSHA " + std::string(40, 'a') + " y"),
            "-ERR value is not an integer or out of range");
}

TEST_F(ScriptCommandsTest, AScriptIsKnownByItsShaFromThenOn) {
  const std::string sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
  EXPECT_EQ(Run("EVALSHA " + sha + " 0"), "-NOSCRIPT No matching script. Please use EVAL.");
  EXPECT_EQ(Run("SCRIPT EXISTS " + sha), "*1 :0");
  EXPECT_EQ(Eval("return 1"), ":1");
  EXPECT_EQ(Run("EVALSHA " + sha + " 0"), ":1");
  EXPECT_EQ(Run("EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0"), ":1");
  EXPECT_EQ(Run("SCRIPT EXISTS " + sha + " x"), "*2 :1 :0");
  EXPECT_EQ(Run("SCRIPT FLUSH"), "+OK");
  EXPECT_EQ(Run("EVALSHA_RO " + sha + " 0"), "-NOSCRIPT No matching script. Please use EVAL.");
  client_->Request({"SCRIPT", "LOAD", "return 1"});
  EXPECT_EQ(client_->Lines(), "$40 " + sha);
  EXPECT_EQ(Run("EVALSHA_RO " + sha + " 0"), ":1");
  EXPECT_EQ(Run("SCRIPT FLUSH ASYNC"), "+OK");
  EXPECT_EQ(Run("SCRIPT FLUSH SYNC"), "+OK");
  EXPECT_EQ(Run("SCRIPT FLUSH x"), "-ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  EXPECT_EQ(Run("SCRIPT FLUSH SYNC SYNC"), "-ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  EXPECT_EQ(Run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
  EXPECT_EQ(Run("SCRIPT DEBUG NO"), "+OK");
  EXPECT_EQ(Run("SCRIPT DEBUG x"), "-ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

TEST_F(ScriptCommandsTest, ATextThatIsNoScriptIsAnError) {
  EXPECT_THAT(Eval("return (("), StartsWith("-ERR Error compiling script (new function): "
                                            "user_script:1: "));
  EXPECT_EQ(Eval("#!lua flags=x\nreturn 1"), "-ERR Unexpected flag in script shebang: x");
  client_->Request({"SCRIPT", "LOAD", "return (("});
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR Error compiling script (new function): "));
}

TEST_F(ScriptCommandsTest, WhatScriptsMayNotCall) {
  const auto call = [this](const std::string& arguments) {
    const std::string reply = Eval("return redis.call(" + arguments + ")");
    return reply.substr(0, reply.find(" script: "));
  };
  EXPECT_EQ(call("'foo'"), "-ERR Unknown Redis command called from script");
  EXPECT_EQ(call("'xinfo', 'foo'"), "-ERR Unknown Redis command called from script");
  EXPECT_EQ(call("'get'"), "-ERR Wrong number of args calling Redis command from script");
  EXPECT_EQ(call("'get', 'a', 'b'"), "-ERR Wrong number of args calling Redis command from script");
  EXPECT_EQ(call("'xinfo'"), "-ERR Wrong number of args calling Redis command from script");
  const std::string not_allowed = "-ERR This Redis command is not allowed from script";
  EXPECT_EQ(call("'eval', 'return 1', 0"), not_allowed);
  EXPECT_EQ(call("'multi'"), not_allowed);
  EXPECT_EQ(call("'blpop', 'q', 0"), not_allowed);
  EXPECT_EQ(call("'subscribe', 'c'"), not_allowed);
  EXPECT_EQ(call("'script', 'flush'"), not_allowed);
}

TEST_F(ScriptCommandsTest, ReadOnlyScriptsChangeNothing) {
  const std::string refused = "-ERR Write commands are not allowed from read-only scripts.";
  const std::string set = "return redis.call('set', KEYS[1], 'v')";
  EXPECT_THAT(Eval(set, {"k"}, {}, "EVAL_RO"), StartsWith(refused));
  EXPECT_THAT(Eval("return redis.call('publish', 'c', 'm')", {}, {}, "EVAL_RO"),
              StartsWith(refused));
  EXPECT_THAT(Eval("#!lua flags=no-writes\n" + set, {"k"}), StartsWith(refused));
  EXPECT_EQ(Eval("#!lua\n" + set, {"k"}, {}, "EVAL_RO"),
            "-ERR Can not execute a script with write flag using *_ro command.");
  EXPECT_EQ(Run("EXISTS k"), ":0");
  EXPECT_EQ(Eval("return redis.call('exists', KEYS[1])", {"k"}, {}, "EVAL_RO"), ":0");
  EXPECT_EQ(Eval("#!lua\n" + set, {"k"}), "+OK");
}

TEST_F(ScriptCommandsTest, AScriptThatFailsKeepsWhatItHasChanged) {
  EXPECT_THAT(
      Eval("redis.call('set', 'a', 1) redis.call('lpush', 'a', 1) redis.call('set', 'b', 1)"),
      StartsWith("-WRONGTYPE Operation against a key holding the wrong kind of value "
                 "script: "));
  EXPECT_EQ(Run("EXISTS a b"), ":1");
}

// As redis-server 7.0 counts.
TEST_F(ScriptCommandsTest, AnErrorIsCountedOnceButTheScriptFailsToo) {
  Run("SET k v");
  Eval("return redis.call('lpush', 'k', 1)");
  EXPECT_EQ(StatsOf("lpush").failed, 1u);
  EXPECT_EQ(StatsOf("eval").failed, 1u);
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 1u);
  Eval("redis.pcall('lpush', 'k', 1) return 1");
  EXPECT_EQ(StatsOf("lpush").failed, 2u);
  EXPECT_EQ(StatsOf("eval").failed, 1u);
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 2u);
  Eval("redis.pcall('get') return 1");
  EXPECT_EQ(StatsOf("get").rejected, 1u);
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 3u);
  Eval("error('x')");
  EXPECT_EQ(StatsOf("eval").failed, 2u);
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 4u);
  EXPECT_EQ(harness_.broker.stats().errors.at("ERR"), 2u);
}

// As redis-server 7.0 counts: each error of the reply that no command has given already, and the
// command has failed once for each that it passes on and once for all others.
TEST_F(ScriptCommandsTest, ErrorsInsideOfTheReplyAreCountedOnceEach) {
  Eval("return {redis.pcall('get'), redis.pcall('get')}");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 2u);
  EXPECT_EQ(harness_.broker.stats().errors.at("ERR"), 2u);
  EXPECT_EQ(StatsOf("eval").failed, 2u);
  Eval("return {{err='A x'}, 1, {err='B y'}}");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 4u);
  EXPECT_EQ(harness_.broker.stats().errors.at("A"), 1u);
  EXPECT_EQ(harness_.broker.stats().errors.at("B"), 1u);
  EXPECT_EQ(StatsOf("eval").failed, 3u);
  Eval("return {redis.pcall('get'), {err='A x'}}");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 6u);
  EXPECT_EQ(harness_.broker.stats().errors.at("A"), 2u);
  Run("MULTI");
  Eval("return {{err='A x'}, redis.pcall('get')}");
  Run("EXEC");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 8u);
  EXPECT_EQ(harness_.broker.stats().errors.at("A"), 3u);
  EXPECT_EQ(StatsOf("exec").failed, 0u);
}

// A script makes errors as it likes: they must not become lines of INFO, nor fill the memory.
TEST_F(ScriptCommandsTest, CodesOfErrorsAreBounded) {
  const auto& errors = harness_.broker.stats().errors;
  Eval("return {err='A\\r\\nrole:slave\\r\\nx y'}");
  Eval("return {err='\\r\\nrole:slave y'}");
  Eval("error({err='B\\nx y'})");
  Eval("return {err=ARGV[1]}", {}, {std::string(1 << 20, 'x')});
  Eval("return {err=ARGV[1]}", {}, {std::string(1 << 20, 'x') + " y"});
  Eval("return redis.error_reply(ARGV[1])", {}, {std::string(31, 'y') + " z"});
  EXPECT_EQ(errors.at("A"), 1u);
  EXPECT_EQ(errors.at("B"), 1u);
  EXPECT_EQ(errors.at("ERR"), 3u);
  Eval("return redis.error_reply(ARGV[1])", {}, {std::string(30, 'y') + " z"});
  EXPECT_EQ(errors.at(std::string(30, 'y')), 1u);
  constexpr int kCodes = 1000;
  for (int i = 0; i < kCodes; i++) {
    Eval("return {err=ARGV[1] .. ' x'}", {}, {"CODE" + std::to_string(i)});
  }
  Eval("return {err='CODE0 x'}");
  EXPECT_LE(errors.size(), Stats::kMostErrorCodes + 1);
  EXPECT_EQ(errors.at("CODE0"), 2u);
  uint64_t all = 0;
  for (const auto& [code, count] : errors) {
    EXPECT_LE(code.size(), 30u);
    EXPECT_EQ(code.find_first_of("\r\n"), code.npos);
    all += count;
  }
  EXPECT_EQ(all, harness_.broker.stats().total_error_replies);
  EXPECT_EQ(all, kCodes + 8u);
  EXPECT_GT(errors.at(std::string(Stats::kOtherErrors)), 0u);
}

TEST_F(ScriptCommandsTest, SelectIsForTheScriptAlone) {
  EXPECT_EQ(Eval("redis.call('select', 3) redis.call('set', 'z', 1) return redis.call('dbsize')"),
            ":1");
  EXPECT_EQ(client_->session().db, 0u);
  EXPECT_EQ(Run("EXISTS z"), ":0");
  Eval("redis.call('select', 3) error('x')");
  EXPECT_EQ(client_->session().db, 0u);
}

TEST_F(ScriptCommandsTest, CommandsThatWaitAnswerAtOnce) {
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 1"), "+OK");
  EXPECT_EQ(Eval("return redis.call('tread', 'block', 0, 'partitions', 't/0', 'latest')"), "$-1");
  EXPECT_FALSE(client_->session().blocked());
  // Redis refuses some.
  EXPECT_THAT(Eval("return redis.call('xread', 'block', 0, 'streams', 's', '$')"),
              StartsWith("-ERR xread command is not allowed with BLOCK option from scripts "));
  EXPECT_EQ(Eval("return redis.call('xread', 'streams', 'block', 0)"), "$-1");
}

TEST_F(ScriptCommandsTest, AScriptInATransactionIsAPartOfIt) {
  Run("MULTI");
  Run("SET k 1");
  Eval("return redis.call('incr', KEYS[1])", {"k"});
  Eval("return redis.call('get', KEYS[1])", {"k"}, {}, "EVAL_RO");
  Eval("return redis.call('lpush', KEYS[1], 1)", {"k"});
  EXPECT_THAT(Run("EXEC"), StartsWith("*4 +OK :2 $1 2 -WRONGTYPE "));
  EXPECT_EQ(StatsOf("exec").failed, 0u);
  EXPECT_EQ(StatsOf("eval").failed, 1u);
  EXPECT_EQ(StatsOf("lpush").failed, 1u);
}

TEST_F(ScriptCommandsTest, AWatchSeesWhatAScriptOfAnotherChanges) {
  auto other = harness_.Connect();
  other->Run("WATCH k");
  Eval("redis.call('set', KEYS[1], 1)", {"k"});
  other->Run("MULTI");
  EXPECT_EQ(other->Run("EXEC"), "*-1");
}

TEST_F(ScriptCommandsTest, ClientsThatWaitAreServedAfterTheScript) {
  auto other = harness_.Connect();
  other->Run("BLPOP q 0");
  EXPECT_EQ(Eval("redis.call('rpush', 'q', 'a') return redis.call('lpop', 'q')"), "$1 a");
  EXPECT_EQ(other->Lines(), "");
  EXPECT_EQ(Eval("redis.call('rpush', 'q', 'a') return redis.call('rpush', 'q', 'b')"), ":2");
  EXPECT_EQ(other->Lines(), "*2 $1 q $1 a");
}

TEST_F(ScriptCommandsTest, AboveMaxmemoryScriptsMayOnlyRemove) {
  Run("SET k v");
  settings_.maxmemory = 1;
  EXPECT_THAT(Eval("return redis.call('set', 'l', 1)"),
              StartsWith("-OOM command not allowed when used memory > 'maxmemory'. script: "));
  EXPECT_EQ(Eval("#!lua\nreturn 1"), "-OOM command not allowed when used memory > 'maxmemory'.");
  EXPECT_EQ(Eval("#!lua flags=allow-oom\nreturn redis.call('set', 'l', 1)"), "+OK");
  EXPECT_EQ(Eval("#!lua flags=no-writes\nreturn redis.call('get', 'l')"), "$1 1");
  // After its first change a script is not stopped half way.
  EXPECT_EQ(Eval("redis.call('del', 'k') return redis.call('set', 'k', 1)"), "+OK");
}

// A script that may write waits as a command that needs memory does; one that has begun does not.
TEST_F(ScriptCommandsTest, WhileMemoryIsBeingFreedScriptsWait) {
  settings_.maxmemory = 1;
  harness_.broker.SetFreeing(true);
  const std::string set = "return redis.call('set', KEYS[1], 1)";
  EXPECT_EQ(Eval(set, {"k"}), "");
  EXPECT_TRUE(client_->session().put_off());
  auto other = harness_.Connect();
  const auto eval = [&](BrokerHarness::Client& client, const std::string& script) {
    client.Request({"EVAL", script, "0"});
    return client.Lines();
  };
  EXPECT_EQ(eval(*other, "#!lua flags=no-writes\nreturn redis.call('exists', 'k')"), ":0");
  EXPECT_EQ(eval(*other, "#!lua flags=allow-oom\nreturn redis.call('set', 'l', 1)"), "+OK");
  auto executes = harness_.Connect();
  executes->Run("MULTI");
  executes->Request({"EVAL", "return redis.call('set', 'm', 1)", "0"});
  EXPECT_EQ(executes->Lines(), "");
  settings_.maxmemory = 1'000'000'000;
  harness_.broker.SetFreeing(true);
  EXPECT_EQ(client_->Lines(), "+OK");
  EXPECT_EQ(executes->Lines(), "+QUEUED");
  // Inside of a script nothing is put off.
  settings_.maxmemory = 1;
  executes->Run("EXEC");
  EXPECT_TRUE(executes->session().put_off());
  EXPECT_EQ(Eval("#!lua\n" + set, {"k"}), "");
  harness_.broker.SetFreeing(false);
  EXPECT_THAT(executes->Lines(), StartsWith("*1 -OOM "));
  EXPECT_THAT(client_->Lines(), StartsWith("-OOM "));
}

TEST_F(ScriptCommandsTest, APauseOfWritesHoldsScriptsThatMayWrite) {
  client_->Request({"SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn redis.call('get', 'k')"});
  const std::string sha = client_->Lines().substr(4);
  auto admin = harness_.Connect();
  EXPECT_EQ(admin->Run("CLIENT PAUSE 10000 WRITE"), "+OK");
  EXPECT_EQ(Eval("#!lua flags=no-writes\nreturn redis.call('exists', 'k')"), ":0");
  EXPECT_EQ(Run("EVALSHA " + sha + " 0"), "$-1");
  EXPECT_EQ(Eval("return redis.call('exists', 'k')", {}, {}, "EVAL_RO"), ":0");
  EXPECT_EQ(Eval("#!lua flags=x\nreturn 1"), "");
  EXPECT_TRUE(client_->session().put_off());
  auto other = harness_.Connect();
  other->Request({"EVAL", "#!lua flags=allow-oom\nreturn 1", "0"});
  EXPECT_TRUE(other->session().put_off());
  auto third = harness_.Connect();
  third->Request({"EVAL", "return 1", "0"});
  EXPECT_TRUE(third->session().put_off());
  EXPECT_EQ(admin->Run("CLIENT UNPAUSE"), "+OK");
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR "));
  EXPECT_EQ(other->Lines(), ":1");
  EXPECT_EQ(third->Lines(), ":1");
}

// CLIENT CACHING is for the command that follows it, whenever that runs.
TEST_F(ScriptCommandsTest, CachingIsForTheNextCommandAlsoIfItWaits) {
  Run("HELLO 3");
  Run("CLIENT TRACKING on OPTIN");
  auto admin = harness_.Connect();
  const auto is_tracked = [&](const std::string& key) {
    const size_t before = harness_.broker.tracking().keys();
    admin->Run("SET " + key + " v");
    admin->Run("DEL " + key);
    const bool told = client_->Lines().find("invalidate") != std::string::npos;
    EXPECT_EQ(told, harness_.broker.tracking().keys() < before);
    return told;
  };
  // Blocked, and served or not; then put off.
  for (const bool served : {true, false}) {
    Run("CLIENT CACHING yes");
    EXPECT_EQ(Run("XREAD BLOCK 100 STREAMS s $"), "");
    if (served) {
      admin->Run("XADD s * a b");
    } else {
      harness_.Advance(200);
    }
    EXPECT_NE(client_->Lines(), "");
    EXPECT_TRUE(is_tracked("s"));
    Run("GET after");
    EXPECT_FALSE(is_tracked("after"));
    Run("CLIENT CACHING yes");
    admin->Run("CLIENT PAUSE 1000");
    EXPECT_EQ(Run("GET k"), "");
    harness_.Advance(2000);
    EXPECT_EQ(client_->Lines(), "_");
    EXPECT_TRUE(is_tracked("k"));
    Run("GET after");
    EXPECT_FALSE(is_tracked("after"));
  }
}

TEST_F(ScriptCommandsTest, ASubscriberOfResp2PingsInAScriptLikeOthers) {
  Run("HELLO 3");
  Run("SUBSCRIBE c");
  EXPECT_EQ(Eval("return redis.call('ping')"), "+PONG");
  EXPECT_EQ(Eval("return redis.call('ping', 'x')"), "$1 x");
}

// Whether a script will succeed is not known before it runs.
TEST_F(ScriptCommandsTest, ATransactionThatCommitsRunsNoScript) {
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 1"), "+OK");
  EXPECT_NE(Run("TADD t/0 * f v"), "");
  Run("TREADGROUP g m FROM EARLIEST TOPICS t");
  for (const char* command : {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"}) {
    Run("MULTI");
    EXPECT_EQ(Eval("redis.call('set', 'k', 'v')", {}, {}, command), "+QUEUED");
    EXPECT_EQ(Run("TCOMMIT g t/0 1 1"), "+QUEUED");
    EXPECT_THAT(Run("EXEC"), AllOf(StartsWith("-EXECABORT "), HasSubstr("cannot run scripts")));
  }
  EXPECT_EQ(Run("EXISTS k"), ":0");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 1"), ":1");
}

TEST_F(ScriptCommandsTest, TooFewFollowersRefuseWhatWrites) {
  settings_.min_replicas_to_write = 1;
  EXPECT_THAT(Eval("return redis.call('set', 'l', 1)"),
              StartsWith("-NOREPLICAS Not enough good replicas to write. script: "));
  EXPECT_EQ(Eval("return redis.call('exists', 'l')"), ":0");
  EXPECT_EQ(Eval("#!lua\nreturn 1"), "-NOREPLICAS Not enough good replicas to write.");
}

TEST_F(ScriptCommandsTest, TimeStandsStillAndMemoryIsBounded) {
  EXPECT_EQ(Eval("local a, b = redis.call('time'), redis.call('time') "
                 "return a[1] == b[1] and a[2] == b[2] and a[1]"),
            "$10 1700000000");
  settings_.script_memory_max = 1 << 20;
  EXPECT_THAT(Eval("local t = {} for i = 1, 1e7 do t[i] = i end"),
              AllOf(StartsWith("-ERR "), HasSubstr("not enough memory")));
  EXPECT_EQ(Eval("return 1"), ":1");
}

TEST_F(ScriptCommandsTest, MonitorsSeeTheScriptAndThenItsCalls) {
  auto monitor = harness_.Connect();
  monitor->Run("MONITOR");
  Eval("return redis.call('get', 'k')");
  EXPECT_THAT(monitor->Lines(),
              ::testing::MatchesRegex(
                  "\\+[0-9.]+ \\[0 127.0.0.1:[0-9]+\\] \"EVAL\" \"return redis.call\\('get', "
                  "'k'\\)\" \"0\" \\+[0-9.]+ \\[0 lua\\] \"get\" \"k\""));
}

TEST_F(ScriptCommandsTest, Resp3RepliesAreForTheClientThatAsks) {
  EXPECT_EQ(Eval("redis.setresp(3) return redis.call('get', 'none')"), "$-1");
  client_->Run("HELLO 3");
  EXPECT_EQ(Eval("redis.setresp(3) return redis.call('get', 'none')"), "_");
  EXPECT_EQ(Eval("return redis.call('get', 'none')"), "_");
}

TEST_F(ScriptCommandsTest, MessagesOfAScriptReachSubscribers) {
  auto other = harness_.Connect();
  other->Run("SUBSCRIBE c");
  EXPECT_EQ(Eval("return redis.call('publish', 'c', 'm')"), ":1");
  EXPECT_EQ(other->Lines(), "*3 $7 message $1 c $1 m");
}

TEST_F(ScriptCommandsTest, AScriptMayAskWhatItMayCall) {
  EXPECT_EQ(Eval("return redis.acl_check_cmd('get', 'k') and 1"), ":1");
  EXPECT_THAT(Eval("return redis.acl_check_cmd('foo')"), StartsWith("-ERR Invalid command"));
}

// --- A script that takes long ---

constexpr const char* kBusy =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
// Runs until it is ended.
constexpr const char* kEndless = "while true do end";
// Is interrupted more than once.
constexpr const char* kLong = "for i = 1, 1000000 do end";

class SlowScriptTest : public ScriptCommandsTest {
 protected:
  SlowScriptTest() {
    settings_.busy_reply_threshold_ms = 1;
    // Time goes on while it is looked at.
    harness_.clock.asked = [this] { harness_.clock.steady_us += 1000; };
    other_ = harness_.Connect();
  }
  ~SlowScriptTest() override { other_.reset(); }

  // Sends it as the other client while a script runs; what it gets is known at once.
  std::string Inside(const std::string& line) {
    std::vector<std::string> args;
    std::istringstream words(line);
    for (std::string word; std::getline(words, word, ' ');) {
      args.push_back(std::move(word));
    }
    other_->Request(std::move(args));
    if (!other_->open()) return "closed";
    harness_.broker.ReleaseInside(other_->session());
    return other_->TakeLines();
  }

  std::unique_ptr<BrokerHarness::Client> other_;
};

TEST_F(SlowScriptTest, OthersAreToldThatTheServerIsBusy) {
  int times = 0;
  host_.others = [&] {
    times++;
    for (const char* line :
         {"PING", "GET k", "EVAL x 0", "SCRIPT EXISTS x", "SLOWLOG LEN", "COMMAND"}) {
      EXPECT_EQ(Inside(line), kBusy) << line;
    }
    EXPECT_EQ(Inside("NOSUCH").substr(0, 20), "-ERR unknown command");
    EXPECT_EQ(Inside("GET").substr(0, 30), "-ERR wrong number of arguments");
  };
  EXPECT_EQ(Eval(kLong), "$-1");
  EXPECT_EQ(times, 1);
  EXPECT_EQ(other_->Run("PING"), "+PONG");
}

TEST_F(SlowScriptTest, CommandsAboutTheConnectionAreServed) {
  host_.others = [&] {
    EXPECT_EQ(Inside("HELLO 2").substr(0, 4), "*14 ");
    EXPECT_EQ(Inside("WATCH k"), "+OK");
    EXPECT_EQ(Inside("UNWATCH"), "+OK");
    EXPECT_EQ(Inside("RESET"), "+RESET");
    EXPECT_EQ(Inside("QUIT"), "+OK");
    EXPECT_FALSE(other_->open());
  };
  EXPECT_EQ(Eval(kLong), "$-1");
}

// Nothing is queued: what would be executed later was refused now.
TEST_F(SlowScriptTest, ATransactionIsBrokenByWhatIsRefused) {
  host_.others = [&] {
    EXPECT_EQ(Inside("MULTI"), "+OK");
    EXPECT_EQ(Inside("SET k v"), kBusy);
    EXPECT_EQ(Inside("EXEC").substr(0, 15), "-EXECABORT Tran");
  };
  EXPECT_EQ(Eval(kLong), "$-1");
  EXPECT_EQ(other_->Run("EXISTS k"), ":0");
}

TEST_F(SlowScriptTest, AScriptThatHasChangedNothingIsEnded) {
  const auto kill = [&] { EXPECT_EQ(Inside("SCRIPT KILL"), "+OK"); };
  host_.others = kill;
  EXPECT_THAT(Eval(kEndless),
              StartsWith("-ERR Script killed by user with SCRIPT KILL... script: "));
  // Nor can it catch that.
  host_.others = kill;
  EXPECT_THAT(Eval("while true do pcall(function() while true do end end) end"),
              StartsWith("-ERR Script killed by user"));
  EXPECT_EQ(Eval("redis.call('get', 'k') return 1"), ":1");
  host_.others = nullptr;
  EXPECT_EQ(Run("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
}

TEST_F(SlowScriptTest, AScriptThatHasChangedSomethingIsNot) {
  const std::string end = " for i = 1, 1000000 do end";
  for (const char* change : {"redis.call('set', 'k', 'v')", "redis.call('publish', 'c', 'm')"}) {
    int times = 0;
    host_.others = [&] {
      times++;
      EXPECT_THAT(Inside("SCRIPT KILL"), StartsWith("-UNKILLABLE "));
    };
    EXPECT_EQ(Eval(change + end), "$-1");
    EXPECT_EQ(times, 1);
  }
}

// What it has changed is seen when it has ended, and not before.
TEST_F(SlowScriptTest, WhoWaitsIsServedAfterIt) {
  const auto waits = harness_.Connect();
  waits->Request({"BLPOP", "list", "0"});
  host_.others = [&] {
    EXPECT_EQ(Inside("GET k"), kBusy);
    EXPECT_EQ(waits->TakeLines(), "");
  };
  EXPECT_EQ(Eval("redis.call('rpush', 'list', 'a') for i = 1, 1000000 do end "
                 "return redis.call('llen', 'list')"),
            ":1");
  EXPECT_EQ(waits->Lines(), "*2 $4 list $1 a");
}

TEST_F(SlowScriptTest, TimeStandsStillForIt) {
  host_.others = [&] {
    harness_.clock.Advance(1000);
    harness_.broker.UpdateTime();
    EXPECT_EQ(Inside("GET k"), kBusy);
  };
  Run("SET k v PX 500");
  EXPECT_EQ(
      Eval("local before = redis.call('time') for i = 1, 1000000 do end "
           "local after = redis.call('time') "
           "return {before[1] == after[1] and before[2] == after[2], redis.call('get', 'k')}"),
      "*2 :1 $1 v");
}

TEST_F(SlowScriptTest, ClientsComeAndGo) {
  host_.others = [&] {
    harness_.Connect();
    other_->CloseNow();
  };
  EXPECT_EQ(Eval(kLong), "$-1");
  EXPECT_EQ(Run("PING"), "+PONG");
}

// A command takes the time of its parts: of a transaction, and of a script. But what a script
// computes is not the time of what it calls.
TEST_F(ScriptCommandsTest, WhatPartsTakeCountsForTheWhole) {
  // Only Lua takes cycles here: each time that the script is asked whether it may go on.
  uint64_t cycles = 1;
  harness_.broker.parts().clock.CountCyclesBy(&cycles);
  const std::string script =
      "for i = 1, 100000 do end redis.call('set', 'k', 'v') "
      "for i = 1, 100000 do end redis.call('get', 'k') "
      "for i = 1, 100000 do end";
  Run("PING");
  harness_.clock.asked = [&] { cycles++; };
  Eval(script);
  harness_.clock.asked = nullptr;
  const uint64_t once = StatsOf("eval").cycles;
  EXPECT_GT(once, 20u);
  EXPECT_EQ(StatsOf("set").cycles + StatsOf("get").cycles, 0u);
  Run("MULTI");
  Eval(script);
  harness_.clock.asked = [&] { cycles++; };
  Run("EXEC");
  harness_.clock.asked = nullptr;
  EXPECT_GE(StatsOf("exec").cycles, once);
  EXPECT_GE(StatsOf("eval").cycles, 2 * once);
  EXPECT_EQ(StatsOf("set").cycles + StatsOf("get").cycles, 0u);
}

// As in Redis.
TEST_F(SlowScriptTest, WithoutAThresholdNobodyIsServed) {
  settings_.busy_reply_threshold_ms = 0;
  bool served = false;
  host_.others = [&] { served = true; };
  EXPECT_EQ(Eval(kLong), "$-1");
  EXPECT_FALSE(served);
}

// What it hears of others inside of its script comes after its reply.
TEST_F(SlowScriptTest, AMonitorGetsItsReplyWhole) {
  Run("MONITOR");
  host_.others = [&] { EXPECT_EQ(Inside("MULTI"), "+OK"); };
  const std::string reply = Eval(std::string("#!lua flags=no-writes\n") + kLong + " return {1, 2}");
  EXPECT_THAT(reply, HasSubstr("*2 :1 :2 +"));
  EXPECT_THAT(reply, HasSubstr("\"MULTI\""));
}

}  // namespace
}  // namespace runnel
