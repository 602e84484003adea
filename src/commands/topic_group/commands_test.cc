#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Groups of topics by their commands: the time stands still unless a test moves it, and IDs of
// records begin with "1700000000000".
class TopicGroupTest : public ::testing::Test {
 protected:
  TopicGroupTest() {
    Run("TOPIC CREATE t PARTITIONS 2");
    Pass(0);
  }

  std::string Run(const std::string& line) { return runner_.Run(line.c_str()); }
  std::string RunAs(uint64_t client, const std::string& line) {
    runner_.client_id = client;
    std::string reply = Run(line);
    runner_.client_id = 1;
    return reply;
  }
  // The call has blocked, and runs again.
  std::string Resume(const std::string& line) { return runner_.Resume(line.c_str()); }
  bool blocked() const { return runner_.blocked().has_value(); }
  std::vector<std::string> Pass(int64_t ms) {
    runner_.steady_ms += ms;
    runner_.now_ms += ms;
    return runner_.TendTopicGroups();
  }
  // Records v<from>, ... go into the partition.
  void Add(const std::string& partition, int from, int to) {
    for (int i = from; i < to; i++) {
      Run("TADD " + partition + " * f v" + std::to_string(i));
    }
  }
  // What a reply shows of the values: "t/0@1:v0,v1 t/1@1:v0".
  static std::string Short(const std::string& reply) {
    std::string text;
    std::vector<std::string> words;
    for (size_t at = 0; at < reply.size();) {
      const size_t end = std::min(reply.find(' ', at), reply.size());
      words.push_back(reply.substr(at, end - at));
      at = end + 1;
    }
    for (size_t i = 0; i < words.size(); i++) {
      const std::string& word = words[i];
      if (word.find('/') != std::string::npos && i + 1 < words.size() && words[i + 1][0] == ':') {
        if (!text.empty()) text += ' ';
        text += word + "@" + words[i + 1].substr(1) + ":";
      } else if (word[0] == 'v' && word.size() > 1) {
        if (text.back() != ':') text += ',';
        text += word;
      }
    }
    return text.empty() ? reply : text;
  }
  std::string Read(const std::string& member, const std::string& options = "FROM EARLIEST") {
    return Short(
        Run("TREADGROUP g " + member + " " + options + (options.empty() ? "" : " ") + "TOPICS t"));
  }

  CommandRunner runner_{TopicCommands(), TopicGroupCommands(), KeyspaceCommands(),
                        StreamCommands()};
};

TEST_F(TopicGroupTest, TheFirstMemberGetsAllAtOnce) {
  Add("t/0", 0, 2);
  Add("t/1", 0, 1);
  EXPECT_EQ(
      Run("TREADGROUP g a COUNT 10 FROM EARLIEST TOPICS t"),
      "*2 *3 $3 t/0 :1 *2 *2 $15 1700000000000-0 *2 $1 f $2 v0 *2 $15 1700000000000-1 *2 $1 f "
      "$2 v1 *3 $3 t/1 :1 *1 *2 $15 1700000000000-0 *2 $1 f $2 v0");
  EXPECT_EQ(Read("a"), "*-1");
  Add("t/1", 1, 2);
  Pass(0);
  EXPECT_EQ(Read("a"), "t/1@1:v1");
}

TEST_F(TopicGroupTest, WithoutFromTheGroupMustExist) {
  EXPECT_EQ(Run("TREADGROUP g a TOPICS t"), "-NOGROUP No such topic group 'g'");
  EXPECT_EQ(Run("TGROUP CREATE g"), "+OK");
  EXPECT_EQ(Run("TGROUP CREATE g"), "-BUSYGROUP Topic group 'g' exists");
  EXPECT_EQ(Run("TREADGROUP g a TOPICS t"), "*-1");
  EXPECT_EQ(Run("TREADGROUP g a TOPICS t u"), "-NOTOPIC No such topic 'u'");
  EXPECT_EQ(Run("TGROUP LIST"), "*1 $1 g");
}

TEST_F(TopicGroupTest, LatestIsDecidedWhenTheTopicIsSeen) {
  Add("t/0", 0, 2);
  EXPECT_EQ(Read("a", "FROM LATEST"), "*-1");
  Add("t/0", 2, 3);
  EXPECT_EQ(Run("TGROUP LEAVE g a"), ":1");
  Add("t/0", 3, 4);
  EXPECT_EQ(Read("b", ""), "t/0@2:v2,v3");
}

TEST_F(TopicGroupTest, CommitsMoveForwardOnly) {
  Add("t/0", 0, 5);
  EXPECT_EQ(Read("a", "COUNT 3 FROM EARLIEST"), "t/0@1:v0,v1,v2");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 1700000000000-1"), ":1");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 1"), ":0");
  EXPECT_EQ(Run("TCOMMIT g t/0 2 3"), "-FENCED 't/0' is at epoch 1 in group 'g', not 2");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 6"), "-OFFSETRANGE Offset 6 of 't/0' is outside of 0 to 5");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 3 t/1 9 0"), "-FENCED 't/1' is at epoch 1 in group 'g', not 9");
  // Another connection begins at what is committed, in a new epoch.
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a TOPICS t")), "t/0@2:v2,v3,v4");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 3"), "-FENCED 't/0' is at epoch 2 in group 'g', not 1");
  EXPECT_EQ(Run("TCOMMIT g t/0 2 LATEST"), ":1");
  EXPECT_EQ(Run("TGROUP LAG g"),
            "*6 $10 partitions *2 "
            "*18 $9 partition $3 t/0 $5 owner $1 a $5 epoch :2 $5 state $5 owned $9 committed :5 "
            "$4 next :5 $3 lag :0 $6 age-ms :0 $7 skipped :0 "
            "*18 $9 partition $3 t/1 $5 owner $1 a $5 epoch :1 $5 state $5 owned $9 committed :0 "
            "$4 next :0 $3 lag :0 $6 age-ms :0 $7 skipped :0 $3 lag :0 $7 skipped :0");
}

TEST_F(TopicGroupTest, AMemberThatComesLaterGetsItsShareAfterAMoment) {
  Add("t/0", 0, 1);
  Add("t/1", 0, 1);
  EXPECT_EQ(Read("a"), "t/0@1:v0 t/1@1:v0");
  EXPECT_EQ(RunAs(2, "TREADGROUP g b BLOCK 0 TOPICS t"), "");
  EXPECT_TRUE(blocked());
  EXPECT_THAT(Pass(99), IsEmpty());
  // Both partitions are in flight: one is leaving.
  EXPECT_THAT(Pass(1), IsEmpty());
  EXPECT_THAT(Run("TGROUP DESCRIBE g"), HasSubstr("$5 state $7 leaving"));
  Add("t/0", 1, 2);
  Add("t/1", 1, 2);
  Pass(0);
  // Nothing more is given of the one that is leaving.
  const std::string more = Read("a", "");
  EXPECT_THAT(more, ::testing::AnyOf("t/0@1:v1", "t/1@1:v1"));
  const std::string leaving = more == "t/0@1:v1" ? "t/1" : "t/0";
  EXPECT_EQ(Run("TCOMMIT g " + leaving + " 1 1"), ":1");
  EXPECT_THAT(Pass(0), ElementsAre("b"));
  runner_.client_id = 2;
  EXPECT_EQ(Short(Resume("TREADGROUP g b BLOCK 0 TOPICS t")), leaving + "@2:v1");
  runner_.client_id = 1;
  EXPECT_EQ(Run("TCOMMIT g " + leaving + " 1 2"),
            "-FENCED '" + leaving + "' is at epoch 2 in group 'g', not 1");
}

TEST_F(TopicGroupTest, WhatIsNotCommittedInTimeMovesAllTheSame) {
  Run("TGROUP CREATE g MOVE-MS 500");
  Add("t/0", 0, 1);
  Add("t/1", 0, 1);
  EXPECT_EQ(Read("a"), "t/0@1:v0 t/1@1:v0");
  RunAs(2, "TREADGROUP g b BLOCK 0 TOPICS t");
  Pass(100);
  EXPECT_THAT(Pass(499), IsEmpty());
  EXPECT_THAT(Pass(1), ElementsAre("b"));
  runner_.client_id = 2;
  EXPECT_THAT(Short(Resume("TREADGROUP g b BLOCK 0 TOPICS t")),
              ::testing::AnyOf("t/0@2:v0", "t/1@2:v0"));
}

TEST_F(TopicGroupTest, AMemberWithoutSignOfLifeIsGone) {
  Run("TGROUP CREATE g SESSION-MS 1000 GRACE-MS 100");
  Add("t/0", 0, 1);
  EXPECT_EQ(Read("a"), "t/0@1:v0");
  Pass(999);
  EXPECT_EQ(Run("TGROUP HEARTBEAT g a"), "+OK");
  Pass(999);
  EXPECT_THAT(Run("TGROUP DESCRIBE g"), HasSubstr("$4 name $1 a"));
  Pass(1);
  EXPECT_THAT(Run("TGROUP DESCRIBE g"), HasSubstr("$5 state $5 empty"));
  EXPECT_EQ(Run("TGROUP HEARTBEAT g a"), "-ERR no member 'a' in topic group 'g'");
  // Nobody took over: its commit holds.
  EXPECT_EQ(Run("TCOMMIT g t/0 1 1"), ":1");
  Add("t/0", 1, 2);
  EXPECT_EQ(Read("a"), "t/0@2:v1");
  // The connection ends: the grace time counts.
  runner_.topic_groups().OnClientClosed(1, runner_.steady_ms);
  Pass(99);
  EXPECT_EQ(Run("TGROUP HEARTBEAT g a"), "+OK");
  Pass(99);
  EXPECT_EQ(Run("TGROUP HEARTBEAT g a"), "+OK");
  Pass(100);
  EXPECT_EQ(Run("TGROUP HEARTBEAT g a"), "-ERR no member 'a' in topic group 'g'");
}

TEST_F(TopicGroupTest, ASecondConnectionTakesOverAndTheBlockedCallIsFenced) {
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"), "");
  EXPECT_TRUE(blocked());
  EXPECT_EQ(RunAs(2, "TREADGROUP g a TOPICS t"), "*-1");
  EXPECT_THAT(Pass(0), ElementsAre("a"));
  EXPECT_EQ(Resume("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"),
            "-FENCED Member 'a' of group 'g' calls over another connection");
}

// Nobody knows how far it had read.
TEST_F(TopicGroupTest, AfterAStartWhatIsNotCommittedIsGivenInANewEpoch) {
  EXPECT_EQ(Read("a"), "*-1");
  Add("t/0", 0, 3);
  EXPECT_EQ(Run("TCOMMIT g t/0 1 1"), ":1");
  runner_.topic_groups().Begin(runner_.steady_ms);
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a COUNT 1 TOPICS t")), "t/0@2:v1");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 2"), "-FENCED 't/0' is at epoch 2 in group 'g', not 1");
  // Only the first call: the epoch holds from then on, and so does that of the other partition.
  EXPECT_EQ(Run("TCOMMIT g t/0 2 2"), ":1");
  Add("t/1", 0, 1);
  Pass(0);
  EXPECT_EQ(Short(RunAs(3, "TREADGROUP g a TOPICS t")), "t/0@2:v2 t/1@1:v0");
}

TEST_F(TopicGroupTest, LeavingEndsABlockedCall) {
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"), "");
  EXPECT_EQ(RunAs(2, "TGROUP LEAVE g a nobody a"), ":1");
  EXPECT_THAT(Pass(0), ElementsAre("a"));
  EXPECT_EQ(Resume("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"),
            "-FENCED Member 'a' was removed from group 'g'");
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  EXPECT_EQ(Run("TGROUP DELETE g"),
            "-ERR topic group 'g' has 1 members: FORCE deletes it all the same");
  EXPECT_EQ(Run("TGROUP DELETE g FORCE"), "+OK");
  EXPECT_EQ(Resume("TREADGROUP g a BLOCK 0 TOPICS t"), "-NOGROUP No such topic group 'g'");
  EXPECT_EQ(Resume("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"),
            "-NOGROUP No such topic group 'g'");
}

TEST_F(TopicGroupTest, AnAppendWakesTheOwner) {
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"), "");
  EXPECT_TRUE(blocked());
  Add("t/1", 0, 2);
  EXPECT_THAT(Pass(0), ElementsAre("a"));
  EXPECT_EQ(Short(Resume("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t")), "t/1@1:v0,v1");
}

TEST_F(TopicGroupTest, SingleRecordsAreAcknowledged) {
  Add("t/0", 0, 6);
  EXPECT_EQ(Read("a", "COUNT 4 FROM EARLIEST"), "t/0@1:v0,v1,v2,v3");
  EXPECT_EQ(Run("TACK g t/0 1 1700000000000-1 1700000000000-3 1700000000000-1"), ":2");
  EXPECT_EQ(Run("TACK g t/0 1 1700000000000-1"), ":0");
  EXPECT_THAT(Run("TGROUP LAG g t"), HasSubstr("$9 committed :0 $4 next :6 $3 lag :4"));
  EXPECT_THAT(Run("TGROUP DESCRIBE g"), HasSubstr("$9 in-flight :2"));
  EXPECT_EQ(Run("TACK g t/0 1 1700000000000-0"), ":1");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :2"));
  // Another connection: what is acknowledged is not given again.
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a COUNT 2 TOPICS t")), "t/0@2:v2");
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a COUNT 2 TOPICS t")), "t/0@2:v4,v5");
  EXPECT_EQ(Run("TACK g t/0 2 1700000000000-9"),
            "-OFFSETRANGE 't/0' has no record of offset 9: the next one gets offset 6");
  // The ID that the next record may get, and that of the first record where there is none.
  EXPECT_EQ(Run("TACK g t/0 2 1700000000000-6"),
            "-OFFSETRANGE 't/0' has no record of offset 6: the next one gets offset 6");
  EXPECT_EQ(Run("TACK g t/1 1 1700000000000-0"),
            "-OFFSETRANGE 't/1' has no record of offset 0: the next one gets offset 0");
  EXPECT_EQ(Run("TACK g t/0 2 7"), "-ERR '7' is no ID of a record");
}

// Nothing new is given above that many ranges. What lies between them is, or they would stay for
// ever when the member that was given it has gone.
TEST_F(TopicGroupTest, ManyAcknowledgedRangesEndWhenOthersGetWhatLiesBetween) {
  constexpr int kRecords = 2100;
  Add("t/0", 0, kRecords);
  Run("TREADGROUP g a COUNT 5000 FROM EARLIEST TOPICS t");
  std::string odd = "TACK g t/0 1";
  std::string even = "TACK g t/0 2";
  for (int i = 0; i < kRecords; i++) {
    (i % 2 == 0 ? even : odd) += " 1700000000000-" + std::to_string(i);
  }
  EXPECT_EQ(Run(odd), ":1050");
  Add("t/0", kRecords, kRecords + 1);
  EXPECT_EQ(Run("TREADGROUP g a COUNT 5000 TOPICS t"), "*-1");
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a COUNT 3 TOPICS t")), "t/0@2:v0");
  int given = 1;
  while (RunAs(2, "TREADGROUP g a COUNT 5000 TOPICS t") != "*-1") {
    given++;
  }
  EXPECT_EQ(given, 1050);
  EXPECT_EQ(RunAs(2, even), ":1050");
  EXPECT_EQ(Short(RunAs(2, "TREADGROUP g a TOPICS t")), "t/0@2:v2100");
}

TEST_F(TopicGroupTest, AutoCommitAndNoAck) {
  Add("t/0", 0, 4);
  EXPECT_EQ(Read("a", "COUNT 2 AUTOCOMMIT FROM EARLIEST"), "t/0@1:v0,v1");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :0"));
  EXPECT_EQ(Read("a", "COUNT 1 AUTOCOMMIT"), "t/0@1:v2");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :2"));
  EXPECT_EQ(Read("a", "NOACK"), "t/0@1:v3");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :4"));
}

TEST_F(TopicGroupTest, AReplyThatIsNotSentGivesNothing) {
  Add("t/0", 0, 1);
  runner_.reply_is_sent = false;
  EXPECT_EQ(Read("a"), "*-1");
  runner_.reply_is_sent = true;
  EXPECT_EQ(Read("a"), "t/0@1:v0");
}

TEST_F(TopicGroupTest, TopicsThatComeLaterBeginAtTheirBeginning) {
  EXPECT_EQ(Run("TREADGROUP g a FROM LATEST TOPICS t x*"), "*-1");
  Run("TOPIC CREATE xy PARTITIONS 1");
  Add("xy", 0, 1);
  Pass(0);
  Pass(100);
  EXPECT_EQ(Short(Run("TREADGROUP g a TOPICS t x*")), "xy/0@1:v0");
  Run("TOPIC ALTER xy PARTITIONS 2");
  Add("xy/1", 1, 2);
  Pass(0);
  Pass(100);
  EXPECT_EQ(Short(Run("TREADGROUP g a TOPICS t x*")), "xy/1@1:v1");
  // A topic that is made again is another one.
  Run("TCOMMIT g xy/0 1 1");
  Run("TOPIC DELETE xy");
  Run("TOPIC CREATE xy PARTITIONS 1");
  Add("xy", 5, 6);
  Pass(0);
  Pass(100);
  EXPECT_EQ(Short(Run("TREADGROUP g a TOPICS t x*")), "xy/0@1:v5");
  Run("TOPIC DELETE t");
  EXPECT_EQ(Run("TREADGROUP g a TOPICS t x*"), "-NOTOPIC No such topic 't'");
}

TEST_F(TopicGroupTest, ADeletedTopicEndsABlockedCall) {
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"), "");
  Run("DEL t");
  EXPECT_THAT(Pass(0), ElementsAre("a"));
  EXPECT_EQ(Resume("TREADGROUP g a BLOCK 0 FROM EARLIEST TOPICS t"), "-NOTOPIC No such topic 't'");
}

TEST_F(TopicGroupTest, RetentionThatOvertakesIsCounted) {
  Add("t/0", 0, 5);
  EXPECT_EQ(Read("a", "COUNT 1 FROM EARLIEST"), "t/0@1:v0");
  EXPECT_EQ(Run("TOPIC TRIM t/0 3"), ":3");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$3 lag :2 $6 age-ms :0 $7 skipped :2"));
  EXPECT_EQ(Read("a"), "t/0@1:v3,v4");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :3 $4 next :5 $3 lag :2"));
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$7 skipped :2"));
  EXPECT_EQ(runner_.topic_groups().stats().skipped, 2u);
}

TEST_F(TopicGroupTest, ResetGoesAnywhereAndFences) {
  Add("t/0", 0, 5);
  EXPECT_EQ(Read("a"), "t/0@1:v0,v1,v2,v3,v4");
  EXPECT_EQ(Run("TGROUP RESET g t/0 TO +3 DRYRUN"), "*1 *3 $3 t/0 :0 :3");
  EXPECT_EQ(Run("TGROUP RESET g t/0 TO +3"), "*1 *3 $3 t/0 :0 :3");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 5"), "-FENCED 't/0' is at epoch 2 in group 'g', not 1");
  EXPECT_EQ(Read("a"), "t/0@2:v3,v4");
  EXPECT_EQ(Run("TGROUP RESET g t TO -1"), "*2 *3 $3 t/0 :3 :2 *3 $3 t/1 :0 :0");
  EXPECT_EQ(Read("a"), "t/0@3:v2,v3,v4");
  EXPECT_EQ(Run("TGROUP RESET g t/0 TO 9"), "-OFFSETRANGE Offset 9 of 't/0' is outside of 0 to 5");
}

TEST_F(TopicGroupTest, WhoReadsWithoutGroupMayKeepOffsetsInOne) {
  Add("t/0", 0, 5);
  Run("TGROUP CREATE g FROM EARLIEST");
  EXPECT_EQ(Run("TCOMMIT g t/0 0 2"), ":1");
  EXPECT_EQ(Run("TACK g t/0 0 1700000000000-2"), ":1");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :3"));
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), HasSubstr("$6 groups *1 $1 g"));
  EXPECT_EQ(Run("TGROUP DELETE g"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), HasSubstr("$6 groups *0"));
}

TEST_F(TopicGroupTest, TheAssignmentIsToldWhenItChanges) {
  const std::string first = Run("TREADGROUP g a FROM EARLIEST ASSIGNMENT 0 TOPICS t");
  EXPECT_THAT(first, HasSubstr("*2 *3 $3 t/0 :1 $5 owned *3 $3 t/1 :1 $5 owned *-1"));
  const std::string version = first.substr(4, first.find(' ', 4) + 1 - 4);
  EXPECT_EQ(Run("TREADGROUP g a BLOCK 0 ASSIGNMENT " + version + "TOPICS t"), "");
  RunAs(2, "TREADGROUP g b BLOCK 0 TOPICS t");
  EXPECT_THAT(Pass(100), ::testing::UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Resume(("TREADGROUP g a BLOCK 0 ASSIGNMENT " + version + "TOPICS t").c_str()),
              ::testing::MatchesRegex("\\*3 :[0-9]+ \\*1 \\*3 \\$3 t/. :1 \\$5 owned \\*-1"));
}

TEST_F(TopicGroupTest, AGroupExpires) {
  Run("TGROUP CREATE g EXPIRE-MS 1000");
  Pass(999);
  EXPECT_EQ(Run("TGROUP LIST"), "*1 $1 g");
  EXPECT_EQ(Read("a"), "*-1");
  Pass(5000);
  Run("TGROUP LEAVE g a");
  Pass(999);
  EXPECT_EQ(Run("TGROUP LIST"), "*1 $1 g");
  Pass(1);
  EXPECT_EQ(Run("TGROUP LIST"), "*0");
}

TEST_F(TopicGroupTest, WrongArguments) {
  EXPECT_EQ(Run("TREADGROUP g a FROM 5 TOPICS t"),
            "-ERR FROM must be EARLIEST, LATEST, or @ and Unix milliseconds, not '5'");
  EXPECT_EQ(Run("TREADGROUP g a NOACK AUTOCOMMIT TOPICS t"),
            "-ERR NOACK and AUTOCOMMIT exclude each other");
  EXPECT_EQ(Run("TREADGROUP g a COUNT 1 COUNT 1 TOPICS t"), "-ERR COUNT is given twice");
  EXPECT_EQ(Run("TREADGROUP g a COUNT 0 TOPICS t"),
            "-ERR COUNT must be a number from 1 on, not '0'");
  EXPECT_EQ(Run("TREADGROUP g a WHAT TOPICS t"), "-ERR unknown option 'WHAT'");
  EXPECT_EQ(Run("TREADGROUP g a COUNT 1 t"), "-ERR unknown option 't'");
  EXPECT_EQ(Run("TREADGROUP g a WITHKEY NOACK"), "-ERR TOPICS is missing");
  EXPECT_EQ(Run("TREADGROUP g a FROM EARLIEST TOPICS a/b"),
            "-ERR 'a/b' is no name of a topic and no pattern");
  std::string patterns;
  for (int i = 0; i < 101; i++) {
    patterns += " *" + std::to_string(i);
  }
  EXPECT_EQ(Run("TREADGROUP g a FROM EARLIEST TOPICS" + patterns),
            "-ERR a member subscribes to at most 100 patterns, not 101");
  EXPECT_EQ(Run("TGROUP LIST"), "*0");
  EXPECT_EQ(Run("TGROUP CREATE g ASSIGN what"), "-ERR ASSIGN must be UNIFORM or RANGE, not 'what'");
  EXPECT_EQ(Run("TGROUP CREATE g SESSION-MS 0"),
            "-ERR SESSION-MS must be a number from 1 on, not '0'");
  Run("TGROUP CREATE g");
  EXPECT_EQ(Run("TGROUP ALTER g FROM LATEST"),
            "-ERR FROM of a group cannot be changed: use TGROUP RESET");
  EXPECT_EQ(Run("TGROUP ALTER g GRACE-MS 5 ASSIGN RANGE"), "+OK");
  EXPECT_THAT(Run("TGROUP DESCRIBE g"), HasSubstr("$8 grace-ms :5"));
  EXPECT_EQ(Run("TCOMMIT g t/0 0"), "-ERR wrong number of arguments for 'tcommit' command");
  EXPECT_EQ(Run("TCOMMIT g t/0 0 1 t/1"),
            "-ERR for each partition an epoch and a position must be specified");
  EXPECT_EQ(Run("TCOMMIT g t/9 0 1"), "-ERR no partition 't/9': topic 't' has 2");
  EXPECT_EQ(Run("TCOMMIT g t/0 x 1"), "-ERR an epoch is a number, not 'x'");
  EXPECT_EQ(Run("TCOMMIT h t/0 0 1"), "-NOGROUP No such topic group 'h'");
}

TEST_F(TopicGroupTest, ReplayGivesTheSameState) {
  Add("t/0", 0, 5);
  Read("a");
  RunAs(2, "TREADGROUP g b TOPICS t");
  Pass(100);
  Run("TCOMMIT g t/0 1 2");
  Run("TACK g t/0 1 1700000000000-3");
  Run("TGROUP LEAVE g a");
  Pass(100);
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

}  // namespace
}  // namespace runnel
