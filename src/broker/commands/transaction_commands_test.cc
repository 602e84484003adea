// MULTI, EXEC, DISCARD, WATCH and UNWATCH.

#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;

class TransactionCommandsTest : public ::testing::Test {
 protected:
  TransactionCommandsTest() {
    for (const auto family : {ConnectionCommands(), TransactionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    client_ = harness_.Connect();
  }
  ~TransactionCommandsTest() override { client_.reset(); }

  std::string Run(const std::string& line) { return client_->Run(line); }

  BrokerHarness harness_;
  std::unique_ptr<BrokerHarness::Client> client_;
};

TEST_F(TransactionCommandsTest, CommandsAreQueuedAndRunTogether) {
  EXPECT_EQ(Run("MULTI"), "+OK");
  EXPECT_EQ(Run("SET k v"), "+QUEUED");
  EXPECT_EQ(Run("SELECT 1"), "+QUEUED");
  EXPECT_EQ(Run("GET k"), "+QUEUED");
  EXPECT_EQ(Run("EXEC"), "*3 +OK +OK $-1");
  EXPECT_EQ(client_->session().db, 1u);
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*0");
}

TEST_F(TransactionCommandsTest, ExecAndDiscardNeedMulti) {
  EXPECT_EQ(Run("EXEC"), "-ERR EXEC without MULTI");
  EXPECT_EQ(Run("DISCARD"), "-ERR DISCARD without MULTI");
}

TEST_F(TransactionCommandsTest, DiscardForgetsTheQueueAndTheWatch) {
  Run("WATCH k");
  Run("MULTI");
  Run("SET k v");
  EXPECT_EQ(Run("DISCARD"), "+OK");
  EXPECT_TRUE(client_->session().watched.empty());
  EXPECT_EQ(Run("EXISTS k"), ":0");
}

TEST_F(TransactionCommandsTest, NestingAndWatchingInsideAreRefusedButDoNotBreakIt) {
  Run("MULTI");
  EXPECT_EQ(Run("MULTI"), "-ERR MULTI calls can not be nested");
  EXPECT_EQ(Run("WATCH k"), "-ERR WATCH inside MULTI is not allowed");
  EXPECT_EQ(Run("UNWATCH"), "+QUEUED");
  EXPECT_EQ(Run("EXEC"), "*1 +OK");
}

TEST_F(TransactionCommandsTest, ACommandThatFailsDoesNotStopTheOthersAndIsCountedOnce) {
  Run("SET k v");
  Run("MULTI");
  Run("LPUSH k x");
  Run("SET k w");
  EXPECT_EQ(Run("EXEC"),
            "*2 -WRONGTYPE Operation against a key holding the wrong kind of value +OK");
  EXPECT_EQ(harness_.broker.stats().total_error_replies, 1u);
  EXPECT_EQ(harness_.broker.commands().Find("lpush")->stats.failed, 1u);
  EXPECT_EQ(harness_.broker.commands().Find("exec")->stats.failed, 0u);
}

TEST_F(TransactionCommandsTest, AnotherClientsChangeOfAWatchedKeyBreaksIt) {
  auto other = harness_.Connect();
  EXPECT_EQ(Run("WATCH a b"), "+OK");
  other->Run("SET b 1");
  Run("MULTI");
  Run("SET a 1");
  EXPECT_EQ(Run("EXEC"), "*-1");
  EXPECT_EQ(Run("EXISTS a"), ":0");
  // It was that transaction only.
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*0");
}

TEST_F(TransactionCommandsTest, AWatchIsOfOneDatabase) {
  auto other = harness_.Connect();
  Run("WATCH k");
  other->Run("SELECT 1");
  other->Run("SET k 1");
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*0");
}

TEST_F(TransactionCommandsTest, AFlushBreaksItIfAWatchedKeyWasThere) {
  auto other = harness_.Connect();
  const auto transaction = [&](const char* flush) {
    Run("WATCH here none");
    other->Run(flush);
    Run("MULTI");
    return Run("EXEC");
  };
  other->Run("SET unwatched v");
  EXPECT_EQ(transaction("FLUSHALL"), "*0");
  other->Run("SET here v");
  EXPECT_EQ(transaction("FLUSHALL ASYNC"), "*-1");
  other->Run("SET here v");
  EXPECT_EQ(transaction("FLUSHDB"), "*-1");
  other->Run("SELECT 1");
  other->Run("SET here v");
  EXPECT_EQ(transaction("FLUSHDB"), "*0");
}

TEST_F(TransactionCommandsTest, UnwatchForgetsTheChange) {
  auto other = harness_.Connect();
  Run("WATCH k");
  other->Run("SET k 1");
  EXPECT_EQ(Run("UNWATCH"), "+OK");
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*0");
}

TEST_F(TransactionCommandsTest, AKeyThatExpiresUnderWatchBreaksItButNotOneThatHadExpired) {
  Run("SET k v PX 10");
  Run("WATCH k");
  harness_.clock.Advance(11);
  harness_.broker.UpdateTime();
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*-1");

  Run("SET k v PX 10");
  harness_.clock.Advance(11);
  harness_.broker.UpdateTime();
  Run("WATCH k");
  Run("MULTI");
  EXPECT_EQ(Run("EXEC"), "*0");
}

TEST_F(TransactionCommandsTest, BlockingCommandsInsideAnswerAsIfTheirTimeWereOver) {
  Run("MULTI");
  Run("BLPOP q 0");
  Run("BLMOVE q r LEFT LEFT 0");
  EXPECT_EQ(Run("EXEC"), "*2 *-1 $-1");
}

}  // namespace
}  // namespace runnel
