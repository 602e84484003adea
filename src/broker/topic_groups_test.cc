// Topic groups with what the broker does for all commands: waiting, connections that end, time,
// transactions, pauses, loading.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using ::testing::AnyOf;
using testing::BrokerHarness;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class BrokerTopicGroupsTest : public ::testing::Test {
 protected:
  BrokerTopicGroupsTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    Run("TOPIC CREATE t PARTITIONS 2");
    Run("TGROUP CREATE g SESSION-MS 5000 GRACE-MS 1000 MOVE-MS 2000");
  }

  std::string Run(const std::string& line) { return client_->Run(line); }
  // The group as TGROUP DESCRIBE shows it.
  std::string Group() { return client_->Run("TGROUP DESCRIBE g"); }

  BrokerHarness harness_;
  std::unique_ptr<BrokerHarness::Client> client_ = harness_.Connect();
  std::unique_ptr<BrokerHarness::Client> a_ = harness_.Connect();
  std::unique_ptr<BrokerHarness::Client> b_ = harness_.Connect();
};

TEST_F(BrokerTopicGroupsTest, AnAppendServesTheBlockedOwner) {
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  Run("TADD t/0 * f 1");
  EXPECT_EQ(a_->Lines(), "*1 *3 $3 t/0 :1 *1 *2 $15 1700000000000-0 *2 $1 f $1 1");
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  // All that a turn adds is given at once.
  client_->Request({"TADD", "t/0", "*", "f", "2"});
  client_->Request({"TADD", "t/0", "*", "f", "3"});
  client_->Received();
  EXPECT_EQ(a_->Lines(),
            "*1 *3 $3 t/0 :1 *2 *2 $15 1700000000000-1 *2 $1 f $1 2 "
            "*2 $15 1700000000000-2 *2 $1 f $1 3");
}

TEST_F(BrokerTopicGroupsTest, AWaitEndsByItsTime) {
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 100 TOPICS t"), "");
  harness_.Advance(100);
  EXPECT_EQ(a_->Lines(), "*-1");
  // The session counts from the end of the wait.
  harness_.Advance(4999);
  EXPECT_THAT(Group(), HasSubstr("$4 name $1 a"));
  harness_.Advance(1);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
}

TEST_F(BrokerTopicGroupsTest, AMemberLivesWhileItsCallIsBlocked) {
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  harness_.Advance(100'000);
  EXPECT_THAT(Group(), HasSubstr("$4 name $1 a"));
  const std::string id = std::to_string(a_->session().id);
  EXPECT_EQ(Run("CLIENT UNBLOCK " + id), ":1");
  EXPECT_EQ(a_->Lines(), "*-1");
  harness_.Advance(5000);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
}

TEST_F(BrokerTopicGroupsTest, AConnectionThatEndsGivesItsPartitionsUpAfterTheGrace) {
  Run("TADD t/0 * f 1");
  Run("TADD t/1 * f 1");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*2"));
  EXPECT_EQ(b_->Run("TREADGROUP g b BLOCK 0 TOPICS t"), "");
  a_->CloseNow();
  harness_.Advance(999);
  EXPECT_EQ(b_->Lines(), "");
  harness_.Advance(1);
  harness_.Advance(100);
  EXPECT_THAT(b_->Lines(), StartsWith("*2 *3 $3 t/0 :2"));
}

TEST_F(BrokerTopicGroupsTest, AMemberThatComesBackInTimeKeepsItsPartitions) {
  Run("TADD t/0 * f 1");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*1 *3 $3 t/0 :1"));
  EXPECT_EQ(b_->Run("TREADGROUP g b BLOCK 0 TOPICS t"), "");
  harness_.Advance(100);
  EXPECT_THAT(Group(), HasSubstr("$5 moves :1"));
  a_->CloseNow();
  harness_.Advance(900);
  auto again = harness_.Connect();
  EXPECT_THAT(again->Run("TREADGROUP g a TOPICS t"), StartsWith("*1 *3 $3 t/0 :2"));
  harness_.Advance(1000);
  EXPECT_THAT(Group(), HasSubstr("$5 moves :1"));
  EXPECT_EQ(b_->Lines(), "");
}

TEST_F(BrokerTopicGroupsTest, ASecondConnectionFencesTheBlockedOne) {
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  EXPECT_EQ(b_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  EXPECT_EQ(a_->Lines(), "-FENCED Member 'a' of group 'g' calls over another connection");
  Run("TADD t/1 * f 1");
  EXPECT_THAT(b_->Lines(), StartsWith("*1 *3 $3 t/1 :1"));
}

TEST_F(BrokerTopicGroupsTest, WhatEndsTheGroupEndsBlockedCalls) {
  EXPECT_EQ(a_->Run("TREADGROUP g a BLOCK 0 TOPICS t"), "");
  Run("FLUSHDB");
  EXPECT_EQ(a_->Lines(), "-NOGROUP No such topic group 'g'");
}

TEST_F(BrokerTopicGroupsTest, DatabasesThatChangePlacesTakeTheirGroupsAlong) {
  Run("TADD t/0 * f 1");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*1"));
  EXPECT_EQ(b_->Run("TREADGROUP g b BLOCK 0 TOPICS t"), "");
  Run("SWAPDB 0 1");
  EXPECT_EQ(b_->Lines(), "-NOGROUP No such topic group 'g'");
  Run("SELECT 1");
  a_->Run("SELECT 1");
  Run("TCOMMIT g t/0 1 1");
  Run("TADD t/0 * f 2");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), HasSubstr("$1 f $1 2"));
  // The end of the connection is seen there, too.
  a_->CloseNow();
  harness_.Advance(1000);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
}

TEST_F(BrokerTopicGroupsTest, NothingMovesDuringAPause) {
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*-1"));
  a_->CloseNow();
  Run("CLIENT PAUSE 3000 WRITE");
  harness_.Advance(2999);
  EXPECT_THAT(Group(), HasSubstr("$4 name $1 a"));
  harness_.Advance(1);
  harness_.Advance(100);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
}

TEST_F(BrokerTopicGroupsTest, AfterLoadingMembersHaveTheGraceTime) {
  Run("TADD t/0 * f 1");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*1"));
  a_->CloseNow();
  // As a start does: only what is durable is known.
  harness_.broker.set_loading(true);
  harness_.broker.set_loading(false);
  harness_.Advance(999);
  EXPECT_THAT(Group(), HasSubstr("$4 name $1 a"));
  harness_.Advance(1);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
}

// --- Transactions

TEST_F(BrokerTopicGroupsTest, ConsumeTransformProduce) {
  Run("TADD t/0 * f 1");
  a_->Run("TREADGROUP g a TOPICS t");
  a_->Run("MULTI");
  a_->Run("TADD t/1 * f done");
  a_->Run("RPUSH l done");
  a_->Run("TCOMMIT g t/0 1 1");
  EXPECT_EQ(a_->Run("EXEC"), "*3 *2 $3 t/1 $15 1700000000000-0 :1 :1");
  // Sent again, it is refused as a whole.
  a_->Run("MULTI");
  a_->Run("TADD t/1 * f done");
  a_->Run("RPUSH l done");
  a_->Run("TCOMMIT g t/0 1 1");
  EXPECT_THAT(a_->Run("EXEC"),
              StartsWith("-EXECABORT Transaction discarded because of: DUPLICATE "));
  EXPECT_EQ(Run("LLEN l"), ":1");
  EXPECT_EQ(Run("XLEN t/1"), ":1");
}

// The look before EXEC knows what commands of the queue before it will have numbered.
TEST_F(BrokerTopicGroupsTest, NumberedProducersInATransaction) {
  Run("TADD t/0 * f 1");
  Run("TPRODUCER OPEN t p");
  a_->Run("TREADGROUP g a TOPICS t");
  a_->Run("MULTI");
  a_->Run("TADD t/1 PRODUCER p 1 0 * f 0");
  a_->Run("TADDM t/1 PRODUCER p 1 1 NOKEYS FIELDS 1 f RECORDS 1 2");
  a_->Run("TADD t/1 PRODUCER p 1 3 * f 3");
  a_->Run("TCOMMIT g t/0 1 1");
  EXPECT_THAT(a_->Run("EXEC"), StartsWith("*4 *2 $3 t/1 "));
  EXPECT_EQ(Run("XLEN t/1"), ":4");
  // A gap is one all the same.
  Run("TADD t/0 * f 2");
  a_->Run("TREADGROUP g a TOPICS t");
  a_->Run("MULTI");
  a_->Run("TADD t/1 PRODUCER p 1 4 * f 4");
  a_->Run("TADD t/1 PRODUCER p 1 6 * f 6");
  a_->Run("TCOMMIT g t/0 1 2");
  EXPECT_EQ(a_->Run("EXEC"),
            "-EXECABORT Transaction discarded because of: OUTOFORDER Producer 'p' of 't': expected "
            "sequence 5, got 6");
  EXPECT_EQ(Run("XLEN t/1"), ":4");
}

TEST_F(BrokerTopicGroupsTest, AFencedCommitDiscardsTheTransaction) {
  Run("TADD t/0 * f 1");
  a_->Run("TREADGROUP g a TOPICS t");
  b_->Run("TREADGROUP g a TOPICS t");
  a_->Run("MULTI");
  a_->Run("TADD t/1 * f done");
  a_->Run("TACK g t/0 1 1700000000000-0");
  EXPECT_EQ(a_->Run("EXEC"),
            "-EXECABORT Transaction discarded because of: FENCED 't/0' is at "
            "epoch 2 in group 'g', not 1");
  EXPECT_EQ(Run("XLEN t/1"), ":0");
  // The look has not counted it.
  EXPECT_THAT(Group(), HasSubstr("$6 fenced :0"));
}

TEST_F(BrokerTopicGroupsTest, WhereCommitsAreQueuedAllCommandsMustSucceed) {
  Run("TADD t/0 * f 1");
  Run("SET s v");
  a_->Run("TREADGROUP g a TOPICS t");
  a_->Run("MULTI");
  a_->Run("TCOMMIT g t/0 1 1");
  a_->Run("RPUSH s x");
  EXPECT_THAT(a_->Run("EXEC"),
              StartsWith("-EXECABORT Transaction discarded because of: WRONGTYPE"));
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$9 committed :0"));
  // Also those without keys, which change nothing as long as they are only looked at.
  a_->Run("MULTI");
  a_->Run("TGROUP LEAVE g a");
  a_->Run("TGROUP HEARTBEAT g nobody");
  a_->Run("TCOMMIT g t/0 1 1");
  EXPECT_THAT(a_->Run("EXEC"),
              StartsWith("-EXECABORT Transaction discarded because of: no member 'nobody'"));
  EXPECT_THAT(Group(), HasSubstr("$4 name $1 a $7 address $"));
  a_->CloseNow();
  harness_.Advance(1000);
  EXPECT_THAT(Group(), Not(HasSubstr("$4 name $1 a")));
  a_ = harness_.Connect();
  // Others are run as far as they go.
  a_->Run("MULTI");
  a_->Run("RPUSH s x");
  a_->Run("RPUSH l x");
  EXPECT_THAT(a_->Run("EXEC"), StartsWith("*2 -WRONGTYPE"));
}

TEST_F(BrokerTopicGroupsTest, InATransactionNothingBlocks) {
  a_->Run("MULTI");
  a_->Run("TREADGROUP g a BLOCK 0 TOPICS t");
  EXPECT_EQ(a_->Run("EXEC"), "*1 *-1");
  Run("TADD t/0 * f 1");
  a_->Run("MULTI");
  a_->Run("TREADGROUP g a BLOCK 0 TOPICS t");
  a_->Run("TREADGROUP g a BLOCK 0 TOPICS t");
  EXPECT_THAT(a_->Run("EXEC"), ::testing::MatchesRegex("\\*2 \\*1 .* \\*-1"));
}

TEST_F(BrokerTopicGroupsTest, AboveMaxmemoryOnlyNewGroupsAndMembersAreRefused) {
  Run("TADD t/0 * f 1");
  EXPECT_THAT(a_->Run("TREADGROUP g a COUNT 1 TOPICS t"), StartsWith("*1"));
  harness_.settings.maxmemory = 1;
  EXPECT_THAT(b_->Run("TREADGROUP g b TOPICS t"), StartsWith("-OOM"));
  EXPECT_THAT(b_->Run("TREADGROUP h b FROM EARLIEST TOPICS t"), StartsWith("-OOM"));
  EXPECT_THAT(b_->Run("TGROUP CREATE h"), StartsWith("-OOM"));
  EXPECT_EQ(a_->Run("TREADGROUP g a TOPICS t"), "*-1");
  EXPECT_EQ(a_->Run("TCOMMIT g t/0 1 1"), ":1");
}

TEST_F(BrokerTopicGroupsTest, WithRepliesOffNothingIsGiven) {
  Run("TADD t/0 * f 1");
  a_->Run("CLIENT REPLY SKIP");
  EXPECT_EQ(a_->Run("TREADGROUP g a TOPICS t"), "");
  EXPECT_THAT(a_->Run("TREADGROUP g a TOPICS t"), StartsWith("*1 *3 $3 t/0 :1"));
}

}  // namespace
}  // namespace runnel
