// Commands that look at cold entries: parked, run again, and never the wiser.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "snapshot/snapshotter.h"
#include "tests/sim/cold_broker.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kEntry1 =
    "*2 $3 1-0 *4 $1 n $1 1 $7 padding $69 "
    "the-quick-brown-fox-jumps-over-the-lazy-dog-again-and-again-and-again";

class ColdBrokerTest : public ::testing::Test {
 protected:
  ColdBrokerTest() { world_.Fill(*client_, "s", 2000); }

  ColdBroker world_{1};
  std::unique_ptr<BrokerHarness::Client> client_ = world_.Connect();
  std::unique_ptr<BrokerHarness::Client> other_ = world_.Connect();
};

TEST_F(ColdBrokerTest, OthersGoOnWhileARangeIsParked) {
  EXPECT_EQ(client_->Run("XRANGE s - + COUNT 1"), "");
  EXPECT_EQ(world_.harness.broker.parking().count(), 1u);
  EXPECT_EQ(other_->Run("XLEN s"), ":2000");
  // Requests after it wait.
  EXPECT_EQ(client_->Run("XLEN s"), "");
  EXPECT_THAT(other_->Run("CLIENT LIST ID " + std::to_string(client_->session().id)),
              HasSubstr("flags=b"));
  world_.reader.Step();
  EXPECT_EQ(client_->Lines(), "");
  world_.reader.Step();
  EXPECT_EQ(client_->Lines(), std::string("*1 ") + kEntry1 + " :2000");
  EXPECT_EQ(world_.harness.broker.parking().count(), 0u);
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  // And the second time it is there.
  EXPECT_EQ(client_->Run("XRANGE s - + COUNT 1"), std::string("*1 ") + kEntry1);
}

TEST_F(ColdBrokerTest, ALongRangeMissesOnce) {
  EXPECT_EQ(client_->Run("XRANGE s - +"), "");
  world_.reader.Step();
  world_.reader.Step();
  EXPECT_EQ(client_->Lines(), "");
  EXPECT_EQ(world_.harness.broker.parking().count(), 1u);
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("*2000 "));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  world_.Settle();
  EXPECT_LE(world_.store->stats().cache_bytes, ColdWorld::kSizes.least_cache);
}

TEST_F(ColdBrokerTest, AGroupReadsTheBacklogWithoutTheLoopWaiting) {
  other_->Run("XGROUP CREATE s g 0");
  int read = 0;
  for (;;) {
    const std::string reply = world_.Ask(*client_, "XREADGROUP GROUP g c COUNT 7 STREAMS s >");
    if (reply == "*-1") break;
    const int first = read + 1;
    EXPECT_THAT(reply, HasSubstr(" " + std::to_string(first) + "-0 "));
    read += static_cast<int>(std::min(7, 2000 - read));
    EXPECT_THAT(reply, HasSubstr(" " + std::to_string(read) + "-0 "));
  }
  EXPECT_EQ(read, 2000);
  EXPECT_THAT(other_->Run("XPENDING s g"), StartsWith("*4 :2000 $3 1-0 $6 2000-0 "));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  EXPECT_GT(world_.store->stats().ahead_hits, 10u);
}

// The entry behind the last one that is given may be the first of a run that is on the disk.
TEST_F(ColdBrokerTest, AClaimingReadLooksAtNothingBehindWhatItGives) {
  other_->Run("XGROUP CREATE s g 0");
  for (int i = 1; i <= 2000; i++) {
    EXPECT_THAT(world_.Ask(*client_, "XREADGROUP GROUP g c COUNT 1 CLAIM 1000000 STREAMS s >"),
                HasSubstr(" " + std::to_string(i) + "-0 "));
  }
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

// A stream that is named twice is given twice, and each time as many lost entries are passed over:
// all that is looked for before the first time.
TEST_F(ColdBrokerTest, AReadThatClaimsTwicePassesOverLostEntriesTwice) {
  other_->Run("XGROUP CREATE s g 0");
  world_.Ask(*other_, "XREADGROUP GROUP g old COUNT 1999 STREAMS s >");
  world_.Ask(*other_, "XTRIM s MAXLEN 80");
  world_.Fill(*other_, "filler", 4000);
  const std::string reply =
      world_.Ask(*client_, "XREADGROUP GROUP g c COUNT 1 CLAIM 0 STREAMS s s > >");
  EXPECT_THAT(reply, ::testing::AllOf(HasSubstr(" 2000-0 "), HasSubstr(" 1921-0 ")));
  EXPECT_GT(world_.store->stats().reads, 0u);
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

TEST_F(ColdBrokerTest, SeveralStreamsAreFetchedBeforeTheFirstIsDelivered) {
  world_.Fill(*client_, "t", 2000);
  other_->Run("XGROUP CREATE s g 0");
  other_->Run("XGROUP CREATE t g 500");
  EXPECT_THAT(world_.Ask(*client_, "XREADGROUP GROUP g c COUNT 1 STREAMS s t > >"),
              ::testing::AllOf(StartsWith("*2 "), HasSubstr("$3 1-0 "), HasSubstr("$5 501-0 ")));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

TEST_F(ColdBrokerTest, WhoLeavesWhileParkedIsForgotten) {
  client_->Run("XRANGE s - + COUNT 1");
  client_->CloseNow();
  EXPECT_EQ(world_.harness.broker.parking().count(), 0u);
  world_.Settle();
  auto third = world_.Connect();
  third->Run("XRANGE s 1000 + COUNT 1");
  EXPECT_EQ(other_->Run("CLIENT KILL ID " + std::to_string(third->session().id)), ":1");
  EXPECT_FALSE(third->open());
  world_.Settle();
  // A client that leaves between the reading and the turn's end.
  auto fourth = world_.Connect();
  fourth->Run("XRANGE s 1500 + COUNT 1");
  world_.reader.Drain();
  fourth->CloseNow();
  EXPECT_EQ(other_->Run("PING"), "+PONG");
}

TEST_F(ColdBrokerTest, TransactionsFetchFirstAndStayWhole) {
  client_->Run("MULTI");
  client_->Run("XADD s * n new");
  client_->Run("XRANGE s 3 3");
  client_->Run("XDEL s 700");
  client_->Run("XREVRANGE s 900 900");
  EXPECT_EQ(client_->Run("EXEC"), "");
  EXPECT_EQ(other_->Run("XLEN s"), ":2000");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), ::testing::AllOf(StartsWith("*4 $"), HasSubstr("$3 3-0 "),
                                                 HasSubstr(" :1 "), HasSubstr("$5 900-0 ")));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  EXPECT_EQ(other_->Run("XLEN s"), ":2000");
}

TEST_F(ColdBrokerTest, AWatchHoldsWhileATransactionIsParked) {
  client_->Run("WATCH w");
  client_->Run("MULTI");
  client_->Run("XRANGE s 3 3");
  EXPECT_EQ(client_->Run("EXEC"), "");
  other_->Run("SET w 1");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "*-1");
  EXPECT_EQ(client_->Run("XLEN s"), ":2000");
}

// Meanwhile others are served, time passes, and scripts draw numbers: the script sees none of it.
TEST_F(ColdBrokerTest, AScriptThatOnlyLookedRunsAgainAsIfForTheFirstTime) {
  const std::string script =
      "local first, time = math.random(1000000), redis.call('time') "
      "redis.call('exists', 'k') "
      "local entry = redis.call('xrange', 's', 3, 3) "
      "redis.call('set', 'k', first) "
      "return {first, time[1], time[2], entry[1][1]}";
  const auto ask = [&] {
    client_->Request({"EVAL", script, "0"});
    return client_->Lines();
  };
  const CommandTable& commands = world_.harness.broker.commands();
  EXPECT_EQ(ask(), "");
  EXPECT_TRUE(client_->session().parked());
  EXPECT_EQ(other_->Run("EXISTS k"), ":0");
  other_->Request({"EVAL", "return math.random(1000000)", "0"});
  const std::string others = other_->Lines();
  world_.harness.Advance(5000);
  world_.reader.Drain();
  const std::string reply = client_->Lines();
  // It began with the number that the other script got after it.
  EXPECT_EQ(reply, "*4 " + others + " $10 1700000000 $1 0 $3 3-0");
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  // Each call counts once, the one that missed too.
  EXPECT_EQ(commands.Find("time")->stats.calls, 1u);
  EXPECT_EQ(commands.Find("xrange")->stats.calls, 1u);
  EXPECT_EQ(commands.Find("exists")->stats.calls, 2u);
  EXPECT_GE(world_.harness.broker.clock().now_ms(), 1'700'000'005'000);
}

TEST_F(ColdBrokerTest, AScriptThatHasChangedSomethingReadsAtOnce) {
  const auto eval = [&](const char* script) {
    client_->Request({"EVAL", script, "0"});
    return client_->Lines();
  };
  EXPECT_THAT(eval("redis.call('incr', 'n') return redis.call('xrange', 's', 3, 3)"),
              ::testing::AllOf(StartsWith("*1 "), HasSubstr("3-0 ")));
  EXPECT_EQ(world_.store->stats().blocking_reads, 1u);
  EXPECT_EQ(client_->Run("GET n"), "$1 1");
  // A message is not sent twice.
  other_->Run("SUBSCRIBE c");
  EXPECT_THAT(eval("redis.call('publish', 'c', 'm') return redis.call('xrange', 's', 900, 900)"),
              ::testing::AllOf(StartsWith("*1 "), HasSubstr("900-0 ")));
  EXPECT_EQ(other_->Lines(), "*3 $7 message $1 c $1 m");
}

// What a function has done to the variables of its library stays when it is unwound.
TEST_F(ColdBrokerTest, AFunctionThatKeepsSomethingReadsAtOnce) {
  client_->Request({"FUNCTION", "LOAD",
                    "#!lua name=l\nlocal n = 0 "
                    "redis.register_function('counts', function() n = n + 1 "
                    "redis.call('xrange', 's', 3, 3) return n end) "
                    "redis.register_function('reads', function() "
                    "return redis.call('xrange', 's', 900, 900) end)"});
  EXPECT_EQ(client_->Lines(), "$1 l");
  EXPECT_EQ(client_->Run("FCALL counts 0"), ":1");
  EXPECT_EQ(world_.store->stats().blocking_reads, 1u);
  // Another one that keeps nothing is unwound as a script is.
  EXPECT_EQ(client_->Run("FCALL reads 0"), "");
  EXPECT_TRUE(client_->session().parked());
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("*1 "));
  EXPECT_EQ(world_.store->stats().blocking_reads, 1u);
}

TEST_F(ColdBrokerTest, AScriptInATransactionReadsAtOnce) {
  client_->Run("MULTI");
  client_->Request({"EVAL", "return redis.call('xrange', 's', 3, 3)", "0"});
  client_->Request({"EVAL_RO", "return redis.call('xrange', 's', 900, 900)", "0"});
  client_->Lines();
  EXPECT_THAT(client_->Run("EXEC"),
              ::testing::AllOf(StartsWith("*2 *1 "), HasSubstr("3-0 "), HasSubstr("900-0 ")));
}

// What its command misses in one run after the other.
TEST_F(ColdBrokerTest, AScriptMayMissManyTimes) {
  client_->Request({"EVAL",
                    "local n = 0 for i = 1, 1501, 300 do "
                    "n = n + #redis.call('xrange', 's', i, i) end "
                    "return n + redis.call('xlen', 's')",
                    "0"});
  std::string reply = client_->Lines();
  int rounds = 0;
  while (client_->session().parked()) {
    rounds++;
    world_.reader.Drain();
    reply = client_->Lines();
  }
  EXPECT_EQ(reply, ":2006");
  EXPECT_GE(rounds, 3);
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

// What commands draw by chance is drawn again: each run comes further than the one before.
TEST_F(ColdBrokerTest, AScriptDrawsTheSameAgain) {
  const std::vector<std::string> draws = {
      "redis.call('srandmember', 'set')", "redis.call('srandmember', 'set', 1)[1]",
      "redis.call('hrandfield', 'hash')", "redis.call('zrandmember', 'sorted')",
      "redis.call('randomkey')"};
  client_->Run("SELECT 1");
  for (int i = 1; i < 1500; i += 50) {
    const std::string id = std::to_string(i);
    client_->Run("SET " + id + " v");
    client_->Run("MOVE " + id + " 2");
    client_->Run("SADD set " + id);
    client_->Run("HSET hash " + id + " v");
    client_->Run("ZADD sorted 1 " + id);
  }
  std::string script =
      "local t = {} local function look(id) redis.call('select', 0) "
      "t[#t + 1] = redis.call('xrange', 's', id, id)[1][1] "
      "redis.call('select', 1) end redis.call('select', 1) ";
  for (const std::string& draw : draws) {
    if (draw.find("randomkey") != draw.npos) script += "redis.call('select', 2) ";
    script += "look(" + draw + ") ";
  }
  int rounds = 0;
  constexpr int kScripts = 10;
  for (int i = 0; i < kScripts; i++) {
    client_->Request({"EVAL", script + "return t", "0"});
    std::string reply = client_->Lines();
    while (client_->session().parked()) {
      rounds++;
      // Others draw, too, and from where they were.
      other_->Run("SELECT 1");
      other_->Run("SRANDMEMBER set");
      world_.reader.Drain();
      reply = client_->Lines();
    }
    EXPECT_THAT(reply, StartsWith("*5 $"));
    // What was read is not kept.
    world_.Fill(*other_, "filler", 1000);
    other_->Run("DEL filler");
    world_.Settle();
  }
  EXPECT_GT(rounds, kScripts);
  EXPECT_LE(rounds, kScripts * static_cast<int>(draws.size()));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

// A script that was given records of a topic is not run again from its start: it would get the
// next ones.
TEST_F(ColdBrokerTest, AScriptThatWasGivenRecordsReadsAtOnce) {
  client_->Run("TOPIC CREATE t PARTITIONS 1");
  EXPECT_EQ(client_->Run("TREADGROUP g m FROM EARLIEST TOPICS t"), "*-1");
  for (int i = 0; i < 3; i++) {
    client_->Run("TADD t/0 * f record" + std::to_string(i));
    client_->Request({"EVAL",
                      "local given = redis.call('treadgroup', 'g', 'm', 'topics', 't') "
                      "redis.call('xrange', 's', ARGV[1], ARGV[1]) return given[1][3]",
                      "0", std::to_string(1 + 400 * i)});
    EXPECT_THAT(client_->Lines(), HasSubstr("record" + std::to_string(i)));
  }
  EXPECT_GE(world_.store->stats().blocking_reads, 2u);
  // Where nothing was given, it is.
  client_->Request({"EVAL",
                    "redis.call('treadgroup', 'g', 'm', 'topics', 't') "
                    "return #redis.call('xrange', 's', 1500, 1500)",
                    "0"});
  EXPECT_EQ(client_->Lines(), "");
  EXPECT_TRUE(client_->session().parked());
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), ":1");
}

// Each line once, however often the script runs.
TEST_F(ColdBrokerTest, AScriptLogsItsLinesOnce) {
  const std::string script =
      "redis.log(redis.LOG_WARNING, 'the first line') "
      "for i = 1, 1501, 300 do redis.call('xrange', 's', i, i) "
      "redis.log(redis.LOG_WARNING, 'line', i) end return 1";
  ::testing::internal::CaptureStdout();
  client_->Request({"EVAL", script, "0"});
  std::string reply = client_->Lines();
  int rounds = 0;
  while (client_->session().parked()) {
    rounds++;
    world_.reader.Drain();
    reply = client_->Lines();
  }
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(reply, ":1");
  EXPECT_GE(rounds, 3);
  for (const char* line : {"the first line", "line 1\n", "line 301\n", "line 1501\n"}) {
    const size_t first = log.find(line);
    EXPECT_NE(first, log.npos) << line << "\n" << log;
    EXPECT_EQ(log.find(line, first + 1), log.npos) << line;
  }
}

// CLIENT CACHING is for the command that follows it, also if that waits for the disk.
TEST_F(ColdBrokerTest, CachingIsForACommandThatIsParked) {
  client_->Run("HELLO 3");
  client_->Run("CLIENT TRACKING on OPTIN");
  client_->Run("CLIENT CACHING yes");
  EXPECT_EQ(client_->Run("XRANGE s 3 3"), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("*1 "));
  client_->Run("GET k");
  other_->Run("SET k v");
  EXPECT_EQ(client_->Lines(), "");
  other_->Run("XADD s * n new");
  EXPECT_THAT(client_->Lines(), HasSubstr("invalidate"));
}

// Others change all the time where the script looks: what its earlier runs have needed does not
// stay in memory, and there is an end to its runs.
TEST_F(ColdBrokerTest, AScriptThatIsLedAstrayEnds) {
  constexpr uint64_t kLimit = 20'000;
  world_.settings.cold_read_limit = kLimit;
  world_.Fill(*other_, "large", 10'000);
  int at = 1;
  other_->Run("SET at 1");
  client_->Request({"EVAL",
                    "local at = redis.call('get', 'at') "
                    "return #redis.call('xrange', 'large', at, at + 60)",
                    "0"});
  std::string reply = client_->Lines();
  int rounds = 0;
  uint64_t most = 0;
  while (client_->session().parked() && rounds < 2000) {
    rounds++;
    at = (at + 1979) % 9000;
    other_->Run("SET at " + std::to_string(at + 1));
    world_.reader.Drain();
    reply = client_->Lines();
    most = std::max(most, world_.store->stats().cache_bytes);
  }
  EXPECT_EQ(reply, ":61");
  EXPECT_GE(rounds, 10);
  EXPECT_LE(rounds, 1001);
  EXPECT_LT(most, ColdWorld::kSizes.least_cache + 2 * kLimit);
}

TEST_F(ColdBrokerTest, TransactionsLookAtKeysUnderTheirFutureNames) {
  client_->Run("MULTI");
  client_->Run("RENAME s t");
  client_->Run("XRANGE t 3 3");
  EXPECT_THAT(world_.Ask(*client_, "EXEC"),
              ::testing::AllOf(StartsWith("*2 +OK *1 "), HasSubstr("3-0 ")));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

TEST_F(ColdBrokerTest, TrimsFetchBeforeTheyAdd) {
  for (int i = 0; i < 300; i++) {
    ASSERT_THAT(world_.Ask(*client_, "XADD s MAXLEN = 1700 * n x"), StartsWith("$"));
    ASSERT_THAT(world_.Ask(*client_, "XADD s MAXLEN ~ 1650 * n x"), StartsWith("$"));
    ASSERT_THAT(world_.Ask(*client_, "XADD s MINID = " + std::to_string(300 + i) + " * n x"),
                StartsWith("$"));
  }
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

// Bounds on the disk are kept run by run, unread.
TEST_F(ColdBrokerTest, RetentionOfEntriesOnTheDiskIsExactToARun) {
  EXPECT_EQ(client_->Run("XCFGSET s RETENTION-ENTRIES 1500"), "+OK");
  const int kept = std::stoi(client_->Run("XLEN s").substr(1));
  EXPECT_GE(kept, 1500);
  EXPECT_LT(kept, 1600);
  EXPECT_EQ(client_->Run("XCFGSET s RETENTION-ENTRIES 10"), "+OK");
  EXPECT_EQ(client_->Run("XLEN s"), ":10");
  EXPECT_EQ(world_.store->stats().reads + world_.store->stats().blocking_reads, 0u);
}

// ON-ACK DELETE on a backlog that lies on the disk: group g was given everything, and lags behind
// in what it acknowledges.
class ColdAcknowledgementTest : public ColdBrokerTest {
 protected:
  ColdAcknowledgementTest() {
    client_->Run("XGROUP CREATE s g 0");
    client_->Run("XGROUP CREATE s slow 0");
    client_->Run("XCFGSET s ON-ACK DELETE");
    world_.Ask(*client_, "XREADGROUP GROUP g c STREAMS s >");
    world_.Settle();
    reads_ = stats().reads;
  }
  ColdStats stats() { return world_.store->stats(); }
  uint64_t reads() { return stats().reads - reads_; }
  // Acknowledges the entries from `first` to `last`, of which ON-ACK DELETE removes none, because
  // of the other group.
  void Acknowledge(int first, int last) {
    std::string line = "XACK s g";
    for (int i = first; i <= last; i++) {
      line += " " + std::to_string(i);
    }
    ASSERT_EQ(client_->Run(line), ":" + std::to_string(last - first + 1));
  }
  bool Unswept() {
    const KeyEntry* entry = world_.harness.keyspace.Find(KeyRef(0, "s"));
    return entry->As<Stream>()->unswept().has_value();
  }
  void SweepToTheEnd() {
    while (Unswept()) {
      world_.harness.broker.RunCron();
      world_.Settle();
    }
  }

 private:
  uint64_t reads_ = 0;
};

TEST_F(ColdAcknowledgementTest, AnAcknowledgementLooksFirst) {
  client_->Run("XGROUP SETID s slow $");
  SweepToTheEnd();
  EXPECT_EQ(other_->Run("XLEN s"), ":2000");
  world_.Settle();
  EXPECT_EQ(client_->Run("XACK s g 1 700 9999"), "");
  EXPECT_EQ(other_->Run("XPENDING s g - + 1"), "*1 *4 $3 1-0 $1 c :0 :1");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), ":2");
  EXPECT_EQ(other_->Run("XLEN s"), ":1998");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, WhatAnotherGroupNeedsIsNotLookedAt) {
  Acknowledge(1, 50);
  EXPECT_EQ(reads(), 0u);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, WhatIsWhollyAcknowledgedGoesUnread) {
  Acknowledge(1, 2000);
  EXPECT_EQ(client_->Run("XGROUP DESTROY s slow"), ":1");
  EXPECT_EQ(other_->Run("XLEN s"), ":0");
  EXPECT_EQ(reads(), 0u);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, TheRestGoesInSlicesWhileOthersGoOn) {
  Acknowledge(1, 600);
  for (int i = 601; i <= 1200; i += 2) {
    Acknowledge(i, i);
  }
  EXPECT_EQ(client_->Run("XGROUP DESTROY s slow"), ":1");
  // What is known without a look is gone now.
  const int left = std::stoi(other_->Run("XLEN s").substr(1));
  EXPECT_LE(left, 1500);
  EXPECT_GT(left, 1200);
  ASSERT_TRUE(Unswept());
  EXPECT_EQ(world_.harness.broker.parking().count(), 0u);
  SweepToTheEnd();
  EXPECT_EQ(other_->Run("XLEN s"), ":1100");
  EXPECT_THAT(world_.Ask(*client_, "XRANGE s - + COUNT 2"),
              ::testing::AllOf(HasSubstr("602-0"), HasSubstr("604-0")));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, EveryChangeOfAGroupSweeps) {
  Acknowledge(1, 99);
  EXPECT_EQ(client_->Run("XGROUP SETID s slow 500"), "+OK");
  SweepToTheEnd();
  EXPECT_EQ(other_->Run("XLEN s"), ":1901");
  EXPECT_EQ(client_->Run("XGROUP DELCONSUMER s g c"), ":1901");
  SweepToTheEnd();
  EXPECT_EQ(other_->Run("XLEN s"), ":1500");
  EXPECT_EQ(client_->Run("XCFGSET s ON-ACK KEEP"), "+OK");
  EXPECT_EQ(client_->Run("XGROUP SETID s slow 900"), "+OK");
  EXPECT_FALSE(Unswept());
  EXPECT_EQ(client_->Run("XCFGSET s ON-ACK DELETE"), "+OK");
  SweepToTheEnd();
  EXPECT_EQ(other_->Run("XLEN s"), ":1100");
  EXPECT_THAT(world_.Ask(*client_, "XREADGROUP GROUP slow c NOACK COUNT 100 STREAMS s >"),
              HasSubstr("1000-0"));
  EXPECT_EQ(other_->Run("XLEN s"), ":1000");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, ASweepThatCannotReadIsGivenUp) {
  for (int i = 1; i <= 1200; i += 2) {
    Acknowledge(i, i);
  }
  world_.disk.FailCalls(world_.disk.calls() + 1, 1'000'000, EIO);
  EXPECT_EQ(client_->Run("XGROUP DESTROY s slow"), ":1");
  SweepToTheEnd();
  EXPECT_GT(std::stoi(other_->Run("XLEN s").substr(1)), 1400);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdAcknowledgementTest, AStreamThatGoesWhileItIsSweptIsForgotten) {
  for (int i = 1; i <= 1200; i += 2) {
    Acknowledge(i, i);
  }
  EXPECT_EQ(client_->Run("XGROUP DESTROY s slow"), ":1");
  world_.harness.broker.RunCron();
  EXPECT_EQ(client_->Run("DEL s"), ":1");
  world_.Settle();
  EXPECT_EQ(other_->Run("EXISTS s"), ":0");
}

// A trim with ACKED knows before it looks which runs it needs.
TEST_F(ColdAcknowledgementTest, ATrimOfAcknowledgedEntriesMissesOnce) {
  client_->Run("XCFGSET s ON-ACK KEEP");
  client_->Run("XGROUP DESTROY s slow");
  for (int i = 1; i <= 1200; i += 2) {
    Acknowledge(i, i);
  }
  EXPECT_EQ(client_->Run("XTRIM s MAXLEN 1500 ACKED"), "");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), ":500");
  EXPECT_EQ(client_->Run("XADD s MAXLEN 1450 ACKED 9999-1 n x"), "");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "$6 9999-1");
  EXPECT_EQ(other_->Run("XLEN s"), ":1450");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdBrokerTest, AFailedReadIsTheCommandsError) {
  world_.disk.FailCalls(world_.disk.calls() + 2, 1, EIO);
  EXPECT_EQ(client_->Run("XDEL s 1"), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(),
              ::testing::AllOf(StartsWith("-ERR cold entries in streams/0"),
                               HasSubstr("at offset 32"), HasSubstr("Input/output error")));
  EXPECT_EQ(client_->Run("XLEN s"), ":2000");
  EXPECT_EQ(world_.Ask(*client_, "XDEL s 1"), ":1");
}

TEST_F(ColdBrokerTest, APauseHoldsForWhatIsParked) {
  EXPECT_EQ(client_->Run("XDEL s 1"), "");
  other_->Run("CLIENT PAUSE 1000 WRITE");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "");
  EXPECT_EQ(other_->Run("XLEN s"), ":2000");
  world_.harness.Advance(1001);
  EXPECT_EQ(client_->Lines(), ":1");
}

TEST_F(ColdBrokerTest, ABlockedReaderThatMissesKeepsItsPlaceInTime) {
  other_->Run("XGROUP CREATE s g $");
  EXPECT_EQ(client_->Run("XREADGROUP GROUP g c BLOCK 5000 STREAMS s >"), "");
  EXPECT_TRUE(client_->session().blocked());
  // The group goes back to where entries are cold; a new entry wakes the reader.
  other_->Run("XGROUP SETID s g 3");
  other_->Run("XADD s * n new");
  EXPECT_FALSE(client_->session().blocked());
  ASSERT_TRUE(client_->session().parked());
  other_->Run("XGROUP SETID s g $");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "");
  EXPECT_TRUE(client_->session().blocked());
  world_.harness.Advance(5001);
  EXPECT_EQ(client_->Lines(), "*-1");
}

// A command that would need more than the limit is refused, and says how much that is.
TEST_F(ColdBrokerTest, ReadsOfColdDataHaveALimit) {
  world_.settings.cold_read_limit = 60'000;
  const std::string limit = "in memory at once, and cold-read-limit is 60000";
  const uint64_t raw = world_.harness.keyspace.hot_blocks().cold_bytes();
  ASSERT_GT(raw, 100'000u);
  for (const std::string command : {"XRANGE s - +", "XREVRANGE s + -", "XREAD STREAMS s 0",
                                    "DUMP s", "XINFO STREAM s FULL COUNT 0"}) {
    const std::string reply = world_.Ask(*client_, command);
    EXPECT_THAT(reply,
                ::testing::AllOf(StartsWith("-ERR the command needs at least "), HasSubstr(limit)))
        << command;
    const uint64_t needed =
        std::stoull(reply.substr(std::string("-ERR the command needs at least ").size()));
    EXPECT_GT(needed, 60'000u) << command;
    EXPECT_LE(needed, 3 * raw) << command;
  }
  // Nothing was read for them, and nothing has changed.
  EXPECT_LT(world_.store->stats().reads, 100u);
  EXPECT_EQ(client_->Run("XLEN s"), ":2000");
  EXPECT_THAT(world_.Ask(*client_, "XRANGE s - + COUNT 100"), StartsWith("*100 "));
  EXPECT_THAT(world_.Ask(*client_, "XREVRANGE s 1000 - COUNT 100"), StartsWith("*100 "));
  // What a transaction needs counts together.
  client_->Run("MULTI");
  client_->Run("XADD s * n new");
  for (int i = 0; i < 8; i++) {
    client_->Run("XRANGE s " + std::to_string(200 * i) + " + COUNT 100");
  }
  EXPECT_THAT(world_.Ask(*client_, "EXEC"),
              ::testing::AllOf(StartsWith("-EXECABORT "), HasSubstr(limit)));
  EXPECT_EQ(client_->Run("XLEN s"), ":2000");
  EXPECT_EQ(client_->Run("MULTI"), "+OK");
  client_->Run("DISCARD");
  world_.settings.cold_read_limit = 0;
  EXPECT_THAT(world_.Ask(*client_, "XRANGE s - +"), StartsWith("*2000 "));
  EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
}

// Names of fields that a block holds once are in the reply for each entry.
TEST_F(ColdBrokerTest, TheReplyCountsAgainstTheLimitToo) {
  const std::string name(500, 'n');
  for (int i = 1; i <= 3000; i++) {
    client_->Run("XADD names " + std::to_string(i) + " " + name + " v");
  }
  world_.Settle();
  world_.settings.cold_read_limit = 300'000;
  EXPECT_THAT(world_.Ask(*client_, "XRANGE names - +"),
              ::testing::AllOf(StartsWith("-ERR the command needs at least "),
                               HasSubstr("cold-read-limit is 300000")));
  EXPECT_THAT(world_.Ask(*client_, "XRANGE names - + COUNT 200"), StartsWith("*200 "));
}

// Producers that bring more than the disk takes.
class HeldUpTest : public ::testing::Test {
 protected:
  static constexpr ColdSizes kSizes = {.run_bytes = 2000,
                                       .write_bytes = 8000,
                                       .file_bytes = 50'000,
                                       .least_cache = 40'000,
                                       .far_behind = 20'000};
  static constexpr uint64_t kStreamMemory = 30'000;

  // Adds until an XADD is not answered, and returns how many were.
  int AddUntilHeldUp(BrokerHarness::Client& client) {
    for (int added = 0; added < 10'000; added++) {
      if (client.Run("XADD s * f " + std::string(200, 'x')).empty()) return added;
    }
    return -1;
  }
  uint64_t hot_bytes() { return world_.harness.keyspace.hot_blocks().bytes(); }

  ColdBroker world_{1, kStreamMemory, kSizes};
  std::unique_ptr<BrokerHarness::Client> producer_ = world_.Connect();
  std::unique_ptr<BrokerHarness::Client> other_ = world_.Connect();
};

TEST_F(HeldUpTest, ProducersWaitForTheWriterAndNobodyElseDoes) {
  const int added = AddUntilHeldUp(*producer_);
  ASSERT_GT(added, 0);
  EXPECT_TRUE(world_.store->behind());
  EXPECT_GT(hot_bytes(), kStreamMemory + 4 * kSizes.far_behind);
  EXPECT_LT(hot_bytes(), kStreamMemory + 5 * kSizes.far_behind);
  EXPECT_EQ(world_.harness.broker.pause().count(), 1u);
  EXPECT_EQ(other_->Run("SET k v"), "+OK");
  EXPECT_EQ(other_->Run("XLEN s"), ":" + std::to_string(added));
  EXPECT_EQ(other_->Run("XTRIM s MAXLEN 0 LIMIT 0"),
            "-ERR syntax error, LIMIT cannot be used "
            "without the special ~ option");
  EXPECT_EQ(producer_->Run("XLEN s"), "") << "what comes behind it waits too";

  while (world_.store->behind()) {
    world_.writer.Step();
    other_->Run("EXISTS k");
  }
  EXPECT_THAT(producer_->Lines(),
              ::testing::AllOf(StartsWith("$"), ::testing::EndsWith(std::to_string(added + 1))));
  EXPECT_LE(hot_bytes(), kStreamMemory + 2 * kSizes.far_behind + 1000);
  EXPECT_EQ(world_.harness.broker.pause().count(), 0u);
}

TEST_F(HeldUpTest, TransactionsAreHeldUpAsAWhole) {
  const int added = AddUntilHeldUp(*producer_);
  other_->Run("MULTI");
  EXPECT_EQ(other_->Run("XADD s * f v"), "+QUEUED");
  EXPECT_EQ(other_->Run("SET k v"), "+QUEUED");
  EXPECT_EQ(other_->Run("EXEC"), "");
  auto reader = world_.Connect();
  reader->Run("MULTI");
  reader->Run("XLEN s");
  EXPECT_EQ(reader->Run("EXEC"), "*1 :" + std::to_string(added));
  world_.Settle();
  world_.Settle();
  EXPECT_THAT(other_->Lines(), ::testing::AllOf(StartsWith("*2 $"), ::testing::EndsWith(" +OK")));
}

// What a script will add is not known before it runs.
TEST_F(HeldUpTest, ScriptsThatMayWriteAreHeldUp) {
  ASSERT_GT(AddUntilHeldUp(*producer_), 0);
  const uint64_t before = hot_bytes();
  const std::string add = "for i = 1, 100 do redis.call('xadd', 's', '*', 'f', 'v') end return 1";
  other_->Request({"SCRIPT", "LOAD", add});
  const std::string sha = other_->Lines().substr(4);
  std::vector<std::unique_ptr<BrokerHarness::Client>> clients;
  for (const std::vector<std::string>& request : std::vector<std::vector<std::string>>{
           {"EVAL", add, "0"}, {"EVALSHA", sha, "0"}, {"EVAL", "#!lua\n" + add, "0"}}) {
    for (const bool in_transaction : {false, true}) {
      auto& client = clients.emplace_back(world_.Connect());
      if (in_transaction) client->Run("MULTI");
      client->Request(request);
      EXPECT_EQ(client->Lines(), in_transaction ? "+QUEUED" : "");
      if (in_transaction) {
        EXPECT_EQ(client->Run("EXEC"), "");
      }
      EXPECT_TRUE(client->session().put_off());
    }
  }
  EXPECT_LE(hot_bytes(), before);
  // Those that only read are not.
  for (const std::vector<std::string>& request : std::vector<std::vector<std::string>>{
           {"EVAL_RO", "return redis.call('exists', 's')", "0"},
           {"EVAL", "#!lua flags=no-writes\nreturn redis.call('exists', 's')", "0"}}) {
    other_->Request(request);
    EXPECT_EQ(other_->Lines(), ":1");
  }
  for (int i = 0; i < 20; i++) {
    world_.Settle();
  }
  for (auto& client : clients) {
    EXPECT_THAT(client->Lines(), ::testing::AnyOf(":1", "*1 :1"));
  }
}

TEST_F(HeldUpTest, WhoLeavesMeanwhileIsForgotten) {
  const int added = AddUntilHeldUp(*producer_);
  producer_->CloseNow();
  EXPECT_EQ(world_.harness.broker.pause().count(), 0u);
  world_.Settle();
  world_.Settle();
  EXPECT_EQ(other_->Run("XLEN s"), ":" + std::to_string(added));
}

TEST_F(HeldUpTest, ADiskThatTakesNothingHoldsNobodyUp) {
  ASSERT_GT(AddUntilHeldUp(*producer_), 0);
  world_.disk.FailCalls(world_.disk.calls() + 1, 1'000'000, ENOSPC);
  while (world_.harness.broker.pause().count() > 0) {
    world_.writer.Step();
    other_->Run("XLEN s");
  }
  EXPECT_THAT(producer_->Lines(), StartsWith("$"));
  for (int i = 0; i < 1000; i++) {
    ASSERT_THAT(producer_->Run("XADD s * f " + std::string(200, 'x')), StartsWith("$"));
  }
}

// A snapshot whose worker goes on only when the test says so.
class InTransitTest : public HeldUpTest {
 protected:
  // A sealed block, and the open one.
  static constexpr uint64_t kBlocks = 10'000;

  ~InTransitTest() override { EndSnapshot(); }

  void BeginSnapshot() {
    snapshotter_.Begin({1, 7, 1'700'000'000'000, 0},
                       [this](const Status& status, const snapshot::SnapshotTotals&) {
                         ended_++;
                         succeeded_ = status.ok();
                       });
  }
  void EndSnapshot() {
    while (snapshotter_.busy()) {
      snapshotter_.Step(1000);
      snapshot_.Drain();
    }
  }
  uint64_t held_bytes() { return world_.harness.keyspace.hot_blocks().held_bytes(); }
  uint64_t stream_bytes() {
    return world_.harness.keyspace.Find(KeyRef(0, "s"))->As<Stream>()->hot_bytes();
  }
  // Adds entries while the cold store's writer keeps up.
  void Add(int entries) {
    for (int i = 0; i < entries; i++) {
      ASSERT_THAT(producer_->Run("XADD s * f " + std::string(200, 'x')), StartsWith("$"));
      world_.Settle();
    }
  }

  SteppedWorker snapshot_;
  snapshot::Snapshotter snapshotter_{&world_.disk, &snapshot_, &world_.harness.keyspace,
                                     "snapshots"};
  int ended_ = 0;
  bool succeeded_ = false;
};

// The clone that the snapshot has keeps the blocks that were in memory when it began. When all of
// them have been spilled, they are in memory beside those of the stream, and nowhere else.
TEST_F(InTransitTest, WhatASnapshotHasOfAStreamCountsUntilItIsWritten) {
  Add(110);
  const uint64_t captured = stream_bytes();
  EXPECT_GT(captured, 20'000u);
  EXPECT_EQ(other_->Run("XLEN s"), ":110");
  EXPECT_EQ(held_bytes(), 0u);
  BeginSnapshot();
  Add(1);
  const Stream& stream = *world_.harness.keyspace.Find(KeyRef(0, "s"))->As<Stream>();
  EXPECT_EQ(stream.cold_entries(), 0u);
  EXPECT_EQ(held_bytes(), 0u) << "what the stream has, too, counts once";
  uint64_t most = 0;
  for (int i = 0; i < 1000; i++) {
    Add(1);
    most = std::max(most, hot_bytes() + held_bytes());
  }
  EXPECT_GT(stream.cold_entries(), 110u);
  EXPECT_GE(held_bytes() + kBlocks, captured);
  EXPECT_LE(held_bytes(), captured);
  EXPECT_LE(most, kStreamMemory + kSizes.far_behind + kBlocks);
  EXPECT_FALSE(world_.store->behind());

  EndSnapshot();
  EXPECT_TRUE(succeeded_);
  EXPECT_EQ(held_bytes(), 0u);
  Add(200);
  EXPECT_LE(hot_bytes(), kStreamMemory + kBlocks);
  EXPECT_GE(hot_bytes() + kBlocks, kStreamMemory);
}

// As much as the clone has counts, not more, whatever goes from the stream meanwhile.
TEST_F(InTransitTest, NothingCountsThatTheSnapshotDoesNotHave) {
  Add(50);
  const uint64_t captured = stream_bytes();
  BeginSnapshot();
  Add(300);
  producer_->Run("XTRIM s MAXLEN 10");
  EXPECT_LE(held_bytes(), captured);
  EXPECT_GE(held_bytes() + kBlocks, captured);
  Add(300);
  producer_->Run("XTRIM s MAXLEN 10");
  EXPECT_LE(held_bytes(), captured);
  EndSnapshot();
  EXPECT_EQ(held_bytes(), 0u);
  producer_->Run("XTRIM s MAXLEN 1");
  EXPECT_EQ(held_bytes(), 0u);
}

TEST_F(InTransitTest, RemovedAndFlushedStreamsCountToo) {
  Add(100);
  world_.Fill(*producer_, "t", 30);
  const uint64_t before = hot_bytes();
  BeginSnapshot();
  producer_->Run("DEL t");
  producer_->Run("XADD s * f v");
  world_.harness.keyspace.Flush(0);
  EXPECT_EQ(hot_bytes(), 0u);
  EXPECT_GE(held_bytes() + kBlocks, before);
  EXPECT_LE(held_bytes(), before + kBlocks);
  EndSnapshot();
  EXPECT_EQ(held_bytes(), 0u);
}

TEST_F(InTransitTest, ProducersWaitForTheSnapshot) {
  Add(100);
  BeginSnapshot();
  producer_->Run("XADD s * f v");
  producer_->Run("XTRIM s MAXLEN 1");
  // So that no more than the snapshot has is far too much.
  const uint64_t held = held_bytes();
  EXPECT_GT(held, 20'000u);
  world_.settings.stream_memory = 1;
  while (hot_bytes() + held_bytes() <= 1 + 4 * kSizes.far_behind) {
    ASSERT_THAT(producer_->Run("XADD t * f " + std::string(200, 'x')), StartsWith("$"));
  }
  other_->Run("EXISTS t");
  EXPECT_TRUE(world_.store->behind());
  EXPECT_EQ(producer_->Run("XADD t * f v"), "");
  // What is spilled meanwhile goes, and that is not enough.
  EXPECT_EQ(other_->Run("XLEN s"), ":1");
  EndSnapshot();
  world_.Settle();
  world_.Settle();
  EXPECT_FALSE(world_.store->behind());
  EXPECT_THAT(producer_->Lines(), StartsWith("$"));
}

// Neither the cold store nor the snapshot gets anything written: nobody waits for them.
TEST_F(InTransitTest, ASnapshotThatFailsHoldsNobodyUp) {
  Add(100);
  BeginSnapshot();
  producer_->Run("XADD s * f v");
  world_.disk.FailCalls(world_.disk.calls() + 1, 1'000'000, ENOSPC);
  ASSERT_GT(AddUntilHeldUp(*producer_), 0);
  EndSnapshot();
  EXPECT_EQ(ended_, 1);
  EXPECT_FALSE(succeeded_);
  EXPECT_EQ(held_bytes(), 0u);
  while (world_.harness.broker.pause().count() > 0) {
    world_.writer.Step();
    other_->Run("XLEN s");
  }
  EXPECT_THAT(producer_->Lines(), StartsWith("$"));
  for (int i = 0; i < 500; i++) {
    ASSERT_THAT(producer_->Run("XADD s * f " + std::string(200, 'x')), StartsWith("$"));
  }
}

// Blocks that are being written are there until that ends, also when the stream goes.
TEST_F(HeldUpTest, WhatIsWrittenOfAStreamThatIsGoneCounts) {
  ASSERT_GT(AddUntilHeldUp(*producer_), 0);
  const uint64_t writing = world_.store->stats().bytes_in_flight;
  EXPECT_GT(writing, 0u);
  other_->Run("DEL s");
  EXPECT_LT(hot_bytes(), 1000u);
  world_.settings.stream_memory = 1;
  world_.store->EndTurn(1'000'000);
  EXPECT_EQ(world_.store->behind(), writing > 2 * kSizes.far_behind);
  EXPECT_EQ(world_.store->stats().bytes_in_flight, writing) << "nothing else is written for that";
  world_.Settle();
  EXPECT_EQ(world_.store->stats().bytes_in_flight, 0u);
}

std::string Element(int n) {
  return std::to_string(n) + "-quick-brown-foxes-jump-over-the-lazy-dog-again-and-again-and-again";
}

// A list "l" of the elements 1 to 3000.
class ColdListBrokerTest : public ::testing::Test {
 protected:
  ColdListBrokerTest() {
    for (int n = 1; n <= kElements; n++) {
      client_->Run("RPUSH l " + Element(n));
    }
    world_.Settle();
    CHECK(world_.harness.keyspace.hot_blocks().cold_entries() > 1500);
  }
  static std::string Bulk(int n) {
    return "$" + std::to_string(Element(n).size()) + " " + Element(n);
  }
  uint64_t blocking_reads() { return world_.store->stats().blocking_reads; }

  static constexpr int kElements = 3000;
  ColdBroker world_{1};
  std::unique_ptr<BrokerHarness::Client> client_ = world_.Connect();
  std::unique_ptr<BrokerHarness::Client> other_ = world_.Connect();
};

TEST_F(ColdListBrokerTest, OthersGoOnWhileARangeIsParked) {
  EXPECT_EQ(client_->Run("LRANGE l 1499 1500"), "");
  EXPECT_EQ(world_.harness.broker.parking().count(), 1u);
  EXPECT_EQ(other_->Run("LLEN l"), ":3000");
  EXPECT_EQ(other_->Run("LINDEX l 0"), Bulk(1));
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "*2 " + Bulk(1500) + " " + Bulk(1501));
  EXPECT_EQ(blocking_reads(), 0u);
}

TEST_F(ColdListBrokerTest, ALongRangeMissesOnceAndALongSearchNotOften) {
  EXPECT_EQ(client_->Run("LRANGE l 0 -1"), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("*3000 $"));
  world_.Settle();
  const uint64_t executed = world_.store->stats().reads;
  EXPECT_EQ(world_.Ask(*other_, "LPOS l " + Element(2950)), ":2949");
  EXPECT_EQ(world_.Ask(*other_, "LPOS l nothing"), "$-1");
  EXPECT_GE(world_.store->stats().reads, executed);
  EXPECT_EQ(blocking_reads(), 0u);
}

TEST_F(ColdListBrokerTest, QueuesAreDrainedFromBothEnds) {
  for (int n = 1; n <= 1000; n++) {
    ASSERT_EQ(world_.Ask(*client_, "LPOP l"), Bulk(n));
    ASSERT_EQ(world_.Ask(*other_, "BRPOP l 0"), "*2 $1 l " + Bulk(3001 - n));
    if (n % 50 == 0) world_.Settle();
  }
  EXPECT_EQ(world_.Ask(*client_, "LPOP l 2"), "*2 " + Bulk(1001) + " " + Bulk(1002));
  EXPECT_THAT(world_.Ask(*client_, "LMPOP 2 none l RIGHT COUNT 300"), StartsWith("*2 $1 l *300 "));
  EXPECT_EQ(world_.Ask(*client_, "LMOVE l m LEFT RIGHT"), Bulk(1003));
  EXPECT_THAT(world_.Ask(*client_, "LMOVEM l m LEFT RIGHT COUNT 300 OBO"), StartsWith("*300 "));
  EXPECT_EQ(other_->Run("LLEN l"), ":397");
  EXPECT_EQ(blocking_reads(), 0u);
  EXPECT_GT(world_.store->stats().ahead_hits, 1u);
}

TEST_F(ColdListBrokerTest, ChangesInTheMiddleFetchFirst) {
  EXPECT_EQ(client_->Run("LSET l 1500 set"), "");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "+OK");
  EXPECT_EQ(world_.Ask(*client_, "LINDEX l 1500"), "$3 set");
  EXPECT_EQ(world_.Ask(*client_, "LINSERT l AFTER " + Element(1700) + " in"), ":3001");
  EXPECT_EQ(world_.Ask(*client_, "LINDEX l 1700"), "$2 in");
  EXPECT_EQ(world_.Ask(*client_, "LREM l -2 set"), ":1");
  EXPECT_EQ(world_.Ask(*client_, "LREM l 0 in"), ":1");
  EXPECT_EQ(world_.Ask(*client_, "LREM l 1 nothing"), ":0");
  EXPECT_EQ(client_->Run("LTRIM l 1000 1998"), "+OK");
  EXPECT_EQ(world_.Ask(*client_, "LRANGE l 0 0"), "*1 " + Bulk(1001));
  EXPECT_EQ(client_->Run("LLEN l"), ":999");
  EXPECT_EQ(blocking_reads(), 0u);
}

TEST_F(ColdListBrokerTest, WholeListsMoveWithoutReading) {
  EXPECT_EQ(client_->Run("COPY l copy"), ":1");
  EXPECT_EQ(client_->Run("RENAME l r"), "+OK");
  EXPECT_EQ(client_->Run("OBJECT ENCODING r"), "$9 quicklist");
  EXPECT_EQ(client_->Run("LTRIM r 5 2990"), "+OK");
  EXPECT_EQ(client_->Run("DEL r"), ":1");
  EXPECT_EQ(world_.store->stats().reads + blocking_reads(), 0u);
  EXPECT_EQ(world_.Ask(*client_, "LINDEX copy 1234"), Bulk(1235));
  EXPECT_THAT(world_.Ask(*client_, "DUMP copy"), HasSubstr(Element(1234)));
  EXPECT_EQ(blocking_reads(), 0u);
}

TEST_F(ColdListBrokerTest, AWaiterIsServedFromAListThatIsColdAtItsEnd) {
  EXPECT_EQ(client_->Run("LTRIM l 1500 2999"), "+OK");
  EXPECT_EQ(other_->Run("BLPOP waited 5"), "");
  EXPECT_TRUE(other_->session().blocked());
  EXPECT_EQ(client_->Run("RENAME l waited"), "+OK");
  ASSERT_TRUE(other_->session().parked());
  EXPECT_EQ(other_->Lines(), "");
  world_.reader.Drain();
  EXPECT_EQ(other_->Lines(), "*2 $6 waited " + Bulk(1501));
  EXPECT_EQ(client_->Run("LLEN waited"), ":1499");
  EXPECT_EQ(blocking_reads(), 0u);
}

TEST_F(ColdListBrokerTest, TransactionsFetchFirstAndStayWhole) {
  client_->Run("LTRIM l 1500 2999");
  client_->Run("MULTI");
  client_->Run("RPUSH l new");
  client_->Run("LPOP l");
  client_->Run("LSET l 700 set");
  client_->Run("LINDEX l 400");
  EXPECT_EQ(client_->Run("EXEC"), "");
  EXPECT_EQ(other_->Run("LLEN l"), ":1500");
  world_.reader.Drain();
  EXPECT_EQ(client_->Lines(), "*4 :1501 " + Bulk(1501) + " +OK " + Bulk(1902));
  EXPECT_EQ(blocking_reads(), 0u);
}

// A search holds a window at a time, and reads each run once.
TEST_F(ColdListBrokerTest, SearchesGoInWindows) {
  for (int n = kElements + 1; n <= 12'000; n++) {
    client_->Run("RPUSH l " + Element(n));
  }
  world_.Settle();
  world_.settings.cold_read_limit = 100'000;
  const uint64_t cold = world_.harness.keyspace.hot_blocks().cold_bytes();
  ASSERT_GT(cold, 600'000u);
  const auto search = [&](const std::string& command) {
    const uint64_t reads = world_.store->stats().reads;
    std::string reply = client_->Run(command);
    uint64_t most = 0;
    while (client_->session().parked()) {
      world_.reader.Step();
      most = std::max(most, world_.store->stats().cache_bytes);
      if (reply.empty()) reply = client_->Lines();
    }
    EXPECT_LT(most, ColdWorld::kSizes.least_cache + 2 * 16 * 9000) << command;
    EXPECT_LT(world_.store->stats().reads - reads, cold / 2000 + 20) << command;
    world_.Settle();
    return reply;
  };
  EXPECT_EQ(search("LPOS l nothing"), "$-1");
  EXPECT_EQ(search("LPOS l " + Element(9000) + " RANK -1"), ":8999");
  EXPECT_EQ(search("LREM l 0 nothing"), ":0");
  EXPECT_EQ(search("LINSERT l AFTER nothing x"), ":-1");
  EXPECT_EQ(search("LREM l 0 " + Element(6000)), ":1");
  EXPECT_EQ(search("LREM l -1 " + Element(6002)), ":1");
  EXPECT_EQ(search("LINSERT l BEFORE " + Element(6001) + " in"), ":11999");
  EXPECT_EQ(world_.Ask(*client_, "LRANGE l 5998 6001"),
            "*4 " + Bulk(5999) + " $2 in " + Bulk(6001) + " " + Bulk(6003));
  EXPECT_THAT(world_.Ask(*client_, "LRANGE l 0 -1"), HasSubstr("cold-read-limit is 100000"));
  EXPECT_THAT(world_.Ask(*client_, "DUMP l"), HasSubstr("cold-read-limit is 100000"));
  EXPECT_EQ(blocking_reads(), 0u);
}

// A transaction's searches are done before it begins, whatever name the list has by then.
TEST_F(ColdListBrokerTest, TransactionsSearchBeforeTheyBegin) {
  client_->Run("MULTI");
  client_->Run("RENAME l m");
  client_->Run("LPOS m nothing");
  client_->Run("COPY m n");
  client_->Run("LPOS n " + Element(2000));
  client_->Run("LREM n 1 " + Element(1500));
  client_->Run("LINDEX n 1400");
  client_->Run("SELECT 1");
  client_->Run("LLEN n");
  client_->Run("SELECT 0");
  client_->Run("MOVE n 1");
  client_->Run("SELECT 1");
  client_->Run("LINDEX n 1300");
  client_->Run("LRANGE n 1200 1201");
  client_->Run("SELECT 0");
  client_->Run("RENAME m l");
  EXPECT_EQ(world_.Ask(*client_, "EXEC"), "*15 +OK $-1 :1 :1999 :1 " + Bulk(1401) +
                                              " +OK :0 +OK :1 +OK " + Bulk(1301) + " *2 " +
                                              Bulk(1201) + " " + Bulk(1202) + " +OK +OK");
  EXPECT_EQ(blocking_reads(), 0u);
  EXPECT_EQ(client_->Run("LLEN l"), ":3000");
}

// Where commands of a transaction look after others have removed from the list cannot be foreseen:
// the loop waits then, but not often.
TEST_F(ColdListBrokerTest, ATransactionMakesTheLoopWaitABoundedNumberOfTimes) {
  for (int n = kElements + 1; n <= 24'000; n++) {
    client_->Run("RPUSH l " + Element(n));
  }
  world_.Settle();
  client_->Run("MULTI");
  client_->Run("LTRIM l 12000 -1");
  client_->Run("LRANGE l 0 1");
  client_->Run("LRANGE l 0 11999");
  EXPECT_THAT(
      world_.Ask(*client_, "EXEC"),
      ::testing::AllOf(StartsWith("*3 +OK *2 " + Bulk(12001) + " " + Bulk(12002) + " -ERR "),
                       HasSubstr("more than 64 pieces of cold data")));
  EXPECT_LE(blocking_reads(), 64u);
  EXPECT_EQ(client_->Run("LLEN l"), ":12000");
}

// The positions that a search has found are kept when it is done, until its script is: the next
// search reads what the cache has no room for, and the first is not done again.
TEST_F(ColdListBrokerTest, AScriptMaySearchTwice) {
  for (int n = kElements + 1; n <= 12'000; n++) {
    client_->Run("RPUSH l " + Element(n));
  }
  world_.Settle();
  const uint64_t cold = world_.harness.keyspace.hot_blocks().cold_bytes();
  ASSERT_GT(cold, 10 * ColdWorld::kSizes.least_cache);
  const uint64_t reads = world_.store->stats().reads;
  client_->Request({"EVAL",
                    "local at = redis.call('lpos', 'l', ARGV[1]) "
                    "redis.call('lpos', 'l', 'nothing') "
                    "if at then return {at, redis.call('lrem', 'l', 1, ARGV[1])} end",
                    "0", Element(11'000)});
  std::string reply = client_->Lines();
  int rounds = 0;
  for (; client_->session().parked() && rounds < 2000; rounds++) {
    world_.reader.Step();
    reply = client_->Lines();
  }
  EXPECT_EQ(reply, "*2 :10999 :1");
  EXPECT_LT(world_.store->stats().reads - reads, 3 * (cold / 2000 + 20));
  EXPECT_EQ(blocking_reads(), 0u);
}

// A script that has changed something is not stopped half way because the loop has waited often:
// what it needs at once is bounded.
TEST_F(ColdListBrokerTest, AScriptThatHasChangedSomethingReadsWhatItNeeds) {
  for (int n = kElements + 1; n <= 24'000; n++) {
    client_->Run("RPUSH l " + Element(n));
  }
  world_.Settle();
  const std::string script =
      "redis.call('incr', 'n') return #redis.call('lrange', 'l', 1000, 20000)";
  client_->Request({"EVAL", script, "0"});
  EXPECT_EQ(client_->Lines(), ":19001");
  EXPECT_GT(blocking_reads(), 64u);
  world_.Settle();
  client_->Run("MULTI");
  client_->Request({"EVAL", script, "0"});
  EXPECT_EQ(client_->Run("EXEC"), "+QUEUED *1 :19001");
  world_.settings.cold_read_limit = 100'000;
  client_->Request({"EVAL", script, "0"});
  EXPECT_THAT(client_->Lines(), HasSubstr("cold-read-limit is 100000"));
  EXPECT_EQ(client_->Run("GET n"), "$1 3");
}

TEST_F(ColdListBrokerTest, AFailedReadIsTheCommandsError) {
  world_.disk.FailCalls(world_.disk.calls() + 2, 1, EIO);
  EXPECT_EQ(client_->Run("LSET l 1500 set"), "");
  world_.reader.Drain();
  EXPECT_THAT(client_->Lines(), StartsWith("-ERR cold entries in streams/0"));
  EXPECT_EQ(world_.Ask(*client_, "LINDEX l 1500"), Bulk(1501));
}

// The words that are not empty, as one line. What stands in braces is evaluated from left to right,
// and the operands of + in any order: so all compilers draw the same lines.
std::string Words(std::initializer_list<std::string> words) {
  std::string line;
  for (const std::string& word : words) {
    if (word.empty()) continue;
    if (!line.empty()) line += ' ';
    line += word;
  }
  return line;
}

// What the commands of twins are about.
enum class About {
  kLists,
  kStreams,
  // Streams of which ON-ACK DELETE removes. In a transaction it removes at once what it need not
  // look for, and where that is a whole block, the next entry begins a new one. So the blocks of
  // the twins may differ, and then their dumps and what trims with ~ remove, which is whole blocks.
  // Dumps are compared by what is in them, and there are no trims with ~.
  kAcknowledged,
};

// The same commands with and without a disk: the replies are the same, and what is there at the
// end.
class Twins {
 public:
  Twins(uint64_t seed, About about)
      : random_(seed),
        about_(about),
        cold_(seed, 4000 + random_() % 20'000),
        hot_(seed, 0),
        cold_client_(cold_.Connect()),
        hot_client_(hot_.Connect()) {}

  void Step() {
    if (Below(4) == 0) {
      const int64_t ms = static_cast<int64_t>(Below(20));
      cold_.harness.clock.Advance(ms);
      hot_.harness.clock.Advance(ms);
      cold_.harness.broker.UpdateTime();
      hot_.harness.broker.UpdateTime();
    }
    if (Below(12) != 0) {
      const uint64_t blocking = stats().blocking_reads;
      Both(Command());
      // Only a transaction has no way back when it comes to need something.
      ASSERT_EQ(stats().blocking_reads, blocking);
      return;
    }
    Both("MULTI");
    for (uint64_t commands = Below(5); commands > 0; commands--) {
      std::string line = Command();
      // The reply would come inside that of EXEC.
      while (about_ == About::kAcknowledged && line.starts_with("DUMP")) {
        line = Command();
      }
      Both(line);
      if (about_ == About::kAcknowledged && MayBeginSweep(line)) break;
    }
    Both("EXEC");
  }
  // Compares all that is there.
  void End() {
    for (const char* key : {"l0", "l1", "s0", "s1", "copy"}) {
      Both(Words({"DUMP", key}));
    }
    Both("DBSIZE");
  }
  ColdStats stats() const { return cold_.store->stats(); }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t bound) { return Below(bound) == 0; }
  // Whether ON-ACK DELETE may have much to remove after this command. How much of that is done at
  // once depends on what is in memory, and the rest is done after the transaction: what came after
  // the command in the same transaction could see the difference.
  static bool MayBeginSweep(const std::string& line) {
    return line.starts_with("XCFGSET") || line.starts_with("XGROUP") ||
           line.find("NOACK") != std::string::npos;
  }
  std::string Number(uint64_t bound) { return std::to_string(Below(bound)); }
  std::string Positive(uint64_t most) { return std::to_string(1 + Below(most)); }
  std::string Key() { return "s" + Number(2); }
  std::string Group() { return "g" + Number(2); }
  std::string Consumer() { return "c" + Number(3); }
  std::string Id() {
    const uint64_t ms = 1'700'000'000'000 + Below(elapsed_ + 2);
    return std::to_string(ms) + "-" + Number(3);
  }
  std::string Trim() {
    const bool by_id = OneIn(10);
    // MINID with ~ looks at the last ID of a block. If that entry is deleted, a block in memory
    // keeps its ID, and one on the disk forgets it: then both are right to remove different blocks.
    const bool about = about_ != About::kAcknowledged && !by_id && OneIn(2);
    const std::string bound = by_id ? Id() : std::to_string(300 + Below(1500));
    const std::string limit = about && OneIn(2) ? Words({"LIMIT", Number(300)}) : "";
    const char* kReferences[] = {"", "KEEPREF", "DELREF", "ACKED"};
    return Words(
        {by_id ? "MINID" : "MAXLEN", about ? "~" : "=", bound, limit, kReferences[Below(4)]});
  }
  std::string Count() { return OneIn(4) ? "" : Words({"COUNT", Positive(60)}); }

  std::string List() { return "l" + Number(2); }
  std::string Side() { return OneIn(2) ? "LEFT" : "RIGHT"; }
  std::string Index() {
    const std::string sign = OneIn(2) ? "-" : "";
    return sign + Number(2500);
  }
  std::string Values() {
    std::string values = Value();
    for (uint64_t count = Below(16); count > 0; count--) {
      values += " " + Value();
    }
    return values;
  }
  std::string Value() {
    const std::string number = Number(300);
    return number + "-" + std::string(100, 'v') + std::string(OneIn(30) ? 9000 : 0, 'x');
  }
  std::string Padding() {
    const uint64_t size = 1 + Below(200);
    return std::string(size, static_cast<char>('a' + Below(26)));
  }
  std::string ListCommand() {
    switch (Below(40)) {
      case 0:
        return Words({"LPOP", List()});
      case 1:
        return Words({"RPOP", List(), Positive(20)});
      case 2:
        return Words({"LMPOP 2 l0 l1", Side(), "COUNT", Positive(20)});
      case 3:
        return Words({"LMOVE", List(), List(), Side(), Side()});
      case 4:
        return Words({"LMOVEM", List(), List(), Side(), Side(), "COUNT", Positive(20),
                      OneIn(2) ? "OBO" : "BULK"});
      case 5:
      case 6:
        return Words({"LRANGE", List(), Index(), Index()});
      case 7:
        return Words({"LINDEX", List(), Index()});
      case 8:
        return Words({"LSET", List(), Index(), Value()});
      case 9:
        return Words({"LINSERT", List(), OneIn(2) ? "BEFORE" : "AFTER", Value(), Value()});
      case 10:
        return Words({"LREM", List(), std::to_string(static_cast<int64_t>(Below(5)) - 2), Value()});
      case 11:
        return Words(
            {"LPOS", List(), Value(), "RANK", OneIn(2) ? "-1" : "2", "COUNT 3 MAXLEN 500"});
      case 12:
        return Words({"LTRIM", List(), Number(30), "-" + Positive(30)});
      case 13:
        return OneIn(4) ? Words({"COPY", List(), "copy REPLACE"}) : Words({"LLEN", List()});
      case 14:
        return OneIn(8) ? Words({"RENAME copy", List()}) : Words({"DUMP", List()});
      case 15:
        return OneIn(30) ? Words({"DEL", List()}) : "BLPOP l0 l1 none 1";
      case 16:
        return Words({"LTRIM", List(), "-2200 -1"});
      default:
        return Words({OneIn(2) ? "LPUSH" : "RPUSH", List(), Values()});
    }
  }

  std::string Command() {
    if (about_ == About::kLists) return ListCommand();
    switch (Below(66)) {
      case 60:
        // Without it there are acknowledgements, and nothing follows from them.
        if (about_ != About::kAcknowledged) return Words({"XACK", Key(), Group(), Id()});
        return Words({"XCFGSET", Key(), "ON-ACK", OneIn(4) ? "KEEP" : "DELETE"});
      case 61:
        return OneIn(4) ? Words({"XGROUP DESTROY", Key(), Group()})
                        : Words({"XGROUP DELCONSUMER", Key(), Group(), Consumer()});
      case 62:
        return Words({"XREADGROUP GROUP", Group(), Consumer(), Count(), "NOACK STREAMS", Key(),
                      Key(), "> >"});
      case 63:
        return Words({"XREADGROUP GROUP", Group(), Consumer(), Count(), "CLAIM 3 NOACK STREAMS",
                      Key(), Key(), "> >"});
      case 64:
        return Words({"XACKDEL", Key(), Group(), "ACKED IDS 2", Id(), Id()});
      case 65:
        return Words({"XAUTOCLAIM", Key(), Group(), Consumer(), "2 0 COUNT 500"});
      case 0:
        return Words({"XGROUP CREATE", Key(), Group(), OneIn(2) ? "0" : "$", "MKSTREAM"});
      case 1:
        return Words({"XGROUP SETID", Key(), Group(), Id()});
      case 2:
        return Words({"XTRIM", Key(), Trim()});
      case 3:
      case 4:
        return Words(
            {"XREADGROUP GROUP", Group(), Consumer(), Count(), "CLAIM 3 STREAMS", Key(), ">"});
      case 5:
        return Words({"XREADGROUP GROUP", Group(), Consumer(), Count(), "STREAMS s0 s1 > >"});
      case 6:
        return Words({"XREADGROUP GROUP", Group(), Consumer(), Count(), "STREAMS", Key(), Id()});
      case 7:
        return Words(
            {"XREADGROUP GROUP", Group(), Consumer(), Count(), "MAXSIZE 900 STREAMS", Key(), ">"});
      case 8:
        return Words({"XDEL", Key(), Id(), Id(), Id()});
      case 9:
        return Words({"XDELEX", Key(), OneIn(2) ? "DELREF" : "ACKED", "IDS 2", Id(), Id()});
      case 10:
        return Words(
            {"XACKDEL", Key(), Group(), OneIn(2) ? "DELREF" : "KEEPREF", "IDS 2", Id(), Id()});
      case 11:
        return Words({"XCLAIM", Key(), Group(), Consumer(), "0", Id(), Id(), "FORCE"});
      case 12:
        return Words({"XAUTOCLAIM", Key(), Group(), Consumer(), "2", Id(), Count()});
      case 13:
        return Words({"XPENDING", Key(), Group(), "- + 20"});
      case 14:
        return Words({"XRANGE", Key(), "- +"});
      case 15:
      case 16:
        return Words({"XRANGE", Key(), Id(), "+", Count()});
      case 17:
      case 18:
        return Words({"XREVRANGE", Key(), Id(), "-", Count()});
      case 19:
        return Words({"XREAD", Count(), "STREAMS s0 s1", Id(), Id()});
      case 20:
        return "XREAD STREAMS s0 s1 + +";
      case 21:
        return Words({"COPY", Key(), "copy REPLACE"});
      case 22:
        return OneIn(20) ? Words({"RENAME copy", Key()}) : Words({"DUMP", Key()});
      case 23:
        return Words({"XACK", Key(), Group(), Id(), Id()});
      case 24:
        return Words({OneIn(20) ? "DEL" : "XLEN", Key()});
      case 25:
        return Words({"XNACK", Key(), Group(), "FAIL IDS 2", Id(), Id(), "FORCE"});
      case 26:
      case 27:
        return Words({"XADD", Key(), Trim(), "* n trimmed"});
      default:
        elapsed_ = static_cast<uint64_t>(hot_.harness.clock.unix_us / 1000 - 1'700'000'000'000);
        return Words({"XADD", Key(), "* n", Number(1000), "padding", Padding()});
    }
  }
  void Both(const std::string& line) {
    if (::testing::Test::HasFatalFailure()) return;
    const std::string expected = hot_client_->Run(line);
    std::string reply = cold_client_->Run(line);
    while (cold_client_->session().parked()) {
      ASSERT_EQ(reply, "");
      Below(2) == 0 ? cold_.reader.Step() : cold_.writer.Step();
      reply = cold_client_->Lines();
    }
    if (about_ == About::kAcknowledged && line.starts_with("DUMP") && reply != expected) {
      const std::string key = line.substr(5);
      ASSERT_EQ(Restored(cold_, *cold_client_, key), Restored(hot_, *hot_client_, key)) << line;
    } else {
      ASSERT_EQ(reply, expected) << line;
    }
    Sweep(hot_);
    Sweep(cold_);
    for (uint64_t steps = Below(3); steps > 0; steps--) {
      Below(2) == 0 ? cold_.reader.Step() : cold_.writer.Step();
    }
  }

  // What a stream's dump says, whatever blocks its entries are in.
  std::string Restored(ColdBroker& from, BrokerHarness::Client& asks, const std::string& key) {
    std::string reply = asks.Ask({"DUMP", key});
    while (asks.session().parked()) {
      from.reader.Step();
      reply = asks.Received();
    }
    const size_t begin = reply.find("\r\n") + 2;
    ColdBroker broker(1, 0);
    const auto client = broker.Connect();
    EXPECT_EQ(client->Ask({"RESTORE", "d", "0", reply.substr(begin, reply.size() - begin - 2)}),
              "+OK\r\n");
    std::string content;
    for (const char* line :
         {"XRANGE d - +", "XINFO GROUPS d", "XPENDING d g0 - + 10000", "XPENDING d g1 - + 10000",
          "XINFO CONSUMERS d g0", "XINFO CONSUMERS d g1"}) {
      content += broker.Ask(*client, line) + "\n";
    }
    const std::string about = broker.Ask(*client, "XINFO STREAM d");
    const size_t blocks = about.find("$15 radix-tree-keys");
    const size_t others = about.find("$17 last-generated-id");
    EXPECT_LT(blocks, others);
    return content + about.substr(0, blocks) + about.substr(others);
  }

  // Upkeep goes on until it has no stream left to sweep: it takes as many slices as it takes.
  void Sweep(ColdBroker& broker) {
    const auto unswept = [&](const char* name) {
      const KeyEntry* entry = broker.harness.keyspace.Find(KeyRef(0, name));
      const Stream* stream = entry == nullptr ? nullptr : entry->As<Stream>();
      return stream != nullptr && stream->unswept();
    };
    while (unswept("s0") || unswept("s1") || unswept("copy")) {
      broker.harness.broker.RunCron();
      broker.reader.Step();
      broker.harness.broker.EndTurn();
    }
  }

  std::mt19937_64 random_;
  const About about_;
  ColdBroker cold_;
  ColdBroker hot_;
  uint64_t elapsed_ = 0;
  std::unique_ptr<BrokerHarness::Client> cold_client_;
  std::unique_ptr<BrokerHarness::Client> hot_client_;
};

// The sum over the seeds, each with a pair of its own.
ColdStats RunTwins(uint64_t seeds, int steps, About about) {
  ColdStats sum;
  ForEachSeed(seeds, [&](uint64_t seed) {
    Twins twins(seed, about);
    for (int step = 0; step < steps; step++) {
      twins.Step();
      if (::testing::Test::HasFatalFailure()) return;
    }
    twins.End();
    const ColdStats stats = twins.stats();
    sum.reads += stats.reads;
    sum.writes += stats.writes;
    sum.blocking_reads += stats.blocking_reads;
  });
  return sum;
}

TEST(ColdTwinsTest, RepliesAreTheSameWithAndWithoutADisk) {
  const ColdStats sum = RunTwins(6, 4000, About::kStreams);
  EXPECT_GT(sum.writes, 200u);
  EXPECT_GT(sum.reads, 1000u);
  // Only what transactions come to need in the middle.
  EXPECT_LT(sum.blocking_reads * 50, sum.reads);
}

TEST(ColdTwinsTest, RepliesOfAcknowledgedStreamsAreTheSameWithAndWithoutADisk) {
  const ColdStats sum = RunTwins(8, 4000, About::kAcknowledged);
  EXPECT_GT(sum.writes, 200u);
  EXPECT_GT(sum.reads, 1000u);
  // Only what transactions come to need in the middle.
  EXPECT_LT(sum.blocking_reads * 50, sum.reads);
}

TEST(ColdTwinsTest, RepliesOfListsAreTheSameWithAndWithoutADisk) {
  const ColdStats sum = RunTwins(6, 3000, About::kLists);
  EXPECT_GT(sum.writes, 1000u);
  EXPECT_GT(sum.reads, 1000u);
  // Only what transactions come to need in the middle.
  EXPECT_LT(sum.blocking_reads * 20, sum.reads);
}

// Transactions that look at cold keys, give them other names, and add to them: all that they look
// at is in memory before they begin.
TEST(ColdTransactionsTest, TheLoopWaitsForNothing) {
  uint64_t reads = 0;
  for (uint64_t seed = 1; seed <= 6; seed++) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    ColdBroker cold(seed);
    ColdBroker hot(seed, 0);
    auto cold_client = cold.Connect();
    auto hot_client = hot.Connect();
    const auto both = [&](const std::string& line) {
      const std::string expected = hot_client->Run(line);
      EXPECT_EQ(cold.Ask(*cold_client, line), expected) << line;
    };
    for (int i = 1; i <= 1500; i++) {
      const std::string n = std::to_string(i);
      both("RPUSH a " + n + std::string(80, 'v'));
      both("XADD s " + n + " n " + n + std::string(80, 'v'));
    }
    cold.Settle();
    const auto below = [&](uint64_t bound) { return random() % bound; };
    const auto list = [&] { return std::string(1, static_cast<char>('a' + below(3))); };
    const auto stream = [&] { return std::string(1, static_cast<char>('s' + below(3))); };
    const auto number = [&] { return std::to_string(1 + below(1500)); };
    const auto command = [&]() -> std::string {
      switch (below(16)) {
        case 0:
          return Words({"RENAME", list(), list()});
        case 1:
          return Words({"COPY", list(), list()});
        case 2:
          return Words({"RENAME", stream(), stream()});
        case 3:
          return Words({"COPY", stream(), stream()});
        case 4:
          return Words({"RENAMENX", list(), list()});
        case 5:
          return Words({"LPOS", list(), "nothing COUNT 0 MAXLEN 900"});
        case 6:
          return Words({"LPOS", list(), "nothing RANK -1"});
        case 7:
          return Words({"LRANGE", list(), number(), number()});
        case 8:
          return Words({"LINDEX", list(), number()});
        case 9:
          return Words({"LSET", list(), number(), number() + std::string(80, 'v')});
        case 10:
          return Words({"RPUSH", list(), "new"});
        case 11:
          return Words({"XRANGE", stream(), number(), "+ COUNT 20"});
        case 12:
          return Words({"XREVRANGE", stream(), number(), "- COUNT 20"});
        case 13:
          return Words({"XLEN", stream()});
        case 14:
          return Words({"XADD", stream(), "* n new"});
        default:
          return Words({"XREAD COUNT 5 STREAMS", stream(), stream(), number(), number()});
      }
    };
    for (int round = 0; round < 150; round++) {
      both("MULTI");
      for (uint64_t commands = 1 + below(6); commands > 0; commands--) {
        both(command());
      }
      both("EXEC");
      if (::testing::Test::HasFailure()) return;
      cold.Settle();
    }
    reads += cold.store->stats().reads;
    EXPECT_EQ(cold.store->stats().blocking_reads, 0u);
  }
  EXPECT_GT(reads, 300u);
}

}  // namespace
}  // namespace runnel::sim
