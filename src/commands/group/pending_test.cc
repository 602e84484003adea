#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

// Consumer b has 1 and 2 pending for 60 ms, consumer a 3 for 10 ms; consumer z has nothing.
class XPendingTest : public ::testing::Test {
 protected:
  XPendingTest() {
    for (const char* id : {"1-0", "2-0", "3-0"}) {
      runner_.Run({"XADD", "s", id, "f", "v"});
    }
    runner_.Run("XGROUP CREATE s g 0");
    runner_.Run("XREADGROUP GROUP g b COUNT 2 STREAMS s >");
    runner_.now_ms += 50;
    runner_.Run("XREADGROUP GROUP g a STREAMS s >");
    runner_.Run("XGROUP CREATECONSUMER s g z");
    runner_.now_ms += 10;
  }

  const std::string first_ = "*4 $3 1-0 $1 b :60 :1";
  const std::string second_ = "*4 $3 2-0 $1 b :60 :1";
  const std::string third_ = "*4 $3 3-0 $1 a :10 :1";
  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(XPendingTest, SumsUp) {
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :3 $3 1-0 $3 3-0 *2 *2 $1 a $1 1 *2 $1 b $1 2");
  runner_.Run("XACK s g 1 2 3");
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :0 _ _ _");
  EXPECT_THAT(runner_.effects(), testing::IsEmpty());
}

TEST_F(XPendingTest, ListsEntries) {
  EXPECT_EQ(runner_.Run("XPENDING s g - + 10"), "*3 " + first_ + " " + second_ + " " + third_);
  EXPECT_EQ(runner_.Run("XPENDING s g - + 2"), "*2 " + first_ + " " + second_);
  EXPECT_EQ(runner_.Run("XPENDING s g (1-0 (3-0 10"), "*1 " + second_);
  EXPECT_EQ(runner_.Run("XPENDING s g 2 3 10 b"), "*1 " + second_);
  EXPECT_EQ(runner_.Run("XPENDING s g - + 10 z"), "*0");
  EXPECT_EQ(runner_.Run("XPENDING s g - + 10 nobody"), "*0");
  EXPECT_EQ(runner_.Run("XPENDING s g - + 0"), "*0");
  EXPECT_EQ(runner_.Run("XPENDING s g - + -5"), "*0");
  EXPECT_EQ(runner_.Run("XPENDING s g IDLE 60 - + 10"), "*2 " + first_ + " " + second_);
  EXPECT_EQ(runner_.Run("XPENDING s g idle 10 - + 10 a"), "*1 " + third_);
  EXPECT_EQ(runner_.Run("XPENDING s g IDLE 61 - + 10"), "*0");
  // As with Redis, what follows the consumer is not looked at.
  EXPECT_EQ(runner_.Run("XPENDING s g - + 10 a more"), "*1 " + third_);
}

TEST_F(XPendingTest, ShowsReleasedEntriesWithoutOwner) {
  runner_.Run("XNACK s g FAIL IDS 1 2");
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :3 $3 1-0 $3 3-0 *2 *2 $1 a $1 1 *2 $1 b $1 1");
  EXPECT_EQ(runner_.Run("XPENDING s g IDLE 100000 - + 10"), "*1 *4 $3 2-0 $0  :-1 :1");
  EXPECT_EQ(runner_.Run("XPENDING s g - + 10 b"), "*1 " + first_);
}

TEST_F(XPendingTest, ShowsNoNegativeIdleTime) {
  runner_.now_ms -= 1000;
  EXPECT_EQ(runner_.Run("XPENDING s g - + 1"), "*1 *4 $3 1-0 $1 b :0 :1");
}

TEST_F(XPendingTest, RefusesWrongArguments) {
  for (const char* line : {"XPENDING s g -", "XPENDING s g - +", "XPENDING s g IDLE 5 - +",
                           "XPENDING s g IDLE 5 - + 10 a more", "XPENDING s g IDLE 5 10"}) {
    EXPECT_EQ(runner_.Run(line), "-ERR syntax error") << line;
  }
  EXPECT_EQ(runner_.Run("XPENDING s g - + x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XPENDING s g IDLE x - + 10"),
            "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XPENDING s g x + 10"),
            "-ERR Invalid stream ID specified as stream command argument");
  EXPECT_EQ(runner_.Run("XPENDING s g - (0-0 10"), "-ERR invalid end ID for the interval");
  EXPECT_EQ(runner_.Run("XPENDING s nogroup"),
            "-NOGROUP No such key 's' or consumer group 'nogroup'");
  EXPECT_EQ(runner_.Run("XPENDING nokey g - + 10"),
            "-NOGROUP No such key 'nokey' or consumer group 'g'");
}

}  // namespace
}  // namespace runnel
