#include "script/function_libraries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "script/script_flags.h"
#include "script/testing.h"

namespace runnel {
namespace {

using ::testing::HasSubstr;

constexpr char kNameRule[] =
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one "
    "character long";

TEST(FunctionLibrariesTest, AFunctionGetsKeysAndArguments) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Load("#!lua name=lib\nredis.register_function('f', function(keys, args, ...) "
                        "return {keys, args, select('#', ...)} end)"),
            "lib");
  EXPECT_EQ(runner.Call("f", {"a"}, {"b", "c"}),
            "*3\r\n*1\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n:0\r\n");
  EXPECT_EQ(runner.Call("g"), "no such function");
}

// The answers of redis-server 7.0.15.
TEST(FunctionLibrariesTest, TheFirstLine) {
  ScriptRunner runner;
  constexpr struct {
    const char* code;
    const char* answer;
  } kCases[] = {
      {"", "Missing library metadata"},
      {"return 1\n", "Missing library metadata"},
      {"#!lua name=b", "Invalid library metadata"},
      {"#!lua name=\"mm\n", "Invalid library metadata"},
      {"#!lua\nreturn 1", "Library name was not given"},
      {"#!lua name=\n", kNameRule},
      {"#!lua name=a-b\n", kNameRule},
      {"#!lua name='a b'\n", kNameRule},
      {"#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"},
      {"#!lua name=a b=1\nx", "Invalid metadata value given: b=1"},
      {"#!lua name=a foo\n", "Invalid metadata value given: foo"},
      {"#!js name=a\n", "Engine 'js' not found"},
      {"#! name=a\n", "Engine '' not found"},
      {"#!lua name=a\nreturn 1", "No functions registered"},
  };
  for (const auto& item : kCases) {
    EXPECT_EQ(runner.Load(item.code), item.answer) << item.code;
  }
  EXPECT_EQ(runner.Load("#!LUA  NAME=\"b3\" \nredis.register_function('f', function() end)"), "b3");
}

TEST(FunctionLibrariesTest, Registering) {
  ScriptRunner runner;
  constexpr struct {
    const char* body;
    const char* error;
  } kCases[] = {
      {"redis.register_function()", "wrong number of arguments to redis.register_function"},
      {"redis.register_function('a', function() end, 1)",
       "wrong number of arguments to redis.register_function"},
      {"redis.register_function('a')",
       "calling redis.register_function with a single argument is only applicable to Lua table "
       "(representing named arguments)."},
      {"redis.register_function('a', 1)",
       "second argument to redis.register_function must be a function"},
      {"redis.register_function({}, function() end)",
       "first argument to redis.register_function must be a string"},
      {"redis.register_function({1})", "unknown argument given to redis.register_function"},
      {"redis.register_function{function_name='a', callback=function() end, foo=1}",
       "unknown argument given to redis.register_function"},
      {"redis.register_function{callback=function() end}",
       "redis.register_function must get a function name argument"},
      {"redis.register_function{function_name='a'}",
       "redis.register_function must get a callback argument"},
      {"redis.register_function{function_name='a', callback=1}",
       "callback argument given to redis.register_function must be a function"},
      {"redis.register_function{function_name={}, callback=function() end}",
       "function_name argument given to redis.register_function must be a string"},
      {"redis.register_function{function_name='a', callback=function() end, description={}}",
       "description argument given to redis.register_function must be a string"},
      {"redis.register_function{function_name='a', callback=function() end, flags=1}",
       "flags argument to redis.register_function must be a table representing function flags"},
      {"redis.register_function{function_name='a', callback=function() end, flags={'nope'}}",
       "unknown flag given"},
      {"redis.register_function{function_name='a', callback=function() end, flags={1}}",
       "unknown flag given"},
      {"redis.register_function('y-', function() end)", kNameRule},
      {"redis.register_function('', function() end)", kNameRule},
      {"redis.register_function('y', function() end) "
       "redis.register_function('y', function() end)",
       "Function already exists in the library"},
  };
  for (const auto& item : kCases) {
    EXPECT_EQ(runner.Load(std::string("#!lua name=l\n") + item.body),
              std::string("Error registering functions: ERR ") + item.error)
        << item.body;
  }
  EXPECT_EQ(runner.engine.libraries().function_count(), 0u);
}

TEST(FunctionLibrariesTest, NamedArguments) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Load("#!lua name=l\nredis.register_function{function_name='f', "
                        "callback=function() return 1 end, description='does it', "
                        "flags={'no-writes', 'allow-oom', 'allow-stale', 'no-cluster', "
                        "'allow-cross-slot-keys'}}\n"
                        "redis.register_function(7, function() return 7 end)"),
            "l");
  const ScriptFunction* function = runner.engine.libraries().Find("f");
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function->description, "does it");
  EXPECT_EQ(function->flags, kScriptNoWrites | kScriptAllowOom | kScriptAllowStale |
                                 kScriptNoCluster | kScriptAllowCrossSlotKeys);
  EXPECT_EQ(function->library->name, "l");
  EXPECT_EQ(runner.Call("f"), ":1\r\n");
  ASSERT_NE(runner.engine.libraries().Find("7"), nullptr);
  EXPECT_EQ(runner.engine.libraries().Find("7")->description, std::nullopt);
  EXPECT_EQ(runner.engine.libraries().Find("7")->flags, 0u);
  EXPECT_EQ(runner.Call("7"), ":7\r\n");
}

TEST(FunctionLibrariesTest, WhatALibrarySeesWhileItIsLoaded) {
  ScriptRunner runner;
  const auto missing = [](const std::string& name) {
    return "Error registering functions: ERR user_function:2: Script attempted to access "
           "nonexistent global variable '" +
           name + "'";
  };
  for (const char* name : {"error", "math", "string", "_G", "KEYS", "pcall", "tostring", "cjson"}) {
    EXPECT_EQ(runner.Load("#!lua name=l\nlocal x = " + std::string(name)), missing(name));
  }
  for (const char* name : {"call", "pcall", "sha1hex", "setresp", "error_reply", "status_reply",
                           "set_repl", "acl_check_cmd", "breakpoint"}) {
    EXPECT_EQ(runner.Load("#!lua name=l\nlocal x = redis." + std::string(name)), missing(name));
  }
  EXPECT_EQ(runner.Load("#!lua name=l\nx = 1"),
            "Error registering functions: ERR user_function:2: Attempt to modify a readonly table");
  EXPECT_EQ(runner.Load("#!lua name=l\nredis.x = 1"),
            "Error registering functions: ERR user_function:2: Attempt to modify a readonly table");
  EXPECT_EQ(runner.Load("#!lua name=l\nlocal a = "),
            "Error compiling function: user_function:2: unexpected symbol near '<eof>'");
  EXPECT_EQ(runner.Load("#!lua name=l\nlocal a = {} a.b.c = 1"),
            "Error registering functions: ERR user_function:2: attempt to index field 'b' (a nil "
            "value)");
  EXPECT_EQ(runner.Load("#!lua name=l\nredis.log(9, 'x')"),
            "Error registering functions: ERR Invalid debug level.");
  EXPECT_EQ(runner.Load("#!lua name=l\nlocal x = ('x'):upper() redis.log(redis.LOG_DEBUG, x) "
                        "redis.register_function('f', function() return x end)"),
            "l");
  EXPECT_EQ(runner.Call("f"), "$1\r\nX\r\n");
}

TEST(FunctionLibrariesTest, WhatAFunctionSees) {
  ScriptRunner runner;
  ASSERT_EQ(runner.Load("#!lua name=l\n"
                        "redis.register_function('names', function() local t = {} "
                        "for k in pairs(redis) do t[#t + 1] = k end table.sort(t) "
                        "return table.concat(t, ' ') end)\n"
                        "redis.register_function('keys', function() return KEYS end)\n"
                        "redis.register_function('global', function() x = 1 end)\n"
                        "redis.register_function('register', function() "
                        "redis.register_function('x', 1) end)\n"
                        "redis.register_function('env', function() "
                        "return loadstring('return type(redis.breakpoint)')() end)"),
            "l");
  EXPECT_EQ(
      runner.Call("names"),
      "$207\r\nLOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM "
      "REPL_ALL REPL_AOF REPL_NONE REPL_REPLICA REPL_SLAVE acl_check_cmd call error_reply log "
      "pcall set_repl setresp sha1hex status_reply\r\n");
  EXPECT_EQ(runner.Call("keys"),
            "-ERR user_function:3: Script attempted to access nonexistent global variable 'KEYS' "
            "script: keys, on @user_function:3.\r\n");
  EXPECT_EQ(runner.Call("global"),
            "-ERR user_function:4: Attempt to modify a readonly table script: global, on "
            "@user_function:4.\r\n");
  EXPECT_EQ(runner.Call("register"),
            "-ERR user_function:5: attempt to call field 'register_function' (a nil value) script: "
            "register, on @user_function:5.\r\n");
  EXPECT_EQ(runner.Call("env"), "$3\r\nnil\r\n");
}

TEST(FunctionLibrariesTest, RegisteringLaterIsRefused) {
  ScriptRunner runner;
  ASSERT_EQ(runner.Load("#!lua name=l\nlocal register = redis.register_function "
                        "redis.register_function('f', function() "
                        "register('g', function() end) end)"),
            "l");
  EXPECT_EQ(
      runner.Call("f"),
      "-ERR redis.register_function can only be called on FUNCTION LOAD command script: f, on "
      "@user_function:2.\r\n");
}

TEST(FunctionLibrariesTest, ALibraryKeepsWhatIsItsOwn) {
  ScriptRunner runner;
  constexpr std::string_view kCounter =
      "local n = 0 redis.register_function('NAME', function() n = n + 1 return n end)";
  const auto counter = [&](std::string name) {
    std::string code = "#!lua name=" + name + "\n" + std::string(kCounter);
    return code.replace(code.find("NAME"), 4, name);
  };
  ASSERT_EQ(runner.Load(counter("a")), "a");
  ASSERT_EQ(runner.Load(counter("b")), "b");
  EXPECT_EQ(runner.Call("a"), ":1\r\n");
  EXPECT_EQ(runner.Call("a"), ":2\r\n");
  EXPECT_EQ(runner.Call("b"), ":1\r\n");
  ASSERT_EQ(runner.Load(counter("a"), true), "a");
  EXPECT_EQ(runner.Call("a"), ":1\r\n");
}

TEST(FunctionLibrariesTest, Replacing) {
  ScriptRunner runner;
  const auto code = [](std::string library, std::string function) {
    return "#!lua name=" + library + "\nredis.register_function('" + function +
           "', function() return '" + library + "' end)";
  };
  ASSERT_EQ(runner.Load(code("a", "f")), "a");
  EXPECT_EQ(runner.Load(code("a", "f")), "Library 'a' already exists");
  EXPECT_EQ(runner.Load(code("b", "f")), "Function f already exists");
  ASSERT_EQ(runner.Load(code("b", "g")), "b");
  // A failure leaves what was there.
  EXPECT_EQ(runner.Load(code("a", "g"), true), "Function g already exists");
  EXPECT_EQ(runner.Call("f"), "$1\r\na\r\n");
  ASSERT_EQ(runner.Load(code("a", "h"), true), "a");
  EXPECT_EQ(runner.Call("f"), "no such function");
  EXPECT_EQ(runner.Call("h"), "$1\r\na\r\n");
  EXPECT_TRUE(runner.engine.libraries().Delete("a"));
  EXPECT_FALSE(runner.engine.libraries().Delete("a"));
  EXPECT_EQ(runner.Call("h"), "no such function");
  EXPECT_EQ(runner.engine.libraries().function_count(), 1u);
  runner.engine.libraries().Flush();
  EXPECT_EQ(runner.engine.libraries().function_count(), 0u);
  EXPECT_TRUE(runner.engine.libraries().libraries().empty());
  // Scripts are not libraries.
  EXPECT_EQ(runner.Run("return 1"), ":1\r\n");
}

TEST(FunctionLibrariesTest, CaseDoesNotMatterInNamesOfFunctions) {
  ScriptRunner runner;
  ASSERT_EQ(runner.Load("#!lua name=a\nredis.register_function('Func', function() return 1 end)"),
            "a");
  EXPECT_EQ(runner.Call("fUNC"), ":1\r\n");
  EXPECT_EQ(runner.Load("#!lua name=A\nredis.register_function('func', function() end)"),
            "Function func already exists");
  EXPECT_EQ(runner.Load("#!lua name=b\nredis.register_function('g', function() end)\n"
                        "redis.register_function('G', function() end)"),
            "Error registering functions: ERR Function already exists in the library");
}

TEST(FunctionLibrariesTest, WhatIsPreparedIsNotThereYet) {
  ScriptRunner runner;
  FunctionLibraries& libraries = runner.engine.libraries();
  const auto code = [](int answer) {
    return "#!lua name=l\nredis.register_function('f', function() return " +
           std::to_string(answer) + " end)";
  };
  ASSERT_EQ(runner.Load(code(1)), "l");
  WorkBudget budget = libraries.NewBudget();
  auto second = libraries.Prepare(code(2), budget);
  auto third = libraries.Prepare(code(3), budget);
  ASSERT_TRUE(second.ok() && third.ok());
  EXPECT_EQ(runner.Call("f"), ":1\r\n");
  libraries.Discard(std::move(*second));
  EXPECT_EQ(runner.Call("f"), ":1\r\n");
  EXPECT_EQ(libraries.Install(std::move(*third))->name, "l");
  EXPECT_EQ(runner.Call("f"), ":3\r\n");
  auto fourth = libraries.Prepare(code(4), budget);
  ASSERT_TRUE(fourth.ok());
  libraries.Flush();
  EXPECT_EQ(runner.Call("f"), "no such function");
  libraries.Install(std::move(*fourth));
  EXPECT_EQ(runner.Call("f"), ":4\r\n");
  EXPECT_EQ(libraries.function_count(), 1u);
  EXPECT_EQ(*FunctionLibraries::NameOf(code(1)), "l");
  EXPECT_FALSE(FunctionLibraries::NameOf("return 1").ok());
}

TEST(FunctionLibrariesTest, ALibraryCannotRegisterWithoutEnd) {
  ScriptRunner runner;
  const auto registers = [](const std::string& count, const std::string& what) {
    return "#!lua name=l\nfor i = 1, " + count +
           " do redis.register_function{function_name=" + what +
           ", callback=function() return 1 end} end";
  };
  EXPECT_EQ(runner.Load(registers("10000", "'f' .. i")), "l");
  EXPECT_EQ(runner.Call("f10000"), ":1\r\n");
  EXPECT_THAT(runner.Load(registers("10001", "'f' .. i"), true),
              HasSubstr("the library registers too many functions"));
  EXPECT_THAT(runner.Load(registers("11", "('f' .. i):rep(100000)"), true),
              HasSubstr("are too long"));
  EXPECT_EQ(runner.Call("f1"), ":1\r\n");
}

TEST(FunctionLibrariesTest, LoadingHasAnEnd) {
  ScriptRunner runner;
  EXPECT_EQ(runner.Load("#!lua name=l\nwhile true do end"),
            "Error registering functions: ERR FUNCTION LOAD timeout");
  EXPECT_THAT(runner.Load("#!lua name=l\nlocal function f() return f() + 1 end f()"),
              HasSubstr("stack overflow"));
  EXPECT_THAT(runner.Load("#!lua name=l\nlocal s = ('x'):rep(1000000000)"),
              HasSubstr("not enough memory"));
  EXPECT_THAT(runner.Load("#!lua name=l\nlocal t = {} for i = 1, 1e9 do t[i] = i end"),
              HasSubstr("not enough memory"));
  EXPECT_EQ(runner.Load("#!lua name=l\nredis.register_function('f', function() return 1 end)"),
            "l");
  EXPECT_EQ(runner.Call("f"), ":1\r\n");
}

// The instructions of these loops are few: their work is what they have Lua do. The clock stands.
// (A string that is there already is not made again, so one that does not change costs no memory:
// only the clock ends a loop about that.)
TEST(FunctionLibrariesTest, WhatALoadAllocatesAndCollectsIsWork) {
  ScriptRunner runner(256 << 20, [] { return int64_t{0}; });
  EXPECT_EQ(
      runner.Load("#!lua name=l\n"
                  "local s, n = ('x'):rep(2e7), 0 while true do n = n + 1 local t = s .. n end"),
      "Error registering functions: ERR FUNCTION LOAD timeout");
}

TEST(FunctionLibrariesTest, LoadingEndsByTheClock) {
  int64_t now = 0;
  int64_t step = 1'000'000;
  ScriptRunner runner(256 << 20, [&] { return now += step; });
  // Comparing is not counted.
  const std::string code =
      "#!lua name=l\nlocal s = ('x'):rep(100000) local a, b = s .. 'y', s .. 'z' "
      "for i = 1, 10000 do local c = a < b end "
      "redis.register_function('f', function() return 1 end)";
  EXPECT_EQ(runner.Load(code), "Error registering functions: ERR FUNCTION LOAD timeout");
  // And so is compiling, of libraries and of scripts.
  std::string text;
  while (text.size() < 1 << 20)
    text += "x = 1 ";
  EXPECT_EQ(runner.Load("#!lua name=l\n" + text),
            "Error compiling function: FUNCTION LOAD timeout");
  EXPECT_EQ(runner.Run(text), "-ERR Error compiling script (new function): it takes too long\r\n");
  step = 0;
  EXPECT_EQ(runner.Load(code), "l");
  EXPECT_EQ(runner.Call("f"), ":1\r\n");
}

TEST(FunctionLibrariesTest, LoadsShareABudget) {
  ScriptRunner runner(256 << 20, [] { return int64_t{0}; });
  FunctionLibraries& libraries = runner.engine.libraries();
  constexpr char kCode[] =
      "#!lua name=l\nfor i = 1, 2e6 do end redis.register_function('f', function() end)";
  WorkBudget budget = libraries.NewBudget();
  const uint64_t whole = budget.work;
  int loaded = 0;
  for (;; loaded++) {
    auto library = libraries.Prepare(kCode, budget);
    if (!library.ok()) break;
    libraries.Discard(std::move(*library));
    // At least an instruction for each time round.
    ASSERT_LE(budget.work, whole - 2'000'000 * static_cast<uint64_t>(loaded));
  }
  EXPECT_GT(loaded, 1);
  EXPECT_EQ(budget.work, 0u);
  EXPECT_FALSE(libraries.ran_out_of_time(budget));
  WorkBudget other = libraries.NewBudget();
  auto library = libraries.Prepare(kCode, other);
  ASSERT_TRUE(library.ok());
  libraries.Discard(std::move(*library));
}

TEST(FunctionLibrariesTest, WhichFunctionsKeepState) {
  ScriptRunner runner;
  ASSERT_EQ(runner.Load("#!lua name=l\nlocal n = 0 local function one() return 1 end "
                        "local function add(name, f) redis.register_function(name, f) end "
                        "add('counts', function() n = n + 1 return n end) "
                        "add('helped', function() return one() end) "
                        "add('nested', function() return function() n = n + 1 end end) "
                        "add('own', function() local m = 0 "
                        "local function count() m = m + 1 end count() return m end) "
                        "add('plain', function(keys) return redis.call('get', keys[1]) end) "
                        "redis.register_function{function_name='named', callback=function() "
                        "return n end}"),
            "l");
  const auto keeps = [&](const char* name) {
    return runner.engine.libraries().Find(name)->keeps_state;
  };
  for (const char* const name : {"counts", "helped", "nested", "named"}) {
    EXPECT_TRUE(keeps(name)) << name;
  }
  EXPECT_FALSE(keeps("own"));
  EXPECT_FALSE(keeps("plain"));
}

// Strings that are compared may be older than the run.
TEST(FunctionLibrariesTest, TheHostIsAskedMoreOftenWhenALibraryKeepsLargeStrings) {
  ScriptRunner runner;
  ASSERT_EQ(runner.Load("#!lua name=l\nlocal s = ('x'):rep(3000000) "
                        "local a, b = s .. 'y', s .. 'z' "
                        "redis.register_function('f', function() "
                        "for i = 1, 1000 do local c = a < b end end)"),
            "l");
  EXPECT_EQ(runner.Call("f"), "$-1\r\n");
  EXPECT_GT(runner.host.looks, 10);
}

TEST(FunctionLibrariesTest, FunctionsEndAsScriptsDo) {
  ScriptRunner runner;
  constexpr char kCode[] =
      "#!lua name=l\n"
      "redis.register_function('loop', function() while true do end end)\n"
      "redis.register_function('cold', function() "
      "return tostring(math.random()) .. redis.call('ping').ok .. tostring(math.random()) end)\n"
      "redis.register_function('fails', function() return redis.call('get') end)";
  ASSERT_EQ(runner.Load(kCode), "l");
  runner.host.most_looks = 10;
  EXPECT_EQ(
      runner.Call("loop"),
      "-ERR Script killed by user with SCRIPT KILL... script: loop, on @user_function:2.\r\n");
  EXPECT_EQ(runner.result.end, ScriptResult::kKilled);
  runner.host.most_looks = 1'000'000;
  EXPECT_EQ(runner.Call("fails"),
            "-ERR Wrong number of args calling Redis command from script script: fails, on "
            "@user_function:4.\r\n");
  ScriptRunner other;
  ASSERT_EQ(other.Load(kCode), "l");
  other.host.not_now_at_call = 1;
  EXPECT_EQ(other.Call("cold"), "");
  EXPECT_EQ(other.result.end, ScriptResult::kNotNow);
  EXPECT_EQ(other.Call("cold"), runner.Call("cold"));
}

}  // namespace
}  // namespace runnel
