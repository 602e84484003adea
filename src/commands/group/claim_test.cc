#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Entries 1 to 5, of which consumer c of group g has 1 to 4 pending, since 1000 ms.
class ClaimTest : public ::testing::Test {
 protected:
  ClaimTest() {
    for (const char* id : {"1-0", "2-0", "3-0", "4-0", "5-0"}) {
      runner_.Run({"XADD", "s", id, "f", "v"});
    }
    runner_.Run("XGROUP CREATE s g 0");
    runner_.Run("XREADGROUP GROUP g c COUNT 4 STREAMS s >");
    runner_.now_ms += 1000;
  }
  static std::string Entries(std::initializer_list<int> ids) {
    std::string reply = "*" + std::to_string(ids.size());
    for (const int id : ids) {
      reply += " *2 $3 " + std::to_string(id) + "-0 *2 $1 f $1 v";
    }
    return reply;
  }
  std::string Pending() { return runner_.Run("XPENDING s g - + 100"); }

  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(ClaimTest, TakesEntriesFromOthers) {
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1000 1 3 5 9"), Entries({1, 3}));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-claim"));
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-createconsumer s"));
  EXPECT_EQ(Pending(),
            "*4 *4 $3 1-0 $1 d :0 :2 *4 $3 2-0 $1 c :1000 :1 *4 $3 3-0 $1 d :0 :2 *4 $3 4-0 $1 c "
            ":1000 :1");
  EXPECT_EQ(runner_.Run("XCLAIM s g c 1 1 2"), Entries({2}));
}

TEST_F(ClaimTest, BoundsRepeatedEntries) {
  runner_.options.most_change_bytes = 150;
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 2 3 4 1"), Entries({1, 2, 3, 4, 1}));
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 1 1 1 1 1"),
            "-ERR the reply would repeat more than 150 bytes");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 1 1 1 1 1 JUSTID"),
            "*6 $3 1-0 $3 1-0 $3 1-0 $3 1-0 $3 1-0 $3 1-0");
}

TEST_F(ClaimTest, LeavesAloneWhatIsNotIdleForLongEnough) {
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1001 1 2"), "*0");
  // The consumer is there all the same.
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create"));
  EXPECT_EQ(runner_.Run("XINFO CONSUMERS s g"),
            "*2 *8 $4 name $1 c $7 pending :4 $4 idle :1000 $8 inactive :1000 "
            "*8 $4 name $1 d $7 pending :0 $4 idle :0 $8 inactive :-1");
  runner_.now_ms += 5;
  EXPECT_EQ(runner_.Run("XCLAIM s g d 5000 1 2"), "*0");
  EXPECT_THAT(runner_.effects(), testing::IsEmpty());
  EXPECT_THAT(runner_.Run("XINFO CONSUMERS s g"),
              testing::HasSubstr("$1 d $7 pending :0 $4 idle :0 $8 inactive :-1"));
  EXPECT_EQ(runner_.Run("XCLAIM s g d -1 1"), Entries({1}));
}

TEST_F(ClaimTest, SetsTimesAndCounts) {
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 JUSTID"), "*1 $3 1-0");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 2 IDLE 300 RETRYCOUNT 9"), Entries({2}));
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 3 TIME 1699999999000"), Entries({3}));
  // A time that is yet to come counts as now.
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 4 time 1700000001001 RETRYCOUNT 0 justid"), "*1 $3 4-0");
  EXPECT_EQ(Pending(),
            "*4 *4 $3 1-0 $1 d :0 :1 *4 $3 2-0 $1 d :300 :9 *4 $3 3-0 $1 d :2000 :2 *4 $3 4-0 $1 d "
            ":0 :0");
  runner_.Run("XCLAIM s g d 0 2 IDLE -5 RETRYCOUNT -1");
  EXPECT_EQ(runner_.Run("XPENDING s g 2 2 1"), "*1 *4 $3 2-0 $1 d :0 :10");
}

TEST_F(ClaimTest, MakesEntriesPendingByForce) {
  EXPECT_EQ(runner_.Run("XCLAIM s g d 9999 5 9 FORCE"), Entries({5}));
  EXPECT_EQ(runner_.Run("XPENDING s g 5 + 9"), "*1 *4 $3 5-0 $1 d :0 :2");
  runner_.Run("XACK s g 5");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 5 FORCE JUSTID"), "*1 $3 5-0");
  EXPECT_EQ(runner_.Run("XPENDING s g 5 + 9"), "*1 *4 $3 5-0 $1 d :0 :1");
}

TEST_F(ClaimTest, DropsWhatTheStreamHasLost) {
  runner_.Run("XDEL s 2-0");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 2 2"), Entries({1}));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-ack", "group-claim"));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :3 $3 1-0 $3 4-0 *2 *2 $1 c $1 2 *2 $1 d $1 1");
}

TEST_F(ClaimTest, ClaimsAnIdAsOftenAsItIsNamed) {
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 1"), Entries({1, 1}));
  EXPECT_EQ(runner_.Run("XPENDING s g 1 1 1"), "*1 *4 $3 1-0 $1 d :0 :3");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1 2 2"), Entries({2}));
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1000 5 5 FORCE"), Entries({5}));
}

TEST_F(ClaimTest, MovesTheGroupForwardByLastId) {
  runner_.Run("XCLAIM s g d 0 1 LASTID 3-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-claim"));
  runner_.Run("XCLAIM s g d 0 1 LASTID 5-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-set-id", "group-claim"));
  EXPECT_THAT(runner_.Run("XINFO GROUPS s"),
              testing::HasSubstr("last-delivered-id $3 5-0 $12 entries-read :4"));
}

TEST_F(ClaimTest, RefusesWrongArgumentsOfXClaim) {
  EXPECT_EQ(runner_.Run("XCLAIM s nogroup d x 1"),
            "-NOGROUP No such key 's' or consumer group 'nogroup'");
  EXPECT_EQ(runner_.Run("XCLAIM nokey g d 0 1"),
            "-NOGROUP No such key 'nokey' or consumer group 'g'");
  EXPECT_EQ(runner_.Run("XCLAIM s g d x 1"), "-ERR Invalid min-idle-time argument for XCLAIM");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 x"), "-ERR Unrecognized XCLAIM option 'x'");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 - JUSTID"), "-ERR Unrecognized XCLAIM option '-'");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 IDLE"), "-ERR Unrecognized XCLAIM option 'IDLE'");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 IDLE x"), "-ERR Invalid IDLE option argument for XCLAIM");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 TIME x"), "-ERR Invalid TIME option argument for XCLAIM");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 RETRYCOUNT x"),
            "-ERR Invalid RETRYCOUNT option argument for XCLAIM");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1 LASTID x"),
            "-ERR Invalid stream ID specified as stream command argument");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(ClaimTest, TakesReleasedEntries) {
  runner_.Run("XNACK s g FAIL IDS 2 2 3");
  EXPECT_EQ(runner_.Run("XCLAIM s g d 100000 1 2"), Entries({2}));
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 100000 0"), "*3 $3 0-0 " + Entries({3}) + " *0");
  EXPECT_EQ(runner_.Run("XPENDING s g - + 2 d"), "*2 *4 $3 2-0 $1 d :0 :2 *4 $3 3-0 $1 d :0 :2");
}

TEST_F(ClaimTest, ClaimsWhatItFinds) {
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 1000 0"), "*3 $3 0-0 " + Entries({1, 2, 3, 4}) + " *0");
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-claim"));
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-createconsumer s"));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :4 $3 1-0 $3 4-0 *1 *2 $1 d $1 4");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g e 0 (2 COUNT 1 JUSTID"), "*3 $3 4-0 *1 $3 3-0 *0");
  EXPECT_EQ(runner_.Run("XPENDING s g 3 3 1"), "*1 *4 $3 3-0 $1 e :0 :2");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g e 0 5"), "*3 $3 0-0 *0 *0");
}

TEST_F(ClaimTest, CountsWhatTheStreamHasLost) {
  runner_.Run("XDEL s 1-0 3-0");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 0 0 COUNT 3"),
            "*3 $3 4-0 " + Entries({2}) + " *2 $3 1-0 $3 3-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-ack", "group-claim"));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :2 $3 2-0 $3 4-0 *2 *2 $1 c $1 1 *2 $1 d $1 1");
  // What is gone goes however long it was pending.
  runner_.Run("XDEL s 4-0");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 999999 0"), "*3 $3 0-0 *0 *1 $3 4-0");
}

TEST_F(ClaimTest, LooksAtTenTimesTheCount) {
  for (int i = 6; i <= 40; i++) {
    runner_.Run({"XADD", "s", std::to_string(i) + "-0", "f", "v"});
  }
  runner_.Run("XREADGROUP GROUP g c STREAMS s >");
  // 1 to 4 have been pending for a second, the others not.
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 500 5 COUNT 2"), "*3 $4 25-0 *0 *0");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM s g d 500 0 COUNT 2"), "*3 $3 3-0 " + Entries({1, 2}) + " *0");
}

TEST_F(ClaimTest, RefusesWrongArgumentsOfXAutoClaim) {
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d x 0"),
            "-ERR Invalid min-idle-time argument for XAUTOCLAIM");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d 0 x"),
            "-ERR Invalid stream ID specified as stream command argument");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d 0 (18446744073709551615-18446744073709551615"),
            "-ERR invalid start ID for the interval");
  for (const char* count : {"0", "-1", "x", "9223372036854775807"}) {
    EXPECT_EQ(runner_.Run({"XAUTOCLAIM", "nokey", "g", "d", "0", "0", "COUNT", count}),
              "-ERR COUNT must be > 0");
  }
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d 0 0 COUNT"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d 0 0 FORCE"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XAUTOCLAIM nokey g d 0 0"),
            "-NOGROUP No such key 'nokey' or consumer group 'g'");
}

TEST_F(ClaimTest, ClaimsAnythingWhereNothingIsDemandedThoughTheClockWentBack) {
  runner_.now_ms -= 5000;
  EXPECT_EQ(runner_.Run("XCLAIM s g d 0 1"), Entries({1}));
  EXPECT_EQ(runner_.Run("XCLAIM s g d 1 2"), "*0");
}

// COUNT may be any number, but one call looks at so many entries only and tells where to go on.
TEST_F(ClaimTest, BoundsTheWorkOfOneCall) {
  for (int i = 1; i <= 25'000; i++) {
    runner_.Run({"XADD", "long", std::to_string(i) + "-0", "f", "v"});
  }
  runner_.Run("XGROUP CREATE long g 0");
  runner_.Run("XREADGROUP GROUP g c STREAMS long >");
  const auto start = [](const std::string& reply) { return reply.substr(0, reply.find(" *")); };
  EXPECT_EQ(start(runner_.Run("XAUTOCLAIM long g d 0 0 COUNT 576460752303423487 JUSTID")),
            "*3 $7 10001-0");
  EXPECT_EQ(start(runner_.Run("XAUTOCLAIM long g d 5000 10001 COUNT 576460752303423487 JUSTID")),
            "*3 $7 20001-0");
  EXPECT_EQ(start(runner_.Run("XAUTOCLAIM long g d 0 20001 COUNT 576460752303423487 JUSTID")),
            "*3 $3 0-0");
}

}  // namespace
}  // namespace runnel
