#include "script/script_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "script/sha1.h"
#include "script/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Keep = ScriptEngine::Keep;

// --- Arguments and calls ---

TEST(ScriptEngineTest, KeysAndArguments) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return {KEYS[1], KEYS[2], #KEYS, ARGV[1], #ARGV}", {"a", "b"}, {"c"}),
            "*5\r\n$1\r\na\r\n$1\r\nb\r\n:2\r\n$1\r\nc\r\n:1\r\n");
  EXPECT_EQ(runner.Run("return {#KEYS, #ARGV}"), "*2\r\n:0\r\n:0\r\n");
}

TEST(ScriptEngineTest, ArgumentsOfOneRunAreNotThoseOfTheNext) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("KEYS[1] = 'x' ARGV.y = 1 return KEYS[1]", {"a"}), "$1\r\nx\r\n");
  EXPECT_EQ(runner.Run("return {KEYS[1], ARGV.y}", {"b"}), "*1\r\n$1\r\nb\r\n");
}

TEST(ScriptEngineTest, LargeArgumentsAreNotKept) {
  ScriptRunner runner;
  const std::string large(10 << 20, 'x');
  EXPECT_EQ(runner.Run("return #ARGV[1]", {}, {large}), ":10485760\r\n");
  while (runner.engine.CollectSome()) {
  }
  EXPECT_LT(runner.engine.lua_bytes(), size_t{1} << 20);
}

TEST(ScriptEngineTest, ACommandGetsWhatTheScriptGives) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])",
                       {"k"}, {std::string_view("v\0w", 3)}),
            std::string_view("$3\r\nv\0w\r\n", 9));
  EXPECT_EQ(runner.host.calls, 2);
  EXPECT_EQ(runner.Run("redis.call('set', 12, 0.5) return redis.call('get', '12')"),
            "$3\r\n0.5\r\n");
}

TEST(ScriptEngineTest, ALargeReplyOfACommand) {
  ScriptRunner runner;
  runner.host.values["k"] = std::string(3 << 20, 'x');
  EXPECT_EQ(runner.Run("return #redis.call('get', 'k')"), ":3145728\r\n");
}

TEST(ScriptEngineTest, ErrorsOfCommands) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return redis.pcall('lpush', 'k', 'v')"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  EXPECT_EQ(runner.result.end, ScriptResult::kReplied);
  EXPECT_EQ(runner.result.counted_errors, 1u);
  EXPECT_EQ(runner.Run("\nreturn redis.call('lpush', 'k', 'v')"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value script: SHA, on "
            "@user_script:2.\r\n");
  EXPECT_EQ(runner.result.end, ScriptResult::kFailed);
  EXPECT_EQ(runner.result.counted_errors, 1u);
  EXPECT_EQ(runner.Run("error({err='MY own'})"), "-MY own script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.result.counted_errors, 0u);
  EXPECT_EQ(runner.Run("return {err='MY own'}"), "-MY own\r\n");
  EXPECT_EQ(runner.result.counted_errors, 0u);
  EXPECT_EQ(runner.Run("local e = redis.pcall('lpush', 'k', 'v') "
                       "return {e.err, tostring(e.ignore_error_stats_update)}"),
            "*2\r\n$65\r\nWRONGTYPE Operation against a key holding the wrong kind of value\r\n"
            "$4\r\ntrue\r\n");
  // pcall gives the text, as in Redis.
  EXPECT_EQ(runner.Run("local ok, e = pcall(redis.call, 'lpush', 'k', 'v') return e"),
            "$65\r\nWRONGTYPE Operation against a key holding the wrong kind of value\r\n");
}

// The real server ends here with a crash.
TEST(ScriptEngineTest, AnErrorThatIsNoError) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("error({foo='x'})"),
            "-ERR unknown error script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("error({err={}})"),
            "-ERR unknown error script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("error(string)"), "-ERR unknown error script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("error(setmetatable({}, {__index=function() error('again') end}))"),
            "-ERR unknown error script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("error({err=''})"), "- script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("error(true)"), "-ERR true script: SHA, on @user_script:1.\r\n");
}

TEST(ScriptEngineTest, ErrorsInCoroutines) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local co = coroutine.create(function() redis.call('nope') end) "
                       "local ok, e = coroutine.resume(co) return {tostring(ok), e.err}"),
            "*2\r\n$5\r\nfalse\r\n$44\r\nERR Unknown Redis command called from script\r\n");
  EXPECT_EQ(runner.Run("coroutine.wrap(function() redis.call('nope') end)()"),
            "-ERR Unknown Redis command called from script script: SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("local f = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) "
                       "coroutine.yield(redis.call('echo', b)) end) return {f(1), f('x')}"),
            "*2\r\n:2\r\n$1\r\nx\r\n");
}

// --- Replies of commands ---

TEST(ScriptEngineTest, RepliesOfResp3BecomeTables) {
  ScriptRunner runner;
  runner.host.raw_replies = true;
  const auto reply = [&](std::string_view bytes, std::string_view expression) {
    return runner.Run("redis.setresp(3) local r = redis.call('reply', ARGV[1]) return tostring(" +
                          std::string(expression) + ")",
                      {}, {bytes});
  };
  EXPECT_EQ(reply("_\r\n", "r"), "$3\r\nnil\r\n");
  EXPECT_EQ(reply("#t\r\n", "r"), "$4\r\ntrue\r\n");
  EXPECT_EQ(reply("#f\r\n", "r"), "$5\r\nfalse\r\n");
  EXPECT_EQ(reply(",1.5\r\n", "r.double"), "$3\r\n1.5\r\n");
  EXPECT_EQ(reply(",-inf\r\n", "r.double"), "$4\r\n-inf\r\n");
  EXPECT_EQ(reply("(12345678901234567890123\r\n", "r.big_number"),
            "$23\r\n12345678901234567890123\r\n");
  EXPECT_EQ(reply("=7\r\ntxt:abc\r\n", "r.verbatim_string.format .. r.verbatim_string.string"),
            "$6\r\ntxtabc\r\n");
  EXPECT_EQ(reply("%1\r\n+k\r\n*2\r\n:1\r\n_\r\n", "type(r.map)"), "$5\r\ntable\r\n");
  EXPECT_EQ(reply("~2\r\n$1\r\na\r\n:7\r\n", "tostring(r.set.a) .. tostring(r.set[7])"),
            "$8\r\ntruetrue\r\n");
  EXPECT_EQ(reply("$-1\r\n", "r"), "$5\r\nfalse\r\n");
  EXPECT_EQ(reply("*-1\r\n", "r"), "$5\r\nfalse\r\n");
  EXPECT_EQ(reply(":-7\r\n", "r"), "$2\r\n-7\r\n");
}

TEST(ScriptEngineTest, TheProtocolOfCommandsIsThatOfSetresp) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local a = redis.call('protocol') redis.setresp(3) "
                       "return {a, redis.call('protocol')}"),
            "*2\r\n:2\r\n:3\r\n");
  // Each run begins with RESP2.
  EXPECT_EQ(runner.Run("return redis.call('protocol')"), ":2\r\n");
}

TEST(ScriptEngineTest, RepliesInResp3) {
  ScriptRunner runner;
  runner.protocol = 3;
  EXPECT_EQ(runner.Run("return {map={a=1}}"), "%1\r\n$1\r\na\r\n:1\r\n");
  EXPECT_EQ(runner.Run("return {set={a=true}}"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(runner.Run("return {map={a={map={b={set={c=true}}}}}}"),
            "%1\r\n$1\r\na\r\n%1\r\n$1\r\nb\r\n~1\r\n$1\r\nc\r\n");
  EXPECT_EQ(runner.Run("return {map={[{1,{2}}]={3}}}"),
            "%1\r\n*2\r\n:1\r\n*1\r\n:2\r\n*1\r\n:3\r\n");
  EXPECT_EQ(runner.Run("return {double=1.5}"), ",1.5\r\n");
  EXPECT_EQ(runner.Run("return {big_number='12\\r\\n3'}"), "(12  3\r\n");
  EXPECT_EQ(runner.Run("return {verbatim_string={string='x', format='mkdx'}}"), "=5\r\nmkd:x\r\n");
  EXPECT_EQ(runner.Run("return true"), ":1\r\n");
  EXPECT_EQ(runner.Run("return false"), "_\r\n");
  EXPECT_EQ(runner.Run("return nil"), "_\r\n");
  EXPECT_EQ(runner.Run("redis.setresp(3) return {true, false}"), "*2\r\n#t\r\n#f\r\n");
  EXPECT_EQ(runner.Run("redis.setresp(3) return redis.call('hgetall', 'h')"),
            "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
  EXPECT_EQ(runner.Run("redis.setresp(3) return redis.call('smembers', 's')"),
            "~2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

// --- The library ---

TEST(ScriptEngineTest, LogsGoToTheHost) {
  ScriptRunner runner;
  runner.Run("redis.log(redis.LOG_WARNING, 'a', 'b', 3) redis.log(redis.LOG_DEBUG, {}, 'c')");
  EXPECT_THAT(runner.host.log, ElementsAre("3 a b 3", "0 c"));
}

TEST(ScriptEngineTest, AccessIsAskedOfTheHost) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return {redis.acl_check_cmd('get', 'x') and 1 or 0, "
                       "redis.acl_check_cmd('flushall') and 1 or 0}"),
            "*2\r\n:1\r\n:0\r\n");
  EXPECT_EQ(runner.Run("return redis.acl_check_cmd('nope')"),
            "-ERR Invalid command passed to redis.acl_check_cmd() script: SHA, on "
            "@user_script:1.\r\n");
}

TEST(ScriptEngineTest, TheVersionIsTheOneThatClientsAreTold) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM}"),
            "*2\r\n$5\r\n7.4.0\r\n:459776\r\n");
}

TEST(ScriptEngineTest, RandomNumbersAreThoseOfRedis) {
  ScriptRunner runner;
  constexpr std::string_view kScript =
      "return {tostring(math.random()), math.random(10), math.random(5, 7)}";
  EXPECT_EQ(runner.Run(kScript), "*3\r\n$16\r\n0.39646477363839\r\n:9\r\n:6\r\n");
  EXPECT_EQ(runner.Run("math.randomseed(5) " + std::string(kScript)),
            "*3\r\n$16\r\n0.52483957937213\r\n:3\r\n:7\r\n");
}

// --- Scripts that are kept ---

TEST(ScriptEngineTest, ScriptsAreKnownByTheirDigest) {
  ScriptEngine engine(64 << 20);
  Result<const Script*> script = engine.Compile("return 1", Keep::kAlways);
  ASSERT_TRUE(script.ok());
  EXPECT_EQ((*script)->sha, Sha1Hex("return 1"));
  EXPECT_EQ(engine.Find((*script)->sha), *script);
  EXPECT_EQ(engine.Find("E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"), *script);
  EXPECT_TRUE(engine.Knows("e0e1f9fabfc9d4800c877a703b823ac0578ff8db"));
  EXPECT_FALSE(engine.Knows("e0"));
  EXPECT_EQ(engine.Find(std::string(40, '0')), nullptr);
  engine.Flush();
  EXPECT_FALSE(engine.Knows("e0e1f9fabfc9d4800c877a703b823ac0578ff8db"));
  EXPECT_EQ(engine.script_count(), 0u);
}

TEST(ScriptEngineTest, WhatDoesNotCompileIsNotKept) {
  ScriptEngine engine(64 << 20);
  const Result<const Script*> script = engine.Compile("return }", Keep::kAlways);
  EXPECT_EQ(script.message(),
            "Error compiling script (new function): user_script:1: unexpected symbol near '}'");
  EXPECT_EQ(engine.script_count(), 0u);
}

std::string NumberedScript(size_t i) {
  return "return " + std::to_string(i);
}

TEST(ScriptEngineTest, ScriptsOfEvalThatWereNotUsedGo) {
  ScriptEngine engine(64 << 20);
  for (size_t i = 0; i < ScriptEngine::kMaxEvalScripts; i++) {
    ASSERT_TRUE(engine.Compile(NumberedScript(i), Keep::kWhileUsed).ok());
  }
  // 0 is used again by its text, 1 by its digest; 2 becomes one of SCRIPT LOAD.
  ASSERT_TRUE(engine.Compile(NumberedScript(0), Keep::kWhileUsed).ok());
  ASSERT_NE(engine.Find(Sha1Hex(NumberedScript(1))), nullptr);
  ASSERT_TRUE(engine.Compile(NumberedScript(2), Keep::kAlways).ok());
  EXPECT_EQ(engine.evicted_scripts(), 0u);
  for (size_t i = 0; i < 3; i++) {
    ASSERT_TRUE(engine.Compile(NumberedScript(1000 + i), Keep::kWhileUsed).ok());
  }
  EXPECT_EQ(engine.evicted_scripts(), 2u);
  EXPECT_EQ(engine.script_count(), ScriptEngine::kMaxEvalScripts + 1);
  EXPECT_TRUE(engine.Knows(Sha1Hex(NumberedScript(0))));
  EXPECT_TRUE(engine.Knows(Sha1Hex(NumberedScript(1))));
  EXPECT_TRUE(engine.Knows(Sha1Hex(NumberedScript(2))));
  EXPECT_FALSE(engine.Knows(Sha1Hex(NumberedScript(3))));
  EXPECT_FALSE(engine.Knows(Sha1Hex(NumberedScript(4))));
  EXPECT_TRUE(engine.Knows(Sha1Hex(NumberedScript(5))));
}

TEST(ScriptEngineTest, LoadedScriptsStay) {
  ScriptEngine engine(64 << 20);
  for (size_t i = 0; i < 2 * ScriptEngine::kMaxEvalScripts; i++) {
    ASSERT_TRUE(engine.Compile(NumberedScript(i), Keep::kAlways).ok());
  }
  EXPECT_EQ(engine.script_count(), 2 * ScriptEngine::kMaxEvalScripts);
}

TEST(ScriptEngineTest, MemoryOfForgottenScriptsComesBack) {
  ScriptEngine engine(64 << 20);
  while (engine.CollectSome()) {
  }
  const size_t before = engine.lua_bytes();
  for (size_t i = 0; i < 5000; i++) {
    ASSERT_TRUE(engine.Compile(NumberedScript(i), Keep::kAlways).ok());
  }
  EXPECT_GT(engine.lua_bytes(), before + 500'000);
  engine.Flush();
  while (engine.CollectSome()) {
  }
  while (engine.CollectSome()) {
  }
  EXPECT_LT(engine.lua_bytes(), before + 100'000);
}

TEST(ScriptEngineTest, FlagsOfTheFirstLine) {
  ScriptEngine engine(64 << 20);
  const auto flags = [&](std::string_view text) -> int64_t {
    const Result<const Script*> script = engine.Compile(text, Keep::kAlways);
    return script.ok() ? static_cast<int64_t>((*script)->flags) : -1;
  };
  EXPECT_EQ(flags("return 1"), kScriptCompatible);
  EXPECT_EQ(flags("#!lua\nreturn 1"), 0);
  EXPECT_EQ(flags("#!lua flags=no-writes\nreturn 1"), kScriptNoWrites);
  EXPECT_EQ(flags("#!lua flags=allow-stale,allow-oom flags=no-cluster\nreturn 1"),
            kScriptAllowStale | kScriptAllowOom | kScriptNoCluster);
  EXPECT_EQ(flags("#!lua flags=\nreturn 1"), 0);
  EXPECT_EQ(flags("#!lua \"flags=no-writes\"\nreturn 1"), kScriptNoWrites);
  for (const char* line :
       {"#!lua flags=nope", "#!lua flags=no-writes,", "#!lua flags=,", "#!lua flags=no-writes nope",
        "#!lua FLAGS=no-writes", "#!LUA", "#! lua", "#!", "#!luax", "#!lua \"x"}) {
    EXPECT_EQ(flags(std::string(line) + "\nreturn 1"), -1) << line;
  }
  EXPECT_EQ(flags("#!lua"), -1);
}

// --- Cold data ---

TEST(ScriptEngineTest, NotNowEndsTheScript) {
  ScriptRunner runner;
  runner.host.not_now_at_call = 2;
  constexpr std::string_view kScript =
      "redis.call('ping') redis.call('get', 'k') redis.call('set', 'k', 'v')";
  EXPECT_EQ(runner.Run(kScript), "");
  EXPECT_EQ(runner.result.end, ScriptResult::kNotNow);
  EXPECT_EQ(runner.host.calls, 2);
  EXPECT_EQ(runner.Run(kScript), "$-1\r\n");
  EXPECT_EQ(runner.result.end, ScriptResult::kReplied);
}

TEST(ScriptEngineTest, NothingInAScriptCatchesNotNow) {
  constexpr std::string_view kScripts[] = {
      "pcall(redis.call, 'get', 'k') redis.call('ping')",
      "redis.pcall('get', 'k') redis.call('ping')",
      "pcall(pcall, pcall, redis.call, 'get', 'k') redis.call('ping')",
      "xpcall(function() redis.call('get', 'k') end, function() redis.call('ping') end) "
      "redis.call('ping')",
      "coroutine.resume(coroutine.create(function() redis.call('get', 'k') end)) "
      "redis.call('ping')",
      "pcall(coroutine.wrap(function() redis.call('get', 'k') end)) redis.call('ping')",
      "local co = coroutine.wrap(function() pcall(redis.call, 'get', 'k') redis.call('ping') end) "
      "pcall(co) redis.call('ping')",
      "load(function() redis.call('get', 'k') end) redis.call('ping')",
      "setmetatable({}, {__index=function() redis.call('get', 'k') end}).x = 1 "
      "pcall(function() return setmetatable({}, {__index=function() redis.call('get', 'k') "
      "end}).x end) redis.call('ping')",
      "pcall(table.sort, {3, 2, 1}, function() redis.call('get', 'k') end) redis.call('ping')",
      "pcall(string.gsub, 'a', 'a', function() redis.call('get', 'k') end) redis.call('ping')",
      "pcall(table.foreach, {1}, function() redis.call('get', 'k') end) redis.call('ping')",
  };
  for (const std::string_view script : kScripts) {
    ScriptRunner runner;
    runner.host.not_now_at_call = 1;
    EXPECT_EQ(runner.Run(script), "") << script;
    EXPECT_EQ(runner.result.end, ScriptResult::kNotNow) << script;
    EXPECT_EQ(runner.host.calls, 1) << script;
    // Nothing of it is left.
    EXPECT_EQ(runner.Run("return pcall(error, 'x')"), "$-1\r\n");
    EXPECT_EQ(runner.result.end, ScriptResult::kReplied);
  }
}

TEST(ScriptEngineTest, TheNextRunGetsTheSameRandomNumbers) {
  constexpr std::string_view kScript =
      "local r = tostring(math.random()) redis.call('ping') return r .. tostring(math.random())";
  ScriptRunner runner;
  runner.Run("return math.random()");
  ScriptRunner other;
  other.Run("return math.random()");
  other.host.not_now_at_call = 1;
  EXPECT_EQ(other.Run(kScript), "");
  EXPECT_EQ(other.Run(kScript), runner.Run(kScript));
  // Not the same as in a run of its own.
  EXPECT_NE(other.Run(kScript), ScriptRunner().Run(kScript));
}

TEST(ScriptEngineTest, RunsThatEndEarlyLeaveNoMemory) {
  ScriptRunner runner;
  const auto settle = [&] {
    for (int i = 0; i < 3; i++) {
      while (runner.engine.CollectSome()) {
      }
    }
    return runner.engine.lua_bytes();
  };
  constexpr std::string_view kScript =
      "local t = {} for i = 1, 100 do t[i] = {i} end "
      "coroutine.wrap(function() pcall(redis.call, 'get', 'k') end)()";
  runner.Run(kScript);
  const size_t before = settle();
  for (int i = 0; i < 1000; i++) {
    runner.host.calls = 0;
    runner.host.not_now_at_call = 1;
    ASSERT_EQ(runner.Run(kScript), "");
  }
  EXPECT_LT(settle(), before + 10'000);
}

}  // namespace
}  // namespace runnel
