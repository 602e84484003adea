// Topics whose records are on the disk: commands on them never make the loop wait.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "tests/sim/cold_broker.h"

namespace runnel::sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Record i of partition 0 has the offset i, the key k<i>, the field `n` i, and was appended i
// milliseconds after the topic was made.
class ColdTopicTest : public ::testing::Test {
 protected:
  static constexpr int kRecords = 2000;
  static constexpr int64_t kBegin = 1'700'000'000'000;

  ColdTopicTest() {
    client_->Run("TOPIC CREATE t PARTITIONS 3");
    Fill("t/0", kRecords);
  }

  void Fill(const std::string& partition, int records) {
    for (int i = 0; i < records; i++) {
      const std::string number = std::to_string(i);
      ASSERT_THAT(client_->Run("TADD " + partition + " KEY k" + number + " * n " + number +
                               " padding the-quick-brown-fox-jumps-over-the-lazy-dog-again-and-"
                               "again-and-again"),
                  StartsWith("*2 "));
      world_.harness.clock.Advance(1);
      world_.harness.broker.RunTimers();
    }
    world_.Settle();
  }
  std::string Ask(const std::string& line) { return world_.Ask(*client_, line); }
  // How a reply shows record i of partition 0.
  static std::string Record(int i) {
    const std::string number = std::to_string(i);
    const std::string id = std::to_string(kBegin + i) + "-" + number;
    return "$" + std::to_string(id.size()) + " " + id + " *4 $1 n $" +
           std::to_string(number.size()) + " " + number + " ";
  }
  ColdStats stats() { return world_.store->stats(); }

  ColdBroker world_{1};
  std::unique_ptr<BrokerHarness::Client> client_ = world_.Connect();
  std::unique_ptr<BrokerHarness::Client> other_ = world_.Connect();
};

TEST_F(ColdTopicTest, OthersGoOnWhileARecordIsRead) {
  EXPECT_EQ(client_->Run("TREAD COUNT 1 WITHKEY PARTITIONS t/0 0"), "");
  EXPECT_EQ(world_.harness.broker.parking().count(), 1u);
  EXPECT_EQ(other_->Run("XLEN t/0"), ":2000");
  EXPECT_THAT(other_->Run("TADD t/0 * n more"), HasSubstr("-2000"));
  EXPECT_EQ(client_->Lines(), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(),
              AllOf(StartsWith("*1 *2 $3 t/0 *1 *3 " + Record(0)), ::testing::EndsWith(" $2 k0")));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, ABacklogIsReadFromTheStart) {
  int next = 0;
  while (next < kRecords) {
    const std::string reply =
        Ask("TREAD COUNT 37 PARTITIONS t/0 t/1 " + std::to_string(next) + " LATEST");
    const int end = std::min(next + 37, kRecords);
    for (int i = next; i < end; i++) {
      ASSERT_THAT(reply, HasSubstr(Record(i)));
    }
    ASSERT_EQ(reply.find("$1 n $4 " + std::to_string(end)), std::string::npos);
    next = end;
  }
  EXPECT_EQ(Ask("TREAD PARTITIONS t/0 2000"), "*-1");
  EXPECT_GT(stats().reads, 0u);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, EveryPositionFindsItsRecord) {
  for (int i = 0; i < kRecords; i += 53) {
    const std::string time = std::to_string(kBegin + i);
    const std::string found = "*1 *2 $3 t/0 *1 *2 " + Record(i);
    EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 " + std::to_string(i)), StartsWith(found));
    EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 @" + time), StartsWith(found));
    if (i > 0) {
      const std::string before = std::to_string(kBegin + i - 1) + "-" + std::to_string(i - 1);
      EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 " + before), StartsWith(found));
    }
    const std::string place = "*1 *3 $3 t/0 :" + std::to_string(i) + " :" + time;
    EXPECT_EQ(Ask("TOPIC OFFSETS t/0 @" + time), place);
    EXPECT_EQ(Ask("TOPIC OFFSETS t/0 " + std::to_string(i)), place);
  }
  EXPECT_EQ(Ask("TOPIC OFFSETS t @0"),
            "*3 *3 $3 t/0 :0 :" + std::to_string(kBegin) + " *3 $3 t/1 :0 :-1 *3 $3 t/2 :0 :-1");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, ManyPartitionsAreFetchedBeforeTheFirstIsGiven) {
  Fill("t/1", 1000);
  Fill("t/2", 1000);
  const std::string reply = Ask("TREAD COUNT 300 PARTITIONS t/0 t/1 t/2 100 200 300");
  EXPECT_THAT(reply, AllOf(StartsWith("*3 *2 $3 t/0 *100 *2 " + Record(100)),
                           HasSubstr("*2 $3 t/1 *100 "), HasSubstr("*2 $3 t/2 *100 ")));
  EXPECT_THAT(Ask("TREAD MAXSIZE 5000 PARTITIONS t/2 t/0 0 0"), StartsWith("*2 *2 $3 t/2 *"));
  EXPECT_EQ(Ask("TOPIC OFFSETS t EARLIEST").substr(0, 12), "*3 *3 $3 t/0");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, ATrimEndsInTheMiddleOfARun) {
  EXPECT_EQ(Ask("TOPIC TRIM t/0 777"), ":777");
  EXPECT_EQ(Ask("TREAD PARTITIONS t/0 776"),
            "-OFFSETRANGE Offset 776 of 't/0' is outside of 777 to 2000");
  EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 EARLIEST"), HasSubstr(Record(777)));
  EXPECT_EQ(Ask("TOPIC TRIM t/0 @" + std::to_string(kBegin + 1234)), ":457");
  EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 EARLIEST"), HasSubstr(Record(1234)));
  EXPECT_EQ(Ask("TOPIC TRIM t/0 1234"), ":0");
  EXPECT_EQ(Ask("XLEN t/0"), ":766");
  EXPECT_EQ(Ask("TOPIC TRIM t/0 LATEST"), ":766");
  EXPECT_EQ(Ask("TREAD PARTITIONS t/0 EARLIEST"), "*-1");
  EXPECT_THAT(Ask("TADD t/0 * n x"), HasSubstr("-2000"));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, TransactionsFetchFirstAndStayWhole) {
  client_->Run("MULTI");
  client_->Run("TADD t/1 * n new");
  client_->Run("TOPIC TRIM t/0 900");
  client_->Run("TREAD COUNT 1 PARTITIONS t/0 950");
  client_->Run("TOPIC OFFSETS t/0 @" + std::to_string(kBegin + 1000));
  EXPECT_EQ(client_->Run("EXEC"), "");
  EXPECT_EQ(other_->Run("XLEN t/1"), ":0");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(),
              AllOf(StartsWith("*4 *2 $3 t/1 "), HasSubstr(" :900 "), HasSubstr(Record(950)),
                    HasSubstr("*3 $3 t/0 :1000 :" + std::to_string(kBegin + 1000))));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, WhatDescribesATopicDoesNotMakeTheLoopWait) {
  EXPECT_THAT(Ask("TOPIC DESCRIBE t/0"),
              AllOf(HasSubstr("$8 earliest :0 $4 next :2000 $7 records :2000"),
                    HasSubstr("$8 first-ms :" + std::to_string(kBegin) + " "),
                    HasSubstr("$7 last-ms :" + std::to_string(kBegin + 1999))));
  const std::string reply = Ask("TOPIC DESCRIBE t");
  const size_t cold = reply.find("cold-entries :");
  ASSERT_NE(cold, std::string::npos);
  EXPECT_GT(std::stoi(reply.substr(cold + 14)), 1000);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, RetentionOfRecordsOnTheDisk) {
  EXPECT_EQ(Ask("TOPIC ALTER t RETENTION-ENTRIES 1500"), "+OK");
  for (int i = 0; i < 100; i++) {
    Ask("TADD t/0 KEY k * n x");
  }
  const int kept = std::stoi(Ask("XLEN t/0").substr(1));
  EXPECT_GE(kept, 1500);
  EXPECT_LT(kept, 1700);
  EXPECT_THAT(Ask("TREAD COUNT 1 PARTITIONS t/0 EARLIEST"), HasSubstr(Record(2100 - kept)));
  EXPECT_EQ(Ask("TOPIC ALTER t RETENTION-ENTRIES 0 RETENTION-MS 1000"), "+OK");
  for (int i = 0; i < 20; i++) {
    world_.harness.Advance(100);
    world_.Settle();
  }
  EXPECT_EQ(Ask("XLEN t/0"), ":0");
  EXPECT_THAT(Ask("TADD t/0 * n x"), HasSubstr("-2100"));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, ATopicThatGoesWhileItIsReadIsMissed) {
  EXPECT_EQ(client_->Run("TREAD COUNT 1 PARTITIONS t/0 0"), "");
  EXPECT_EQ(other_->Run("TOPIC DELETE t"), "+OK");
  world_.Settle();
  EXPECT_EQ(client_->Lines(), "-NOTOPIC No such topic 't'");
  EXPECT_EQ(other_->Run("TOPIC CREATE t PARTITIONS 1"), "+OK");
  EXPECT_THAT(other_->Run("TADD t/0 * n x"), HasSubstr("-0"));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, AFailedReadIsTheCommandsError) {
  world_.disk.FailCalls(world_.disk.calls() + 1, 2, EIO);
  EXPECT_EQ(client_->Run("TOPIC TRIM t/0 5"), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR cold entries in streams/"));
  EXPECT_EQ(client_->Run("XLEN t/0"), ":2000");
  EXPECT_EQ(Ask("TOPIC TRIM t/0 5"), ":5");
}

// A group with acknowledgement per message, on a backlog.
TEST_F(ColdTopicTest, AGroupOfTheStreamReadsTheBacklog) {
  client_->Run("XGROUP CREATE t/0 g 0");
  for (int i = 0; i < kRecords; i += 100) {
    const std::string reply = Ask("XREADGROUP GROUP g c COUNT 100 STREAMS t/0 >");
    EXPECT_THAT(reply, AllOf(HasSubstr(Record(i)), HasSubstr(Record(i + 99))));
  }
  EXPECT_EQ(stats().blocking_reads, 0u);
}

// --- Topic groups

TEST_F(ColdTopicTest, AGroupOfTopicsReadsTheBacklog) {
  // The first call makes the group and joins: it must not read after that in the same run.
  for (int i = 0; i < kRecords; i += 100) {
    const std::string done = i % 300 == 0 ? "" : "AUTOCOMMIT ";
    const std::string reply = Ask("TREADGROUP g m COUNT 100 " + done + "FROM EARLIEST TOPICS t");
    EXPECT_THAT(reply, AllOf(StartsWith("*1 *3 $3 t/0 :1 *100 *2 " + Record(i)),
                             HasSubstr(Record(i + 99))));
    if (i % 300 == 0) {
      EXPECT_EQ(Ask("TCOMMIT g t/0 1 " + std::to_string(i + 100)), ":1");
    }
  }
  EXPECT_EQ(Ask("TREADGROUP g m AUTOCOMMIT TOPICS t"), "*-1");
  EXPECT_THAT(Ask("TGROUP LAG g"), HasSubstr("$9 committed :2000"));
  EXPECT_GT(stats().reads, 0u);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

// What was read from the disk is given before others have their turn, but these do not wait for
// long; and what the next turns need is read before they come.
TEST_F(ColdTopicTest, APartitionKeepsItsTurnForTheRestOfARun) {
  Fill("t/1", kRecords);
  Fill("t/2", kRecords);
  std::string before;
  int calls = 0;
  int in_a_row = 0;
  int most_in_a_row = 0;
  for (int given = 0; given < 3 * kRecords; calls++) {
    const std::string reply = Ask("TREADGROUP g m COUNT 10 NOACK FROM EARLIEST TOPICS t");
    ASSERT_THAT(reply, StartsWith("*")) << given;
    // One partition, or the ends of some and the begin of another.
    const int parts = reply[1] - '0';
    ASSERT_LE(parts, 3) << reply;
    const std::string partition = reply.substr(reply.rfind("$3 t/") + 3, 3);
    in_a_row = parts == 1 && partition == before ? in_a_row + 1 : 1;
    before = partition;
    // The last one of all has nobody to give way to.
    if (given < 2 * kRecords) most_in_a_row = std::max(most_in_a_row, in_a_row);
    for (size_t at = reply.find(" *2 $"); at != std::string::npos;
         at = reply.find(" *2 $", at + 1)) {
      given++;
    }
  }
  EXPECT_GT(most_in_a_row, 1);
  EXPECT_LE(most_in_a_row, 17);
  EXPECT_GT(stats().ahead_hits, 0u);
  // Without that, nearly every call would read a run.
  EXPECT_LT(stats().reads, static_cast<uint64_t>(calls) / 2);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, APositionThatIsNotGivenDoesNotMove) {
  Ask("TREADGROUP g m COUNT 10 FROM EARLIEST TOPICS t");
  // The client goes while its records are read from the disk.
  EXPECT_EQ(client_->Run("TREADGROUP g m COUNT 500 TOPICS t"), "");
  EXPECT_TRUE(client_->session().parked());
  client_->CloseNow();
  world_.Settle();
  EXPECT_THAT(world_.Ask(*other_, "TREADGROUP g m COUNT 1 TOPICS t"),
              StartsWith("*1 *3 $3 t/0 :2 *1 *2 " + Record(0)));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdTopicTest, PositionsOfGroupsAreFoundOnTheDisk) {
  const std::string time = std::to_string(kBegin + 700);
  EXPECT_THAT(Ask("TREADGROUP g m COUNT 1 FROM @" + time + " TOPICS t"), HasSubstr(Record(700)));
  EXPECT_EQ(Ask("TCOMMIT g t/0 1 @" + std::to_string(kBegin + 800)), ":1");
  EXPECT_EQ(Ask("TGROUP RESET g t/0 TO @" + std::to_string(kBegin + 300)),
            "*1 *3 $3 t/0 :800 :300");
  EXPECT_THAT(Ask("TREADGROUP g m COUNT 1 TOPICS t"), HasSubstr(Record(300)));
  EXPECT_THAT(Ask("TGROUP LAG g"), HasSubstr("$3 lag :1700 "));
  // A commit that was refused because of others in its transaction has done nothing.
  client_->Run("MULTI");
  client_->Run("TREAD COUNT 1 PARTITIONS t/0 500");
  client_->Run("TCOMMIT g t/0 2 @" + std::to_string(kBegin + 1200));
  EXPECT_THAT(Ask("EXEC"), AllOf(StartsWith("*2 *1 "), ::testing::EndsWith(" :1")));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

}  // namespace
}  // namespace runnel::sim
