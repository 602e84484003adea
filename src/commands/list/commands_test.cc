#include <string>

#include "commands/families.h"
#include "commands/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ListCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }
  std::string All(const char* key) { return runner_.Run({"LRANGE", key, "0", "-1"}); }

  CommandRunner runner_{ListCommands(), StringCommands(), KeyspaceCommands()};
};

TEST_F(ListCommandsTest, APushOfManyIsOneEffect) {
  EXPECT_EQ(Run("LPUSH q a b c"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("list-push"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added q"));
  EXPECT_THAT(runner_.events(), ElementsAre("new q", "lpush q"));
  EXPECT_EQ(Run("RPUSH q d"), ":4");
  EXPECT_THAT(runner_.changes(), ElementsAre("grown q"));
  EXPECT_THAT(runner_.events(), ElementsAre("rpush q"));
  EXPECT_EQ(All("q"), "*4 $1 c $1 b $1 a $1 d");
}

TEST_F(ListCommandsTest, PushXNeedsTheKey) {
  EXPECT_EQ(Run("LPUSHX q a"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
  Run("RPUSH q a");
  EXPECT_EQ(Run("RPUSHX q b c"), ":3");
}

TEST_F(ListCommandsTest, TheLastPopTakesTheKeyAway) {
  Run("RPUSH q a b c");
  EXPECT_EQ(Run("LPOP q"), "$1 a");
  EXPECT_THAT(runner_.changes(), ElementsAre("modified q"));
  EXPECT_THAT(runner_.events(), ElementsAre("lpop q"));
  EXPECT_EQ(Run("RPOP q 5"), "*2 $1 c $1 b");
  EXPECT_THAT(runner_.effects(), ElementsAre("list-pop"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed q"));
  EXPECT_THAT(runner_.events(), ElementsAre("rpop q", "del q"));
  EXPECT_EQ(Run("EXISTS q"), ":0");
}

TEST_F(ListCommandsTest, PopAnswersByCountAndKey) {
  EXPECT_EQ(Run("LPOP q"), "$-1");
  EXPECT_EQ(Run("LPOP q 0"), "*-1");
  EXPECT_EQ(Run("LPOP q -1"), "-ERR value is out of range, must be positive");
  EXPECT_EQ(Run("RPOP q 1 1"), "-ERR wrong number of arguments for 'rpop' command");
  Run("RPUSH q a");
  EXPECT_EQ(Run("LPOP q 0"), "*0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  Run("SET s v");
  EXPECT_EQ(Run("LPOP s"), "-WRONGTYPE Operation against a key holding the wrong kind of value");
  runner_.protocol = 3;
  EXPECT_EQ(Run("LPOP none"), "_");
  EXPECT_EQ(Run("LPOP none 1"), "_");
}

TEST_F(ListCommandsTest, AMultiPopTakesFromTheFirstListThatHasElements) {
  Run("RPUSH b 1 2 3");
  Run("RPUSH c 4");
  EXPECT_EQ(Run("LMPOP 3 a b c RIGHT COUNT 2"), "*2 $1 b *2 $1 3 $1 2");
  EXPECT_THAT(runner_.events(), ElementsAre("rpop b"));
  EXPECT_EQ(Run("LMPOP 1 a LEFT"), "*-1");
  EXPECT_EQ(Run("LMPOP 0 a LEFT"), "-ERR numkeys should be greater than 0");
  EXPECT_EQ(Run("LMPOP 2 b LEFT"), "-ERR syntax error");
  EXPECT_EQ(Run("LMPOP 1 b LEFT COUNT 0"), "-ERR count should be greater than 0");
  EXPECT_EQ(Run("LMPOP 1 b LEFT COUNT 1 COUNT 1"), "-ERR syntax error");
}

// --- Blocking ---

TEST_F(ListCommandsTest, ABlockingPopThatFindsNothingWaitsOnAllItsKeys) {
  EXPECT_EQ(Run("BLPOP a b 1.5"), "");
  ASSERT_TRUE(runner_.blocked());
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kList);
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a", "b"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 1500);
  EXPECT_EQ(runner_.blocked()->retry_at_ms, Wait::kForever);
  EXPECT_TRUE(runner_.blocked()->timeout_is_array);
  EXPECT_THAT(runner_.effects(), IsEmpty());

  EXPECT_EQ(Run("BRPOP a 0"), "");
  EXPECT_EQ(runner_.blocked()->deadline_ms, Wait::kForever);
  EXPECT_EQ(Run("BLMPOP 2 2 a b LEFT COUNT 9"), "");
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a", "b"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 2000);
  EXPECT_EQ(Run("BLMOVE a b LEFT RIGHT 0"), "");
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a"));
  EXPECT_TRUE(runner_.blocked()->timeout_is_array);
  EXPECT_EQ(Run("BRPOPLPUSH a b 0"), "");
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a"));
  EXPECT_EQ(Run("BLMOVEM a b LEFT RIGHT 0 EXACTLY 3 BULK"), "");
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("a"));
}

TEST_F(ListCommandsTest, ABlockingPopServesInTheOrderOfItsKeys) {
  Run("RPUSH b 1");
  Run("RPUSH c 2 3");
  EXPECT_EQ(Run("BLPOP a b c 0"), "*2 $1 b $1 1");
  EXPECT_THAT(runner_.events(), ElementsAre("lpop b", "del b"));
  EXPECT_EQ(Run("BRPOP a b c 0"), "*2 $1 c $1 3");
  EXPECT_EQ(Run("BLMPOP 0 2 a c LEFT COUNT 5"), "*2 $1 c *1 $1 2");
}

// A key of another type is an error only as far as it is looked at.
TEST_F(ListCommandsTest, ABlockingPopLooksAtTypesUpToTheFirstElement) {
  Run("SET s v");
  Run("RPUSH q 1 2");
  EXPECT_EQ(Run("BLPOP q s 0"), "*2 $1 q $1 1");
  EXPECT_EQ(Run("BLPOP none s q 0").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Run("BLMOVE s q LEFT LEFT 0").substr(0, 10), "-WRONGTYPE");
}

TEST_F(ListCommandsTest, AResumedCommandRunsAgainFromTheStart) {
  EXPECT_EQ(Run("BLPOP a b 0"), "");
  Run("RPUSH b 1");
  EXPECT_EQ(runner_.Resume("BLPOP a b 0"), "*2 $1 b $1 1");
  EXPECT_FALSE(runner_.blocked());
  EXPECT_EQ(runner_.Resume("BLPOP a b 0"), "");
  EXPECT_TRUE(runner_.blocked());

  // The target is of another type by now: an error, and the element stays.
  EXPECT_EQ(Run("BLMOVE a b LEFT RIGHT 0"), "");
  Run("SET b v");
  Run("RPUSH a 1");
  EXPECT_EQ(runner_.Resume("BLMOVE a b LEFT RIGHT 0").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(All("a"), "*1 $1 1");
}

// In a transaction: the answers differ in the kind of null, which RESP2 clients can see.
TEST_F(ListCommandsTest, WhoMayNotBlockGetsTheNullAtOnce) {
  runner_.may_block = false;
  EXPECT_EQ(Run("BLPOP a b 0"), "*-1");
  EXPECT_EQ(Run("BRPOP a 0"), "*-1");
  EXPECT_EQ(Run("BLMPOP 0 1 a LEFT"), "*-1");
  EXPECT_EQ(Run("BLMOVE a b LEFT RIGHT 0"), "$-1");
  EXPECT_EQ(Run("BRPOPLPUSH a b 0"), "$-1");
  EXPECT_EQ(Run("BLMOVEM a b LEFT RIGHT 0"), "*-1");
  EXPECT_EQ(Run("BLMOVEM a b LEFT RIGHT 0 EXACTLY 2 OBO"), "*-1");
}

TEST_F(ListCommandsTest, TimeoutsAreChecked) {
  EXPECT_EQ(Run("BLPOP a -1"), "-ERR timeout is negative");
  EXPECT_EQ(Run("BLPOP a x"), "-ERR timeout is not a float or out of range");
  EXPECT_EQ(Run("BLPOP a inf"), "-ERR timeout is out of range");
  EXPECT_EQ(Run("BLMOVE a b LEFT RIGHT -1"), "-ERR timeout is negative");
  EXPECT_EQ(Run("BLMPOP -1 1 a UP"), "-ERR syntax error");
  EXPECT_EQ(Run("BLMPOP -1 1 a LEFT"), "-ERR timeout is negative");
}

// --- Moving ---

TEST_F(ListCommandsTest, AMoveIsOneEffectAndNotifiesThePushFirst) {
  Run("RPUSH a 1 2");
  EXPECT_EQ(Run("LMOVE a b LEFT RIGHT"), "$1 1");
  EXPECT_THAT(runner_.effects(), ElementsAre("list-move"));
  EXPECT_THAT(runner_.events(), ElementsAre("new b", "rpush b", "lpop a"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added b", "modified a"));
  EXPECT_EQ(Run("RPOPLPUSH a b"), "$1 2");
  EXPECT_THAT(runner_.effects(), ElementsAre("list-move"));
  EXPECT_THAT(runner_.events(), ElementsAre("lpush b", "rpop a", "del a"));
  EXPECT_THAT(runner_.changes(), ElementsAre("grown b", "removed a"));
  EXPECT_EQ(All("b"), "*2 $1 2 $1 1");
  EXPECT_EQ(Run("LMOVE a b LEFT LEFT"), "$-1");
  EXPECT_EQ(Run("LMOVE b a UP LEFT"), "-ERR syntax error");
}

TEST_F(ListCommandsTest, TheTargetsTypeMattersOnlyIfThereIsSomethingToMove) {
  Run("SET s v");
  EXPECT_EQ(Run("LMOVE a s LEFT LEFT"), "$-1");
  EXPECT_EQ(Run("LMOVEM a s LEFT LEFT"), "*-1");
  Run("RPUSH a 1");
  EXPECT_EQ(Run("LMOVE a s LEFT LEFT").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Run("LMOVEM a s LEFT LEFT").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(All("a"), "*1 $1 1");
}

TEST_F(ListCommandsTest, AListRotatesOnItselfAndKeepsItsExpiry) {
  Run("RPUSH q 1 2 3");
  Run("EXPIRE q 100");
  EXPECT_EQ(Run("LMOVE q q LEFT RIGHT"), "$1 1");
  EXPECT_THAT(runner_.events(), ElementsAre("rpush q", "lpop q"));
  EXPECT_EQ(All("q"), "*3 $1 2 $1 3 $1 1");
  EXPECT_EQ(Run("LMOVE q q LEFT LEFT"), "$1 2");
  EXPECT_EQ(All("q"), "*3 $1 2 $1 3 $1 1");
  EXPECT_EQ(Run("TTL q"), ":100");

  Run("RPUSH one x");
  EXPECT_EQ(Run("RPOPLPUSH one one"), "$1 x");
  EXPECT_THAT(runner_.events(), ElementsAre("lpush one", "rpop one"));
  EXPECT_EQ(All("one"), "*1 $1 x");
}

TEST_F(ListCommandsTest, MoveManyAnswersInTheOrderOfTheDestination) {
  struct {
    const char* ends;
    const char* order;
    const char* reply;
    const char* target;
  } const kCases[] = {
      {"LEFT LEFT", "OBO", "*2 $1 b $1 a", "*4 $1 b $1 a $1 x $1 y"},
      {"LEFT LEFT", "BULK", "*2 $1 a $1 b", "*4 $1 a $1 b $1 x $1 y"},
      {"LEFT RIGHT", "OBO", "*2 $1 a $1 b", "*4 $1 x $1 y $1 a $1 b"},
      {"LEFT RIGHT", "BULK", "*2 $1 a $1 b", "*4 $1 x $1 y $1 a $1 b"},
      {"RIGHT LEFT", "OBO", "*2 $1 c $1 d", "*4 $1 c $1 d $1 x $1 y"},
      {"RIGHT LEFT", "BULK", "*2 $1 c $1 d", "*4 $1 c $1 d $1 x $1 y"},
      {"RIGHT RIGHT", "OBO", "*2 $1 d $1 c", "*4 $1 x $1 y $1 d $1 c"},
      {"RIGHT RIGHT", "BULK", "*2 $1 c $1 d", "*4 $1 x $1 y $1 c $1 d"},
  };
  for (const auto& one : kCases) {
    Run("FLUSHALL");
    Run("RPUSH s a b c d");
    Run("RPUSH t x y");
    const std::string line = std::string("LMOVEM s t ") + one.ends + " COUNT 2 " + one.order;
    EXPECT_EQ(Run(line.c_str()), one.reply) << line;
    EXPECT_THAT(runner_.effects(), ElementsAre("list-move")) << line;
    EXPECT_EQ(All("t"), one.target) << line;
    EXPECT_EQ(Run("LLEN s"), ":2") << line;
  }
}

// The block is taken out before it is put back, so one by one at the same end turns it round.
TEST_F(ListCommandsTest, MoveManyWithinOneList) {
  struct {
    const char* ends;
    const char* order;
    const char* reply;
    const char* list;
  } const kCases[] = {
      {"LEFT LEFT", "OBO", "*2 $1 b $1 a", "*4 $1 b $1 a $1 c $1 d"},
      {"LEFT LEFT", "BULK", "*2 $1 a $1 b", "*4 $1 a $1 b $1 c $1 d"},
      {"LEFT RIGHT", "OBO", "*2 $1 a $1 b", "*4 $1 c $1 d $1 a $1 b"},
      {"LEFT RIGHT", "BULK", "*2 $1 a $1 b", "*4 $1 c $1 d $1 a $1 b"},
      {"RIGHT LEFT", "OBO", "*2 $1 c $1 d", "*4 $1 c $1 d $1 a $1 b"},
      {"RIGHT LEFT", "BULK", "*2 $1 c $1 d", "*4 $1 c $1 d $1 a $1 b"},
      {"RIGHT RIGHT", "OBO", "*2 $1 d $1 c", "*4 $1 a $1 b $1 d $1 c"},
      {"RIGHT RIGHT", "BULK", "*2 $1 c $1 d", "*4 $1 a $1 b $1 c $1 d"},
  };
  for (const auto& one : kCases) {
    Run("FLUSHALL");
    Run("RPUSH s a b c d");
    const std::string line = std::string("LMOVEM s s ") + one.ends + " EXACTLY 2 " + one.order;
    EXPECT_EQ(Run(line.c_str()), one.reply) << line;
    EXPECT_EQ(All("s"), one.list) << line;
  }
  EXPECT_EQ(Run("LMOVEM s s LEFT LEFT COUNT 9 OBO"), "*4 $1 d $1 c $1 b $1 a");
  EXPECT_THAT(runner_.events(), ElementsAre("lpush s", "lpop s"));
  EXPECT_EQ(All("s"), "*4 $1 d $1 c $1 b $1 a");
}

TEST_F(ListCommandsTest, CountTakesWhatThereIsAndExactlyAllOrNothing) {
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT"), "*-1");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 2 BULK"), "*-1");
  Run("RPUSH s a b");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT EXACTLY 3 BULK"), "*-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT"), "*1 $1 a");
  EXPECT_THAT(runner_.events(), ElementsAre("new t", "rpush t", "lpop s"));
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 3 BULK"), "*1 $1 b");
  EXPECT_THAT(runner_.events(), ElementsAre("rpush t", "lpop s", "del s"));
}

TEST_F(ListCommandsTest, BlockingMoveManyWaitsUntilThereIsEnough) {
  Run("RPUSH s a");
  EXPECT_EQ(Run("BLMOVEM s t LEFT RIGHT 0 COUNT 5 OBO"), "*1 $1 a");
  EXPECT_EQ(Run("BLMOVEM s t LEFT RIGHT 0 EXACTLY 2 OBO"), "");
  EXPECT_TRUE(runner_.blocked());
  Run("RPUSH s b");
  EXPECT_EQ(runner_.Resume("BLMOVEM s t LEFT RIGHT 0 EXACTLY 2 OBO"), "");
  EXPECT_TRUE(runner_.blocked());
  Run("LINSERT s BEFORE b c");
  EXPECT_THAT(runner_.changes(), ElementsAre("grown s"));
  EXPECT_EQ(runner_.Resume("BLMOVEM s t LEFT RIGHT 0 EXACTLY 2 OBO"), "*2 $1 c $1 b");
}

TEST_F(ListCommandsTest, MoveManyChecksItsArguments) {
  Run("RPUSH s a b");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 2"), "-ERR syntax error");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT OBO"), "-ERR syntax error");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 2 OBO BULK"), "-ERR syntax error");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT UPTO 2 OBO"), "-ERR syntax error");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 2 ODD"), "-ERR syntax error");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 0 OBO"), "-ERR count should be greater than 0");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT EXACTLY x OBO"), "-ERR exactly should be greater than 0");
  EXPECT_EQ(Run("BLMOVEM s t LEFT RIGHT x COUNT 2 OBO"),
            "-ERR timeout is not a float or out of range");
  EXPECT_EQ(All("s"), "*2 $1 a $1 b");
}

// --- Inside a list ---

TEST_F(ListCommandsTest, IndexesCountFromEitherEnd) {
  Run("RPUSH q a b c");
  EXPECT_EQ(Run("LINDEX q -1"), "$1 c");
  EXPECT_EQ(Run("LINDEX q 3"), "$-1");
  EXPECT_EQ(Run("LRANGE q -100 100"), "*3 $1 a $1 b $1 c");
  EXPECT_EQ(Run("LRANGE q 2 1"), "*0");
  EXPECT_EQ(Run("LRANGE q -9223372036854775808 9223372036854775807"), "*3 $1 a $1 b $1 c");
  EXPECT_EQ(Run("LSET q -1 z"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("lset q"));
  EXPECT_THAT(runner_.changes(), ElementsAre("modified q"));
  EXPECT_EQ(Run("LSET q 3 z"), "-ERR index out of range");
  EXPECT_EQ(Run("LSET none 0 z"), "-ERR no such key");
  EXPECT_EQ(All("q"), "*3 $1 a $1 b $1 z");
}

TEST_F(ListCommandsTest, InsertFindsItsPivotFromTheFront) {
  Run("RPUSH q a b a");
  EXPECT_EQ(Run("LINSERT q AFTER a x"), ":4");
  EXPECT_EQ(Run("LINSERT q BEFORE b y"), ":5");
  EXPECT_EQ(All("q"), "*5 $1 a $1 x $1 y $1 b $1 a");
  EXPECT_EQ(Run("LINSERT q BEFORE none y"), ":-1");
  EXPECT_EQ(Run("LINSERT none BEFORE a y"), ":0");
  EXPECT_EQ(Run("LINSERT q AROUND a y"), "-ERR syntax error");
}

TEST_F(ListCommandsTest, RemoveWithoutAMatchChangesNothing) {
  Run("RPUSH q a b a b a");
  EXPECT_EQ(Run("LREM q 0 x"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Run("LREM q -2 a"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("lrem q"));
  EXPECT_EQ(All("q"), "*3 $1 a $1 b $1 b");
  EXPECT_EQ(Run("LREM q -9223372036854775808 b"), ":2");
  EXPECT_EQ(Run("LREM q 5 a"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("lrem q", "del q"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed q"));
}

// Also a trim that takes nothing touches the key, for WATCH.
TEST_F(ListCommandsTest, TrimTouchesTheKeyAlways) {
  Run("RPUSH q a b c");
  EXPECT_EQ(Run("LTRIM q 0 -1"), "+OK");
  EXPECT_THAT(runner_.changes(), ElementsAre("modified q"));
  EXPECT_THAT(runner_.events(), ElementsAre("ltrim q"));
  EXPECT_EQ(Run("LTRIM q 1 1"), "+OK");
  EXPECT_EQ(All("q"), "*1 $1 b");
  EXPECT_EQ(Run("LTRIM q 5 9"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("ltrim q", "del q"));
  EXPECT_EQ(Run("LTRIM q 5 9"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(ListCommandsTest, PosCountsMatchesFromEitherEnd) {
  Run("RPUSH q a b a c a");
  EXPECT_EQ(Run("LPOS q a"), ":0");
  EXPECT_EQ(Run("LPOS q a RANK 2"), ":2");
  EXPECT_EQ(Run("LPOS q a RANK -1"), ":4");
  EXPECT_EQ(Run("LPOS q a COUNT 0 RANK -2"), "*2 :2 :0");
  EXPECT_EQ(Run("LPOS q a COUNT 2"), "*2 :0 :2");
  EXPECT_EQ(Run("LPOS q a MAXLEN 1 RANK 2"), "$-1");
  EXPECT_EQ(Run("LPOS q c MAXLEN 3 COUNT 0"), "*0");
  EXPECT_EQ(Run("LPOS none a"), "$-1");
  EXPECT_EQ(Run("LPOS none a COUNT 1"), "*0");
  EXPECT_EQ(Run("LPOS q a COUNT -1"), "-ERR COUNT can't be negative");
  EXPECT_EQ(Run("LPOS q a MAXLEN -1"), "-ERR MAXLEN can't be negative");
  EXPECT_EQ(Run("LPOS q a RANK 0").substr(0, 24), "-ERR RANK can't be zero:");
  EXPECT_EQ(Run("LPOS q a RANK -9223372036854775808").substr(0, 26), "-ERR value is out of range");
}

// A queue that has expired is a queue that is not there: it is removed first, with its own event.
TEST_F(ListCommandsTest, AnExpiredListIsReplacedByANewOne) {
  Run("RPUSH q a");
  Run("PEXPIRE q 10");
  runner_.now_ms += 10;
  EXPECT_EQ(Run("LPUSH q b"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("expired q", "new q", "lpush q"));
  EXPECT_THAT(runner_.changes(), ElementsAre("removed q", "added q"));
  EXPECT_EQ(Run("TTL q"), ":-1");
}

// Elements move from block to block of both lists; the views that are pushed must not be read after
// they died.
TEST_F(ListCommandsTest, LongListsMoveWhole) {
  const std::string big(3000, 'x');
  for (int i = 0; i < 50; i++) {
    const std::string value = std::to_string(i) + big;
    runner_.Run({"RPUSH", "s", value});
  }
  const std::string before = All("s");
  EXPECT_EQ(Run("LMOVEM s t LEFT RIGHT COUNT 100 BULK"), before);
  EXPECT_EQ(All("t"), before);
  for (int i = 0; i < 50; i++)
    Run("LMOVE t t RIGHT LEFT");
  EXPECT_EQ(All("t"), before);
  Run("LMOVEM t t LEFT LEFT COUNT 50 OBO");
  Run("LMOVEM t s LEFT LEFT COUNT 50 OBO");
  EXPECT_EQ(All("s"), before);
}

}  // namespace
}  // namespace runnel
