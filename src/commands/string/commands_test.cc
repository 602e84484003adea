#include <string>

#include "commands/families.h"
#include "commands/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StringCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }

  CommandRunner runner_{StringCommands(), ListCommands(), KeyspaceCommands()};
};

TEST_F(StringCommandsTest, SetIsOneEffectWhateverWasThere) {
  EXPECT_EQ(Run("SET k v"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set"));
  EXPECT_THAT(runner_.events(), ElementsAre("new k", "set k"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added k"));
  EXPECT_EQ(Run("SET k w"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("set k"));
  EXPECT_THAT(runner_.changes(), ElementsAre("modified k"));
  Run("RPUSH q a");
  EXPECT_EQ(Run("SET q w"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("set q"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added q"));
  EXPECT_EQ(Run("GET q"), "$1 w");
}

TEST_F(StringCommandsTest, SetTakesTheExpiryAwayUnlessToldToKeepIt) {
  Run("SET k v EX 100");
  EXPECT_THAT(runner_.events(), ElementsAre("new k", "set k", "expire k"));
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set"));
  EXPECT_EQ(Run("TTL k"), ":100");
  Run("SET k w KEEPTTL");
  EXPECT_THAT(runner_.events(), ElementsAre("set k"));
  EXPECT_EQ(Run("TTL k"), ":100");
  Run("SET k x");
  EXPECT_EQ(Run("TTL k"), ":-1");
  Run("SET k x KEEPTTL");
  EXPECT_EQ(Run("TTL k"), ":-1");
}

TEST_F(StringCommandsTest, SetTakesTimesInFourWays) {
  Run("SET k v PX 1500");
  EXPECT_EQ(Run("PTTL k"), ":1500");
  Run("SET k v EXAT 1700000010");
  EXPECT_EQ(Run("PTTL k"), ":10000");
  Run("SET k v PXAT 1700000000007");
  EXPECT_EQ(Run("PTTL k"), ":7");
  Run("SETEX k 3 v");
  EXPECT_EQ(Run("PTTL k"), ":3000");
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Run("PSETEX k 3 v"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("set k", "expire k"));
  EXPECT_EQ(Run("PTTL k"), ":3");
}

TEST_F(StringCommandsTest, ConditionsAndGetOfSet) {
  EXPECT_EQ(Run("SET k v XX"), "$-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SET k v NX"), "+OK");
  EXPECT_EQ(Run("SET k w NX"), "$-1");
  EXPECT_EQ(Run("SET k w NX GET"), "$1 v");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SET k w XX GET"), "$1 v");
  EXPECT_EQ(Run("SET new w NX GET"), "$-1");
  EXPECT_THAT(runner_.events(), ElementsAre("keymiss new", "new new", "set new"));
  EXPECT_EQ(Run("GET new"), "$1 w");
  Run("RPUSH q a");
  EXPECT_EQ(Run("SET q w GET").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Run("SET q w XX"), "+OK");
}

TEST_F(StringCommandsTest, OptionsThatContradictAreASyntaxError) {
  for (const char* line :
       {"SET k v NX XX", "SET k v EX 1 PX 1", "SET k v EX 1 KEEPTTL", "SET k v KEEPTTL EX 1",
        "SET k v EX", "SET k v PERSIST", "SET k v ODD", "GETEX k EX 1 PERSIST",
        "GETEX k PERSIST EX 1", "GETEX k KEEPTTL", "GETEX k PXAT 1 EXAT 1"}) {
    EXPECT_EQ(Run(line), "-ERR syntax error") << line;
  }
  EXPECT_EQ(Run("SET k v NX NX EX 5 EX 6 GET GET"), "$-1");
  EXPECT_EQ(Run("TTL k"), ":6");
}

TEST_F(StringCommandsTest, ExpiriesAreChecked) {
  EXPECT_EQ(Run("SET k v EX 0"), "-ERR invalid expire time in 'set' command");
  EXPECT_EQ(Run("SET k v PXAT -1"), "-ERR invalid expire time in 'set' command");
  EXPECT_EQ(Run("SET k v EX 9223372036854775807"), "-ERR invalid expire time in 'set' command");
  EXPECT_EQ(Run("SET k v PX 9223372036854775807"), "-ERR invalid expire time in 'set' command");
  EXPECT_EQ(Run("SET k v EX x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("SETEX k 0 v"), "-ERR invalid expire time in 'setex' command");
  EXPECT_EQ(Run("PSETEX k -5 v"), "-ERR invalid expire time in 'psetex' command");
  Run("SET k v");
  EXPECT_EQ(Run("GETEX k EX 0"), "-ERR invalid expire time in 'getex' command");
  // The last of all times is not "never".
  EXPECT_EQ(Run("SET k v PXAT 9223372036854775807"), "+OK");
  EXPECT_EQ(Run("PEXPIRETIME k"), ":9223372036854775807");
  EXPECT_EQ(Run("PEXPIREAT k 9223372036854775807 GT"), ":0");
  EXPECT_EQ(Run("PERSIST k"), ":1");
  EXPECT_EQ(Run("PEXPIRETIME k"), ":-1");
  EXPECT_EQ(Run("PEXPIREAT k 9223372036854775807 GT"), ":0");
  EXPECT_EQ(Run("PEXPIREAT k 9223372036854775807 LT"), ":1");
  EXPECT_EQ(Run("GETEX k PXAT 9223372036854775806"), "$1 v");
  EXPECT_EQ(Run("PEXPIRETIME k"), ":9223372036854775806");
}

// A time that is over is no error: the key is there until somebody looks.
TEST_F(StringCommandsTest, SetWithATimeThatIsOver) {
  EXPECT_EQ(Run("SET k v PXAT 1"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("new k", "set k", "expire k"));
  EXPECT_EQ(Run("DBSIZE"), ":1");
  EXPECT_EQ(Run("GET k"), "$-1");
  EXPECT_THAT(runner_.events(), ElementsAre("expired k", "keymiss k"));
  EXPECT_EQ(Run("DBSIZE"), ":0");
}

TEST_F(StringCommandsTest, GetExChangesTheExpiryAfterTheAnswer) {
  EXPECT_EQ(Run("GETEX k EX 0"), "$-1");
  Run("SET k v");
  EXPECT_EQ(Run("GETEX k"), "$1 v");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("GETEX k EX 100"), "$1 v");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-expire"));
  EXPECT_THAT(runner_.events(), ElementsAre("expire k"));
  EXPECT_EQ(Run("GETEX k PERSIST"), "$1 v");
  EXPECT_THAT(runner_.events(), ElementsAre("persist k"));
  EXPECT_EQ(Run("GETEX k PERSIST"), "$1 v");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("GETEX k PXAT 1"), "$1 v");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("del k"));
}

TEST_F(StringCommandsTest, TakingAndReplacing) {
  EXPECT_EQ(Run("GETSET k a"), "$-1");
  EXPECT_EQ(Run("GETSET k b"), "$1 a");
  Run("EXPIRE k 10");
  EXPECT_EQ(Run("GETSET k c"), "$1 b");
  EXPECT_EQ(Run("TTL k"), ":-1");
  EXPECT_EQ(Run("GETDEL k"), "$1 c");
  EXPECT_THAT(runner_.events(), ElementsAre("del k"));
  EXPECT_EQ(Run("GETDEL k"), "$-1");
}

TEST_F(StringCommandsTest, ManyKeysAtOnce) {
  EXPECT_EQ(Run("MSET a 1 b 2 a 3"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("new a", "set a", "new b", "set b", "set a"));
  Run("RPUSH q x");
  EXPECT_EQ(Run("MGET a b none q"), "*4 $1 3 $1 2 $-1 $-1");
  EXPECT_EQ(Run("MSETNX c 1 a 2"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("MSETNX c 1 d 2"), ":1");
  EXPECT_EQ(Run("MSET a 1 b"), "-ERR wrong number of arguments for 'mset' command");
  EXPECT_EQ(Run("MSETNX a 1 b"), "-ERR wrong number of arguments for 'msetnx' command");
}

TEST_F(StringCommandsTest, HitsAndMissesOfReadsAreCounted) {
  Run("MSET a 1 b 2");
  EXPECT_EQ(runner_.hits() + runner_.misses(), 0u);
  Run("MGET a b c");
  EXPECT_EQ(runner_.hits(), 2u);
  EXPECT_EQ(runner_.misses(), 1u);
  EXPECT_THAT(runner_.events(), ElementsAre("keymiss c"));
}

TEST_F(StringCommandsTest, NumbersKeepTheExpiryAndTheirRange) {
  EXPECT_EQ(Run("INCR n"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set"));
  EXPECT_THAT(runner_.events(), ElementsAre("new n", "incrby n"));
  Run("EXPIRE n 10");
  EXPECT_EQ(Run("DECRBY n 3"), ":-2");
  EXPECT_EQ(Run("TTL n"), ":10");
  Run("SET n 9223372036854775807");
  EXPECT_EQ(Run("INCR n"), "-ERR increment or decrement would overflow");
  EXPECT_EQ(Run("DECRBY n -9223372036854775808"), "-ERR decrement would overflow");
  EXPECT_EQ(Run("DECRBY n -1"), "-ERR increment or decrement would overflow");
  Run("SET n 01");
  EXPECT_EQ(Run("INCR n"), "-ERR value is not an integer or out of range");
  Run("RPUSH q 1");
  EXPECT_EQ(Run("INCR q").substr(0, 10), "-WRONGTYPE");
}

TEST_F(StringCommandsTest, Fractions) {
  EXPECT_EQ(Run("INCRBYFLOAT n 0.1"), "$3 0.1");
  EXPECT_THAT(runner_.events(), ElementsAre("new n", "incrbyfloat n"));
  EXPECT_EQ(Run("INCRBYFLOAT n 0.2"), "$3 0.3");
  // The last digits are those of a long double.
  EXPECT_EQ(Run("INCRBYFLOAT n 5.0e3"), "$22 5000.29999999999999982");
  EXPECT_EQ(Run("INCRBYFLOAT n x"), "-ERR value is not a valid float");
  EXPECT_EQ(Run("INCRBYFLOAT n inf"), "-ERR increment would produce NaN or Infinity");
}

TEST_F(StringCommandsTest, AppendSetsWhatIsNotThere) {
  EXPECT_EQ(Run("APPEND k 12"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set"));
  EXPECT_THAT(runner_.events(), ElementsAre("new k", "append k"));
  EXPECT_EQ(Run("OBJECT ENCODING k"), "$3 int");
  EXPECT_EQ(Run("APPEND k 34"), ":4");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-append"));
  EXPECT_EQ(Run("GET k"), "$4 1234");
  EXPECT_EQ(Run("STRLEN k"), ":4");
  EXPECT_EQ(Run("STRLEN none"), ":0");
}

TEST_F(StringCommandsTest, RangesAreClampedAndHolesFilled) {
  Run("SET k abcdef");
  EXPECT_EQ(Run("GETRANGE k 1 2"), "$2 bc");
  EXPECT_EQ(Run("GETRANGE k -3 -1"), "$3 def");
  EXPECT_EQ(Run("GETRANGE k -100 100"), "$6 abcdef");
  EXPECT_EQ(Run("SUBSTR k 4 2"), "$0 ");
  EXPECT_EQ(Run("GETRANGE none 0 -1"), "$0 ");
  EXPECT_EQ(Run("SETRANGE k 8 z"), ":9");
  EXPECT_EQ(Run("GET k"), std::string("$9 abcdef\0\0z", 12));
  EXPECT_EQ(Run("SETRANGE none 3 "), ":0");
  EXPECT_EQ(Run("EXISTS none"), ":0");
  EXPECT_EQ(Run("SETRANGE k -1 z"), "-ERR offset is out of range");
}

TEST_F(StringCommandsTest, StringsHaveALongestLength) {
  runner_.options.max_bulk_bytes = 10;
  Run("SET k 12345678");
  EXPECT_EQ(Run("APPEND k abc"), "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  EXPECT_EQ(Run("APPEND k ab"), ":10");
  EXPECT_EQ(Run("SETRANGE k 10 a"),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  EXPECT_EQ(Run("SETRANGE k 9223372036854775807 abc"),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  EXPECT_EQ(Run("GET k"), "$10 12345678ab");
}

// Values of many pieces are replied as if they were of one.
TEST_F(StringCommandsTest, LongValuesArriveWhole) {
  std::string value(1'000'000, 'v');
  for (size_t i = 0; i < value.size(); i += 1000)
    value.replace(i, 5, std::to_string(10000 + i / 1000));
  EXPECT_EQ(runner_.Run({"SET", "k", value}), "+OK");
  EXPECT_EQ(Run("STRLEN k"), ":1000000");
  EXPECT_EQ(Run("GET k"), "$1000000 " + value);
  EXPECT_EQ(Run("MGET k"), "*1 $1000000 " + value);
  EXPECT_EQ(Run("GETRANGE k 262000 263000"), "$1001 " + value.substr(262000, 1001));
  EXPECT_EQ(Run("GETRANGE k 600000 600004"), "$5 10600");
  EXPECT_EQ(Run("GETRANGE k -5 -1"), "$5 vvvvv");
  EXPECT_EQ(Run("INCR k"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("INCRBYFLOAT k 1"), "-ERR value is not a valid float");
  EXPECT_EQ(Run("APPEND k !"), ":1000001");
  EXPECT_EQ(Run("SETRANGE k 262143 xyz"), ":1000001");
  EXPECT_EQ(Run("GETRANGE k 262142 262146"), "$5 vxyzv");
  // Whatever replaces it releases its memory.
  for (const char* line :
       {"SET k v", "SETEX k 10 v", "GETSET k v", "MSET k v", "SET k v KEEPTTL"}) {
    runner_.Run({"SET", "k", value});
    Run(line);
    const KeyRef key(0, "k");
    EXPECT_LT(runner_.keyspace().Find(key)->value().MemoryBytes(0), 100u) << line;
  }
}

}  // namespace
}  // namespace runnel
