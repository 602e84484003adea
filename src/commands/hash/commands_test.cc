#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/hash/hash.h"
#include "effects/hash_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class HashCommandsTest : public ::testing::Test {
 protected:
  ~HashCommandsTest() override { EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace())); }

  std::string Run(const char* line) { return runner_.Run(line); }
  std::string Run(const std::string& line) { return runner_.Run(line.c_str()); }
  // A hash with fields f0 to before f<count>, with the values v0 and so on.
  void Fill(const std::string& key, size_t count) {
    for (size_t i = 0; i < count; i++) {
      Run("HSET " + key + " f" + std::to_string(i) + " v" + std::to_string(i));
    }
  }
  // The words of a reply that are no headers.
  static std::vector<std::string> Words(const std::string& reply) {
    std::vector<std::string> words;
    for (size_t at = 0; at < reply.size();) {
      const size_t end = std::min(reply.find(' ', at), reply.size());
      const std::string word = reply.substr(at, end - at);
      if (word.find_first_of("$*%~:") != 0) words.push_back(word);
      at = end + 1;
    }
    return words;
  }
  // A scan from its first call to its last: the fields and values that it has shown.
  std::multiset<std::string> ScanAll(const std::string& key, const std::string& options,
                                     int* calls) {
    std::multiset<std::string> shown;
    std::string cursor = "0";
    *calls = 0;
    do {
      const std::vector<std::string> words = Words(Run("HSCAN " + key + " " + cursor + options));
      cursor = words[0];
      shown.insert(words.begin() + 1, words.end());
      ++*calls;
    } while (cursor != "0");
    return shown;
  }

  CommandRunner runner_{HashCommands(), StringCommands(), KeyspaceCommands()};
};

TEST_F(HashCommandsTest, ASetOfManyIsOneEffect) {
  EXPECT_EQ(Run("HSET h a 1 b 2 a 3"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-set"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added h"));
  EXPECT_THAT(runner_.events(), ElementsAre("new h", "hset h"));
  EXPECT_EQ(Run("HSET h b 5 c 6"), ":1");
  EXPECT_THAT(runner_.changes(), ElementsAre("modified h"));
  EXPECT_THAT(runner_.events(), ElementsAre("hset h"));
  EXPECT_EQ(Run("HMGET h a b c d"), "*4 $1 3 $1 5 $1 6 $-1");
  EXPECT_EQ(Run("HMSET h a 4"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("hset h"));
  EXPECT_EQ(Run("HGET h a"), "$1 4");
  EXPECT_EQ(Run("HLEN h"), ":3");
}

TEST_F(HashCommandsTest, PairsMustBeWhole) {
  EXPECT_EQ(Run("HSET h a 1 b"), "-ERR wrong number of arguments for 'hset' command");
  EXPECT_EQ(Run("HMSET h a 1 b"), "-ERR wrong number of arguments for 'hmset' command");
  EXPECT_EQ(Run("EXISTS h"), ":0");
}

TEST_F(HashCommandsTest, SetNxLeavesAFieldThatIsThere) {
  EXPECT_EQ(Run("HSETNX h a 1"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("new h", "hset h"));
  EXPECT_EQ(Run("HSETNX h a 2"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("HGET h a"), "$1 1");
}

TEST_F(HashCommandsTest, ReadsOfWhatIsNotThere) {
  for (const char* key : {"none", "h"}) {
    if (*key == 'h') Run("HSET h a 1");
    const std::string name = key;
    EXPECT_EQ(Run("HGET " + name + " x"), "$-1");
    EXPECT_EQ(Run("HMGET " + name + " x y"), "*2 $-1 $-1");
    EXPECT_EQ(Run("HEXISTS " + name + " x"), ":0");
    EXPECT_EQ(Run("HSTRLEN " + name + " x"), ":0");
    EXPECT_EQ(Run("HDEL " + name + " x"), ":0");
    EXPECT_THAT(runner_.effects(), IsEmpty());
  }
  EXPECT_EQ(Run("HLEN none"), ":0");
  EXPECT_EQ(Run("HGETALL none"), "*0");
  EXPECT_EQ(Run("HKEYS none"), "*0");
  EXPECT_EQ(Run("HVALS none"), "*0");
  EXPECT_EQ(Run("HRANDFIELD none"), "$-1");
  EXPECT_EQ(Run("HRANDFIELD none 3"), "*0");
  EXPECT_EQ(Run("HSCAN none 0 NONSENSE"), "*2 $1 0 *0");
}

TEST_F(HashCommandsTest, TheWholeHash) {
  Run("HSET h a 1 b 2");
  EXPECT_THAT(Run("HGETALL h"), AnyOf("*4 $1 a $1 1 $1 b $1 2", "*4 $1 b $1 2 $1 a $1 1"));
  EXPECT_THAT(Run("HKEYS h"), AnyOf("*2 $1 a $1 b", "*2 $1 b $1 a"));
  EXPECT_THAT(Run("HVALS h"), AnyOf("*2 $1 1 $1 2", "*2 $1 2 $1 1"));
  runner_.protocol = 3;
  EXPECT_THAT(Run("HGETALL h"), AnyOf("%2 $1 a $1 1 $1 b $1 2", "%2 $1 b $1 2 $1 a $1 1"));
  EXPECT_EQ(Run("HGETALL none"), "%0");
  EXPECT_THAT(Run("HKEYS h"), AnyOf("*2 $1 a $1 b", "*2 $1 b $1 a"));
}

TEST_F(HashCommandsTest, TheLastFieldTakesTheKeyAway) {
  Run("HSET h a 1 b 2 c 3");
  EXPECT_EQ(Run("HDEL h a x a"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("hdel h"));
  EXPECT_EQ(Run("HDEL h b c"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-remove"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed h"));
  EXPECT_THAT(runner_.events(), ElementsAre("hdel h", "del h"));
}

TEST_F(HashCommandsTest, OtherTypesAreRefused) {
  Run("SET s v");
  for (const char* command : {"HSET s a 1",
                              "HSETNX s a 1",
                              "HMSET s a 1",
                              "HGET s a",
                              "HMGET s a",
                              "HGETALL s",
                              "HKEYS s",
                              "HVALS s",
                              "HLEN s",
                              "HEXISTS s a",
                              "HSTRLEN s a",
                              "HDEL s a",
                              "HINCRBY s a 1",
                              "HINCRBYFLOAT s a 1",
                              "HRANDFIELD s",
                              "HRANDFIELD s 1",
                              "HSCAN s 0",
                              "HSCAN s 0 NONSENSE",
                              "HEXPIRE s x FIELDS 1 a",
                              "HPEXPIRE s 1 FIELDS 1 a",
                              "HEXPIREAT s 1 FIELDS 1 a",
                              "HPEXPIREAT s 1 FIELDS 1 a",
                              "HTTL s FIELDS 1 a",
                              "HPTTL s FIELDS 1 a",
                              "HEXPIRETIME s FIELDS 1 a",
                              "HPEXPIRETIME s FIELDS 1 a",
                              "HPERSIST s FIELDS 1 a"}) {
    EXPECT_EQ(Run(command), "-WRONGTYPE Operation against a key holding the wrong kind of value")
        << command;
    EXPECT_THAT(runner_.effects(), IsEmpty());
  }
  Run("HSET h a 1");
  EXPECT_EQ(Run("GET h"), "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

TEST_F(HashCommandsTest, Numbers) {
  EXPECT_EQ(Run("HINCRBY h n 5"), ":5");
  EXPECT_THAT(runner_.events(), ElementsAre("new h", "hincrby h"));
  EXPECT_EQ(Run("HINCRBY h n -7"), ":-2");
  EXPECT_EQ(Run("HGET h n"), "$2 -2");
  EXPECT_EQ(Run("HINCRBY h n x"), "-ERR value is not an integer or out of range");
  Run("HSET h n 9223372036854775807 s text e 1e2");
  EXPECT_EQ(Run("HINCRBY h n 1"), "-ERR increment or decrement would overflow");
  EXPECT_EQ(Run("HINCRBY h s 1"), "-ERR hash value is not an integer");
  EXPECT_EQ(Run("HINCRBYFLOAT h s 1"), "-ERR hash value is not a float");
  EXPECT_EQ(Run("HINCRBYFLOAT h e 0.5"), "$5 100.5");
  EXPECT_THAT(runner_.events(), ElementsAre("hincrbyfloat h"));
  EXPECT_EQ(Run("HINCRBYFLOAT h e x"), "-ERR value is not a valid float");
  EXPECT_EQ(Run("HINCRBYFLOAT h e inf"), "-ERR value is NaN or Infinity");
  Run("HSET h i inf");
  EXPECT_EQ(Run("HINCRBYFLOAT h i 1"), "-ERR increment would produce NaN or Infinity");
  EXPECT_EQ(Run("HINCRBYFLOAT new f 3.0e3"), "$4 3000");
  EXPECT_EQ(Run("HSTRLEN new f"), ":4");
}

TEST_F(HashCommandsTest, ASmallHashIsScannedAtOnce) {
  Run("HSET h a1 1 a2 2 b 3");
  int calls;
  EXPECT_THAT(ScanAll("h", "", &calls), ElementsAre("1", "2", "3", "a1", "a2", "b"));
  EXPECT_THAT(ScanAll("h", " NOVALUES COUNT 1", &calls), ElementsAre("a1", "a2", "b"));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(ScanAll("h", " MATCH a* NOVALUES", &calls), ElementsAre("a1", "a2"));
  EXPECT_THAT(ScanAll("h", " MATCH x", &calls), IsEmpty());
  // Whatever the cursor is.
  EXPECT_THAT(Words(Run("HSCAN h 18446744073709551615 NOVALUES")).size(), 4u);
  Fill("many", 500);
  EXPECT_EQ(ScanAll("many", " NOVALUES COUNT 1", &calls).size(), 500u);
  EXPECT_EQ(calls, 1);
}

TEST_F(HashCommandsTest, ALargeHashIsScannedInParts) {
  Fill("h", 2000);
  int calls;
  EXPECT_EQ(ScanAll("h", " NOVALUES", &calls).size(), 2000u);
  EXPECT_GT(calls, 50);
  EXPECT_EQ(ScanAll("h", " COUNT 100000", &calls).size(), 4000u);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ScanAll("h", " MATCH f19?? NOVALUES COUNT 100", &calls).size(), 100u);
}

TEST_F(HashCommandsTest, ScanRefusesWhatItDoesNotKnow) {
  Run("HSET h a 1");
  for (const char* cursor : {"x", "", "-1", "99999999999999999999999"}) {
    EXPECT_EQ(runner_.Run({"HSCAN", "h", cursor}), "-ERR invalid cursor");
    EXPECT_EQ(runner_.Run({"HSCAN", "none", cursor}), "-ERR invalid cursor");
  }
  for (const char* options :
       {"COUNT", "COUNT 0", "COUNT -1", "MATCH", "TYPE hash", "NONSENSE", "NOVALUES MATCH"}) {
    EXPECT_EQ(Run("HSCAN h 0 " + std::string(options)), "-ERR syntax error") << options;
  }
  EXPECT_EQ(Run("HSCAN h 0 COUNT x"), "-ERR value is not an integer or out of range");
}

TEST_F(HashCommandsTest, RandomFields) {
  Fill("h", 10);
  const std::vector<std::string> all = Words(Run("HKEYS h"));
  EXPECT_THAT(Words(Run("HRANDFIELD h")), Each(testing::AnyOfArray(all)));
  for (const char* count : {"1", "3", "9", "10", "11", "9223372036854775807"}) {
    const std::vector<std::string> fields = Words(Run("HRANDFIELD h " + std::string(count)));
    const size_t expected = std::min<size_t>(std::strtoull(count, nullptr, 10), 10);
    EXPECT_EQ(fields.size(), expected);
    EXPECT_EQ(std::set<std::string>(fields.begin(), fields.end()).size(), expected);
    EXPECT_THAT(fields, Each(testing::AnyOfArray(all)));
  }
  const std::vector<std::string> repeated = Words(Run("HRANDFIELD h -1000"));
  EXPECT_EQ(repeated.size(), 1000u);
  EXPECT_EQ(std::set<std::string>(repeated.begin(), repeated.end()).size(), 10u);
  EXPECT_EQ(Run("HRANDFIELD h 0"), "*0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(HashCommandsTest, RandomFieldsWithValues) {
  Run("HSET h a 1");
  EXPECT_EQ(Run("HRANDFIELD h 5 WITHVALUES"), "*2 $1 a $1 1");
  EXPECT_EQ(Run("HRANDFIELD h -2 withvalues"), "*4 $1 a $1 1 $1 a $1 1");
  runner_.protocol = 3;
  EXPECT_EQ(Run("HRANDFIELD h 5 WITHVALUES"), "*1 *2 $1 a $1 1");
  EXPECT_EQ(Run("HRANDFIELD h -2 WITHVALUES"), "*2 *2 $1 a $1 1 *2 $1 a $1 1");
  EXPECT_EQ(Run("HRANDFIELD h 1"), "*1 $1 a");
}

TEST_F(HashCommandsTest, FewOfManyRandomFieldsAreDifferent) {
  Fill("h", 1000);
  const std::vector<std::string> fields = Words(Run("HRANDFIELD h 300"));
  EXPECT_EQ(std::set<std::string>(fields.begin(), fields.end()).size(), 300u);
}

TEST_F(HashCommandsTest, AReplyOfRandomFieldsIsBounded) {
  Run("HSET h a 1");
  constexpr const char* kRange =
      "-ERR value is out of range, value must between -9223372036854775807 and "
      "9223372036854775807";
  EXPECT_EQ(Run("HRANDFIELD h -9223372036854775808"), kRange);
  EXPECT_EQ(Run("HRANDFIELD none -9223372036854775808"), kRange);
  constexpr const char* kDraws =
      "-ERR value is out of range, value must between -1000000 and 9223372036854775807";
  EXPECT_EQ(Run("HRANDFIELD h -9223372036854775807"), kDraws);
  EXPECT_EQ(Run("HRANDFIELD h -1000001"), kDraws);
  EXPECT_EQ(Run("HRANDFIELD none -9223372036854775807"), "*0");
  EXPECT_EQ(Run("HRANDFIELD h -5000000000000000000 WITHVALUES"), "-ERR value is out of range");
  EXPECT_EQ(Run("HRANDFIELD none 5000000000000000000 WITHVALUES"), "-ERR value is out of range");
  EXPECT_EQ(Run("HRANDFIELD h x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("HRANDFIELD h 1 NONSENSE"), "-ERR syntax error");
  EXPECT_EQ(Run("HRANDFIELD h 1 WITHVALUES x"), "-ERR syntax error");
  // Few fields, of which one has much to repeat: it is met, whatever most of them look like.
  for (int i = 0; i < 1000; i++) {
    runner_.Run({"HSET", "large", std::to_string(i), "1"});
  }
  runner_.Run({"HSET", "large", "0", std::string(100'000, 'x')});
  runner_.options.most_change_bytes = 1'000'000;
  EXPECT_THAT(Run("HRANDFIELD large -100"), StartsWith("*100 "));
  constexpr const char* kBytes = "-ERR the reply would repeat more than 1000000 bytes";
  EXPECT_EQ(Run("HRANDFIELD large -60000 WITHVALUES"), kBytes);
  runner_.protocol = 3;
  EXPECT_EQ(Run("HRANDFIELD large -60000 WITHVALUES"), kBytes);
}

TEST_F(HashCommandsTest, AReplyThatNamesAFieldAgainAndAgainIsBounded) {
  runner_.Run({"HSET", "h", "a", std::string(300, 'x'), "b", std::string(2000, 'y'), "c", ""});
  runner_.Run({"MSET", "x", std::string(300, 'x'), "y", std::string(2000, 'y'), "z", ""});
  runner_.options.most_change_bytes = 1000;
  EXPECT_THAT(Run("HMGET h a b a c c"), StartsWith("*5 "));
  EXPECT_THAT(Run("HMGET h a b a a a"), StartsWith("*5 "));
  constexpr const char* kError = "-ERR the reply would repeat more than 1000 bytes";
  EXPECT_EQ(Run("HMGET h a b a a a a"), kError);
  EXPECT_EQ(Run("HMGET h c none b b"), kError);
  EXPECT_THAT(Run("HMGET none a a a a a a"), StartsWith("*6 $-1"));
  // The same of strings.
  EXPECT_THAT(Run("MGET x y x z z none x x"), StartsWith("*8 "));
  EXPECT_EQ(Run("MGET x y x x x x"), kError);
  EXPECT_EQ(Run("MGET z h y y"), kError);
}

// --- Expiry of fields ---

TEST_F(HashCommandsTest, FieldsExpire) {
  Run("HSET h a 1 b 2 c 3");
  EXPECT_EQ(Run("HPEXPIRE h 1000 FIELDS 3 a x b"), "*3 :1 :-2 :1");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-expire"));
  EXPECT_THAT(runner_.events(), ElementsAre("hexpire h"));
  EXPECT_EQ(Run("HPTTL h FIELDS 4 a b c x"), "*4 :1000 :1000 :-1 :-2");
  EXPECT_EQ(Run("HPEXPIRETIME h FIELDS 1 a"), "*1 :1700000001000");
  EXPECT_EQ(Run("HEXPIRETIME h FIELDS 1 a"), "*1 :1700000001");
  runner_.now_ms += 1;
  EXPECT_EQ(Run("HTTL h FIELDS 1 a"), "*1 :1");
  EXPECT_EQ(Run("HPTTL h FIELDS 1 a"), "*1 :999");
  runner_.now_ms += 998;
  EXPECT_EQ(Run("HGET h a"), "$1 1");
  runner_.now_ms += 1;
  EXPECT_EQ(Run("HGET h a"), "$-1");
  // They are there until upkeep removes them, but nobody sees them.
  EXPECT_EQ(runner_.keyspace().Find(KeyRef(0, "h"))->As<Hash>()->size(), 3u);
  EXPECT_EQ(Run("HMGET h a b c"), "*3 $-1 $-1 $1 3");
  EXPECT_EQ(Run("HLEN h"), ":1");
  EXPECT_EQ(Run("HGETALL h"), "*2 $1 c $1 3");
  EXPECT_EQ(Run("HKEYS h"), "*1 $1 c");
  EXPECT_EQ(Run("HVALS h"), "*1 $1 3");
  EXPECT_EQ(Run("HEXISTS h a"), ":0");
  EXPECT_EQ(Run("HSTRLEN h a"), ":0");
  EXPECT_EQ(Run("HSCAN h 0"), "*2 $1 0 *2 $1 c $1 3");
  EXPECT_EQ(Run("HRANDFIELD h"), "$1 c");
  EXPECT_EQ(Run("HRANDFIELD h 5"), "*1 $1 c");
  EXPECT_EQ(Run("HRANDFIELD h -2"), "*2 $1 c $1 c");
  EXPECT_EQ(Run("HDEL h a"), ":0");
  EXPECT_EQ(Run("HTTL h FIELDS 1 a"), "*1 :-2");
  EXPECT_EQ(Run("HPERSIST h FIELDS 1 a"), "*1 :-2");
  EXPECT_EQ(Run("HEXPIRE h 10 FIELDS 1 a"), "*1 :-2");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(HashCommandsTest, AnExpiredFieldIsNewWhenItIsSet) {
  Run("HSET h a 1 b 2 c 3 d 4");
  Run("HPEXPIRE h 1000 FIELDS 3 a b c");
  runner_.now_ms += 1000;
  EXPECT_EQ(Run("HSET h a 5 d 6 a 7"), ":1");
  EXPECT_EQ(Run("HSETNX h b 8"), ":1");
  EXPECT_EQ(Run("HINCRBY h c 10"), ":10");
  EXPECT_EQ(Run("HTTL h FIELDS 3 a b c"), "*3 :-1 :-1 :-1");
  EXPECT_EQ(Run("HLEN h"), ":4");
}

TEST_F(HashCommandsTest, WhichChangesEndAnExpiry) {
  Run("HSET h a 1 b 1 c 1 d 1");
  Run("HEXPIRE h 100 FIELDS 4 a b c d");
  Run("HSET h a 2");
  Run("HINCRBY h b 1");
  Run("HINCRBYFLOAT h c 1");
  EXPECT_EQ(Run("HTTL h FIELDS 4 a b c d"), "*4 :-1 :100 :100 :100");
  EXPECT_EQ(Run("HPERSIST h FIELDS 4 a b b x"), "*4 :-1 :1 :-1 :-2");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-expire"));
  EXPECT_THAT(runner_.events(), ElementsAre("hpersist h"));
  EXPECT_EQ(Run("HTTL h FIELDS 2 b c"), "*2 :-1 :100");
  EXPECT_EQ(Run("HPERSIST h FIELDS 1 b"), "*1 :-1");
  EXPECT_THAT(runner_.events(), IsEmpty());
}

TEST_F(HashCommandsTest, AnExpiryInThePastDeletes) {
  Run("HSET h a 1 b 2 c 3");
  EXPECT_EQ(Run("HEXPIRE h 0 FIELDS 3 a a x"), "*3 :2 :-2 :-2");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("hdel h"));
  EXPECT_EQ(Run("HPEXPIREAT h 1700000000000 FIELDS 1 b"), "*1 :2");
  EXPECT_EQ(Run("HEXPIREAT h 1 NX FIELDS 1 c"), "*1 :2");
  EXPECT_THAT(runner_.events(), ElementsAre("hdel h", "del h"));
  EXPECT_EQ(Run("EXISTS h"), ":0");
}

TEST_F(HashCommandsTest, ExpiryConditions) {
  Run("HSET h never 1 soon 2");
  Run("HPEXPIRE h 1000 FIELDS 1 soon");
  const auto result = [&](const char* condition, const char* ms, const char* field) {
    // Each begins with the same expiries.
    Run("HPERSIST h FIELDS 1 never");
    Run("HPEXPIRE h 1000 FIELDS 1 soon");
    return Run("HPEXPIRE h " + std::string(ms) + " " + condition + " FIELDS 1 " + field);
  };
  EXPECT_EQ(result("NX", "500", "never"), "*1 :1");
  EXPECT_EQ(result("NX", "500", "soon"), "*1 :0");
  EXPECT_EQ(result("XX", "500", "never"), "*1 :0");
  EXPECT_EQ(result("xx", "500", "soon"), "*1 :1");
  EXPECT_EQ(result("GT", "500", "never"), "*1 :0");
  EXPECT_EQ(result("GT", "1000", "soon"), "*1 :0");
  EXPECT_EQ(result("gt", "1001", "soon"), "*1 :1");
  EXPECT_EQ(result("LT", "500", "never"), "*1 :1");
  EXPECT_EQ(result("LT", "1000", "soon"), "*1 :0");
  EXPECT_EQ(result("lt", "999", "soon"), "*1 :1");
  // A condition that is not met deletes nothing either.
  EXPECT_EQ(result("XX", "0", "never"), "*1 :0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  // A field that is named twice meets what its first mention has made.
  Run("HPERSIST h FIELDS 1 never");
  EXPECT_EQ(Run("HPEXPIRE h 5 NX FIELDS 2 never never"), "*2 :1 :0");
  EXPECT_EQ(Run("HPEXPIRE h 6 XX FIELDS 2 never never"), "*2 :1 :1");
}

TEST_F(HashCommandsTest, ExpiryOfAMissingKey) {
  EXPECT_EQ(Run("HEXPIRE none 10 FIELDS 2 a b"), "*2 :-2 :-2");
  EXPECT_EQ(Run("HTTL none FIELDS 2 a b"), "*2 :-2 :-2");
  EXPECT_EQ(Run("HPERSIST none FIELDS 1 a"), "*1 :-2");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(HashCommandsTest, ExpiryArguments) {
  Run("HSET h a 1");
  EXPECT_EQ(Run("HEXPIRE h x FIELDS 1 a"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("HEXPIRE h -1 FIELDS 1 a"), "-ERR invalid expire time, must be >= 0");
  EXPECT_EQ(Run("HEXPIRE h 9223372036854775807 FIELDS 1 a"),
            "-ERR invalid expire time in 'hexpire' command");
  EXPECT_EQ(Run("HPEXPIRE h 9223372036854775807 FIELDS 1 a"),
            "-ERR invalid expire time in 'hpexpire' command");
  // The latest time is 2^46 - 1.
  EXPECT_EQ(Run("HPEXPIREAT h 70368744177664 FIELDS 1 a"),
            "-ERR invalid expire time in 'hpexpireat' command");
  EXPECT_EQ(Run("HEXPIREAT h 70368744178 FIELDS 1 a"),
            "-ERR invalid expire time in 'hexpireat' command");
  EXPECT_EQ(Run("HPEXPIREAT h 70368744177663 FIELDS 1 a"), "*1 :1");
  EXPECT_EQ(Run("HPERSIST h FIELDS 1 a"), "*1 :1");
  constexpr const char* kMissing =
      "-ERR Mandatory argument FIELDS is missing or not at the right position";
  EXPECT_EQ(Run("HEXPIRE h 10 fieldz 1 a"), kMissing);
  EXPECT_EQ(Run("HEXPIRE h 10 NX XX 1 a"), kMissing);
  EXPECT_EQ(Run("HTTL h 1 a b"), kMissing);
  EXPECT_EQ(Run("HPERSIST h a FIELDS 1"), kMissing);
  for (const char* count : {"0", "-1", "x", "99999999999999999999"}) {
    EXPECT_EQ(Run("HEXPIRE h 10 FIELDS " + std::string(count) + " a"),
              "-ERR Parameter `numFields` should be greater than 0");
    EXPECT_EQ(Run("HTTL h FIELDS " + std::string(count) + " a"),
              "-ERR Parameter `numFields` should be greater than 0");
  }
  constexpr const char* kMismatch =
      "-ERR The `numfields` parameter must match the number of arguments";
  EXPECT_EQ(Run("HEXPIRE h 10 FIELDS 2 a"), kMismatch);
  EXPECT_EQ(Run("HEXPIRE h 10 NX FIELDS 1"), kMismatch);
  EXPECT_EQ(Run("HEXPIRE h 10 FIELDS 1 a b"), kMismatch);
  EXPECT_EQ(Run("HTTL h FIELDS 1 a b"), kMismatch);
  EXPECT_EQ(Run("HPERSIST h FIELDS 3 a b"), kMismatch);
  EXPECT_EQ(Run("HEXPIRE h 10 FIELDS 1 a"), "*1 :1");
}

// Expired fields that are left count for nobody: the key goes with the last living one.
TEST_F(HashCommandsTest, TheLastLivingFieldTakesTheKeyAway) {
  Run("HSET h a 1 b 2");
  Run("HPEXPIRE h 10 FIELDS 1 a");
  runner_.now_ms += 10;
  EXPECT_EQ(Run("HDEL h b"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("hash-remove", "key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("hdel h", "del h"));
  EXPECT_EQ(Run("EXISTS h"), ":0");
}

TEST_F(HashCommandsTest, AHashOfExpiredFieldsReadsAsEmpty) {
  Run("HSET h a 1");
  Run("HPEXPIRE h 10 FIELDS 1 a");
  runner_.now_ms += 10;
  EXPECT_EQ(Run("HLEN h"), ":0");
  EXPECT_EQ(Run("HGETALL h"), "*0");
  EXPECT_EQ(Run("HRANDFIELD h"), "$-1");
  EXPECT_EQ(Run("HRANDFIELD h -5"), "*0");
  EXPECT_EQ(Run("HSCAN h 0"), "*2 $1 0 *0");
  EXPECT_EQ(Run("HSET h a 1"), ":1");
}

// Few of many fields live: these are found all the same.
TEST_F(HashCommandsTest, RandomFieldsAmongExpiredOnes) {
  std::string expire = "HPEXPIRE h 10 FIELDS 1990";
  Fill("h", 2000);
  for (int i = 0; i < 1990; i++) {
    expire += " f" + std::to_string(i);
  }
  Run(expire);
  runner_.now_ms += 10;
  const std::vector<std::string> all = Words(Run("HKEYS h"));
  EXPECT_EQ(all.size(), 10u);
  for (int i = 0; i < 20; i++) {
    EXPECT_THAT(Words(Run("HRANDFIELD h")), Each(testing::AnyOfArray(all)));
  }
  const std::vector<std::string> some = Words(Run("HRANDFIELD h 3"));
  EXPECT_EQ(std::set<std::string>(some.begin(), some.end()).size(), 3u);
  EXPECT_THAT(some, Each(testing::AnyOfArray(all)));
  EXPECT_THAT(Words(Run("HRANDFIELD h -50")), Each(testing::AnyOfArray(all)));
}

// --- What every type has ---

TEST_F(HashCommandsTest, EncodingFollowsTheDirectives) {
  Run("HSET h a 1");
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$8 listpack");
  runner_.options.encoding_limits.hash_max_listpack_entries = 0;
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$9 hashtable");
  runner_.options.encoding_limits = {};
  runner_.Run({"HSET", "h", "b", std::string(65, 'x')});
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$9 hashtable");
  runner_.options.encoding_limits.hash_max_listpack_value = 65;
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$8 listpack");
  Run("HEXPIRE h 100 FIELDS 1 a");
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$10 listpackex");
  // It is a small form as well.
  EXPECT_THAT(Run("HSCAN h 17 COUNT 1 NOVALUES"), StartsWith("*2 $1 0 *2 "));
  runner_.options.encoding_limits.hash_max_listpack_entries = 1;
  EXPECT_EQ(Run("OBJECT ENCODING h"), "$9 hashtable");
}

TEST_F(HashCommandsTest, CommandsOnKeysKeepFieldsAndExpiries) {
  Run("HSET h a 1 b 2");
  Run("HPEXPIRE h 1000 FIELDS 1 a");
  EXPECT_EQ(Run("TYPE h"), "+hash");
  EXPECT_EQ(Run("COPY h copy"), ":1");
  EXPECT_EQ(Run("RENAME h moved"), "+OK");
  EXPECT_EQ(Run("MOVE moved 1"), ":1");
  EXPECT_EQ(Run("HPTTL copy FIELDS 2 a b"), "*2 :1000 :-1");
  runner_.db = 1;
  EXPECT_EQ(Run("HPTTL moved FIELDS 2 a b"), "*2 :1000 :-1");
  EXPECT_EQ(Run("SCAN 0 TYPE hash"), "*2 $1 0 *1 $5 moved");
  EXPECT_EQ(Run("SCAN 0 TYPE string"), "*2 $1 0 *0");
  const std::string dump = runner_.Run({"DUMP", "moved"});
  const std::string payload = dump.substr(dump.find(' ') + 1);
  EXPECT_EQ(runner_.Run({"RESTORE", "restored", "0", payload}), "+OK");
  EXPECT_EQ(Run("HPTTL restored FIELDS 2 a b"), "*2 :1000 :-1");
  EXPECT_EQ(Run("EXPIRE moved 100"), ":1");
  EXPECT_EQ(Run("DEL moved restored"), ":2");
  EXPECT_EQ(runner_.keyspace().NextFieldToExpire(1), nullptr);
}

}  // namespace
}  // namespace runnel
