#include "commands/stream/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/stream/stream.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RetentionTest : public ::testing::Test {
 protected:
  void Add(uint64_t ms) { runner_.Run({"XADD", "s", std::to_string(ms) + "-1", "f", "v"}); }
  std::string Info() { return runner_.Run("XINFO STREAM s FULL EXTENDED"); }

  CommandRunner runner_{KeyspaceCommands(), StreamCommands(), GroupCommands()};
};

TEST_F(RetentionTest, IsShownAndSetOneByOne) {
  Add(1);
  EXPECT_THAT(Info(), HasSubstr("$12 retention-ms :0 $15 retention-bytes :0 $17 retention-entries "
                                ":0 $6 on-ack $4 keep"));
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-ENTRIES 5 ON-ACK delete"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-retain"));
  EXPECT_EQ(runner_.Run("XCFGSET s retention-bytes 100000"), "+OK");
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-BYTES 100000"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(Info(), HasSubstr("$12 retention-ms :0 $15 retention-bytes :100000 $17 "
                                "retention-entries :5 $6 on-ack $6 delete"));
  // It does not touch what is remembered of producers, nor the other way round.
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-DURATION 5"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-configure"));
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-ENTRIES 0 RETENTION-BYTES 0 ON-ACK KEEP"), "+OK");
  EXPECT_THAT(Info(), HasSubstr("retention-bytes :0 $17 retention-entries :0 $6 on-ack $4 keep"));
}

TEST_F(RetentionTest, RefusesWhatCannotBe) {
  Add(1);
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-MS -1"), "-ERR RETENTION-MS must not be negative");
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-MS x"),
            "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-ENTRIES 1 RETENTION-ENTRIES 1"),
            "-ERR RETENTION-ENTRIES specified multiple times");
  EXPECT_EQ(runner_.Run("XCFGSET s ON-ACK maybe"), "-ERR ON-ACK must be KEEP or DELETE");
  EXPECT_EQ(runner_.Run("XCFGSET s ON-ACK KEEP ON-ACK KEEP"),
            "-ERR ON-ACK specified multiple times");
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-MS 5 RETENTION-BYTES"), "-ERR syntax error");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(RetentionTest, ByEntries) {
  for (uint64_t ms = 1; ms <= 10; ms++) {
    Add(ms);
  }
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-ENTRIES 3"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("xtrim s"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":3");
  runner_.Run("XDEL s 9-1");
  Add(11);
  EXPECT_EQ(runner_.Run("XLEN s"), ":3");
  Add(12);
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-add", "stream-drop-oldest"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":3");
  EXPECT_THAT(Info(), HasSubstr("recorded-first-entry-id $4 10-1"));
}

TEST_F(RetentionTest, ByTimeInTheId) {
  const auto now = static_cast<uint64_t>(runner_.now_ms);
  Add(now - 2001);
  Add(now - 2000);
  Add(now - 1000);
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-MS 2000"), "+OK");
  EXPECT_EQ(runner_.Run("XLEN s"), ":2");
  runner_.now_ms += 1500;
  Add(now + 1500);
  EXPECT_EQ(runner_.Run("XLEN s"), ":1");
  // What is too old when it comes does not stay, and its ID was given.
  runner_.now_ms += 5000;
  Add(now + 1600);
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
  EXPECT_THAT(Info(), HasSubstr(std::to_string(now + 1600) + "-1"));
}

TEST_F(RetentionTest, ByBytesWholeBlocksGoButNeverTheNewest) {
  const std::string value(1000, 'x');
  const auto add = [&] { runner_.Run({"XADD", "s", "*", "f", value}); };
  for (int i = 0; i < 100; i++) {
    add();
  }
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-BYTES 20000"), "+OK");
  const auto length = [&] { return std::stoi(runner_.Run("XLEN s").substr(1)); };
  EXPECT_LE(length(), 20);
  EXPECT_GE(length(), 12);
  for (int i = 0; i < 50; i++) {
    add();
    EXPECT_LE(length(), 20);
  }
  EXPECT_EQ(runner_.Run("XCFGSET s RETENTION-BYTES 1"), "+OK");
  EXPECT_GE(length(), 1);
}

TEST_F(RetentionTest, OnAckDeleteWaitsForEveryGroup) {
  for (uint64_t ms = 1; ms <= 4; ms++) {
    Add(ms);
  }
  runner_.Run("XCFGSET s ON-ACK DELETE");
  runner_.Run("XGROUP CREATE s a 0");
  runner_.Run("XGROUP CREATE s b 0");
  runner_.Run("XREADGROUP GROUP a c STREAMS s >");
  EXPECT_EQ(runner_.Run("XACK s a 1-1 2-1"), ":2");
  EXPECT_EQ(runner_.Run("XLEN s"), ":4");
  runner_.Run("XREADGROUP GROUP b c COUNT 3 STREAMS s >");
  EXPECT_EQ(runner_.Run("XACK s b 2-1 3-1"), ":2");
  EXPECT_THAT(runner_.effects(), ElementsAre("group-ack", "stream-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("xdel s"));
  EXPECT_EQ(runner_.Run("XRANGE s 2 2"), "*0");
  EXPECT_EQ(runner_.Run("XLEN s"), ":3");
  // All groups are past it, so the lag can still be told.
  EXPECT_THAT(runner_.Run("XINFO GROUPS s"), HasSubstr("lag :1"));
  EXPECT_THAT(Info(), HasSubstr("max-deleted-entry-id $3 0-0"));
  EXPECT_EQ(runner_.Run("XACK s a 3-1 4-1"), ":2");
  EXPECT_EQ(runner_.Run("XLEN s"), ":2");
}

TEST_F(RetentionTest, OnAckDeleteSeesWhenAGroupNeedsNothingMore) {
  for (uint64_t ms = 1; ms <= 3; ms++) {
    Add(ms);
  }
  runner_.Run("XGROUP CREATE s a 0");
  runner_.Run("XGROUP CREATE s slow 0");
  runner_.Run("XREADGROUP GROUP a c STREAMS s >");
  runner_.Run("XACK s a 1-1");
  EXPECT_EQ(runner_.Run("XCFGSET s ON-ACK DELETE"), "+OK");
  EXPECT_EQ(runner_.Run("XLEN s"), ":3");
  runner_.Run("XGROUP SETID s slow 2-1");
  EXPECT_EQ(runner_.Run("XLEN s"), ":2");
  runner_.Run("XGROUP DESTROY s slow");
  EXPECT_EQ(runner_.Run("XLEN s"), ":2");
  runner_.Run("XGROUP DELCONSUMER s a c");
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
  // Without groups nothing was acknowledged by all of them.
  runner_.Run("XGROUP DESTROY s a");
  Add(9);
  runner_.Run("XGROUP CREATE s only 0");
  runner_.Run("XGROUP DESTROY s only");
  EXPECT_EQ(runner_.Run("XLEN s"), ":1");
}

TEST_F(RetentionTest, WhatIsReadWithoutAcknowledgementGoesAtOnce) {
  Add(1);
  Add(2);
  runner_.Run("XCFGSET s ON-ACK DELETE");
  runner_.Run("XGROUP CREATE s g 0");
  EXPECT_THAT(runner_.Run("XREADGROUP GROUP g c COUNT 1 NOACK STREAMS s >"), HasSubstr("1-1"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":1");
}

TEST_F(RetentionTest, AManyTimesLargerBacklogIsSweptInSlices) {
  runner_.Run("XGROUP CREATE s g 0 MKSTREAM");
  runner_.Run("XGROUP CREATE s slow 0");
  runner_.Run("XCFGSET s ON-ACK DELETE");
  for (uint64_t ms = 1; ms <= 9000; ms++) {
    Add(ms);
  }
  runner_.Run("XREADGROUP GROUP g c STREAMS s >");
  for (uint64_t ms = 2; ms <= 9000; ms += 2) {
    runner_.Run({"XACK", "s", "g", std::to_string(ms) + "-1"});
  }
  EXPECT_EQ(runner_.Run("XLEN s"), ":9000");
  EXPECT_EQ(runner_.Run("XGROUP DESTROY s slow"), ":1");
  EXPECT_THAT(runner_.effects(),
              ElementsAre("group-destroy", "stream-remove-ranges", "stream-swept"));
  const int left = std::stoi(runner_.Run("XLEN s").substr(1));
  EXPECT_GT(left, 6000);
  EXPECT_LT(left, 8000);
  // Upkeep finds it, also after a restart.
  const auto find = [&](Keyspace& keyspace) { return keyspace.NextUnswept(0, nullptr); };
  ASSERT_NE(find(runner_.keyspace()), nullptr);
  EXPECT_TRUE(runner_.keyspace().Find(KeyRef(0, "s"))->As<Stream>()->unswept());
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
  // What is acknowledged meanwhile goes at once.
  runner_.Run("XACK s g 8999-1");
  EXPECT_EQ(runner_.Run("XLEN s"), ":" + std::to_string(left - 1));
}

TEST_F(RetentionTest, WhatIsWhollyAcknowledgedIsOneRange) {
  runner_.Run("XGROUP CREATE s g 0 MKSTREAM");
  runner_.Run("XCFGSET s ON-ACK DELETE");
  for (uint64_t ms = 1; ms <= 30000; ms++) {
    Add(ms);
  }
  runner_.Run("XGROUP SETID s g 30000-1");
  EXPECT_THAT(runner_.effects(),
              ElementsAre("group-set-id", "stream-remove-ranges", "stream-swept"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
  EXPECT_FALSE(runner_.keyspace().Find(KeyRef(0, "s"))->As<Stream>()->unswept());
}

TEST_F(RetentionTest, GoesWithTheStream) {
  Add(1);
  runner_.Run("XCFGSET s RETENTION-ENTRIES 1 RETENTION-MS 99999999999999 ON-ACK DELETE");
  runner_.Run("COPY s t");
  const std::string dump = runner_.Run("DUMP t");
  runner_.Run("RENAME t u");
  EXPECT_THAT(runner_.Run("XINFO STREAM u"),
              HasSubstr("retention-ms :99999999999999 $15 retention-bytes :0 $17 "
                        "retention-entries :1 $6 on-ack $6 delete"));
  EXPECT_EQ(runner_.keyspace().NextDue(0, 100'000'000'000'000), nullptr);
  EXPECT_NE(runner_.keyspace().NextDue(0, 100'000'000'000'001), nullptr);
}

}  // namespace
}  // namespace runnel
