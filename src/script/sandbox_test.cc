// That no script gets out of the sandbox, nor to another script. The names of reports (CVE) say
// what a test is about; the scripts are made from their descriptions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "script/testing.h"

namespace runnel {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Readonly(std::string_view place = "user_script:1: ") {
  return "-ERR " + std::string(place) +
         "Attempt to modify a readonly table script: SHA, on @user_script:1.\r\n";
}

// CVE-2022-0543: a library of Lua that was there because nobody had taken it away.
TEST(SandboxTest, NothingButTheLibraries) {
  ScriptRunner runner;
  EXPECT_EQ(
      runner.Run("local names = {} for name in pairs(_G) do names[#names + 1] = name end "
                 "table.sort(names) return table.concat(names, ' ')"),
      "$252\r\nARGV KEYS _G _VERSION assert bit cjson cmsgpack collectgarbage coroutine error "
      "gcinfo getmetatable ipairs load loadstring math next os pairs pcall rawequal rawget "
      "rawset redis select setmetatable string struct table tonumber tostring type unpack "
      "xpcall\r\n");
  EXPECT_EQ(runner.Run("local names = {} for name in pairs(os) do names[#names + 1] = name end "
                       "return names"),
            "*1\r\n$5\r\nclock\r\n");
  for (const char* name : {"debug", "io", "package", "require", "module", "dofile", "loadfile",
                           "print", "newproxy", "getfenv", "setfenv", "jit"}) {
    EXPECT_THAT(runner.Run("return " + std::string(name)),
                StartsWith("-ERR user_script:1: Script attempted to access nonexistent global "
                           "variable '" +
                           std::string(name) + "'"));
  }
}

TEST(SandboxTest, SharedTablesLookLikeTables) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("return {type(string), type(_G), next(string) and 1, #string, "
                       "rawget(string, 'rep') == string.rep and 1}"),
            "*5\r\n$5\r\ntable\r\n$5\r\ntable\r\n:1\r\n:0\r\n:1\r\n");
  EXPECT_EQ(runner.Run("local n = 0 for k, v in pairs(bit) do n = n + 1 end return n"), ":12\r\n");
  EXPECT_EQ(runner.Run("local n = 0 table.foreach(bit, function() n = n + 1 end) return n"),
            ":12\r\n");
  EXPECT_EQ(runner.Run("return tostring(({m = math}).m.pi)"), "$15\r\n3.1415926535898\r\n");
}

// CVE-2022-24735: what one script writes where others run it.
TEST(SandboxTest, SharedTablesCannotBeWritten) {
  ScriptRunner runner;
  for (const char* table :
       {"_G", "string", "table", "math", "redis", "cjson", "cmsgpack", "struct", "bit", "os",
        "coroutine", "getmetatable('')", "getmetatable(_G)", "getmetatable('').__index"}) {
    const std::string name(table);
    EXPECT_EQ(runner.Run("local t = " + name + " t.x = 1"), Readonly()) << name;
    EXPECT_EQ(runner.Run("local t = " + name + " t.__index = 1"), Readonly()) << name;
    EXPECT_EQ(runner.Run("local t = " + name + " t[1] = 1"), Readonly()) << name;
    EXPECT_EQ(runner.Run("for k in pairs(" + name + ") do " + name + "[k] = nil end"), Readonly())
        << name;
    EXPECT_EQ(runner.Run("rawset(" + name + ", 'x', 1)"), Readonly("")) << name;
    EXPECT_EQ(runner.Run("table.insert(" + name + ", 1)"), Readonly("")) << name;
    EXPECT_EQ(runner.Run("table.insert(" + name + ", 1, 1)"), Readonly("")) << name;
    EXPECT_EQ(runner.Run("setmetatable(" + name + ", {})"), Readonly("")) << name;
    EXPECT_EQ(runner.Run("setmetatable(" + name + ", nil)"), Readonly("")) << name;
    EXPECT_EQ(runner.Run("table.sort(" + name + ") table.remove(" + name + ") return 1"), ":1\r\n")
        << name;
    // What the attempts above have changed would be seen here.
    EXPECT_EQ(runner.Run("local t = " + name +
                         " return {rawget(t, 'x') and 1 or 0, "
                         "rawget(t, 1) and 1 or 0, ('x'):rep(2)}"),
              "*3\r\n:0\r\n:0\r\n$2\r\nxx\r\n")
        << name;
  }
}

TEST(SandboxTest, NoRealTableIsHandedOut) {
  ScriptRunner runner;
  constexpr std::string_view kScripts[] = {
      "local f, t = pairs(string) t.x = 1",
      "local f, t = ipairs(string) t.x = 1",
      "local t = select(2, pairs(_G)) t.x = 1",
      "_G._G._G.x = 1",
      "rawget(_G, 'string').x = 1",
      "rawget(getmetatable(''), '__index').x = 1",
      "for k, v in pairs(_G) do if k == 'string' then v.x = 1 end end",
      "local k, v = next(_G) while k ~= 'string' do k, v = next(_G, k) end v.x = 1",
      "table.foreach(_G, function(k, v) if k == 'string' then v.x = 1 end end)",
      "local t = setmetatable({}, {__index = _G}) t.string.x = 1",
      "xpcall(function() error(string) end, function(t) t.x = 1 error('seen') end) "
      "string.x = 1",
      "coroutine.wrap(function() string.x = 1 end)()",
      "loadstring('string.x = 1')()",
      "load(function() return nil end) assert(loadstring('x = 1'))()",
  };
  for (const std::string_view script : kScripts) {
    EXPECT_THAT(runner.Run(script), HasSubstr("Attempt to modify a readonly table")) << script;
  }
  // A metatable that is a shared table has no effect of its own, and a script's table is its own.
  EXPECT_EQ(runner.Run("local t = setmetatable({}, getmetatable('')) t.x = 1 return t.x"),
            ":1\r\n");
}

TEST(SandboxTest, GlobalsAreProtected) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("x = 1"), Readonly());
  EXPECT_EQ(runner.Run("KEYS = {}"), Readonly());
  EXPECT_EQ(runner.Run("function f() end"), Readonly());
  EXPECT_EQ(
      runner.Run("return x"),
      "-ERR user_script:1: Script attempted to access nonexistent global variable 'x' script: "
      "SHA, on @user_script:1.\r\n");
  EXPECT_EQ(runner.Run("return tostring(rawget(_G, 'x'))"), "$3\r\nnil\r\n");
  EXPECT_EQ(runner.Run("return loadstring('return x')()"),
            "-ERR [string \"return x\"]:1: Script attempted to access nonexistent global variable "
            "'x' script: SHA, on return x:1.\r\n");
}

// CVE-2025-46818: metatables of basic types, by which one script could reach the next one.
TEST(SandboxTest, MetatablesOfBasicTypes) {
  ScriptRunner runner;
  for (const char* value : {"1", "true", "nil", "print_ and 1", "function() end", "cjson.null",
                            "coroutine.create(function() end)", "'x'"}) {
    const std::string text = std::string(value) == "print_ and 1" ? "(next)" : value;
    EXPECT_THAT(runner.Run("setmetatable(" + text + ", {__index = function() end})"),
                HasSubstr("bad argument #1 to 'setmetatable' (table expected"))
        << text;
  }
  for (const char* value : {"1", "true", "nil", "next", "cjson.null", "string"}) {
    EXPECT_EQ(runner.Run("return tostring(getmetatable(" + std::string(value) + "))"),
              "$3\r\nnil\r\n")
        << value;
  }
  EXPECT_EQ(runner.Run("getmetatable('').__index = nil"), Readonly());
  EXPECT_EQ(runner.Run("getmetatable('').__add = function() end"), Readonly());
  EXPECT_EQ(runner.Run("return ('x'):upper()"), "$1\r\nX\r\n");
}

TEST(SandboxTest, AProtectedMetatableStaysProtected) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local t = setmetatable({}, {__metatable = 'mine'}) return getmetatable(t)"),
            "$4\r\nmine\r\n");
  EXPECT_THAT(runner.Run("setmetatable(setmetatable({}, {__metatable = 1}), {})"),
              HasSubstr("cannot change a protected metatable"));
}

TEST(SandboxTest, NoBytecode) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("return string.dump(function() end)"),
              HasSubstr("unable to dump given function"));
  EXPECT_EQ(runner.Run("local f, e = loadstring('\\27LuaQ') return e"),
            "$53\r\n[string \"\x1bLuaQ\"]:1: unexpected symbol near 'char(27)'\r\n");
  EXPECT_THAT(runner.Run("local n = 0 local f, e = load(function() n = n + 1 "
                         "return ({'\\27', 'LuaQ'})[n] end) return {tostring(f), e}"),
              StartsWith("*2\r\n$3\r\nnil\r\n"));
  EXPECT_EQ(runner.Run("\033LuaQ"),
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near "
            "'char(27)'\r\n");
}

TEST(SandboxTest, RunsDoNotSeeEachOther) {
  ScriptRunner runner;
  runner.Run(
      "cjson.encode_max_depth(3) cjson.encode_number_precision(2) redis.setresp(3) "
      "cjson.decode_invalid_numbers(false) collectgarbage('stop')");
  EXPECT_EQ(runner.Run("return {cjson.encode({{{{1.2345}}}}), cjson.decode('[0x10]')[1]}"),
            "*2\r\n$14\r\n[[[[1.2345]]]]\r\n:16\r\n");
  EXPECT_EQ(runner.Run("return redis.call('protocol')"), ":2\r\n");
  // A script has no locals from one run to the next.
  constexpr std::string_view kCounter = "local n = n_ or 0";
  EXPECT_THAT(runner.Run(kCounter), HasSubstr("nonexistent global variable"));
}

// CVE-2024-46981, and its kin: what a script does to the collector, and what a value does when it
// is collected.
TEST(SandboxTest, TheCollectorIsNotTheScripts) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("collectgarbage('stop') collectgarbage('setpause', 100000) "
                       "collectgarbage('setstepmul', 0) local n = 0 "
                       "for i = 1, 200000 do local t = {i} end return collectgarbage('count') < "
                       "4000 and 1 or 0"),
            ":1\r\n");
  EXPECT_EQ(runner.Run("collectgarbage('step', 1000) collectgarbage('step') "
                       "for i = 1, 100 do collectgarbage() end return 1"),
            ":1\r\n");
  // Only userdata has finalizers in this Lua, and a script gets none.
  runner.Run(
      "for i = 1, 1000 do setmetatable({}, {__gc = function() redis.call('set', 'k', 'v') "
      "end}) end collectgarbage() collectgarbage()");
  EXPECT_TRUE(runner.host.values.empty());
  for (int i = 0; i < 100; i++) {
    runner.Run("local t = {} for i = 1, 1000 do t[i] = {} end collectgarbage('step')");
    runner.engine.Flush();
  }
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
}

// CVE-2025-49844: the compiler held a name of which the collector did not know. Each piece of the
// text collects.
TEST(SandboxTest, CollectingWhileACompilerReads) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local n = 0 local f, e = load(function() n = n + 1 collectgarbage() "
                       "local junk = {} for i = 1, 200 do junk[i] = ('x'):rep(i) end "
                       "if n < 100 then return 'local a' .. n .. ' = \"' .. n .. '\" ' end "
                       "if n == 100 then return 'return (nil).x' end end, 'a name ' .. n) "
                       "local ok, e = pcall(f) return e"),
            "$51\r\n[string \"a name 0\"]:1: attempt to index a nil value\r\n")
      << "only the text of the error may differ";
  std::string long_name(1000, 'n');
  EXPECT_EQ(
      runner.Run("for i = 1, 300 do loadstring('return ' .. i, ('name'):rep(i)) end return 1"),
      ":1\r\n");
}

// CVE-2025-46819: a separator of a long string that is longer than its counter.
TEST(SandboxTest, LongSeparators) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("local f, e = loadstring('return [' .. ('='):rep(1000000) .. '[x') "
                         "return e"),
              HasSubstr("unfinished long string"));
  EXPECT_THAT(runner.Run("local s = ('='):rep(1000000) "
                         "return loadstring('return [' .. s .. '[x]' .. s .. ']')()"),
              StartsWith("$1\r\nx"));
}

// CVE-2025-46817: bounds that overflow an int.
TEST(SandboxTest, UnpackWithHugeBounds) {
  ScriptRunner runner;
  for (const char* bounds : {"-2147483648, 2147483647", "0, 2147483647", "-1, 2147483647",
                             "1, 2147483647", "-2147483648, -1", "-2147483648, 0", "1, 1e300",
                             "-1e300, 1e300", "-2147483648, -2147400000", "1, 8001"}) {
    EXPECT_THAT(runner.Run("return {unpack({}, " + std::string(bounds) + ")}"),
                HasSubstr("too many results to unpack"))
        << bounds;
  }
  EXPECT_EQ(runner.Run("return {unpack({1, 2}, 2147483647, 2147483647)}"), "*0\r\n");
  EXPECT_EQ(runner.Run("return {unpack({1, 2}, 1, -1)}"), "*0\r\n");
  EXPECT_EQ(runner.Run("return select('#', unpack({}, 1, 7000))"), ":7000\r\n");
}

// CVE-2024-31449: bit.tohex with a number of digits that has no negative.
TEST(SandboxTest, ToHexWithAnyNumberOfDigits) {
  ScriptRunner runner;
  EXPECT_EQ(
      runner.Run("return {bit.tohex(65535, -2147483648), bit.tohex(65535, 2147483647), "
                 "bit.tohex(65535, -2147483647), bit.tohex(65535, 0), bit.tohex(65535, 1e300)}"),
      "*5\r\n$8\r\n0000FFFF\r\n$8\r\n0000ffff\r\n$8\r\n0000FFFF\r\n$0\r\n\r\n$8\r\n0000FFFF\r\n");
}

// CVE-2022-24834: results of cjson and cmsgpack whose size overflows.
TEST(SandboxTest, EncodingMoreThanThereIsRoomFor) {
  ScriptRunner runner(64 << 20);
  EXPECT_THAT(runner.Run("local s = ('\\1'):rep(10000000) return cjson.encode({s, s, s, s})"),
              HasSubstr("not enough memory"));
  EXPECT_THAT(runner.Run("local s = ('x'):rep(10000000) local t = {} "
                         "for i = 1, 500 do t[i] = s end return cjson.encode(t)"),
              HasSubstr("not enough memory"));
  EXPECT_THAT(runner.Run("local s = ('x'):rep(10000000) local t = {} "
                         "for i = 1, 500 do t[i] = s end return cmsgpack.pack(t)"),
              HasSubstr("not enough memory"));
  EXPECT_THAT(runner.Run("local s = ('x'):rep(10000000) "
                         "return struct.pack(('s'):rep(100), unpack((function() local t = {} "
                         "for i = 1, 100 do t[i] = s end return t end)()))"),
              HasSubstr("not enough memory"));
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
  EXPECT_THAT(runner.Run("cjson.encode_sparse_array(false, 0) cjson.encode_keep_buffer(false) "
                         "return cjson.encode({[1] = 1, [2147483647] = 2})"),
              HasSubstr("not enough memory"));
}

// CVE-2018-11218, CVE-2021-32626: cmsgpack and the room on Lua's stack.
TEST(SandboxTest, MsgpackNeedsStack) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("return cmsgpack.unpack(('\\145'):rep(100000) .. '\\1')"),
              HasSubstr("stack overflow"));
  EXPECT_THAT(runner.Run("return cmsgpack.unpack(('\\129\\1'):rep(100000) .. '\\1')"),
              HasSubstr("stack overflow"));
  EXPECT_THAT(runner.Run("return cmsgpack.unpack(('\\129'):rep(100000) .. '\\1')"),
              HasSubstr("stack overflow"));
  EXPECT_THAT(runner.Run("return cmsgpack.unpack(('\\1'):rep(100000))"),
              HasSubstr("too many return values"));
  EXPECT_THAT(runner.Run("return cmsgpack.unpack('\\221\\255\\255\\255\\255')"),
              HasSubstr("Missing bytes in input."));
  EXPECT_EQ(runner.Run("local t = {} t[1] = t return #cmsgpack.pack(t)"), ":17\r\n");
  EXPECT_EQ(runner.Run("return #cmsgpack.pack(unpack({}, 1, 3000))"), ":3000\r\n");
}

TEST(SandboxTest, MsgpackRoundTrip) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Run("local v = {1, {a = {b = {c = {true, false, -1.5}}}}, 'x'} "
                       "return cjson.encode(cmsgpack.unpack(cmsgpack.pack(v)))"),
            "$43\r\n[1,{\"a\":{\"b\":{\"c\":[true,false,-1.5]}}},\"x\"]\r\n");
  EXPECT_EQ(runner.Run("local t = {} for i = 1, 70000 do t[i] = i end "
                       "local u = cmsgpack.unpack(cmsgpack.pack(t)) return {#u, u[1], u[70000]}"),
            "*3\r\n:70000\r\n:1\r\n:70000\r\n");
}

// CVE-2015-8080, CVE-2018-11219, CVE-2020-14147: numbers in formats of struct that overflow.
TEST(SandboxTest, StructWithHugeNumbers) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("return struct.pack('>I2147483648', 10)"),
              HasSubstr("integral size overflow"));
  EXPECT_THAT(runner.Run("return struct.pack('>I2147483646', 10)"),
              HasSubstr("is larger than limit of 32"));
  EXPECT_THAT(runner.Run("return struct.pack('>I18446744073709551617', 10)"),
              HasSubstr("integral size overflow"));
  EXPECT_THAT(runner.Run("return struct.unpack('!4294967297', 'a')"),
              HasSubstr("integral size overflow"));
  EXPECT_THAT(runner.Run("return struct.unpack('c2147483647', 'a')"),
              HasSubstr("data string too short"));
  EXPECT_THAT(runner.Run("return struct.unpack('b', 'ab', 2147483648)"),
              HasSubstr("data string too short"));
  EXPECT_THAT(runner.Run("return struct.unpack('b', 'ab', -9223372036854775808)"),
              HasSubstr("data string too short"));
  EXPECT_THAT(runner.Run("return struct.unpack('dc0', struct.pack('d', -1) .. 'a')"),
              HasSubstr("data string too short"));
  EXPECT_THAT(runner.Run("return struct.unpack('dc0', struct.pack('d', 0/0) .. 'a')"),
              HasSubstr("data string too short"));
  EXPECT_THAT(runner.Run("return struct.unpack(('b'):rep(10000), ('x'):rep(10000))"),
              HasSubstr("too many results"));
  EXPECT_EQ(runner.Run("return struct.size(('c2147483647'):rep(10))"), ":21474836470\r\n");
}

TEST(SandboxTest, NumbersInJson) {
  ScriptRunner runner;
  EXPECT_EQ(
      runner.Run("return cjson.encode({1, -1, 0, tonumber('-0'), 99999999999999, -99999999999999, "
                 "100000000000000, 123456789012345, 0.1, 1e300})"),
      "$79\r\n[1,-1,0,-0,99999999999999,-99999999999999,1e+14,1.2345678901234e+14,0.1,"
      "1e+300]\r\n");
  EXPECT_EQ(runner.Run("local r = {} for i, v in ipairs(cjson.decode('[1,-1,0,-0,999999999999999,"
                       "9999999999999999,12 , 13]')) do r[i] = string.format('%.17g', v) end "
                       "return table.concat(r, ' ')"),
            "$49\r\n1 -1 0 -0 999999999999999 10000000000000000 12 13\r\n");
}

TEST(SandboxTest, DeepJson) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("return cjson.decode(('['):rep(1001))"),
              HasSubstr("Found too many nested data structures (1001)"));
  // The option may say more than there is room for.
  EXPECT_THAT(
      runner.Run("cjson.decode_max_depth(2147483647) return cjson.decode(('['):rep(100000))"),
      HasSubstr("Found too many nested data structures"));
  EXPECT_THAT(runner.Run("cjson.encode_max_depth(2147483647) local t = {} t[1] = t "
                         "return cjson.encode(t)"),
              HasSubstr("excessive nesting"));
}

TEST(SandboxTest, TablesThatContainThemselvesAreRepliesWithAnEnd) {
  ScriptRunner runner;
  EXPECT_THAT(runner.Run("local t = {} t[1] = t return t"), HasSubstr("reached lua stack limit"));
  EXPECT_EQ(runner.result.end, ScriptResult::kFailed);
  EXPECT_THAT(runner.Run("local t = {} t.map = {a = t} return t"),
              HasSubstr("reached lua stack limit"));
}

}  // namespace
}  // namespace runnel
