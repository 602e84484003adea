#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class XReadTest : public ::testing::Test {
 protected:
  XReadTest() {
    for (const char* key : {"s", "t"}) {
      for (const char* id : {"1-0", "2-0", "3-0"}) {
        runner_.Run({"XADD", key, id, "f", "v"});
      }
    }
  }
  static std::string Entries(std::initializer_list<int> ids) {
    std::string reply = "*" + std::to_string(ids.size());
    for (const int id : ids) {
      reply += " *2 $3 " + std::to_string(id) + "-0 *2 $1 f $1 v";
    }
    return reply;
  }

  CommandRunner runner_{StreamCommands(), GroupCommands(), KeyspaceCommands(), ListCommands()};
};

TEST_F(XReadTest, GivesWhatLiesBehindTheIds) {
  EXPECT_EQ(runner_.Run("XREAD STREAMS s 1"), "*1 *2 $1 s " + Entries({2, 3}));
  EXPECT_EQ(runner_.Run("XREAD COUNT 1 STREAMS s t 0 2-0"),
            "*2 *2 $1 s " + Entries({1}) + " *2 $1 t " + Entries({3}));
  // Streams that have nothing are left out.
  EXPECT_EQ(runner_.Run("XREAD count 0 streams s nokey t 3 0 1-5"),
            "*1 *2 $1 t " + Entries({2, 3}));
  EXPECT_EQ(runner_.Run("XREAD COUNT -1 STREAMS s 2"), "*1 *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREAD STREAMS s s 2 2"),
            "*2 *2 $1 s " + Entries({3}) + " *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREAD STREAMS s 18446744073709551615-18446744073709551615"), "*-1");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s nokey $ $"), "*-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(XReadTest, IsAMapInResp3) {
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XREAD STREAMS s t 2 2"),
            "%2 $1 s " + Entries({3}) + " $1 t " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREAD STREAMS s 3"), "_");
}

TEST_F(XReadTest, GivesTheLastEntry) {
  EXPECT_EQ(runner_.Run("XREAD STREAMS s +"), "*1 *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREAD COUNT 5 STREAMS s t + 2"),
            "*2 *2 $1 s " + Entries({3}) + " *2 $1 t " + Entries({3}));
  runner_.Run("XDEL s 3-0");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s +"), "*1 *2 $1 s " + Entries({2}));
  runner_.Run("XTRIM s MAXLEN 0");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s +"), "*-1");
  EXPECT_EQ(runner_.Run("XREAD STREAMS nokey +"), "*-1");
}

TEST_F(XReadTest, RefusesTheWordsOfGroups) {
  EXPECT_EQ(runner_.Run("XREAD GROUP g c STREAMS s 0"),
            "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
  EXPECT_EQ(runner_.Run("XREAD NOACK STREAMS s 0"),
            "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
  EXPECT_EQ(runner_.Run("XREAD CLAIM 5 STREAMS s 0"),
            "-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s >"),
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option.");
}

TEST_F(XReadTest, RefusesWrongArguments) {
  EXPECT_EQ(runner_.Run("XREAD COUNT 5 s 0"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XREAD COUNT 5 STREAMS"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XREAD COUNT 5 BLOCK"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run({"XREAD", "", "STREAMS", "s", "0"}), "-ERR syntax error");
  EXPECT_EQ(
      runner_.Run("XREAD STREAMS s t 0"),
      "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be "
      "specified.");
  EXPECT_EQ(runner_.Run("XREAD COUNT x STREAMS s 0"),
            "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XREAD BLOCK 1.5 STREAMS s 0"),
            "-ERR timeout is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XREAD BLOCK -1 STREAMS s 0"), "-ERR timeout is negative");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s t 0 x"),
            "-ERR Invalid stream ID specified as stream command argument");
  runner_.Run("RPUSH list e");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s list 0 0"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

TEST_F(XReadTest, LimitsTheWholeReplyByCount) {
  EXPECT_EQ(runner_.Run("XREAD MAXCOUNT 4 STREAMS s t 0 0"),
            "*2 *2 $1 s " + Entries({1, 2, 3}) + " *2 $1 t " + Entries({1}));
  EXPECT_EQ(runner_.Run("XREAD COUNT 2 MAXCOUNT 3 STREAMS s t s 0 0 0"),
            "*2 *2 $1 s " + Entries({1, 2}) + " *2 $1 t " + Entries({1}));
  EXPECT_EQ(runner_.Run("XREAD MAXCOUNT 3 STREAMS s t 0 0"), "*1 *2 $1 s " + Entries({1, 2, 3}));
  EXPECT_EQ(runner_.Run("XREAD COUNT 3 MAXCOUNT 2 STREAMS s 0"),
            "-ERR MAXCOUNT must be greater than or equal to COUNT");
  EXPECT_EQ(runner_.Run("XREAD MAXCOUNT 2 COUNT 0 STREAMS s 0"), "*1 *2 $1 s " + Entries({1, 2}));
  for (const char* bad : {"0", "-1", "x"}) {
    EXPECT_EQ(runner_.Run({"XREAD", "MAXCOUNT", bad, "STREAMS", "s", "0"}),
              "-ERR MAXCOUNT must be a positive integer");
    EXPECT_EQ(runner_.Run({"XREAD", "MAXSIZE", bad, "STREAMS", "s", "0"}),
              "-ERR MAXSIZE must be a positive integer");
  }
}

TEST_F(XReadTest, LimitsTheWholeReplyByBytes) {
  // An entry takes 4 + 9 + 4 + 7 + 7 bytes, and a stream 17 around its entries.
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 1 STREAMS s t 0 0"), "*1 *2 $1 s " + Entries({1}));
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 78 STREAMS s t 0 0"), "*1 *2 $1 s " + Entries({1}));
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 79 STREAMS s t 0 0"), "*1 *2 $1 s " + Entries({1, 2}));
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 158 STREAMS s t 0 0"),
            "*2 *2 $1 s " + Entries({1, 2, 3}) + " *2 $1 t " + Entries({1}));
  // What does not fit ends the reply, though something smaller might follow.
  runner_.Run({"XADD", "s", "4-0", "f", std::string(1000, 'x')});
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 200 STREAMS s t 0 0"), "*1 *2 $1 s " + Entries({1, 2, 3}));
  EXPECT_EQ(runner_.Run("XREAD MAXSIZE 100000 COUNT 1 STREAMS s t 0 0"),
            "*2 *2 $1 s " + Entries({1}) + " *2 $1 t " + Entries({1}));
}

// A stream that is named again and again is repeated, which a short request could go on with.
TEST_F(XReadTest, BoundsRepeatedStreams) {
  runner_.options.most_change_bytes = 150;
  EXPECT_EQ(runner_.Run("XREAD STREAMS s s 2 2"),
            "*2 *2 $1 s " + Entries({3}) + " *2 $1 s " + Entries({3}));
  EXPECT_EQ(runner_.Run("XREAD STREAMS s s 0 0"),
            "-ERR the reply would repeat more than 150 bytes");
  EXPECT_EQ(runner_.Run("XREAD STREAMS s t 0 0"),
            "*2 *2 $1 s " + Entries({1, 2, 3}) + " *2 $1 t " + Entries({1, 2, 3}));
}

TEST_F(XReadTest, WaitsForEntries) {
  EXPECT_EQ(runner_.Run("XREAD BLOCK 250 STREAMS s nokey t $ 5-5 3"), "");
  ASSERT_TRUE(runner_.blocked());
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kStream);
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("s", "nokey", "t"));
  EXPECT_EQ(runner_.blocked()->deadline_ms, runner_.steady_ms + 250);
  EXPECT_EQ(runner_.blocked()->retry_at_ms, Wait::kForever);
  EXPECT_TRUE(runner_.blocked()->timeout_is_array);
  EXPECT_THAT(runner_.blocked()->replaced, ElementsAre(Pair(7, "3-0")));
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS s $"), "");
  EXPECT_EQ(runner_.blocked()->deadline_ms, Wait::kForever);
}

TEST_F(XReadTest, GivesWhatCameSinceTheFirstCall) {
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS nokey s $ $"), "");
  EXPECT_THAT(runner_.blocked()->replaced, ElementsAre(Pair(6, "0-0"), Pair(7, "3-0")));
  runner_.Run("XADD s 4-0 f v");
  runner_.Run("XADD s 5-0 f v");
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS nokey s 0-0 3-0"), "*1 *2 $1 s " + Entries({4, 5}));
}

TEST_F(XReadTest, DoesNotWaitWhereItHasSomethingOrMayNot) {
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS s t $ 2"), "*1 *2 $1 t " + Entries({3}));
  runner_.may_block = false;
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS s $"), "*-1");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XREAD BLOCK 0 STREAMS s $"), "_");
}

TEST_F(XReadTest, WaitsOnWhereTheEntryWasDeletedAtOnce) {
  runner_.Run("XADD s 4-0 f v");
  runner_.Run("XDEL s 4-0");
  EXPECT_EQ(runner_.Resume("XREAD BLOCK 0 STREAMS s 3-0"), "");
  EXPECT_TRUE(runner_.blocked());
}

TEST_F(XReadTest, SeesExpiredKeysGo) {
  runner_.Run("PEXPIRE s 10");
  runner_.now_ms += 11;
  EXPECT_EQ(runner_.Run("XREAD STREAMS s s 0 0"), "*-1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
}

}  // namespace
}  // namespace runnel
