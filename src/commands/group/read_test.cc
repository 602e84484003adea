#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/cold_testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kNoGroup =
    "-NOGROUP No such key 's' or consumer group 'nogroup' in XREADGROUP with GROUP option";

// Streams s and t with entries 1 to 3, and a group g of each.
class XReadGroupTest : public ::testing::Test {
 protected:
  XReadGroupTest() {
    for (const char* key : {"s", "t"}) {
      for (const char* id : {"1-0", "2-0", "3-0"}) {
        runner_.Run({"XADD", key, id, "f", "v"});
      }
      runner_.Run({"XGROUP", "CREATE", key, "g", "0"});
    }
  }
  static std::string Entries(std::initializer_list<int> ids) {
    std::string reply = "*" + std::to_string(ids.size());
    for (const int id : ids) {
      reply += " *2 $3 " + std::to_string(id) + "-0 *2 $1 f $1 v";
    }
    return reply;
  }
  // An entry of a reply with CLAIM.
  static std::string Claimed(int id, const std::string& idle, const std::string& deliveries) {
    return " *4 $3 " + std::to_string(id) + "-0 *2 $1 f $1 v :" + idle + " :" + deliveries;
  }
  std::string Pending() { return runner_.Run("XPENDING s g - + 100"); }

  CommandRunner runner_{StreamCommands(), GroupCommands(), KeyspaceCommands(), ListCommands()};
};

TEST_F(XReadGroupTest, DeliversEachEntryOnce) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 2 STREAMS s >"),
            "*1 *2 $1 s " + Entries({1, 2}));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-deliver"));
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-createconsumer s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s", "beside s"));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b STREAMS s >"), "*1 *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s >"), "*-1");
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Pending(), "*3 *4 $3 1-0 $1 a :0 :1 *4 $3 2-0 $1 a :0 :1 *4 $3 3-0 $1 b :0 :1");
}

TEST_F(XReadGroupTest, ReadsSeveralStreams) {
  runner_.Run("XGROUP SETID t g $");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s t s > > >"),
            "*2 *2 $1 s " + Entries({1}) + " *2 $1 s " + Entries({2}));
  runner_.protocol = 3;
  runner_.Run("XADD t 4-0 f v");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s t > >"),
            "%2 $1 s " + Entries({3}) + " $1 t " + Entries({4}));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s t > >"), "_");
}

TEST_F(XReadGroupTest, NotesConsumersThatGetNothing) {
  runner_.Run("XGROUP SETID s g $");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s >"), "*-1");
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create"));
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-createconsumer s"));
  runner_.now_ms += 30;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s >"), "*-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  runner_.now_ms += 12;
  EXPECT_EQ(runner_.Run("XINFO CONSUMERS s g"),
            "*1 *8 $4 name $1 a $7 pending :0 $4 idle :12 $8 inactive :-1");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 0"), "*1 *2 $1 s *0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  runner_.now_ms += 7;
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL"),
              HasSubstr("seen-time :" + std::to_string(runner_.now_ms - 7)));
}

// Beside another change the journal is told of a poll, if it was not for a minute.
TEST_F(XReadGroupTest, JournalsPollsOnceAMinuteAndBesideOtherChanges) {
  runner_.Run("XADD t 4-0 f v");
  runner_.Run("XGROUP CREATE t g 0");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS t >"), "*1 *2 $1 t " + Entries({1, 2, 3, 4}));
  runner_.now_ms += 60'000;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s t > >"),
            "*1 *2 $1 s " + Entries({1}));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-deliver", "consumer-seen"));
  runner_.now_ms += 59'999;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s t > >"),
            "*1 *2 $1 s " + Entries({2}));
  EXPECT_THAT(runner_.effects(), ElementsAre("group-deliver"));
  runner_.now_ms += 10;
  EXPECT_THAT(runner_.Run("XINFO CONSUMERS t g"), HasSubstr("idle :10 "));
}

TEST_F(XReadGroupTest, DeliversWithoutPendingEntries) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a NOACK COUNT 2 STREAMS s >"),
            "*1 *2 $1 s " + Entries({1, 2}));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
  EXPECT_THAT(runner_.Run("XINFO GROUPS s"),
              HasSubstr("consumers :1 $7 pending :0 $17 last-delivered-id $3 2-0 $12 "
                        "entries-read :2 $3 lag :1"));
  // Nothing came to be pending for the consumer, so it was not active.
  EXPECT_THAT(runner_.Run("XINFO CONSUMERS s g"), HasSubstr("inactive :-1"));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 0"), "*1 *2 $1 s *0");
}

TEST_F(XReadGroupTest, ShowsTheHistory) {
  runner_.Run("XREADGROUP GROUP g a COUNT 2 STREAMS s >");
  runner_.Run("XREADGROUP GROUP g b STREAMS s >");
  runner_.now_ms += 100;
  // Reading the history is a delivery.
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 0"), "*1 *2 $1 s " + Entries({1, 2}));
  EXPECT_THAT(runner_.effects(), ElementsAre("group-redeliver"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Pending(), "*3 *4 $3 1-0 $1 a :0 :2 *4 $3 2-0 $1 a :0 :2 *4 $3 3-0 $1 b :100 :1");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s 0"), "*1 *2 $1 s " + Entries({1}));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 1"), "*1 *2 $1 s " + Entries({2}));
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 2"), "*1 *2 $1 s *0");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 18446744073709551615-18446744073709551615"),
            "*1 *2 $1 s *0");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g new STREAMS s 0"), "%1 $1 s *0");
}

TEST_F(XReadGroupTest, ShowsWhatTheStreamHasLost) {
  runner_.Run("XREADGROUP GROUP g a STREAMS s >");
  runner_.Run("XDEL s 2-0");
  runner_.now_ms += 100;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s 0"),
            "*1 *2 $1 s *3 *2 $3 1-0 *2 $1 f $1 v *2 $3 2-0 *-1 *2 $3 3-0 *2 $1 f $1 v");
  EXPECT_EQ(Pending(), "*3 *4 $3 1-0 $1 a :0 :2 *4 $3 2-0 $1 a :100 :1 *4 $3 3-0 $1 a :0 :2");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s 1"), "%1 $1 s *1 *2 $3 2-0 _");
}

TEST_F(XReadGroupTest, NeverWaitsForHistory) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a BLOCK 0 NOACK CLAIM 0 STREAMS s 0"), "*1 *2 $1 s *0");
  runner_.Run("XGROUP SETID t g $");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a BLOCK 0 STREAMS t s > 0"), "*1 *2 $1 s *0");
}

TEST_F(XReadGroupTest, DeliversAgainAfterSetId) {
  runner_.Run("XREADGROUP GROUP g a STREAMS s >");
  runner_.Run("XREADGROUP GROUP g a STREAMS s 0");
  runner_.Run("XACK s g 2");
  runner_.Run("XGROUP SETID s g 1");
  runner_.now_ms += 7;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b STREAMS s >"), "*1 *2 $1 s " + Entries({2, 3}));
  // 3 was pending: it has another owner now, and counts from one again.
  EXPECT_EQ(Pending(), "*3 *4 $3 1-0 $1 a :7 :2 *4 $3 2-0 $1 b :0 :1 *4 $3 3-0 $1 b :0 :1");
}

TEST_F(XReadGroupTest, RefusesWrongArguments) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP nogroup a STREAMS s >"), kNoGroup);
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s nokey > >"),
            "-NOGROUP No such key 'nokey' or consumer group 'g' in XREADGROUP with GROUP option");
  EXPECT_EQ(runner_.Run("XREADGROUP COUNT 1 NOACK STREAMS s >"),
            "-ERR Missing GROUP option for XREADGROUP");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 1 s >"), "-ERR syntax error");
  EXPECT_EQ(
      runner_.Run("XREADGROUP GROUP g a NOACK STREAMS s t >"),
      "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be "
      "specified.");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s $"),
            "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
            "history of this consumer by specifying a proper ID, or use the > ID to get new "
            "messages. The $ ID would just return an empty result set.");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s +"),
            "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the "
            "history of this consumer by specifying a proper ID, or use the > ID to get new "
            "messages. The + ID would just return an empty result set.");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s -"),
            "-ERR Invalid stream ID specified as stream command argument");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a CLAIM x STREAMS s >"),
            "-ERR min-idle-time is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a CLAIM -1 STREAMS s >"),
            "-ERR min-idle-time must be a positive integer");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a COUNT 5 MAXCOUNT 4 STREAMS s >"),
            "-ERR MAXCOUNT must be greater than or equal to COUNT");
  runner_.Run("RPUSH list e");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a STREAMS s list > >"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
}

class WaitingGroupTest : public XReadGroupTest {
 protected:
  WaitingGroupTest() {
    runner_.Run("XGROUP SETID s g $");
    runner_.Run("XGROUP SETID t g $");
  }
};

TEST_F(WaitingGroupTest, WaitsForNewEntries) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a BLOCK 100 STREAMS s t > >"), "");
  ASSERT_TRUE(runner_.blocked());
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kGroup);
  EXPECT_EQ(runner_.blocked()->group, "g");
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("s", "t"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 100);
  EXPECT_EQ(runner_.blocked()->retry_at_ms, Wait::kForever);
  EXPECT_THAT(runner_.blocked()->replaced, IsEmpty());
  EXPECT_TRUE(runner_.blocked()->timeout_is_array);
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "consumer-create"));

  runner_.Run("XADD t 4-0 f v");
  runner_.now_ms += 5;
  EXPECT_EQ(runner_.Resume("XREADGROUP GROUP g a BLOCK 100 STREAMS s t > >"),
            "*1 *2 $1 t " + Entries({4}));
  // To be looked at again is not to ask again.
  EXPECT_THAT(runner_.effects(), ElementsAre("group-deliver"));
  EXPECT_EQ(runner_.Resume("XREADGROUP GROUP g a BLOCK 100 STREAMS s t > >"), "");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(WaitingGroupTest, DoesNotWaitInTransactions) {
  runner_.may_block = false;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), "*-1");
}

TEST_F(WaitingGroupTest, IsToldOfTheEnd) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), "");
  runner_.Run("XGROUP DESTROY s g");
  EXPECT_THAT(runner_.changes(), ElementsAre("awaited s"));
  const std::string gone =
      "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
  EXPECT_EQ(runner_.Resume("XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), gone);
  runner_.Run("DEL s");
  EXPECT_EQ(runner_.Resume("XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), gone);
  runner_.Run("RPUSH s e");
  EXPECT_EQ(runner_.Resume("XREADGROUP GROUP g a BLOCK 0 STREAMS s >"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

class ClaimingReadTest : public XReadGroupTest {
 protected:
  // Entries 1 and 2 of s have been pending for consumer a for 100 and 40 ms.
  ClaimingReadTest() {
    runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    runner_.now_ms += 60;
    runner_.Run("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    runner_.now_ms += 40;
  }
};

TEST_F(ClaimingReadTest, GivesWhatIsIdleBeforeWhatIsNew) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b CLAIM 100 STREAMS s >"),
            "*1 *2 $1 s *2" + Claimed(1, "100", "1") + Claimed(3, "0", "0"));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-claim", "group-deliver"));
  EXPECT_EQ(Pending(), "*3 *4 $3 1-0 $1 b :0 :2 *4 $3 2-0 $1 a :40 :1 *4 $3 3-0 $1 b :0 :1");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a CLAIM 100 STREAMS s >"), "*-1");
  runner_.now_ms += 10;
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b CLAIM 5 STREAMS s >"),
            "%1 $1 s *3" + Claimed(2, "50", "1") + Claimed(1, "10", "2") + Claimed(3, "10", "1"));
}

TEST_F(ClaimingReadTest, CountsBoth) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b COUNT 2 CLAIM 0 STREAMS s >"),
            "*1 *2 $1 s *2" + Claimed(1, "100", "1") + Claimed(2, "40", "1"));
  EXPECT_THAT(runner_.effects(), ElementsAre("consumer-create", "group-claim"));
  runner_.now_ms += 10;
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b COUNT 3 MAXCOUNT 4 CLAIM 0 STREAMS s t > >"),
            "*2 *2 $1 s *3" + Claimed(1, "10", "2") + Claimed(2, "10", "2") + Claimed(3, "0", "0") +
                " *2 $1 t *1" + Claimed(1, "0", "0"));
}

TEST_F(ClaimingReadTest, AppliesNoAckToNewEntriesOnly) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b CLAIM 50 NOACK STREAMS s >"),
            "*1 *2 $1 s *2" + Claimed(1, "100", "1") + Claimed(3, "0", "0"));
  EXPECT_EQ(Pending(), "*2 *4 $3 1-0 $1 b :0 :2 *4 $3 2-0 $1 a :40 :1");
}

TEST_F(ClaimingReadTest, PassesOverWhatTheStreamHasLost) {
  runner_.Run("XDEL s 1-0");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b COUNT 1 CLAIM 40 STREAMS s >"),
            "*1 *2 $1 s *1" + Claimed(2, "40", "1"));
  // It stays pending, other than with XAUTOCLAIM.
  EXPECT_EQ(Pending(), "*2 *4 $3 1-0 $1 a :100 :1 *4 $3 2-0 $1 b :0 :2");
}

TEST_F(ClaimingReadTest, TakesReleasedEntriesFirst) {
  runner_.Run("XREADGROUP GROUP g a STREAMS s >");
  runner_.Run("XNACK s g FAIL IDS 2 3 2");
  EXPECT_EQ(
      runner_.Run("XREADGROUP GROUP g b CLAIM 60 STREAMS s >"),
      "*1 *2 $1 s *3" + Claimed(3, "-1", "1") + Claimed(2, "-1", "1") + Claimed(1, "100", "1"));
  runner_.Run("XNACK s g FAIL IDS 1 1");
  // Without CLAIM they are not given.
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b STREAMS s >"), "*-1");
}

TEST_F(ClaimingReadTest, LeavesTheHistoryAsItIs) {
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g a CLAIM 0 STREAMS s 0"),
            "*1 *2 $1 s " + Entries({1, 2}));
}

TEST_F(ClaimingReadTest, LimitsByBytes) {
  // An entry takes 31 bytes, and with CLAIM it counts 24 more; the stream takes 17.
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b MAXSIZE 1 CLAIM 0 STREAMS s t > >"),
            "*1 *2 $1 s *1" + Claimed(1, "100", "1"));
  EXPECT_EQ(Pending(), "*2 *4 $3 1-0 $1 b :0 :2 *4 $3 2-0 $1 a :40 :1");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b MAXSIZE 130 CLAIM 0 STREAMS s t > >"),
            "*1 *2 $1 s *2" + Claimed(2, "40", "1") + Claimed(1, "0", "2"));
  // What was passed over is not pending.
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b MAXSIZE 50 STREAMS s t > >"),
            "*1 *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XPENDING t g"), "*4 :0 $-1 $-1 *-1");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b MAXSIZE 79 STREAMS s 0"),
            "*1 *2 $1 s " + Entries({1, 2}));
}

TEST_F(ClaimingReadTest, WaitsUntilAnEntryCanBeClaimed) {
  runner_.Run("XREADGROUP GROUP g a STREAMS s t > >");
  const char* line = "XREADGROUP GROUP g b BLOCK 0 CLAIM 1000 STREAMS s t > >";
  EXPECT_EQ(runner_.Run(line), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 900);
  runner_.Run("XDEL s 1-0");
  EXPECT_EQ(runner_.Run(line), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 960);
  runner_.now_ms += 960;
  EXPECT_EQ(runner_.Resume(line), "*1 *2 $1 s *1" + Claimed(2, "1000", "1"));
}

// What others are given from now on may be claimed after the whole time, so the reader looks again
// then.
TEST_F(ClaimingReadTest, WaitsWhereNothingIsPending) {
  runner_.Run("XREADGROUP GROUP g a STREAMS s >");
  runner_.Run("XACK s g 1 2 3");
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b BLOCK 0 CLAIM 500 STREAMS s >"), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 500);
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b BLOCK 0 CLAIM 0 STREAMS s >"), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 10);
  EXPECT_EQ(runner_.Run("XREADGROUP GROUP g b BLOCK 0 CLAIM 9223372036854775807 STREAMS s >"), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, Wait::kForever);
}

// Entries that the stream has lost stay pending, but one CLAIM passes over so many only, and none
// looks at them again.
TEST_F(XReadGroupTest, PassesOverLostEntriesOnce) {
  for (int i = 10; i < 2510; i++) {
    runner_.Run({"XADD", "lost", std::to_string(i) + "-0", "f", "v"});
  }
  runner_.Run("XGROUP CREATE lost g 0");
  runner_.Run("XREADGROUP GROUP g a STREAMS lost >");
  runner_.Run("XTRIM lost MAXLEN 1");
  runner_.now_ms += 1000;
  const char* line = "XREADGROUP GROUP g b BLOCK 0 CLAIM 100 STREAMS lost >";
  EXPECT_EQ(runner_.Run(line), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 10);
  EXPECT_EQ(runner_.Resume(line), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 10);
  EXPECT_THAT(runner_.Resume(line), HasSubstr("2509-0"));
  EXPECT_THAT(runner_.Run("XPENDING lost g"), testing::StartsWith("*4 :2500 "));
  EXPECT_EQ(runner_.Run(line), "");
  EXPECT_EQ(runner_.blocked()->retry_at_ms, runner_.now_ms + 100);
}

// What CLAIM needs of a stream on the disk is looked for once, not anew each time that the stream
// is named.
TEST_F(XReadGroupTest, AStreamThatIsNamedOftenIsLookedThroughOnce) {
  FakeColdSource cold;
  runner_.options.stream_node_max_entries = 10;
  for (int i = 1; i <= 4000; i++) {
    runner_.Run({"XADD", "long", std::to_string(i), "f", "v"});
  }
  runner_.Run("XGROUP CREATE long g 0");
  runner_.Run("XREADGROUP GROUP g a STREAMS long >");
  runner_.keyspace().hot_blocks().set_run_bytes(1000);
  cold.Take(&runner_.keyspace().hot_blocks(), 1000);
  ASSERT_GT(cold.extents(), 10u);
  const auto looks = [&](int times) {
    std::vector<std::string_view> args = {"XREADGROUP", "GROUP", "g", "b",      "COUNT",
                                          "10",         "CLAIM", "0", "STREAMS"};
    args.insert(args.end(), times, "long");
    args.insert(args.end(), times, ">");
    const uint64_t before = cold.looks;
    EXPECT_THAT(runner_.Run(args), testing::StartsWith("*" + std::to_string(times) + " "));
    return cold.looks - before;
  };
  const uint64_t few = looks(20);
  EXPECT_GT(few, 200u);
  EXPECT_LE(looks(200), 11 * few);
  runner_.Run("DEL long");
}

TEST_F(XReadGroupTest, BoundsNamesAndChanges) {
  const std::string longest(64 * 1024, 'n');
  const std::string too_long = longest + "n";
  EXPECT_EQ(runner_.Run({"XREADGROUP", "GROUP", "g", too_long, "STREAMS", "s", ">"}),
            "-ERR the consumer name has 65537 bytes, the limit is 65536");
  EXPECT_EQ(runner_.Run({"XGROUP", "CREATECONSUMER", "s", "g", too_long}),
            "-ERR the consumer name has 65537 bytes, the limit is 65536");
  EXPECT_EQ(runner_.Run({"XGROUP", "CREATE", "s", too_long, "0"}),
            "-ERR the group name has 65537 bytes, the limit is 65536");
  EXPECT_EQ(runner_.Run({"XCLAIM", "s", "g", too_long, "0", "1"}),
            "-ERR the consumer name has 65537 bytes, the limit is 65536");
  EXPECT_EQ(runner_.Run({"XAUTOCLAIM", "s", "g", too_long, "0", "0"}),
            "-ERR the consumer name has 65537 bytes, the limit is 65536");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run({"XGROUP", "CREATE", "s", longest, "0"}), "+OK");
  runner_.options.most_change_bytes = 300'000;
  EXPECT_EQ(runner_.Run({"XREADGROUP", "GROUP", longest, longest, "STREAMS", "s", ">"}),
            "-ERR the command may write 393410 bytes of changes to the journal, the limit is "
            "300000");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  runner_.options.most_change_bytes = 400'000;
  EXPECT_THAT(runner_.Run({"XREADGROUP", "GROUP", longest, longest, "STREAMS", "s", ">"}),
              HasSubstr("1-0"));
}

}  // namespace
}  // namespace runnel
