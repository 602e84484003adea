// Topics with what the broker does for all commands: transactions, WATCH, waiting, limits, events.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "data/topic/topic.h"

namespace runnel {
namespace {

using testing::BrokerHarness;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BrokerTopicsTest : public ::testing::Test {
 protected:
  BrokerTopicsTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    Run("TOPIC CREATE t PARTITIONS 3");
  }

  std::string Run(const std::string& line) { return client_->Run(line); }
  static std::string IdOf(const BrokerHarness::Client& client) {
    return std::to_string(const_cast<BrokerHarness::Client&>(client).session().id);
  }

  BrokerHarness harness_;
  std::unique_ptr<BrokerHarness::Client> client_ = harness_.Connect();
  std::unique_ptr<BrokerHarness::Client> other_ = harness_.Connect();
};

// --- Transactions

TEST_F(BrokerTopicsTest, ATransactionIsSeenAsOne) {
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 t/1 LATEST LATEST");
  Run("MULTI");
  Run("TADD t/0 * f 1");
  Run("RPUSH q a");
  Run("TADDM t/1 NOKEYS FIELDS 1 f RECORDS 2 3");
  Run("XADD s 1-1 f v");
  EXPECT_EQ(Run("TREAD BLOCK 0 PARTITIONS t/2 LATEST"), "+QUEUED");
  EXPECT_EQ(other_->Lines(), "");
  EXPECT_EQ(Run("EXEC"),
            "*5 *2 $3 t/0 $15 1700000000000-0 :1 *1 *3 $3 t/1 $15 1700000000000-0 :2 $3 1-1 *-1");
  EXPECT_EQ(other_->Lines(),
            "*2 *2 $3 t/0 *1 *2 $15 1700000000000-0 *2 $1 f $1 1 "
            "*2 $3 t/1 *2 *2 $15 1700000000000-0 *2 $1 f $1 2 *2 $15 1700000000000-1 *2 $1 f $1 3");
}

TEST_F(BrokerTopicsTest, ACommandThatFailsLeavesTheRestOfATransaction) {
  Run("MULTI");
  Run("TADD t/0 * f 1");
  Run("TADD t/9 * f 1");
  Run("TADD t/0 * f 2");
  EXPECT_EQ(Run("EXEC"),
            "*3 *2 $3 t/0 $15 1700000000000-0 -ERR no partition 't/9': topic 't' has 3 "
            "*2 $3 t/0 $15 1700000000000-1");
}

TEST_F(BrokerTopicsTest, ATopicIsMadeAndUsedInOneTransaction) {
  Run("MULTI");
  Run("TOPIC CREATE u PARTITIONS 1");
  Run("TPRODUCER OPEN u p");
  Run("TADD u PRODUCER p 1 0 * f 1");
  Run("TADD u PRODUCER p 1 0 * f 1");
  Run("TREAD PARTITIONS u/0 0");
  Run("TOPIC DELETE u");
  Run("TREAD PARTITIONS u/0 0");
  EXPECT_EQ(Run("EXEC"),
            "*7 +OK *2 :1 :-1 *2 $3 u/0 $15 1700000000000-0 *2 $3 u/0 $15 1700000000000-0 "
            "*1 *2 $3 u/0 *1 *2 $15 1700000000000-0 *2 $1 f $1 1 +OK -NOTOPIC No such topic 'u'");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 0u);
}

// Runs the line while another client watches the name, and says whether that breaks its
// transaction.
TEST_F(BrokerTopicsTest, WatchOfAPartitionAndOfATopic) {
  Run("TADD t/1 * f 1");
  const auto breaks = [this](const std::string& watched, const std::string& line) {
    other_->Run("WATCH " + watched);
    EXPECT_THAT(Run(line), ::testing::Not(StartsWith("-"))) << line;
    other_->Run("MULTI");
    other_->Run("PING");
    return other_->Run("EXEC") == "*-1";
  };
  EXPECT_TRUE(breaks("t/0", "TADD t/0 * f 1"));
  EXPECT_TRUE(breaks("t/0", "TADD t/0 KEY k TOMBSTONE"));
  EXPECT_TRUE(breaks("t/0", "TADDM t/0 NOKEYS FIELDS 1 f RECORDS 1"));
  EXPECT_FALSE(breaks("t/0", "TADD t/1 * f 1"));
  EXPECT_FALSE(breaks("t", "TADD t/1 * f 1"));
  EXPECT_FALSE(breaks("t/0", "TREAD PARTITIONS t/0 0"));
  EXPECT_FALSE(breaks("t/0", "TOPIC TRIM t/0 EARLIEST"));
  EXPECT_TRUE(breaks("t/0", "TOPIC TRIM t/0 1"));
  EXPECT_FALSE(breaks("t", "TOPIC TRIM t/0 2"));
  EXPECT_FALSE(breaks("t/0", "XGROUP CREATE t/0 g 0"));
  EXPECT_TRUE(breaks("t", "TOPIC ALTER t MAX-RECORD-BYTES 100"));
  EXPECT_FALSE(breaks("t", "TOPIC ALTER t MAX-RECORD-BYTES 100"));
  EXPECT_TRUE(breaks("t", "TOPIC ALTER t PARTITIONS 4"));
  EXPECT_TRUE(breaks("t/0", "SET t/0 v"));
  EXPECT_TRUE(breaks("t/0", "DEL t/0"));
  EXPECT_TRUE(breaks("t", "TOPIC DELETE t"));
  EXPECT_TRUE(breaks("t", "TOPIC CREATE t PARTITIONS 1"));
  EXPECT_TRUE(breaks("t/0", "TADD t/0 * f 1"));
  EXPECT_TRUE(breaks("t/0", "DEL t"));
  // A partition of a topic that is not there yet.
  EXPECT_FALSE(breaks("u/0", "TOPIC CREATE u PARTITIONS 1"));
  EXPECT_TRUE(breaks("v/0", "TOPIC CREATE v PARTITIONS 1 NX") || breaks("v/0", "TADD v/0 * f 1"));
  EXPECT_TRUE(breaks("v/0", "FLUSHDB"));
}

TEST_F(BrokerTopicsTest, AWatchSeesATopicThatCameMeanwhile) {
  other_->Run("WATCH u/0");
  Run("TOPIC CREATE u PARTITIONS 1");
  Run("TADD u * f 1");
  other_->Run("MULTI");
  EXPECT_EQ(other_->Run("EXEC"), "*-1");
}

TEST_F(BrokerTopicsTest, AWatchSeesThatATopicExpired) {
  Run("TADD t/0 * f 1");
  Run("PEXPIRE t 100");
  other_->Run("WATCH t/0");
  harness_.Advance(200);
  other_->Run("MULTI");
  EXPECT_EQ(other_->Run("EXEC"), "*-1");
}

// --- Waiting

TEST_F(BrokerTopicsTest, ABlockedReadIsWokenByARecordOfOneOfItsPartitions) {
  const std::string read = "TREAD BLOCK 0 WITHKEY PARTITIONS t/0 t/1 LATEST LATEST";
  EXPECT_EQ(other_->Run(read), "");
  Run("TADD t/2 * f 1");
  EXPECT_EQ(other_->Lines(), "");
  Run("TADD t/1 KEY k * f 2");
  EXPECT_EQ(other_->Lines(), "*1 *2 $3 t/1 *1 *3 $15 1700000000000-0 *2 $1 f $1 2 $1 k");
  EXPECT_EQ(other_->Run(read), "");
  Run("TADDM t/0 NOKEYS FIELDS 1 f RECORDS 3 4");
  EXPECT_EQ(other_->Lines(),
            "*1 *2 $3 t/0 *2 *3 $15 1700000000000-0 *2 $1 f $1 3 $-1 "
            "*3 $15 1700000000000-1 *2 $1 f $1 4 $-1");
  // All that wait get the record.
  auto third = harness_.Connect();
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 2");
  third->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  Run("TADD t/0 * f 5");
  EXPECT_THAT(other_->Lines(), HasSubstr("$1 5"));
  EXPECT_THAT(third->Lines(), HasSubstr("$1 5"));
}

TEST_F(BrokerTopicsTest, ABlockedReadOfAPartitionThatIsNamedTwiceIsWokenOnce) {
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 t/0 LATEST LATEST");
  Run("TADD t/0 * f 5");
  EXPECT_THAT(other_->Lines(), StartsWith("*2 *2 $3 t/0 *1 "));
  EXPECT_EQ(other_->Run("PING"), "+PONG");
}

TEST_F(BrokerTopicsTest, ABlockedReadIsToldThatItsTopicIsGone) {
  const std::string gone = "-NOTOPIC No such topic 't'";
  for (const char* const end :
       {"TOPIC DELETE t", "DEL t", "UNLINK t", "FLUSHDB", "FLUSHALL", "PEXPIRE t 0"}) {
    Run("DEL t");
    Run("TOPIC CREATE t PARTITIONS 3");
    other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
    Run("TADD t/1 * f 1");
    EXPECT_EQ(other_->Lines(), "") << end;
    Run(end);
    EXPECT_EQ(other_->Lines(), gone) << end;
  }
  Run("TOPIC CREATE t PARTITIONS 3");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  Run("SET t v");
  EXPECT_THAT(other_->Lines(), StartsWith("-WRONGTYPE"));
}

TEST_F(BrokerTopicsTest, ABlockedReadIsToldThatItsTopicExpired) {
  Run("PEXPIRE t 100");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  harness_.Advance(200);
  EXPECT_EQ(other_->Lines(), "-NOTOPIC No such topic 't'");
}

TEST_F(BrokerTopicsTest, ABlockedReadOfATopicThatIsMadeAgainBeginsThere) {
  Run("TADD t/0 * f 1");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  Run("MULTI");
  Run("DEL t");
  Run("TOPIC CREATE t PARTITIONS 1");
  Run("EXEC");
  // It waits for offset 1, which the new topic does not have.
  EXPECT_EQ(other_->Lines(), "-OFFSETRANGE Offset 1 of 't/0' is outside of 0 to 0");
}

TEST_F(BrokerTopicsTest, ABlockedReadIsToldThatItsOffsetIsGone) {
  Run("TADD t/0 * f 1");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 1");
  Run("MULTI");
  Run("TADD t/0 * f 2");
  Run("TOPIC TRIM t/0 2");
  Run("EXEC");
  EXPECT_EQ(other_->Lines(), "-OFFSETRANGE Offset 1 of 't/0' is outside of 2 to 2");
}

TEST_F(BrokerTopicsTest, ABlockedReadEndsAtItsTimeAndByUnblock) {
  other_->Run("TREAD BLOCK 100 PARTITIONS t/0 LATEST");
  harness_.Advance(99);
  EXPECT_EQ(other_->Lines(), "");
  harness_.Advance(1);
  EXPECT_EQ(other_->Lines(), "*-1");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  EXPECT_EQ(Run("CLIENT UNBLOCK " + IdOf(*other_)), ":1");
  EXPECT_EQ(other_->Lines(), "*-1");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  EXPECT_EQ(Run("CLIENT UNBLOCK " + IdOf(*other_) + " ERROR"), ":1");
  EXPECT_THAT(other_->Lines(), StartsWith("-UNBLOCKED"));
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  other_->CloseNow();
  EXPECT_THAT(Run("TADD t/0 * f 1"), StartsWith("*2"));
}

TEST_F(BrokerTopicsTest, StreamReadersWaitForPartitionsToo) {
  other_->Run("XREAD BLOCK 0 STREAMS t/0 u/0 $ $");
  Run("TOPIC CREATE u PARTITIONS 1");
  EXPECT_EQ(other_->Lines(), "");
  Run("TADD u * f 1");
  EXPECT_EQ(other_->Lines(), "*1 *2 $3 u/0 *1 *2 $15 1700000000000-0 *2 $1 f $1 1");
  // A key that hides the partition is seen at once.
  Run("XGROUP CREATE t/0 g $");
  other_->Run("XREADGROUP GROUP g c BLOCK 0 STREAMS t/0 >");
  Run("SET t/0 v");
  EXPECT_THAT(other_->Lines(), StartsWith("-WRONGTYPE"));
  EXPECT_THAT(other_->Run("XREAD BLOCK 0 STREAMS t/0 $"), StartsWith("-WRONGTYPE"));
  Run("DEL t/0");
  other_->Run("XREAD BLOCK 0 STREAMS t/0 $");
  Run("XADD s 1-1 f v");
  Run("RENAME s t/0");
  EXPECT_EQ(other_->Lines(), "*1 *2 $3 t/0 *1 *2 $3 1-1 *2 $1 f $1 v");
}

// --- Databases

TEST_F(BrokerTopicsTest, DatabasesChangePlacesWithTheirTopics) {
  Run("TADD t/0 * f zero");
  Run("SELECT 1");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"), "-NOTOPIC No such topic 't'");
  Run("TOPIC CREATE t PARTITIONS 1");
  Run("TADD t/0 * f one");
  Run("TADD t/0 * f more");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  auto third = harness_.Connect();
  third->Run("XREAD BLOCK 0 STREAMS t/0 $");
  EXPECT_EQ(Run("SWAPDB 0 1"), "+OK");
  const std::string more = "*1 *2 $3 t/0 *1 *2 $15 1700000000000-1 *2 $1 f $4 more";
  EXPECT_EQ(other_->Lines(), more);
  EXPECT_EQ(third->Lines(), more);
  EXPECT_EQ(Run("XLEN t/0"), ":1");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"),
            "*1 *2 $3 t/0 *1 *2 $15 1700000000000-0 *2 $1 f $4 zero");
  EXPECT_EQ(Run("FLUSHDB"), "+OK");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"), "-NOTOPIC No such topic 't'");
  EXPECT_EQ(Run("XLEN t/0"), ":0");
  EXPECT_EQ(Run("TOPIC LIST"), "*0");
  Run("SELECT 0");
  EXPECT_EQ(Run("XLEN t/0"), ":2");
  EXPECT_EQ(Run("TOPIC LIST"), "*1 $1 t");
  other_->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST");
  Run("SWAPDB 1 0");
  EXPECT_EQ(other_->Lines(), "-NOTOPIC No such topic 't'");
}

TEST_F(BrokerTopicsTest, OnlyTheTopicIsSeenAsAKey) {
  Run("TADDM t FIELDS 1 f RECORDS a 1 b 2 c 3 d 4 e 5");
  Run("SET s v");
  EXPECT_EQ(Run("DBSIZE"), ":2");
  EXPECT_EQ(Run("KEYS *t*"), "*1 $1 t");
  EXPECT_EQ(Run("SCAN 0 TYPE topic COUNT 100"), "*2 $1 0 *1 $1 t");
  EXPECT_EQ(Run("SCAN 0 TYPE stream COUNT 100"), "*2 $1 0 *0");
  for (int i = 0; i < 50; i++) {
    EXPECT_THAT(Run("RANDOMKEY"), ::testing::AnyOf("$1 t", "$1 s"));
  }
}

TEST_F(BrokerTopicsTest, ATopicExpiresWithAllThatItHas) {
  Run("TADD t/0 * f 1");
  Run("TADD t/2 * f 1");
  Run("XGROUP CREATE t/1 g 0");
  Run("TPRODUCER OPEN t p");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 3u);
  Run("PEXPIRE t 100");
  EXPECT_EQ(Run("TTL t/0"), ":-1");
  harness_.Advance(100);
  EXPECT_EQ(harness_.keyspace.size(0), 0u);
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 0u);
  Run("TOPIC CREATE t PARTITIONS 3");
  EXPECT_EQ(Run("TPRODUCER OPEN t p"), "*2 :1 :-1");
  EXPECT_THAT(Run("TADD t/0 * f 1"), HasSubstr("-0"));
  // SET ends it too, and so does what moves another key over it.
  Run("SET t v");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 0u);
  Run("TOPIC CREATE u PARTITIONS 3");
  Run("TADD u/0 * f 1");
  EXPECT_EQ(Run("RENAME t u"), "+OK");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 0u);
  Run("TOPIC CREATE v PARTITIONS 3");
  Run("TADD v/0 * f 1");
  EXPECT_EQ(Run("COPY u v REPLACE"), ":1");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 0u);
}

// A read that meets an expired topic removes it; during a pause it only does not see it.
TEST_F(BrokerTopicsTest, APauseOfWritesHoldsProducersAndNotReaders) {
  Run("TADD t/0 * f 1");
  Run("CLIENT PAUSE 10000 WRITE");
  EXPECT_EQ(other_->Run("TADD t/0 * f 2"), "");
  auto third = harness_.Connect();
  EXPECT_THAT(third->Run("TREAD PARTITIONS t/0 0"), HasSubstr("$1 1"));
  EXPECT_THAT(third->Run("TOPIC DESCRIBE t/0"), HasSubstr("next :1"));
  EXPECT_THAT(third->Run("TOPIC OFFSETS t LATEST"), StartsWith("*3"));
  EXPECT_EQ(third->Run("TREAD BLOCK 0 PARTITIONS t/0 LATEST"), "");
  EXPECT_EQ(third->Lines(), "");
  Run("CLIENT UNPAUSE");
  harness_.Advance(1);
  EXPECT_THAT(other_->Lines(), StartsWith("*2"));
  EXPECT_THAT(third->Lines(), HasSubstr("$1 2"));
}

TEST_F(BrokerTopicsTest, DuringAPauseATopicThatIsOverIsNotThere) {
  Run("TADD t/0 * f 1");
  Run("PEXPIRE t 100");
  Run("CLIENT PAUSE 10000 WRITE");
  harness_.Advance(200);
  EXPECT_EQ(other_->Run("TREAD PARTITIONS t/0 0"), "-NOTOPIC No such topic 't'");
  EXPECT_EQ(other_->Run("XLEN t/0"), ":0");
  EXPECT_EQ(other_->Run("EXISTS t t/0"), ":0");
  EXPECT_EQ(other_->Run("TOPIC LIST"), "*0");
  EXPECT_EQ(harness_.keyspace.size(CompanionOf(0)), 1u);
}

// --- Limits

TEST_F(BrokerTopicsTest, MemoryAboveTheLimitRefusesOnlyWhatGrows) {
  Run("TADD t/0 * f 1");
  Run("TADD t/0 * f 2");
  Run("TPRODUCER OPEN t p");
  harness_.settings.maxmemory = 1;
  for (const char* const line :
       {"TADD t/0 * f 1", "TADD t KEY k TOMBSTONE", "TADDM t NOKEYS FIELDS 1 f RECORDS 1",
        "TPRODUCER OPEN t p", "TOPIC CREATE u PARTITIONS 1", "TOPIC ALTER t PARTITIONS 4"}) {
    EXPECT_THAT(Run(line), StartsWith("-OOM")) << line;
  }
  EXPECT_THAT(Run("TREAD PARTITIONS t/0 0"), StartsWith("*1"));
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), StartsWith("*30"));
  EXPECT_THAT(Run("TOPIC OFFSETS t EARLIEST"), StartsWith("*3"));
  EXPECT_EQ(Run("TOPIC TRIM t/0 1"), ":1");
  EXPECT_EQ(Run("TOPIC ALTER t RETENTION-ENTRIES 1"), "+OK");
  EXPECT_EQ(Run("TPRODUCER CLOSE t p"), ":1");
  EXPECT_EQ(Run("TOPIC DELETE t"), "+OK");
}

// --- Events

TEST_F(BrokerTopicsTest, EventsNameThePartitionInItsDatabase) {
  harness_.settings.notify_classes =
      kNotifyKeyspace | kNotifyKeyevent | kNotifyStream | kNotifyGeneric | kNotifyExpired;
  other_->Run("PSUBSCRIBE __key*__:*");
  const auto events = [this](const std::string& line) {
    Run(line);
    std::string text;
    std::string received = other_->Lines();
    // *4 $8 pmessage $11 __key*__:* $N channel $M message
    for (size_t at = 0; (at = received.find("__:*", at)) != std::string::npos;) {
      const size_t channel = received.find(' ', at + 5) + 1;
      const size_t end = received.find(' ', channel);
      const size_t message = received.find(' ', end + 1) + 1;
      const size_t last = std::min(received.find(' ', message), received.size());
      text += (text.empty() ? "" : ", ") + received.substr(channel, end - channel) + " " +
              received.substr(message, last - message);
      at = last;
    }
    return text;
  };
  EXPECT_EQ(events("TADD t/2 * f 1"), "__keyspace@0__:t/2 tadd, __keyevent@0__:tadd t/2");
  EXPECT_EQ(events("TADDM t/1 NOKEYS FIELDS 1 f RECORDS 1 2 3"),
            "__keyspace@0__:t/1 tadd, __keyevent@0__:tadd t/1");
  EXPECT_EQ(events("TOPIC TRIM t/1 2"), "__keyspace@0__:t/1 xtrim, __keyevent@0__:xtrim t/1");
  EXPECT_EQ(events("XGROUP CREATE t/0 g 0"),
            "__keyspace@0__:t/0 xgroup-create, __keyevent@0__:xgroup-create t/0");
  EXPECT_EQ(events("XGROUP DESTROY t/0 g"),
            "__keyspace@0__:t/0 xgroup-destroy, __keyevent@0__:xgroup-destroy t/0");
  EXPECT_EQ(events("TOPIC CREATE u PARTITIONS 1"),
            "__keyspace@0__:u topic-create, __keyevent@0__:topic-create u");
  EXPECT_EQ(events("TOPIC ALTER u RETENTION-ENTRIES 1"),
            "__keyspace@0__:u topic-alter, __keyevent@0__:topic-alter u");
  EXPECT_EQ(events("TADDM u NOKEYS FIELDS 1 f RECORDS 1 2"),
            "__keyspace@0__:u/0 tadd, __keyevent@0__:tadd u/0, "
            "__keyspace@0__:u/0 xtrim, __keyevent@0__:xtrim u/0");
  EXPECT_EQ(events("TOPIC DELETE u"), "__keyspace@0__:u del, __keyevent@0__:del u");
  EXPECT_EQ(events("DEL t"), "__keyspace@0__:t del, __keyevent@0__:del t");
  Run("SELECT 1");
  EXPECT_EQ(events("TOPIC CREATE t PARTITIONS 1"),
            "__keyspace@1__:t topic-create, __keyevent@1__:topic-create t");
  EXPECT_EQ(events("TADD t * f 1"), "__keyspace@1__:t/0 tadd, __keyevent@1__:tadd t/0");
  EXPECT_EQ(events("PEXPIRE t 100"), "__keyspace@1__:t expire, __keyevent@1__:expire t");
  harness_.Advance(200);
  EXPECT_EQ(events("PING"), "__keyspace@1__:t expired, __keyevent@1__:expired t");
}

// --- What COMMAND tells

TEST_F(BrokerTopicsTest, CommandNamesTheKeys) {
  EXPECT_EQ(Run("COMMAND GETKEYS TADD t/3 KEY k * f v"), "*1 $3 t/3");
  EXPECT_EQ(Run("COMMAND GETKEYS TADDM t FIELDS 1 f RECORDS k v"), "*1 $1 t");
  EXPECT_EQ(Run("COMMAND GETKEYS TREAD COUNT 1 PARTITIONS t/0 u/1 0 0"), "*2 $3 t/0 $3 u/1");
  EXPECT_EQ(Run("COMMAND GETKEYS TREAD BLOCK 0 WITHKEY PARTITIONS t/0 LATEST"), "*1 $3 t/0");
  EXPECT_EQ(Run("COMMAND GETKEYS TOPIC CREATE t PARTITIONS 1"), "*1 $1 t");
  EXPECT_EQ(Run("COMMAND GETKEYS TOPIC TRIM t/0 1"), "*1 $3 t/0");
  EXPECT_EQ(Run("COMMAND GETKEYS TOPIC DESCRIBE t"), "*1 $1 t");
  EXPECT_EQ(Run("COMMAND GETKEYS TPRODUCER OPEN t p"), "*1 $1 t");
  EXPECT_THAT(Run("COMMAND GETKEYS TOPIC LIST"), StartsWith("-ERR"));
  EXPECT_EQ(Run("COMMAND GETKEYSANDFLAGS TADD t * f v"), "*1 *2 $1 t *2 +RW +update");
  EXPECT_EQ(Run("COMMAND GETKEYSANDFLAGS TREAD PARTITIONS t/0 0"), "*1 *2 $3 t/0 *2 +RO +access");
}

// --- Producers that nobody uses

TEST_F(BrokerTopicsTest, ProducersThatNobodyUsesAreForgotten) {
  harness_.settings.data.producer_expire_ms = 10'000;
  Run("TOPIC CREATE u PARTITIONS 1");
  other_->Run("SELECT 3");
  other_->Run("TOPIC CREATE t PARTITIONS 1");
  for (const char* name : {"a", "b", "c"}) {
    Run(std::string("TPRODUCER OPEN t ") + name);
    Run(std::string("TPRODUCER OPEN u ") + name);
    other_->Run(std::string("TPRODUCER OPEN t ") + name);
  }
  const auto producers = [&](BrokerHarness::Client& client, const std::string& topic) {
    const std::string reply = client.Run("TPRODUCER LIST " + topic);
    return std::stoi(reply.substr(1));
  };
  harness_.Advance(6000);
  EXPECT_THAT(Run("TADD t/0 PRODUCER b 1 0 * f v"), StartsWith("*2 "));
  harness_.Advance(3900);
  EXPECT_EQ(producers(*client_, "t") + producers(*client_, "u") + producers(*other_, "t"), 9);
  // Nothing changes during a pause.
  Run("CLIENT PAUSE 5000 WRITE");
  harness_.Advance(1000);
  EXPECT_EQ(producers(*client_, "t"), 3);
  Run("CLIENT UNPAUSE");
  harness_.Advance(100);
  harness_.Advance(100);
  EXPECT_EQ(producers(*client_, "t"), 1);
  EXPECT_EQ(producers(*client_, "u"), 0);
  EXPECT_EQ(producers(*other_, "t"), 0);
  EXPECT_THAT(Run("TADD t/0 PRODUCER a 1 0 * f v"), StartsWith("-FENCED"));
  EXPECT_EQ(Run("TPRODUCER OPEN t a"), "*2 :1 :-1");
  // The clock may go back.
  harness_.clock.unix_us -= 60'000'000;
  harness_.Advance(20'000);
  EXPECT_EQ(producers(*client_, "t"), 2);
  harness_.settings.data.producer_expire_ms = 0;
  harness_.Advance(1'000'000'000);
  EXPECT_EQ(producers(*client_, "t"), 2);
}

// A few at a time, and all in the end.
TEST_F(BrokerTopicsTest, ManyProducersAreForgottenBitByBit) {
  harness_.settings.data.producer_expire_ms = 1000;
  constexpr size_t kTopics = 20;
  constexpr size_t kProducers = 30;
  for (size_t i = 0; i < kTopics * kProducers; i++) {
    const std::string topic = "t" + std::to_string(i % kTopics);
    if (i < kTopics) Run("TOPIC CREATE " + topic + " PARTITIONS 1");
    Run("TPRODUCER OPEN " + topic + " p" + std::to_string(i));
  }
  const auto left = [&] {
    size_t sum = 0;
    for (const KeyEntry* entry : harness_.keyspace.listed(0)) {
      sum += entry->As<Topic>()->producers().all().size();
    }
    return sum;
  };
  harness_.clock.Advance(2000);
  size_t before = left();
  EXPECT_EQ(before, kTopics * kProducers);
  for (int rounds = 0; before > 0; rounds++) {
    ASSERT_LT(rounds, 100);
    harness_.Advance(100);
    EXPECT_GE(left() + 64, before);
    before = left();
  }
}

}  // namespace
}  // namespace runnel
