#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RemovalTest : public ::testing::Test {
 protected:
  void Add(int entries) {
    for (int i = 1; i <= entries; i++) {
      runner_.Run({"XADD", "s", std::to_string(i) + "-0", "f", "v"});
    }
  }
  // The IDs left, in order.
  std::vector<std::string> Left() {
    std::vector<std::string> ids;
    const std::string reply = runner_.Run("XRANGE s - +");
    for (size_t at = 0; (at = reply.find("-0 *2", at)) != std::string::npos; at++) {
      const size_t begin = reply.rfind(' ', at);
      ids.push_back(reply.substr(begin + 1, at - begin - 1));
    }
    return ids;
  }

  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(RemovalTest, TrimsByLengthAndById) {
  Add(10);
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 8"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("xtrim s"));
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-drop-oldest"));
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN = 8"), ":0");
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run("XTRIM s MINID 7"), ":4");
  EXPECT_THAT(Left(), ElementsAre("7", "8", "9", "10"));
  EXPECT_EQ(runner_.Run("XTRIM nokey MAXLEN 8"), ":0");
}

TEST_F(RemovalTest, TrimsWholeBlocksWithTilde) {
  Add(250);
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 120"), ":100");
  EXPECT_EQ(runner_.Run("XLEN s"), ":150");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 0 LIMIT 50"), ":0");
  EXPECT_EQ(runner_.Run("XTRIM s MINID ~ 250"), ":100");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 0 LIMIT 0"), ":50");
}

TEST_F(RemovalTest, LimitsWhatATildeDoes) {
  runner_.options.stream_node_max_entries = 2;
  Add(300);
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 0"), ":200");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 0 LIMIT 51"), ":50");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~ 0 LIMIT 0"), ":50");
}

TEST_F(RemovalTest, ReadsTheOptionsOfXTrim) {
  constexpr const char* kSyntax = "-ERR syntax error";
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 1 BOGUS"), kSyntax);
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 1 ACKED DELREF"), kSyntax);
  EXPECT_EQ(runner_.Run("XTRIM s KEEPREF LIMIT 0"),
            "-ERR syntax error, XTRIM must be called with a trimming strategy");
  EXPECT_EQ(runner_.Run("XTRIM s KEEPREF LIMIT 1"),
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN ~"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XTRIM s maxlen = 1 limit 0"),
            "-ERR syntax error, LIMIT cannot be used without the special ~ option");
}

TEST_F(RemovalTest, DeletesByIdAndRemembersTheHighest) {
  Add(5);
  EXPECT_EQ(runner_.Run("XDEL s 2 4 4 9"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("xdel s"));
  EXPECT_THAT(Left(), ElementsAre("1", "3", "5"));
  EXPECT_THAT(runner_.Run("XINFO STREAM s"), testing::HasSubstr("max-deleted-entry-id $3 4-0"));
  EXPECT_EQ(runner_.Run("XDEL s 2"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  // All IDs are read before any entry goes.
  EXPECT_EQ(runner_.Run("XDEL s 1 x"),
            "-ERR Invalid stream ID specified as stream command argument");
  EXPECT_THAT(Left(), ElementsAre("1", "3", "5"));
  EXPECT_EQ(runner_.Run("XDEL nokey x"), ":0");
  EXPECT_EQ(runner_.Run("XDEL s 1 3 5"), ":3");
  EXPECT_EQ(runner_.keyspace().size(0), 1u);
}

// Groups g and h; g was given 1 to 4 and acknowledged 1, 2 and 4; h was given 1 to 3 and
// acknowledged them.
class ReferencesTest : public RemovalTest {
 protected:
  ReferencesTest() {
    Add(6);
    runner_.Run("XGROUP CREATE s g 0");
    runner_.Run("XGROUP CREATE s h 0");
    runner_.Run("XREADGROUP GROUP g c COUNT 4 STREAMS s >");
    runner_.Run("XREADGROUP GROUP h c COUNT 3 STREAMS s >");
    runner_.Run("XACK s g 1 2 4");
    runner_.Run("XACK s h 1 2 3");
  }
  std::string Pending(const char* group) {
    const std::string reply = runner_.Run({"XPENDING", "s", group});
    return reply.substr(0, reply.find(' ', 3));
  }
};

TEST_F(ReferencesTest, TrimsWhatNobodyNeeds) {
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 0 ACKED"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-remove-ranges"));
  EXPECT_THAT(Left(), ElementsAre("3", "4", "5", "6"));
  runner_.Run("XACK s g 3");
  runner_.Run("XREADGROUP GROUP h c COUNT 1 STREAMS s >");
  // 4 is pending in h now, 3 is not needed any more, and 5 was given to nobody.
  EXPECT_EQ(runner_.Run("XTRIM s MINID ~ 100 ACKED"), ":1");
  EXPECT_THAT(Left(), ElementsAre("4", "5", "6"));
  EXPECT_THAT(runner_.Run("XINFO STREAM s"), testing::HasSubstr("max-deleted-entry-id $3 0-0"));
}

TEST_F(ReferencesTest, LeavesGapsInTheMiddle) {
  runner_.Run("XREADGROUP GROUP h c STREAMS s >");
  runner_.Run("XREADGROUP GROUP g c STREAMS s >");
  runner_.Run("XACK s g 3 5 6");
  runner_.Run("XACK s h 6");
  // 4 and 5 are pending in h.
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 0 ACKED"), ":4");
  EXPECT_THAT(Left(), ElementsAre("4", "5"));
  EXPECT_EQ(runner_.Run("XADD s 7-0 f v"), "$3 7-0");
  EXPECT_THAT(Left(), ElementsAre("4", "5", "7"));
}

TEST_F(ReferencesTest, TrimsReferencesToo) {
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 3 DELREF"), ":3");
  EXPECT_EQ(Pending("g"), "*4 :0");
  runner_.Run("XREADGROUP GROUP h c STREAMS s >");
  EXPECT_EQ(runner_.Run("XADD s MAXLEN ~ 1 LIMIT 2 DELREF 9-0 f v"), "$3 9-0");
  // References are looked at one by one, so `~` does not wait for whole blocks.
  EXPECT_THAT(Left(), ElementsAre("6", "9"));
  EXPECT_EQ(Pending("h"), "*4 :1");
}

// Also those of entries that were deleted before.
TEST_F(ReferencesTest, TrimsReferencesOfDeletedEntries) {
  runner_.Run("XREADGROUP GROUP h c STREAMS s >");
  EXPECT_EQ(runner_.Run("XDEL s 4 6"), ":2");
  EXPECT_EQ(Pending("h"), "*4 :3");
  EXPECT_EQ(runner_.Run("XTRIM s MINID 5 DELREF"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-drop-oldest", "stream-forget"));
  EXPECT_EQ(Pending("g"), "*4 :0");
  EXPECT_EQ(Pending("h"), "*4 :2");
  // Nothing is left to be trimmed, but a reference is.
  EXPECT_EQ(runner_.Run("XDEL s 5"), ":1");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 10 DELREF"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-forget"));
  EXPECT_EQ(Pending("h"), "*4 :0");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 10 DELREF"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(ReferencesTest, KeepsReferencesByDefault) {
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 0"), ":6");
  EXPECT_EQ(Pending("g"), "*4 :1");
}

TEST_F(ReferencesTest, DeletesWithAnEyeOnReferences) {
  // 3 is pending in g, 5 was not given, 7 may come yet; only 1 is not needed.
  EXPECT_EQ(runner_.Run("XDELEX s ACKED IDS 4 1 3 5 7"), "*4 :1 :2 :2 :2");
  EXPECT_THAT(runner_.events(), ElementsAre("xdel s"));
  EXPECT_EQ(runner_.Run("XDELEX s ACKED IDS 1 1"), "*1 :-1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run("XDELEX s IDS 2 3 3"), "*2 :1 :-1");
  EXPECT_EQ(Pending("g"), "*4 :1");
  // The entry is gone, but g still remembers it.
  EXPECT_EQ(runner_.Run("XDELEX s DELREF IDS 1 3"), "*1 :-1");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-remove"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Pending("g"), "*4 :0");
  EXPECT_EQ(runner_.Run("XDELEX s DELREF IDS 3 2 4 9"), "*3 :1 :1 :-1");
  EXPECT_THAT(Left(), ElementsAre("5", "6"));
  EXPECT_THAT(runner_.Run("XINFO STREAM s"), testing::HasSubstr("max-deleted-entry-id $3 4-0"));
}

TEST_F(RemovalTest, DeletesFreelyWhereNoGroupIs) {
  Add(2);
  EXPECT_EQ(runner_.Run("XDELEX s ACKED IDS 3 1 2 3"), "*3 :1 :1 :-1");
  EXPECT_EQ(runner_.Run("XDELEX nokey IDS 2 x y"), "*2 :-1 :-1");
}

TEST_F(RemovalTest, ReadsTheIdsBlock) {
  Add(1);
  constexpr const char* kNotPositive = "-ERR Number of IDs must be a positive integer";
  EXPECT_EQ(runner_.Run("XDELEX s IDS 0 1"), kNotPositive);
  EXPECT_EQ(runner_.Run("XDELEX s IDS x 1"), kNotPositive);
  EXPECT_EQ(runner_.Run("XDELEX s IDS 3 1 2"),
            "-ERR The `numids` parameter must match the number of arguments");
  EXPECT_EQ(runner_.Run("XDELEX s IDS 1 1 2"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XDELEX s KEEPREF ACKED IDS 1 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XDELEX s BOGUS IDS 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XDELEX s KEEPREF 1 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XDELEX s IDS 1 1 ACKED"), "*1 :1");
  EXPECT_EQ(runner_.Run("XDELEX s IDS 2 1 x"),
            "-ERR Invalid stream ID specified as stream command argument");
}

TEST_F(RemovalTest, TakesManyIds) {
  Add(3);
  std::vector<std::string> ids;
  for (int i = 1; i <= 5000; i++) {
    ids.push_back(std::to_string(i) + "-0");
  }
  std::vector<std::string_view> args = {"XDELEX", "s", "IDS", "5000"};
  args.insert(args.end(), ids.begin(), ids.end());
  const std::string reply = runner_.Run(args);
  EXPECT_EQ(reply.substr(0, 23), "*5000 :1 :1 :1 :-1 :-1 ");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-remove"));
}

}  // namespace
}  // namespace runnel
