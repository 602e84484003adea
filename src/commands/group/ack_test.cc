#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kInvalidId = "-ERR Invalid stream ID specified as stream command argument";

// Entries 1 to 5, of which consumer c of group g has 1 to 4 pending.
class PendingTest : public ::testing::Test {
 protected:
  PendingTest() {
    for (const char* id : {"1-0", "2-0", "3-0", "4-0", "5-0"}) {
      runner_.Run({"XADD", "s", id, "f", "v"});
    }
    runner_.Run("XGROUP CREATE s g 0");
    runner_.Run("XREADGROUP GROUP g c COUNT 4 STREAMS s >");
  }
  // [id, consumer, idle, deliveries] of each pending entry.
  std::string Pending() { return runner_.Run("XPENDING s g - + 100"); }
  std::string Length() { return runner_.Run("XLEN s"); }

  CommandRunner runner_{StreamCommands(), GroupCommands(), StringCommands()};
};

using XAckTest = PendingTest;

TEST_F(XAckTest, AcknowledgesWhatIsPending) {
  EXPECT_EQ(runner_.Run("XACK s g 1 3-0 3 5 9"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-ack"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s"));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :2 $3 2-0 $3 4-0 *1 *2 $1 c $1 2");
  EXPECT_EQ(runner_.Run("XACK s g 1"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(XAckTest, IsContentWithWhatIsNotThere) {
  EXPECT_EQ(runner_.Run("XACK s nogroup x"), ":0");
  EXPECT_EQ(runner_.Run("XACK nokey g x"), ":0");
  EXPECT_EQ(runner_.Run("XACK s g 1 x"), kInvalidId);
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :4 $3 1-0 $3 4-0 *1 *2 $1 c $1 4");
  runner_.Run("SET k v");
  EXPECT_EQ(runner_.Run("XACK k g 1"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

using XAckDelTest = PendingTest;

TEST_F(XAckDelTest, DeletesOnlyWhatWasPending) {
  // 5 was not given to anybody: it stays, as it would not with XACK and XDEL.
  EXPECT_EQ(runner_.Run("XACKDEL s g IDS 4 1 1 5 9"), "*4 :1 :-1 :-1 :-1");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-ack", "stream-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("xdel s"));
  EXPECT_EQ(Length(), ":4");
  EXPECT_THAT(runner_.Run("XINFO STREAM s"), testing::HasSubstr("max-deleted-entry-id $3 1-0"));
}

TEST_F(XAckDelTest, CountsAsDeletedWhatIsGone) {
  runner_.Run("XDEL s 2-0");
  EXPECT_EQ(runner_.Run("XACKDEL s g IDS 1 2"), "*1 :1");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-ack"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(runner_.Run("XACKDEL s g ACKED IDS 1 2"), "*1 :-1");
}

TEST_F(XAckDelTest, KeepsWhatOtherGroupsNeed) {
  runner_.Run("XGROUP CREATE s h 0");
  runner_.Run("XREADGROUP GROUP h c COUNT 2 STREAMS s >");
  runner_.Run("XACK s h 1");
  // 2 is pending in h, and 3 was not given to it.
  EXPECT_EQ(runner_.Run("XACKDEL s g ACKED IDS 3 1 2 3"), "*3 :1 :2 :2");
  EXPECT_EQ(Length(), ":4");
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :1 $3 4-0 $3 4-0 *1 *2 $1 c $1 1");
  EXPECT_EQ(runner_.Run("XACKDEL s h ACKED IDS 1 2"), "*1 :1");
  EXPECT_EQ(Length(), ":3");
}

TEST_F(XAckDelTest, DeletesReferencesOfOtherGroups) {
  runner_.Run("XGROUP CREATE s h 0");
  runner_.Run("XREADGROUP GROUP h c COUNT 2 STREAMS s >");
  EXPECT_EQ(runner_.Run("XACKDEL s g DELREF IDS 1 1"), "*1 :1");
  EXPECT_EQ(runner_.Run("XPENDING s h"), "*4 :1 $3 2-0 $3 2-0 *1 *2 $1 c $1 1");
  EXPECT_EQ(runner_.Run("XACKDEL s g KEEPREF IDS 1 2"), "*1 :1");
  EXPECT_EQ(runner_.Run("XPENDING s h"), "*4 :1 $3 2-0 $3 2-0 *1 *2 $1 c $1 1");
  EXPECT_EQ(Length(), ":3");
}

TEST_F(XAckDelTest, AnswersForEachIdWhereNothingIs) {
  EXPECT_EQ(runner_.Run("XACKDEL nokey g IDS 2 1 x"), "*2 :-1 :-1");
  EXPECT_EQ(runner_.Run("XACKDEL s nogroup IDS 2 1 2"), "*2 :-1 :-1");
  EXPECT_EQ(runner_.Run("XACKDEL s g IDS 2 1 x"), kInvalidId);
  EXPECT_EQ(runner_.Run("XACKDEL s g IDS 1 1 2"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XACKDEL s g ACKED 1 2"), "-ERR syntax error");
}

using XNackTest = PendingTest;

TEST_F(XNackTest, ReleasesEntries) {
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 3 3 1 9"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-release"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  // This wakes clients that wait with CLAIM.
  EXPECT_THAT(runner_.changes(), ElementsAre("awaited s"));
  EXPECT_EQ(
      Pending(),
      "*4 *4 $3 1-0 $0  :-1 :1 *4 $3 2-0 $1 c :0 :1 *4 $3 3-0 $0  :-1 :1 *4 $3 4-0 $1 c :0 :1");
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :4 $3 1-0 $3 4-0 *1 *2 $1 c $1 2");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 1 9"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(XNackTest, ChangesTheCounts) {
  runner_.Run("XCLAIM s g c 0 1 RETRYCOUNT 5");
  runner_.Run("XCLAIM s g c 0 2 RETRYCOUNT 0");
  runner_.Run("XNACK s g SILENT IDS 2 1 2");
  runner_.Run("XNACK s g fatal IDS 1 3");
  runner_.Run("XNACK s g FATAL IDS 1 4 RETRYCOUNT 7");
  EXPECT_EQ(Pending(),
            "*4 *4 $3 1-0 $0  :-1 :4 *4 $3 2-0 $0  :-1 :0 *4 $3 3-0 $0  :-1 :9223372036854775807 "
            "*4 $3 4-0 $0  :-1 :7");
  // The count of deliveries stays at its highest.
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1000 3 JUSTID"), "*1 $3 3-0");
  runner_.Run("XCLAIM s g d 0 3");
  EXPECT_EQ(runner_.Run("XPENDING s g 3 3 1"), "*1 *4 $3 3-0 $1 d :0 :9223372036854775807");
  EXPECT_EQ(runner_.Run("XNACK s g SILENT IDS 1 1"), ":1");
  EXPECT_EQ(runner_.Run("XPENDING s g 1 1 1"), "*1 *4 $3 1-0 $0  :-1 :3");
}

TEST_F(XNackTest, MakesEntriesPendingByForce) {
  EXPECT_EQ(runner_.Run("XNACK s g SILENT IDS 2 5 9 FORCE"), ":1");
  EXPECT_EQ(runner_.Run("XPENDING s g 5 + 9"), "*1 *4 $3 5-0 $0  :-1 :0");
  runner_.Run("XACK s g 5");
  EXPECT_EQ(runner_.Run("XNACK s g SILENT IDS 1 5 RETRYCOUNT 3 force"), ":1");
  EXPECT_EQ(runner_.Run("XPENDING s g 5 + 9"), "*1 *4 $3 5-0 $0  :-1 :3");
  runner_.Run("XDEL s 1-0");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 1 1"), ":1");
}

TEST_F(XNackTest, RefusesWrongArguments) {
  EXPECT_EQ(runner_.Run("XNACK s nogroup BOGUS IDS 1 1"),
            "-NOGROUP No such key 's' or consumer group 'nogroup'");
  EXPECT_EQ(runner_.Run("XNACK nokey g FAIL IDS 1 1"),
            "-NOGROUP No such key 'nokey' or consumer group 'g'");
  EXPECT_EQ(runner_.Run("XNACK s g BOGUS IDS 1 1"), "-ERR mode must be SILENT, FAIL, or FATAL");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL 1 1 1"), "-ERR syntax error, expected IDS keyword");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 0 1"), "-ERR numids must be a positive integer");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS x 1"), "-ERR numids must be a positive integer");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 2 1"), "-ERR number of IDs doesn't match numids");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 1 1 BOGUS"), "-ERR Unrecognized XNACK option 'BOGUS'");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 1 1 RETRYCOUNT"),
            "-ERR Unrecognized XNACK option 'RETRYCOUNT'");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 1 1 RETRYCOUNT -1"),
            "-ERR Invalid RETRYCOUNT value, must be >= 0");
  EXPECT_EQ(runner_.Run("XNACK s g FAIL IDS 2 1 x"), kInvalidId);
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :4 $3 1-0 $3 4-0 *1 *2 $1 c $1 4");
}

}  // namespace
}  // namespace runnel
