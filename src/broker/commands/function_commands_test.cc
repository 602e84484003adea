// FUNCTION, FCALL and FCALL_RO.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/function_dump.h"
#include "broker/functions.h"
#include "broker/testing.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/function_effects.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Library(const std::string& name, const std::string& body) {
  return "#!lua name=" + name + "\n" + body;
}
// One function that answers with a number.
std::string Answering(const std::string& name, const std::string& function, int answer) {
  return Library(name, "redis.register_function('" + function + "', function() return " +
                           std::to_string(answer) + " end)");
}

class FunctionCommandsTest : public ::testing::Test {
 protected:
  FunctionCommandsTest() {
    SetLogLevel(LogLevel::kNothing);
    for (const auto family : {ConnectionCommands(), TransactionCommands(), ScriptCommands(),
                              FunctionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    client_ = harness_.Connect();
  }
  ~FunctionCommandsTest() override {
    client_.reset();
    SetLogLevel(LogLevel::kVerbose);
  }

  std::string Run(const std::string& line) { return client_->Run(line); }
  std::string Ask(std::vector<std::string> args) {
    client_->Request(std::move(args));
    return client_->Lines();
  }
  std::string Load(const std::string& code) { return Ask({"FUNCTION", "LOAD", code}); }
  std::string Replace(const std::string& code) {
    return Ask({"FUNCTION", "LOAD", "REPLACE", code});
  }
  // The payload of FUNCTION DUMP.
  std::string Dump() {
    client_->Request({"FUNCTION", "DUMP"});
    const std::string reply = client_->Received();
    const size_t begin = reply.find("\r\n") + 2;
    return reply.substr(begin, reply.size() - begin - 2);
  }
  // A dump of these texts.
  static std::string DumpOf(const std::vector<std::string>& codes) {
    FunctionCatalog catalog;
    for (const std::string& code : codes) {
      // In their order.
      const std::string name = std::to_string(1'000'000 + catalog.size());
      catalog.Put({name, code, {{"f" + name}}});
    }
    return DumpFunctions(catalog);
  }
  const FunctionCatalog& catalog() { return harness_.keyspace.functions(); }
  // As effects of a leader, or those of the journal, do it.
  void PutAsLeader(const StoredLibrary& library) {
    PutLibrary(library).effect().Apply(harness_.keyspace);
  }
  const FunctionLibraries& compiled() { return harness_.broker.scripts().engine().libraries(); }

  Settings settings_;
  BrokerHost host_;
  BrokerHarness harness_{settings_, host_};
  std::unique_ptr<BrokerHarness::Client> client_;
};

TEST_F(FunctionCommandsTest, AFunctionIsCalledWithKeysAndArguments) {
  EXPECT_EQ(Load(Library("l",
                         "redis.register_function('put', function(keys, args) "
                         "return redis.call('set', keys[1], args[1]) end)")),
            "$1 l");
  EXPECT_EQ(Run("FCALL put 1 k v"), "+OK");
  EXPECT_EQ(Run("GET k"), "$1 v");
  EXPECT_EQ(Run("FCALL PUT 1 k w"), "+OK");
  EXPECT_EQ(Run("FCALL none x"), "-ERR Function not found");
  EXPECT_EQ(Run("FCALL put x"), "-ERR Bad number of keys provided");
  EXPECT_EQ(Run("FCALL put -1"), "-ERR Number of keys can't be negative");
  EXPECT_EQ(Run("FCALL put 2 k"), "-ERR Number of keys can't be greater than number of args");
  EXPECT_EQ(Run("FCALL_RO put 1 k v"),
            "-ERR Can not execute a script with write flag using *_ro command.");
}

TEST_F(FunctionCommandsTest, FlagsOfAFunctionAreItsPermissions) {
  EXPECT_EQ(Load(Library("l",
                         "local function get(keys) return redis.call('get', keys[1]) end\n"
                         "local function set(keys) return redis.call('set', keys[1], 1) end\n"
                         "local function add(name, callback, flags) redis.register_function{"
                         "function_name=name, callback=callback, flags=flags} end\n"
                         "add('plain', get, {})\n"
                         "add('reads', get, {'no-writes'})\n"
                         "add('lies', set, {'no-writes'})\n"
                         "add('large', set, {'allow-oom'})\n"
                         "add('stale', get, {'no-writes', 'allow-stale'})\n")),
            "$1 l");
  Run("SET k v");
  EXPECT_EQ(Run("FCALL_RO reads 1 k"), "$1 v");
  EXPECT_THAT(Run("FCALL lies 1 k"),
              StartsWith("-ERR Write commands are not allowed from read-only scripts. script: "
                         "lies, on @user_function:"));
  settings_.maxmemory = 1;
  EXPECT_EQ(Run("FCALL plain 1 k"), "-OOM command not allowed when used memory > 'maxmemory'.");
  EXPECT_EQ(Run("FCALL reads 1 k"), "$1 v");
  EXPECT_EQ(Run("FCALL large 1 k"), "+OK");
  EXPECT_EQ(Load(Answering("m", "f", 1)),
            "-OOM command not allowed when used memory > 'maxmemory'.");
}

TEST_F(FunctionCommandsTest, LoadingListingAndRemoving) {
  EXPECT_EQ(Load("return 1"), "-ERR Missing library metadata");
  EXPECT_EQ(Ask({"FUNCTION", "LOAD", "x", Answering("l", "f", 1)}), "-ERR Unknown option given: x");
  EXPECT_EQ(Load(Answering("l", "f", 1)), "$1 l");
  EXPECT_EQ(Load("#!lua name=l\n((("), "-ERR Library 'l' already exists");
  EXPECT_EQ(Load(Answering("m", "F", 2)), "-ERR Function F already exists");
  EXPECT_EQ(Load(Answering("m", "g", 2)), "$1 m");
  EXPECT_EQ(Replace(Answering("m", "f", 2)), "-ERR Function f already exists");
  EXPECT_EQ(Run("FCALL g 0"), ":2");
  EXPECT_EQ(Replace(Answering("m", "h", 3)), "$1 m");
  EXPECT_EQ(Run("FCALL g 0"), "-ERR Function not found");
  EXPECT_EQ(Run("FCALL h 0"), ":3");
  EXPECT_EQ(Run("FUNCTION LIST LIBRARYNAME L*"),
            "*1 *6 $12 library_name $1 l $6 engine $3 LUA $9 functions *1 *6 $4 name $1 f $11 "
            "description $-1 $5 flags *0");
  EXPECT_EQ(Run("FUNCTION STATS"),
            "*4 $14 running_script $-1 $7 engines *2 $3 LUA *4 $15 libraries_count :2 $15 "
            "functions_count :2");
  EXPECT_EQ(Run("FUNCTION KILL"), "-NOTBUSY No scripts in execution right now.");
  EXPECT_EQ(Run("FUNCTION DELETE x"), "-ERR Library not found");
  EXPECT_EQ(Run("FUNCTION DELETE l"), "+OK");
  EXPECT_EQ(Run("FCALL f 0"), "-ERR Function not found");
  EXPECT_EQ(Run("FLUSHALL"), "+OK");
  EXPECT_EQ(Run("FCALL h 0"), ":3");
  EXPECT_EQ(Run("SCRIPT FLUSH"), "+OK");
  EXPECT_EQ(Run("FCALL h 0"), ":3");
  EXPECT_EQ(Run("FUNCTION FLUSH ASYNC"), "+OK");
  EXPECT_EQ(Run("FUNCTION LIST"), "*0");
  EXPECT_EQ(compiled().function_count(), 0u);
}

TEST_F(FunctionCommandsTest, RestoringIsAllOrNothing) {
  Load(Answering("a", "f", 1));
  Load(Answering("b", "g", 2));
  const std::string dump = Dump();
  const auto restore = [&](const std::string& policy) {
    return Ask({"FUNCTION", "RESTORE", dump, policy});
  };
  EXPECT_EQ(Ask({"FUNCTION", "RESTORE", dump}), "-ERR Library a already exists");
  EXPECT_EQ(restore("replace"), "+OK");
  Run("FUNCTION DELETE a");
  EXPECT_EQ(restore("append"), "-ERR Library b already exists");
  EXPECT_EQ(Run("FCALL f 0"), "-ERR Function not found");
  Replace(Answering("b", "h", 3));
  Load(Answering("c", "g", 4));
  EXPECT_EQ(restore("replace"), "-ERR Function g already exists");
  EXPECT_EQ(Run("FCALL h 0"), ":3");
  EXPECT_EQ(restore("flush"), "+OK");
  EXPECT_EQ(Run("FCALL f 0"), ":1");
  EXPECT_EQ(Run("FCALL g 0"), ":2");
  EXPECT_EQ(Run("FCALL h 0"), "-ERR Function not found");
  EXPECT_EQ(catalog().size(), 2u);
  // Functions that have changed their libraries.
  Run("FUNCTION FLUSH");
  Load(Answering("a", "g", 5));
  Load(Answering("b", "f", 6));
  EXPECT_EQ(restore("REPLACE"), "+OK");
  EXPECT_EQ(Run("FCALL f 0"), ":1");
  EXPECT_EQ(restore("x"),
            "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
}

// What a start finds, or what a leader has stated.
TEST_F(FunctionCommandsTest, ALibraryIsCompiledWhenItIsCalled) {
  PutAsLeader({"l", Answering("l", "f", 1), {{"f"}}});
  PutAsLeader({"m", Answering("m", "g", 2), {{"g"}}});
  EXPECT_EQ(harness_.broker.scripts().known(), nullptr);
  EXPECT_THAT(Run("FUNCTION LIST WITHCODE"), HasSubstr("register_function"));
  EXPECT_EQ(harness_.broker.scripts().known(), nullptr);
  EXPECT_EQ(Run("FCALL f 0"), ":1");
  EXPECT_EQ(compiled().function_count(), 1u);
  PutAsLeader({"l", Answering("l", "f", 3), {{"f"}}});
  EXPECT_EQ(Run("FCALL f 0"), ":3");
  FunctionLibrary gone;
  gone.change = LibraryChange::kRemove;
  gone.name = "l";
  gone.Apply(harness_.keyspace);
  PutAsLeader({"k", Answering("k", "f", 4), {{"f"}}});
  EXPECT_EQ(Run("FCALL f 0"), ":4");
  EXPECT_EQ(Run("FCALL g 0"), ":2");
  EXPECT_EQ(compiled().function_count(), 2u);
  harness_.keyspace.Clear();
  EXPECT_EQ(Run("FCALL g 0"), "-ERR Function not found");
}

TEST_F(FunctionCommandsTest, ALibraryThatDoesNotLoadAnyMoreStays) {
  PutAsLeader({"bad", "#!lua name=bad\nfoo()", {{"f"}}});
  PutAsLeader({"other", Answering("other", "g", 1), {{"h"}}});
  PutAsLeader({"good", Answering("good", "g", 2), {{"g"}}});
  EXPECT_THAT(Run("FCALL f 0"),
              StartsWith("-ERR Function not available: its library 'bad' does not load any more: "
                         "Error registering functions: "));
  EXPECT_THAT(Run("FCALL h 0"), HasSubstr("it registers other functions than before"));
  EXPECT_EQ(Run("FCALL g 0"), ":2");
  EXPECT_THAT(Run("FUNCTION STATS"), HasSubstr("libraries_count :3"));
  const std::string dump = Dump();
  EXPECT_THAT(dump, HasSubstr("foo()"));
  EXPECT_EQ(Replace(Answering("bad", "f", 3)), "$3 bad");
  EXPECT_EQ(Run("FCALL f 0"), ":3");
  EXPECT_EQ(Run("FUNCTION DELETE other"), "+OK");
  EXPECT_EQ(Run("FCALL h 0"), "-ERR Function not found");
}

TEST_F(FunctionCommandsTest, ALackOfMemoryIsNoReasonForEver) {
  settings_.script_memory_max = 1 << 20;
  const std::string large = Library(
      "l", "local s = ('x'):rep(2000000) redis.register_function('f', function() return #s end)");
  PutAsLeader({"l", large, {{"f"}}});
  EXPECT_THAT(Run("FCALL f 0"), HasSubstr("not enough memory"));
  EXPECT_THAT(Replace(large), HasSubstr("not enough memory"));
  settings_.script_memory_max = 64 << 20;
  EXPECT_EQ(Run("FCALL f 0"), ":2000000");
  // The texts themselves have a bound, too.
  Run("FUNCTION FLUSH");
  PutAsLeader({"l", std::string(3 << 20, 'x'), {{"f"}}});
  settings_.script_memory_max = 2 << 20;
  EXPECT_EQ(Load(Answering("m", "g", 1)),
            "-ERR the libraries would take more than script-memory-max (2097152 bytes)");
  EXPECT_EQ(Run("FCALL g 0"), "-ERR Function not found");
  EXPECT_EQ(Replace(Answering("l", "f", 1)), "$1 l");
}

TEST_F(FunctionCommandsTest, BoundsOfLibraries) {
  EXPECT_THAT(Load(Answering("m", "g", 1) + std::string(Functions::kMostLibraryBytes, ' ')),
              StartsWith("-ERR a library may have 16777216 bytes"));
  for (size_t i = 0; i < Functions::kMostLibraries; i++) {
    const std::string number = std::to_string(i);
    PutAsLeader({"l" + number, Answering("l" + number, "f" + number, 1), {{"f" + number}}});
  }
  EXPECT_EQ(Load(Answering("m", "g", 1)), "-ERR there may be 10000 libraries");
  EXPECT_EQ(Replace(Answering("l7", "g", 1)), "$2 l7");
  EXPECT_EQ(Run("FCALL f7 0"), "-ERR Function not found");
  EXPECT_EQ(Run("FCALL f8 0"), ":1");
  Run("FUNCTION DELETE l7");
  EXPECT_EQ(Load(Answering("m", "g", 1)), "$1 m");
}

// All that is restored together has the bounds of one load, and what exceeds them is not looked at.
TEST_F(FunctionCommandsTest, BoundsOfRestoring) {
  const std::string broken = "this is no library";
  const auto restore = [&](const std::vector<std::string>& codes) {
    return Ask({"FUNCTION", "RESTORE", DumpOf(codes)});
  };
  const auto numbered = [](size_t count, const std::string& body) {
    std::vector<std::string> codes;
    for (size_t i = 0; i < count; i++) {
      const std::string number = std::to_string(i);
      codes.push_back(Answering("l" + number, "f" + number, 1) + body);
    }
    return codes;
  };
  std::vector<std::string> codes = numbered(Functions::kMostLibraries, "");
  codes.push_back(broken);
  EXPECT_EQ(restore(codes), "-ERR there may be 10000 libraries");
  EXPECT_THAT(restore(numbered(100, " for i = 1, 2e6 do end")), HasSubstr("FUNCTION LOAD timeout"));
  settings_.script_memory_max = 8 << 20;
  codes = numbered(3, "--" + std::string(3 << 20, ' '));
  codes.push_back(broken);
  EXPECT_EQ(restore(codes),
            "-ERR the libraries would take more than script-memory-max (8388608 bytes)");
  EXPECT_TRUE(catalog().empty());
  EXPECT_EQ(compiled().function_count(), 0u);
  codes.resize(2);
  EXPECT_EQ(restore(codes), "+OK");
  EXPECT_EQ(Run("FCALL f1 0"), ":1");
}

// It may have been the machine. But each try holds up the others.
TEST_F(FunctionCommandsTest, ALibraryThatTookTooLongIsTriedAgainLater) {
  PutAsLeader({"l", Answering("l", "f", 1) + " for i = 1, 1e6 do end", {{"f"}}});
  harness_.clock.asked = [&] { harness_.clock.steady_us += 1'000'000; };
  EXPECT_THAT(Run("FCALL f 0"), HasSubstr("FUNCTION LOAD timeout"));
  harness_.clock.asked = nullptr;
  EXPECT_THAT(Run("FCALL f 0"), HasSubstr("FUNCTION LOAD timeout"));
  harness_.Advance(200'000);
  EXPECT_EQ(Run("FCALL f 0"), ":1");
  // One that does too much stays as it is.
  PutAsLeader({"m", Answering("m", "g", 1) + " while true do end", {{"g"}}});
  EXPECT_THAT(Run("FCALL g 0"), HasSubstr("FUNCTION LOAD timeout"));
  uint64_t reads = 0;
  harness_.clock.asked = [&] { reads++; };
  harness_.Advance(200'000);
  EXPECT_THAT(Run("FCALL g 0"), HasSubstr("FUNCTION LOAD timeout"));
  harness_.clock.asked = nullptr;
  EXPECT_LT(reads, 100u);
}

TEST_F(FunctionCommandsTest, InATransaction) {
  Run("MULTI");
  Load(Answering("l", "f", 1));
  Run("FCALL f 0");
  Run("FUNCTION DELETE l");
  Run("FCALL f 0");
  EXPECT_EQ(Run("EXEC"), "*4 $1 l :1 +OK -ERR Function not found");
  // A script may call none of them.
  EXPECT_THAT(Ask({"EVAL", "return redis.call('function', 'list')", "0"}),
              StartsWith("-ERR This Redis command is not allowed from script"));
  EXPECT_THAT(Ask({"EVAL", "return redis.call('fcall', 'f', 0)", "0"}),
              StartsWith("-ERR This Redis command is not allowed from script"));
}

TEST_F(FunctionCommandsTest, AFunctionKeepsItsLocalsUntilItIsReplaced) {
  const std::string code = Library(
      "l", "local n = 0 redis.register_function('next', function() n = n + 1 return n end)");
  Load(code);
  EXPECT_EQ(Run("FCALL next 0"), ":1");
  EXPECT_EQ(Run("FCALL next 0"), ":2");
  Load(Answering("m", "g", 1));
  EXPECT_EQ(Run("FCALL next 0"), ":3");
  Replace(code);
  EXPECT_EQ(Run("FCALL next 0"), ":1");
}

TEST_F(FunctionCommandsTest, KeysOfAFunctionForOthers) {
  EXPECT_EQ(Run("COMMAND GETKEYS FCALL f 2 a b c"), "*2 $1 a $1 b");
  EXPECT_EQ(Run("COMMAND GETKEYS FCALL_RO f 1 a b c"), "*1 $1 a");
}

// Replaying what commands have stated gives the same state, and the engine never has anything else
// than the keyspace.
TEST_F(FunctionCommandsTest, RandomCommandsAreReplayed) {
  std::mt19937 random(7);
  const auto below = [&](uint32_t n) { return static_cast<int>(random() % n); };
  Keyspace replayed(harness_.keyspace.databases());
  Batch& batch = harness_.broker.log().batch();
  batch.set_on(true);
  std::string dump = Dump();
  int answer = 0;
  for (int i = 0; i < 3000; i++) {
    const std::string name(1, static_cast<char>('a' + below(4)));
    const std::string function = below(4) == 0 ? "shared" : "f" + name;
    switch (below(9)) {
      case 0:
      case 1:
        Load(Answering(name, function, ++answer));
        break;
      case 2:
      case 3:
        Replace(Answering(name, function, ++answer));
        break;
      case 4:
        Run("FUNCTION DELETE " + name);
        break;
      case 5:
        if (below(5) == 0) Run("FUNCTION FLUSH");
        break;
      case 6:
        dump = Dump();
        break;
      case 7:
        Ask({"FUNCTION", "RESTORE", dump,
             below(3) == 0   ? "FLUSH"
             : below(2) == 0 ? "REPLACE"
                             : "APPEND"});
        break;
      default: {
        const FunctionCatalog::Entry* const owner = catalog().OwnerOf(function);
        const std::string reply = Run("FCALL " + function + " 0");
        if (owner == nullptr) {
          ASSERT_EQ(reply, "-ERR Function not found");
        } else {
          ASSERT_THAT(owner->library->code, HasSubstr("return " + reply.substr(1) + " end"));
        }
      }
    }
    ASSERT_TRUE(Batch::ForEach(batch.bytes(), [&](const Record& record) {
      const Status status = Replay(record, replayed);
      EXPECT_TRUE(status.ok()) << status.message();
    }));
    batch.Clear();
    ASSERT_EQ(ContentOf(replayed), ContentOf(harness_.keyspace)) << i;
  }
  EXPECT_GT(answer, 1000);
  batch.set_on(false);
}

}  // namespace
}  // namespace runnel
