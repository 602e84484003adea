#include <memory>
#include <string>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/hash/hash.h"
#include "data/sorted_set/sorted_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SortTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }
  template <class T>
  T& Make(const char* key) {
    runner_.keyspace().Put(KeyRef(0, key), std::make_unique<T>());
    return runner_.keyspace().Mutable<T>(KeyRef(0, key));
  }

  CommandRunner runner_{KeyspaceCommands(), ListCommands(), SetCommands(), StringCommands()};
};

TEST_F(SortTest, Numbers) {
  Run("RPUSH q 3 1 2.5 -7 10");
  EXPECT_EQ(Run("SORT q"), "*5 $2 -7 $1 1 $3 2.5 $1 3 $2 10");
  EXPECT_EQ(Run("SORT q DESC"), "*5 $2 10 $1 3 $3 2.5 $1 1 $2 -7");
  EXPECT_EQ(Run("SORT q DESC ASC LIMIT 1 2"), "*2 $1 1 $3 2.5");
  EXPECT_EQ(Run("SORT q LIMIT 3 10"), "*2 $1 3 $2 10");
  EXPECT_EQ(Run("SORT q LIMIT -3 2"), "*2 $2 -7 $1 1");
  EXPECT_EQ(Run("SORT q LIMIT 5 2"), "*0");
  EXPECT_EQ(Run("SORT q LIMIT 0 0"), "*0");
  EXPECT_EQ(Run("SORT q LIMIT 4 -1"), "*1 $2 10");
  EXPECT_EQ(Run("SORT q LIMIT 9223372036854775807 9223372036854775807"), "*0");
  EXPECT_EQ(Run("SORT none"), "*0");
  EXPECT_EQ(Run("SORT_RO q LIMIT 0 1"), "*1 $2 -7");
}

TEST_F(SortTest, WhatIsNoNumber) {
  runner_.Run({"RPUSH", "q", "1e3", " 5", "", "0x10", "inf"});
  EXPECT_EQ(Run("SORT q"), "*5 $0  $2  5 $4 0x10 $3 1e3 $3 inf");
  constexpr const char* kError = "-ERR One or more scores can't be converted into double";
  for (const char* text : {"x", "5 ", "nan", "1e999"}) {
    Run("DEL q");
    runner_.Run({"RPUSH", "q", "1", text});
    EXPECT_EQ(Run("SORT q"), kError) << text;
    EXPECT_EQ(Run("SORT q STORE d"), kError) << text;
    EXPECT_EQ(Run("EXISTS d"), ":0");
  }
}

TEST_F(SortTest, Texts) {
  Run("SADD s b a 10 9");
  EXPECT_EQ(Run("SORT s ALPHA"), "*4 $2 10 $1 9 $1 a $1 b");
  EXPECT_EQ(Run("SORT s ALPHA DESC LIMIT 0 2"), "*2 $1 b $1 a");
}

TEST_F(SortTest, ByAndGet) {
  Run("RPUSH q a b c d");
  Run("MSET w_a 3 w_b 1 w_c 2 t_a A t_b B");
  // The weight of what has none is 0.
  EXPECT_EQ(Run("SORT q BY w_*"), "*4 $1 d $1 b $1 c $1 a");
  EXPECT_EQ(Run("SORT q BY w_* DESC LIMIT 0 3"), "*3 $1 a $1 c $1 b");
  EXPECT_EQ(Run("SORT q BY w_* GET t_* GET #"), "*8 $-1 $1 d $1 B $1 b $-1 $1 c $1 A $1 a");
  EXPECT_EQ(Run("SORT q BY nosort GET constant"), "*4 $-1 $-1 $-1 $-1");
  Run("SET w_d x");
  EXPECT_EQ(Run("SORT q BY w_*"), "-ERR One or more scores can't be converted into double");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA"), "*4 $1 b $1 c $1 a $1 d");
  // A value of another type counts as none, which comes first.
  Run("DEL w_a");
  Run("RPUSH w_a 9");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA"), "*4 $1 a $1 b $1 c $1 d");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA DESC"), "*4 $1 d $1 c $1 b $1 a");
}

TEST_F(SortTest, FieldsOfHashes) {
  Run("RPUSH q 1 2 3");
  Make<Hash>("h_1").Set("f", "30");
  Make<Hash>("h_2").Set("f", "20");
  Hash& third = Make<Hash>("h_3");
  third.Set("f", "10");
  EXPECT_EQ(Run("SORT q BY h_*->f GET h_*->f"), "*3 $2 10 $2 20 $2 30");
  // A field that has expired is not there, also before an effect has removed it.
  third.SetExpiry("f", runner_.now_ms);
  EXPECT_EQ(Run("SORT q BY h_*->f GET h_*->f"), "*3 $-1 $2 20 $2 30");
  EXPECT_EQ(Run("SORT q GET h_*->none"), "*3 $-1 $-1 $-1");
  Run("SET h_1 v");
  EXPECT_EQ(Run("SORT q GET h_*->f"), "*3 $-1 $2 20 $-1");
  // No field: the arrow belongs to the name.
  Run("SET k_1-> v");
  EXPECT_EQ(Run("SORT q GET k_*->"), "*3 $1 v $-1 $-1");
}

TEST_F(SortTest, AnOrderThatIsLeftAlone) {
  Run("RPUSH q c a b");
  EXPECT_EQ(Run("SORT q BY nosort"), "*3 $1 c $1 a $1 b");
  EXPECT_EQ(Run("SORT q BY nosort DESC LIMIT 0 2"), "*2 $1 b $1 a");
  EXPECT_EQ(Run("SORT q BY nosort LIMIT 1 1"), "*1 $1 a");
  SortedSet& sorted = Make<SortedSet>("z");
  sorted.Set("one", 1);
  sorted.Set("two", 2);
  sorted.Set("three", 3);
  EXPECT_EQ(Run("SORT z BY nosort"), "*3 $3 one $3 two $5 three");
  EXPECT_EQ(Run("SORT z BY nosort DESC LIMIT 1 1"), "*1 $3 two");
  EXPECT_EQ(Run("SORT z BY nosort LIMIT 1 5"), "*2 $3 two $5 three");
  EXPECT_EQ(Run("SORT z BY nosort DESC LIMIT 3 5"), "*0");
  EXPECT_EQ(Run("SORT z ALPHA"), "*3 $3 one $5 three $3 two");
  // A set has none: what is stored is sorted.
  Run("SADD s c b a 1");
  EXPECT_EQ(Run("SORT s BY nosort DESC STORE d"), ":4");
  EXPECT_EQ(Run("LRANGE d 0 -1"), "*4 $1 c $1 b $1 a $1 1");
  // So is what a script gets; lists and sorted sets have an order there, too.
  runner_.in_script = true;
  EXPECT_EQ(Run("SORT s BY nosort"), "*4 $1 1 $1 a $1 b $1 c");
  EXPECT_EQ(Run("SORT_RO s BY nosort DESC LIMIT 0 2"), "*2 $1 c $1 b");
  EXPECT_EQ(Run("SORT q BY nosort"), "*3 $1 c $1 a $1 b");
  EXPECT_EQ(Run("SORT z BY nosort"), "*3 $3 one $3 two $5 three");
}

TEST_F(SortTest, Storing) {
  Run("RPUSH q 3 1 2");
  EXPECT_EQ(Run("SORT q STORE d"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("list-push"));
  EXPECT_THAT(runner_.events(), ElementsAre("new d", "sortstore d"));
  EXPECT_EQ(Run("LRANGE d 0 -1"), "*3 $1 1 $1 2 $1 3");
  // The target may be the source, or a value that is asked for.
  Run("SET w_1 value");
  Run("PEXPIREAT q 1800000000000");
  EXPECT_EQ(Run("SORT q GET w_* STORE w_1"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove", "list-push"));
  EXPECT_THAT(runner_.events(), ElementsAre("keymiss w_2", "keymiss w_3", "sortstore w_1"));
  EXPECT_EQ(Run("LRANGE w_1 0 -1"), "*3 $5 value $0  $0 ");
  EXPECT_EQ(Run("SORT q DESC STORE q"), ":3");
  EXPECT_EQ(Run("LRANGE q 0 -1"), "*3 $1 3 $1 2 $1 1");
  EXPECT_EQ(Run("PTTL q"), ":-1");
  EXPECT_EQ(Run("SORT none STORE q"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("keymiss none", "del q"));
  EXPECT_EQ(Run("SORT none STORE q"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SORT d STORE x STORE y"), ":3");
  EXPECT_EQ(Run("EXISTS x y"), ":1");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(SortTest, Errors) {
  Run("SET x v");
  EXPECT_EQ(Run("SORT x"), "-WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(Run("SORT q WHAT"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT q LIMIT 1"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT q BY"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT q GET"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT q STORE"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT_RO q STORE d"), "-ERR syntax error");
  EXPECT_EQ(Run("SORT q LIMIT x 1"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("SORT q LIMIT 1 x"), "-ERR value is not an integer or out of range");
}

// Elements that are equal keep their order, whatever is left out.
TEST_F(SortTest, EqualElementsKeepTheirOrder) {
  Run("RPUSH q d c b a");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA"), "*4 $1 d $1 c $1 b $1 a");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA DESC LIMIT 0 2"), "*2 $1 d $1 c");
  // Equal numbers are compared as texts.
  EXPECT_EQ(Run("SORT q BY w_*"), "*4 $1 a $1 b $1 c $1 d");
  EXPECT_EQ(Run("SORT q BY w_* DESC"), "*4 $1 d $1 c $1 b $1 a");
}

// A short request cannot ask for an endless reply, or for endless lookups.
TEST_F(SortTest, WorkIsBounded) {
  Run("RPUSH q 1 2 3");
  runner_.Run({"SET", "w_1", std::string(400, 'w')});
  runner_.options.most_change_bytes = 1000;
  EXPECT_EQ(Run("SORT q GET w_*").substr(0, 9), "*3 $400 w");
  constexpr const char* kError = "-ERR SORT would look up or return more than 1000 bytes";
  EXPECT_EQ(Run("SORT q GET w_* GET w_* GET w_*"), kError);
  EXPECT_EQ(Run("SORT q GET w_* GET w_* GET w_* STORE d"), kError);
  EXPECT_THAT(runner_.effects(), IsEmpty());
  const std::string pattern = "*" + std::string(300, 'p');
  EXPECT_EQ(runner_.Run({"SORT", "q", "BY", pattern}), kError);
  EXPECT_EQ(runner_.Run({"SORT", "q", "GET", pattern}), kError);
  // What elements are sorted by is read for each of them.
  Run("RPUSH same 1 1 1 1 1");
  EXPECT_EQ(Run("SORT same BY w_* ALPHA"), kError);
  EXPECT_EQ(Run("SORT same BY w_*"), kError);
  EXPECT_EQ(Run("SORT same BY w_* ALPHA STORE d"), kError);
  Make<Hash>("f_1").Set("f", std::string(400, 'w'));
  EXPECT_EQ(Run("SORT same BY f_*->f ALPHA"), kError);
}

// Strings that do not lie in one piece are looked at as a whole.
TEST_F(SortTest, LongTexts) {
  Run("RPUSH q 1 2 3 1 2");
  const std::string same(600'000, 'w');
  runner_.Run({"MSET", "w_1", same + "b", "w_2", same + "a", "w_3", same});
  EXPECT_EQ(Run("SORT q BY w_* ALPHA"), "*5 $1 3 $1 2 $1 2 $1 1 $1 1");
  EXPECT_EQ(Run("SORT q BY w_* ALPHA DESC LIMIT 0 2"), "*2 $1 1 $1 1");
  EXPECT_EQ(Run("SORT q BY w_*"), "-ERR One or more scores can't be converted into double");
  const std::string zeros(600'000, '0');
  runner_.Run({"MSET", "w_1", zeros + "3", "w_2", zeros + "2.5", "w_3", zeros + "1"});
  EXPECT_EQ(Run("SORT q BY w_*"), "*5 $1 3 $1 2 $1 2 $1 1 $1 1");
}

// A key that is looked up and has expired is removed, like any other.
TEST_F(SortTest, ExpiredKeysAreNotSeen) {
  Run("RPUSH q 1 2");
  Run("SET w_2 5");
  runner_.Run({"PEXPIREAT", "w_2", std::to_string(runner_.now_ms + 10)});
  EXPECT_EQ(Run("SORT q BY w_* DESC"), "*2 $1 2 $1 1");
  runner_.now_ms += 10;
  EXPECT_EQ(Run("SORT q GET w_*"), "*2 $-1 $-1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
}

}  // namespace
}  // namespace runnel
