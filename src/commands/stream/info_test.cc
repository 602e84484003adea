#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kNow = "1700000000000";

class XInfoTest : public ::testing::Test {
 protected:
  XInfoTest() {
    runner_.Run("XADD s 1-0 f v");
    runner_.Run("XADD s 2-0 f v");
    runner_.Run("XADD s 3-0 g w");
    runner_.Run("XGROUP CREATE s group 0");
    runner_.Run("XREADGROUP GROUP group alice COUNT 2 STREAMS s >");
    runner_.Run("XGROUP CREATECONSUMER s group bob");
  }

  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(XInfoTest, ShowsAStream) {
  EXPECT_EQ(runner_.Run("XINFO STREAM s"),
            "*20 $6 length :3 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 "
            "last-generated-id $3 3-0 $20 max-deleted-entry-id $3 0-0 $13 entries-added :3 $23 "
            "recorded-first-entry-id $3 1-0 $6 groups :1 $11 first-entry *2 $3 1-0 *2 $1 f $1 v "
            "$10 last-entry *2 $3 3-0 *2 $1 g $1 w");
  runner_.Run("XTRIM s MAXLEN 0");
  EXPECT_THAT(runner_.Run("XINFO STREAM s"),
              EndsWith("groups :1 $11 first-entry $-1 $10 last-entry $-1"));
  runner_.protocol = 3;
  const std::string reply = runner_.Run("XINFO STREAM s");
  EXPECT_THAT(reply, StartsWith("%10 $6 length :0 "));
  EXPECT_THAT(reply, EndsWith("groups :1 $11 first-entry _ $10 last-entry _"));
}

// What Redis 7.4 does not show appears where it is in use.
TEST_F(XInfoTest, ShowsFeaturesThatAreInUse) {
  runner_.Run("XCFGSET s RETENTION-ENTRIES 7");
  EXPECT_THAT(
      runner_.Run("XINFO STREAM s"),
      testing::AllOf(StartsWith("*28 "), EndsWith("$12 retention-ms :0 $15 retention-bytes :0 $17 "
                                                  "retention-entries :7 $6 on-ack $4 keep")));
  runner_.Run("XCFGSET s RETENTION-ENTRIES 0 IDMP-DURATION 7");
  const std::string producers =
      "recorded-first-entry-id $3 1-0 $13 idmp-duration :7 $12 idmp-maxsize :100 $12 "
      "pids-tracked :0 $12 iids-tracked :0 $10 iids-added :0 $15 iids-duplicates :0 $6 groups";
  EXPECT_THAT(runner_.Run("XINFO STREAM s"),
              testing::AllOf(StartsWith("*32 "), HasSubstr(producers)));
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL"), StartsWith("*30 "));
}

TEST_F(XInfoTest, ShowsEverything) {
  const std::string now(kNow);
  const auto full = [&](const std::string& released) {
    return "$7 entries *1 *2 $3 1-0 *2 $1 f $1 v $6 groups *1 *" +
           std::string(released.empty() ? "14" : "16") +
           " $4 name $5 group $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 lag :1 $9 "
           "pel-count :2 " +
           released + "$7 pending *1 *4 $3 1-0 $5 alice :" + now +
           " :1 $9 consumers *2 *10 $4 name $5 alice $9 seen-time :" + now +
           " $11 active-time :" + now + " $9 pel-count :2 $7 pending *1 *3 $3 1-0 :" + now +
           " :1 *10 $4 name $3 bob $9 seen-time :" + now +
           " $11 active-time :-1 $9 pel-count :0 $7 pending *0";
  };
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL COUNT 1"),
              testing::AllOf(StartsWith("*18 "), EndsWith("1-0 " + full(""))));
  const std::string extended = runner_.Run("XINFO STREAM s FULL COUNT 1 EXTENDED");
  EXPECT_THAT(extended, StartsWith("*46 "));
  EXPECT_THAT(extended, HasSubstr("iids-duplicates :0 " + full("$12 nacked-count :0 ") +
                                  " $12 retention-ms :0 $15 retention-bytes :0 $17 "
                                  "retention-entries :0 $6 on-ack $4 keep $11 hot-entries :3 $9 "
                                  "hot-bytes :"));
  EXPECT_THAT(extended, EndsWith("$12 cold-entries :0 $10 cold-bytes :0"));
  runner_.protocol = 3;
  const std::string reply = runner_.Run("XINFO stream s full");
  EXPECT_THAT(reply, StartsWith("%9 $6 length :3 "));
  EXPECT_THAT(reply, HasSubstr("groups *1 %7 $4 name $5 group "));
  EXPECT_THAT(reply, HasSubstr("consumers *2 %5 $4 name $5 alice "));
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL extended"), StartsWith("%23 $6 length :3 "));
}

TEST_F(XInfoTest, ShowsReleasedEntries) {
  runner_.Run("XNACK s group FATAL IDS 1 1-0");
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL"),
              HasSubstr("pel-count :2 $12 nacked-count :1 $7 pending *2 *4 $3 1-0 $0  :0 "
                        ":9223372036854775807 *4 $3 2-0 $5 alice "));
}

TEST_F(XInfoTest, CountsInFull) {
  for (int i = 4; i <= 30; i++) {
    runner_.Run({"XADD", "s", std::to_string(i), "f", "v"});
  }
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL"), HasSubstr("entries *10 "));
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL COUNT -1"), HasSubstr("entries *10 "));
  EXPECT_THAT(runner_.Run("XINFO STREAM s FULL COUNT 0"), HasSubstr("entries *30 "));
  EXPECT_EQ(runner_.Run("XINFO STREAM s FULL COUNT x"),
            "-ERR value is not an integer or out of range");
  for (const char* line : {"XINFO STREAM s FULLER", "XINFO STREAM s FULL COUNT",
                           "XINFO STREAM s FULL LIMIT 1", "XINFO STREAM s FULL COUNT 1 2",
                           "XINFO STREAM s EXTENDED", "XINFO STREAM s FULL EXTENDED COUNT 1"}) {
    EXPECT_EQ(runner_.Run(line),
              "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")
        << line;
  }
}

TEST_F(XInfoTest, ShowsGroups) {
  runner_.Run("XGROUP CREATE s another 1 ENTRIESREAD 77");
  EXPECT_EQ(runner_.Run("XINFO GROUPS s"),
            "*2 *12 $4 name $7 another $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 1-0 "
            "$12 entries-read :3 $3 lag :0 "
            "*12 $4 name $5 group $9 consumers :2 $7 pending :2 $17 last-delivered-id $3 2-0 $12 "
            "entries-read :2 $3 lag :1");
  runner_.Run("XGROUP SETID s another 2");
  EXPECT_THAT(runner_.Run("XINFO GROUPS s"), HasSubstr("entries-read $-1 $3 lag $-1 *12"));
  EXPECT_EQ(runner_.Run("XINFO GROUPS nokey"), "-ERR no such key");
}

TEST_F(XInfoTest, ShowsConsumers) {
  runner_.now_ms += 40;
  runner_.Run("XREADGROUP GROUP group bob COUNT 1 STREAMS s >");
  runner_.now_ms += 2;
  runner_.Run("XREADGROUP GROUP group bob STREAMS s >");
  runner_.now_ms += 5;
  EXPECT_EQ(runner_.Run("XINFO CONSUMERS s group"),
            "*2 *8 $4 name $5 alice $7 pending :2 $4 idle :47 $8 inactive :47 "
            "*8 $4 name $3 bob $7 pending :1 $4 idle :5 $8 inactive :7");
  runner_.now_ms -= 1000;
  EXPECT_THAT(runner_.Run("XINFO CONSUMERS s group"), HasSubstr("$4 idle :0 $8 inactive :0"));
  EXPECT_EQ(runner_.Run("XINFO CONSUMERS s nogroup"),
            "-NOGROUP No such consumer group 'nogroup' for key name 's'");
}

// Lag as Redis counts it since 8.0.
TEST_F(XInfoTest, CountsTheLag) {
  const auto lag = [this] {
    const std::string reply = runner_.Run("XINFO GROUPS s");
    return reply.substr(reply.find("$3 lag ") + 7);
  };
  EXPECT_EQ(lag(), ":1");
  runner_.Run("XADD s 4-0 f v");
  EXPECT_EQ(lag(), ":2");
  runner_.Run("XDEL s 3-0");
  EXPECT_EQ(lag(), "$-1");
  runner_.Run("XTRIM s MINID 4-0");
  EXPECT_EQ(lag(), ":1");
  runner_.Run("XTRIM s MAXLEN 0");
  EXPECT_EQ(lag(), ":0");
}

TEST_F(XInfoTest, CountsMessages) {
  runner_.Run("XADD s IDMP p 1 * f v");
  runner_.Run("XADD s IDMP p 1 * f v");
  runner_.Run("XADD s IDMP p 2 * f v");
  runner_.Run("XADD s IDMP q 1 * f v");
  EXPECT_THAT(runner_.Run("XINFO STREAM s"),
              HasSubstr("pids-tracked :2 $12 iids-tracked :3 $10 iids-added :3 $15 "
                        "iids-duplicates :1 $6 groups"));
}

TEST_F(XInfoTest, Helps) {
  const std::string reply = runner_.Run("XINFO HELP");
  EXPECT_THAT(reply, StartsWith("*10 +XINFO <subcommand> "));
  EXPECT_THAT(reply, EndsWith("+HELP +    Print this help."));
}

}  // namespace
}  // namespace runnel
