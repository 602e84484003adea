// Scripts that take too much: time, memory, stack.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "script/sha1.h"
#include "script/testing.h"

namespace runnel {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kKilled[] =
    "-ERR Script killed by user with SCRIPT KILL... script: SHA, on "
    "@user_script:1.\r\n";

// Whether the script, which would run for hours, ends when the host says so.
void ExpectEnds(std::string_view script) {
  ScriptRunner runner;
  runner.host.most_looks = 50;
  EXPECT_THAT(runner.Run(script), StartsWith("-ERR Script killed by user with SCRIPT KILL..."))
      << script;
  EXPECT_EQ(runner.result.end, ScriptResult::kKilled) << script;
  // It is not asked again.
  EXPECT_EQ(runner.host.looks, 50) << script;
  runner.host.looks = 0;
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
}

TEST(LimitsTest, LoopsEnd) {
  ScriptRunner runner;
  runner.host.most_looks = 50;
  EXPECT_EQ(runner.Run("while true do end"), kKilled);
  ExpectEnds("repeat until false");
  ExpectEnds("for i = 1, 1e18 do end");
  ExpectEnds("local function f() return f() end f()");
  ExpectEnds("while true do coroutine.wrap(function() end)() end");
  ExpectEnds("coroutine.wrap(function() while true do end end)()");
  ExpectEnds("while true do redis.call('ping') end");
}

TEST(LimitsTest, NothingInAScriptCatchesTheEnd) {
  ExpectEnds("while true do pcall(function() while true do end end) end");
  ExpectEnds(
      "while true do xpcall(function() while true do end end, function() while true do end "
      "end) end");
  ExpectEnds(
      "while true do coroutine.resume(coroutine.create(function() while true do end end)) "
      "end");
  ExpectEnds("while true do load(function() while true do end end) end");
  ExpectEnds("local function f() pcall(f) while true do end end f()");
  ExpectEnds(
      "pcall(setmetatable({}, {__call = function() while true do end end})) "
      "while true do end");
}

// The count of instructions does not see what functions in C do.
TEST(LimitsTest, FunctionsOfLibrariesEnd) {
  // Patterns that try each way.
  ExpectEnds("return string.find(('a'):rep(50), ('a?'):rep(50) .. ('a'):rep(50))");
  ExpectEnds("return string.match(('a'):rep(100000), '.-.-.-.-b')");
  ExpectEnds("return string.gsub(('a'):rep(100000), '.-.-.-.-b', '')");
  ExpectEnds("for x in string.gmatch(('a'):rep(100000), '.-.-.-.-b') do end");
  ExpectEnds("return string.find(('a'):rep(1000), ('a*'):rep(100) .. 'b')");
  ExpectEnds("return string.find(('('):rep(3000000), '%b()')");
  ExpectEnds("while true do ('x'):rep(1000000) end");
  ExpectEnds("while true do string.upper(('x'):rep(100000)) end");
  ExpectEnds(
      "local t = {} for i = 1, 100000 do t[i] = 1 end "
      "while true do table.insert(t, 1, 1) table.remove(t, 1) end");
  ExpectEnds("local t = {} for i = 1, 100000 do t[i] = i end while true do table.sort(t) end");
  ExpectEnds(
      "local t = {} for i = 1, 1000 do t[i] = i end "
      "while true do table.sort(t, rawequal) end");
  ExpectEnds("while true do collectgarbage() end");
  ExpectEnds("local s = '[' .. ('1,'):rep(100000) .. '1]' while true do cjson.decode(s) end");
  ExpectEnds("local t = {} for i = 1, 100000 do t[i] = i end while true do cjson.encode(t) end");
  ExpectEnds("local t = {} for i = 1, 10000 do t[i] = i end while true do cmsgpack.pack(t) end");
  ExpectEnds("while true do loadstring(('local x = 1 '):rep(100)) end");
  ExpectEnds("while true do redis.sha1hex(('x'):rep(100000)) end");
  ExpectEnds("local s = ('x'):rep(1000000) while true do local a = s .. 'y' end");
  ExpectEnds(
      "local s = ('x'):rep(3000000) local a, b = s .. 'y', s .. 'z' "
      "while true do local c = a < b end");
  ExpectEnds("while true do bit.tohex(1) end");
}

TEST(LimitsTest, RepliesThatGrowExponentiallyEnd) {
  ExpectEnds("local t = {1} for i = 1, 100 do t = {t, t} end return t");
  ExpectEnds("local t = {1} for i = 1, 100 do t = {t, t} end return cjson.encode(t)");
  ScriptRunner runner(32 << 20);
  EXPECT_EQ(runner.Run("local s = ('x'):rep(1000000) local t = {} for i = 1, 1000 do t[i] = s end "
                       "return t"),
            "-ERR the reply is too large\r\n");
}

TEST(LimitsTest, AnEmptyStringManyTimes) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return #string.rep('', 2147483647)"), ":0\r\n");
  EXPECT_EQ(runner.Run("return #string.rep('x', -5)"), ":0\r\n");
}

TEST(LimitsTest, DeepPatterns) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("return string.find(('a'):rep(300000), ('a?'):rep(300000))"),
              HasSubstr("pattern too complex"));
  EXPECT_EQ(runner.Run("return {string.find(('a'):rep(1000), ('a?'):rep(1000))}"),
            "*2\r\n:1\r\n:1000\r\n");
}

TEST(LimitsTest, RecursionEnds) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local function f() return f() + 1 end return f()"),
            "-ERR user_script:1: stack overflow script: SHA, on @user_script:1.\r\n");
  EXPECT_THAT(runner.Run("local function f() return pcall(f) end return tostring(f())"),
              StartsWith("$"));
  EXPECT_THAT(runner.Run("local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) "
                         "return t[k] end return t.x"),
              HasSubstr("C stack overflow"));
  EXPECT_THAT(runner.Run("local function f() return coroutine.wrap(f)() end f()"),
              HasSubstr("C stack overflow"));
  EXPECT_THAT(runner.Run("return loadstring(('('):rep(100000))"), StartsWith("$-1"));
  EXPECT_THAT(runner.Run("local function f() string.gsub('a', 'a', f) end f()"),
              HasSubstr("C stack overflow"));
  EXPECT_THAT(runner.Run("error(setmetatable({}, {__tostring = function(t) return tostring(t) "
                         "end}))"),
              HasSubstr("unknown error"));
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
}

TEST(LimitsTest, ErrorsInHandlersOfErrors) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("local function f() error(1) end local ok, e = xpcall(f, f) return e"),
              StartsWith("$"));
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
}

TEST(LimitsTest, ASortThatIsLiedTo) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("local t = {} for i = 1, 1000 do t[i] = i % 7 end "
                         "table.sort(t, function() return true end) return 1"),
              HasSubstr("invalid order function for sorting"));
  EXPECT_EQ(runner.Run("local t = {} for i = 1, 1000 do t[i] = i % 7 end "
                       "table.sort(t, function() return false end) return #t"),
            ":1000\r\n");
  EXPECT_THAT(runner.Run("local t = {3, 1, 2} table.sort(t, function(a, b) t[1] = nil "
                         "return math.random() < 0.5 end) return 1"),
              ::testing::AnyOf(":1\r\n", HasSubstr("invalid order function")));
}

TEST(LimitsTest, MemoryEnds) {
  ScriptRunner runner(32 << 20);
  constexpr char kOut[] = "not enough memory";
  EXPECT_THAT(runner.Run("return ('x'):rep(1073741824)"), HasSubstr(kOut));
  EXPECT_THAT(runner.Run("local s = 'x' while true do s = s .. s end"), HasSubstr(kOut));
  EXPECT_THAT(runner.Run("local t = {} while true do t[#t + 1] = {} end"), HasSubstr(kOut));
  EXPECT_THAT(runner.Run("local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end"),
              HasSubstr(kOut));
  EXPECT_THAT(runner.Run("local t = {} for i = 1, 1e9 do t[i] = i end"), HasSubstr(kOut));
  EXPECT_THAT(runner.Run("return table.concat({('x'):rep(1000000)}, '') .. ('y'):rep(40000000)"),
              HasSubstr(kOut));
  EXPECT_THAT(runner.Run("local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000) end "
                         "return #table.concat(t)"),
              ::testing::AnyOf(":100000000\r\n", HasSubstr(kOut)));
  EXPECT_THAT(runner.Run("return string.gsub(('x'):rep(1000000), 'x', ('y'):rep(1000))"),
              HasSubstr(kOut));
  EXPECT_THAT(runner.Run("return loadstring('return \"' .. ('x'):rep(20000000) .. '\"')()"),
              HasSubstr(kOut));
  EXPECT_EQ(runner.result.end, ScriptResult::kFailed);
  // The script may catch it, and there is room again.
  EXPECT_EQ(runner.Run("local ok = pcall(function() local t = {} while true do t[#t + 1] = {} end "
                       "end) local t = {} for i = 1, 100000 do t[i] = {} end return #t"),
            ":100000\r\n");
  EXPECT_LE(runner.engine.lua_bytes(), size_t{32} << 20);
}

// While the compiler works, nothing is collected, even if memory is about to end.
TEST(LimitsTest, CompilingUnderPressure) {
  ScriptRunner runner(16 << 20);
  for (int i = 0; i < 3; i++) {
    EXPECT_THAT(
        runner.Run("local keep = ('x'):rep(3000000) local parts = {} "
                   "for i = 1, 20000 do parts[i] = 'local function f() return \"' .. i .. '\" end' "
                   "end local text = 'do ' .. table.concat(parts, ' end do ') .. ' end return 7' "
                   "parts = nil local f, e = loadstring(text) return f and f() or e"),
        ::testing::AnyOf(":7\r\n", HasSubstr("not enough memory")));
  }
  EXPECT_EQ(
      runner.Run("local parts = {} for i = 1, 3000 do parts[i] = 'x[' .. i .. '] = \"' .. i .. "
                 "'\"' end local f = loadstring('local x = {} ' .. table.concat(parts, ' ') "
                 ".. ' return x') return f()[2999]"),
      "$4\r\n2999\r\n");
}

// Garbage is not what makes a script fail.
TEST(LimitsTest, GarbageIsCollectedBeforeMemoryEnds) {
  ScriptRunner runner(32 << 20);
  EXPECT_EQ(runner.Run("local keep = {} for i = 1, 100000 do keep[i] = {i} end "
                       "for i = 1, 300 do local s = ('x'):rep(1000000) .. i end return #keep"),
            ":100000\r\n");
  EXPECT_EQ(runner.Run("local keep = ('x'):rep(3000000) for i = 1, 300 do local s = keep .. i end "
                       "return #keep"),
            ":3000000\r\n");
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(runner.Run("local t = {} for i = 1, 300000 do t[i] = {} end return #t"),
              ":300000\r\n");
  }
}

TEST(LimitsTest, MemoryThatEndsAnywhere) {
  // With each bound another allocation is the one that fails.
  for (size_t kilobytes = 100; kilobytes < 400; kilobytes += 3) {
    ScriptRunner runner(kilobytes << 10);
    const std::string reply = runner.Run(
        "redis.call('set', 'k', ('v'):rep(1000)) "
        "local t = {} for i = 1, 200 do t[i] = {i, tostring(i), cjson.encode({i})} end "
        "local co = coroutine.wrap(function() for i = 1, 100 do coroutine.yield({i}) end end) "
        "for i = 1, 50 do t[#t + 1] = co() end "
        "local s = cmsgpack.pack(t) local u = cmsgpack.unpack(s) "
        "local f = loadstring('return ' .. ('1 + '):rep(100) .. '1') "
        "local g = string.gsub(('ab'):rep(200), 'a', function(x) return x .. x end) "
        "return {#u, f(), #g, redis.call('get', 'k'), {map = {a = {1, 2}}}}");
    EXPECT_THAT(reply, ::testing::AnyOf(HasSubstr("not enough memory"), StartsWith("*5\r\n:250")));
  }
}

// Scripts that are only kept go when their memory is needed, and those that were used last stay.
TEST(LimitsTest, KeptScriptsDoNotFillTheMemory) {
  ScriptRunner runner(8 << 20);
  // Each takes more than a hundredth of the memory.
  const auto large = [](int number) {
    std::string text = "if ARGV[1] then return {";
    for (int i = 0; i < 4000; i++) {
      text += "'" + std::to_string(number) + "_" + std::to_string(i) + "',";
    }
    return text + "} end return " + std::to_string(number);
  };
  const std::string used = "return 'used'";
  for (int number = 0; number < 120; number++) {
    ASSERT_EQ(runner.Run(large(number)), ":" + std::to_string(number) + "\r\n");
    ASSERT_EQ(runner.Run(used), "$4\r\nused\r\n");
    ASSERT_TRUE(runner.engine.Knows(Sha1Hex(used)));
  }
  EXPECT_GT(runner.engine.evicted_scripts(), 60u);
  EXPECT_EQ(runner.Run("local t = {} for i = 1, 20000 do t[i] = {} end return #t"), ":20000\r\n");
}

// A large script finds room, whatever small ones were kept.
TEST(LimitsTest, AScriptThatDoesNotFitMakesRoom) {
  ScriptRunner runner(4 << 20);
  for (int number = 0; number < 450; number++) {
    std::string text = "local t = {";
    for (int i = 0; i < 120; i++) {
      text += "'" + std::to_string(number) + "_" + std::to_string(i) + "',";
    }
    ASSERT_FALSE(runner.engine.lua_bytes() > size_t{4} << 20);
    ASSERT_TRUE(runner.engine.Compile(text + "}", ScriptEngine::Keep::kWhileUsed).ok());
  }
  std::string text = "return #{";
  for (int i = 0; i < 30'000; i++) {
    text += std::to_string(i) + ",";
  }
  EXPECT_EQ(runner.Run(text + "1}"), ":30001\r\n");
  EXPECT_GT(runner.engine.evicted_scripts(), 0u);
}

// Scripts that others have asked to keep, and libraries, are not there for EVAL to throw out, and
// small scripts do not go because of them.
TEST(LimitsTest, WhatOthersKeepEvictsNoSmallScripts) {
  ScriptRunner runner(5 << 20);
  for (int script = 0; script < 10; script++) {
    std::string text = "return {";
    for (int i = 0; i < 10'000; i++) {
      text += std::to_string(i + script) + ",";
    }
    ASSERT_TRUE(runner.engine.Compile(text + "}", ScriptEngine::Keep::kAlways).ok());
  }
  ASSERT_GT(runner.engine.lua_bytes(), size_t{2} << 20);
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
  for (int i = 0; i < 20; i++) {
    runner.Run("local t = {} for i = 1, 10000 do t[i] = {} end");
  }
  EXPECT_TRUE(runner.engine.Knows(Sha1Hex("return 1")));
  EXPECT_EQ(runner.engine.evicted_scripts(), 0u);
}

// A script that has failed for lack of memory leaves none of its garbage to the next one.
TEST(LimitsTest, AFailureForLackOfMemoryIsCleanedUp) {
  ScriptRunner runner(16 << 20);
  runner.Run("return 1");
  const size_t before = runner.engine.lua_bytes();
  EXPECT_THAT(runner.Run("local t = {} while true do t[#t + 1] = {} end"),
              HasSubstr("not enough memory"));
  EXPECT_LT(runner.engine.lua_bytes(), before + 200'000);
}

// The message of an error is copied out of the bounded memory.
TEST(LimitsTest, MessagesOfErrorsAreCut) {
  ScriptRunner runner;
  for (const char* script : {"error(('x'):rep(1000000))", "error({err = ('x'):rep(1000000)})",
                             "error('ERR ' .. ('x'):rep(1000000), 0)"}) {
    const std::string reply = runner.Run(script);
    EXPECT_GT(reply.size(), 60'000u) << script;
    EXPECT_LT(reply.size(), 70'000u) << script;
    EXPECT_THAT(reply, HasSubstr("xxx script: SHA, on @user_script:1.")) << script;
  }
}

// Lua takes places as ints.
TEST(LimitsTest, PlacesInTablesThatAreNoInts) {
  ScriptRunner runner;
  runner.host.most_looks = 10'000;
  EXPECT_THAT(runner.Run("table.insert({}, 2147483648, 1)"), HasSubstr("position out of bounds"));
  EXPECT_THAT(runner.Run("table.insert({}, -2147483648, 1)"), HasSubstr("position out of bounds"));
  EXPECT_THAT(runner.Run("table.insert({}, 6442450944, 1)"), HasSubstr("position out of bounds"));
  EXPECT_EQ(runner.Run("local t = {1, 2} table.insert(t, 4294967297, 3) return t"),
            "*3\r\n:3\r\n:1\r\n:2\r\n");
  EXPECT_EQ(runner.Run("local t = {1, 2} return {table.remove(t, 4294967297), #t}"),
            "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(runner.Run("local t = {1, 2} table.remove(t, -5000) table.remove(t, 2147483648) "
                       "return #t"),
            ":2\r\n");
  // Each moves all elements that follow, and counts them.
  for (const char* place : {"1", "4294967297"}) {
    ExpectEnds("local t = {} for i = 1, 100000 do t[i] = i end while true do table.remove(t, " +
               std::string(place) + ") t[#t + 1] = 1 end");
    ExpectEnds("local t = {} for i = 1, 100000 do t[i] = i end while true do table.insert(t, " +
               std::string(place) + ", 1) t[#t] = nil end");
  }
}

TEST(LimitsTest, KilledScriptsLeaveNoMemory) {
  ScriptRunner runner;
  const auto settle = [&] {
    for (int i = 0; i < 3; i++) {
      while (runner.engine.CollectSome()) {
      }
    }
    return runner.engine.lua_bytes();
  };
  runner.host.most_looks = 5;
  runner.Run("local t = {} while true do t[#t + 1] = {} end");
  const size_t before = settle();
  for (int i = 0; i < 100; i++) {
    runner.host.looks = 0;
    runner.Run("local t = {} while true do t[#t + 1] = {} end");
  }
  EXPECT_LT(settle(), before + 10'000);
}

}  // namespace
}  // namespace runnel
