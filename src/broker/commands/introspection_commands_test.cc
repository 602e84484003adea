// SLOWLOG, LATENCY, MONITOR, WAIT and the like, and what holds for every command in the table.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class IntrospectionCommandsTest : public ::testing::Test {
 protected:
  IntrospectionCommandsTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    client_ = harness_.Connect();
  }
  ~IntrospectionCommandsTest() override { client_.reset(); }

  std::string Run(const std::string& line) { return client_->Run(line); }

  BrokerHarness harness_;
  std::unique_ptr<BrokerHarness::Client> client_;
};

TEST_F(IntrospectionCommandsTest, EveryCommandIsDescribed) {
  const auto check = [](const Command& command) {
    const CommandSpec& spec = *command.spec;
    EXPECT_TRUE(spec.run != nullptr || !command.subcommands.empty()) << command.full_name;
    EXPECT_NE(spec.arity, 0) << command.full_name;
    EXPECT_FALSE(spec.group.empty() || spec.since.empty() || spec.summary.empty() ||
                 spec.complexity.empty())
        << command.full_name;
    EXPECT_FALSE(spec.summary.ends_with('.')) << command.full_name;
  };
  for (const auto& command : harness_.broker.commands().commands()) {
    check(*command);
    for (const auto& subcommand : command->subcommands) {
      check(*subcommand);
    }
  }
  EXPECT_THAT(Run("COMMAND DOCS"), StartsWith("*"));
  EXPECT_THAT(Run("COMMAND"), StartsWith("*"));
}

TEST_F(IntrospectionCommandsTest, CommandTellsAboutItself) {
  EXPECT_EQ(Run("COMMAND COUNT"), fmt::format(":{}", harness_.broker.commands().commands().size()));
  EXPECT_THAT(Run("COMMAND INFO ping nope"),
              AllOf(StartsWith("*2 *10 $4 ping :-1"), ::testing::EndsWith(" $-1")));
  EXPECT_EQ(Run("COMMAND GETKEYS SET k v"), "*1 $1 k");
  EXPECT_EQ(Run("COMMAND LIST FILTERBY PATTERN ssub*"), "*1 $10 ssubscribe");
  EXPECT_EQ(Run("COMMAND GETKEYS SSUBSCRIBE a"), "-ERR The command has no key arguments");
}

TEST_F(IntrospectionCommandsTest, AclCatListsCategoriesAndCommands) {
  EXPECT_THAT(Run("ACL CAT"), StartsWith("*21 $8 keyspace"));
  EXPECT_EQ(Run("ACL CAT Transaction"), "*5 $5 multi $4 exec $7 discard $5 watch $7 unwatch");
  EXPECT_THAT(Run("ACL CAT admin"), AllOf(HasSubstr(" slowlog|get"), HasSubstr(" client|kill"),
                                          Not(HasSubstr(" client|id"))));
  EXPECT_EQ(Run("ACL CAT hyperloglog"), "*0");
  EXPECT_EQ(Run("ACL CAT nope"), "-ERR Unknown category 'nope'");
  EXPECT_EQ(Run("ACL WHOAMI"), "$7 default");
  EXPECT_EQ(Run("ACL LIST"), "-ERR unknown subcommand 'LIST'. Try ACL HELP.");
}

TEST_F(IntrospectionCommandsTest, SlowLogGivesTheLastEntriesFirst) {
  SlowLog& log = harness_.broker.slowlog();
  const std::string_view args[] = {"GET", "k"};
  for (int i = 0; i < 12; i++) {
    log.Add(1000 + i, 500, args, "127.0.0.1:5", "bob", 128);
  }
  EXPECT_EQ(Run("SLOWLOG LEN"), ":12");
  EXPECT_EQ(Run("SLOWLOG GET 1"), "*1 *6 :11 :1011 :500 *2 $3 GET $1 k $11 127.0.0.1:5 $3 bob");
  EXPECT_THAT(Run("SLOWLOG GET"), StartsWith("*10 *6 :11"));
  EXPECT_THAT(Run("SLOWLOG GET -1"), StartsWith("*12 *6 :11"));
  EXPECT_EQ(Run("SLOWLOG GET 0"), "*0");
  EXPECT_EQ(Run("SLOWLOG GET -2"), "-ERR count should be greater than or equal to -1");
  EXPECT_EQ(Run("SLOWLOG RESET"), "+OK");
  EXPECT_EQ(Run("SLOWLOG LEN"), ":0");
}

TEST_F(IntrospectionCommandsTest, LatencyTellsOfLongTurns) {
  harness_.settings.latency_monitor_threshold_ms = 1;
  harness_.broker.UpdateTime();
  // Something holds the loop.
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(3)) {
  }
  harness_.broker.MeasureTurn();
  EXPECT_THAT(Run("LATENCY LATEST"), StartsWith("*1 *4 $9 eventloop :"));
}

TEST_F(IntrospectionCommandsTest, LatencyTellsItsSamples) {
  EXPECT_EQ(Run("LATENCY LATEST"), "*0");
  EXPECT_THAT(Run("LATENCY DOCTOR"), HasSubstr("latency-monitor-threshold is 0"));
  harness_.settings.latency_monitor_threshold_ms = 100;
  EXPECT_THAT(Run("LATENCY DOCTOR"), HasSubstr("No event has taken 100 ms"));
  LatencyMonitor& latency = harness_.broker.parts().latency;
  const int64_t now_s = harness_.broker.clock().now_ms() / 1000;
  latency.Add("command", now_s - 20, 400, 100);
  latency.Add("command", now_s - 10, 100, 100);
  EXPECT_EQ(Run("LATENCY LATEST"), fmt::format("*1 *4 $7 command :{} :100 :400", now_s - 10));
  EXPECT_EQ(Run("LATENCY HISTORY command"),
            fmt::format("*2 *2 :{} :400 *2 :{} :100", now_s - 20, now_s - 10));
  EXPECT_EQ(Run("LATENCY HISTORY nope"), "*0");
  EXPECT_THAT(Run("LATENCY DOCTOR"),
              HasSubstr("command: 2 samples in 10 s, 250 ms on average, the last one 100 ms; 400 "
                        "ms at most ever."));
  EXPECT_EQ(Run("LATENCY GRAPH nope"), "-ERR No samples available for event 'nope'");
  EXPECT_THAT(
      Run("LATENCY GRAPH command"),
      HasSubstr("command: highest 400 ms here, 400 ms ever\n# \n# \n# \n# \n# \n# \n##\n##\n"
                "2 samples, from 20 s ago to 10 s ago\n"));
  EXPECT_EQ(Run("LATENCY RESET nope command"), ":1");
  EXPECT_EQ(Run("LATENCY RESET"), ":0");
}

TEST_F(IntrospectionCommandsTest, TheHistogramIsCumulativeOverPowersOfTwo) {
  CommandStats& stats = harness_.broker.commands().Find("get")->stats;
  stats.calls = 6;
  stats.histogram[8] = 1;   // below 256 ns
  stats.histogram[10] = 2;  // below 1.024 us, which stands together with all before
  stats.histogram[11] = 1;
  stats.histogram[16] = 2;
  EXPECT_EQ(Run("LATENCY HISTOGRAM get nope ttl"),
            "*2 $3 get *4 $5 calls :6 $14 histogram_usec *6 :1 :3 :2 :4 :66 :6");
  Run("CLIENT ID");
  Run("HELLO 3");
  EXPECT_THAT(Run("LATENCY HISTOGRAM client"),
              StartsWith("%1 $9 client|id %2 $5 calls :1 $14 histogram_usec %1 :"));
  EXPECT_THAT(Run("LATENCY HISTOGRAM"), AllOf(HasSubstr(" get "), HasSubstr(" client|id ")));
}

TEST_F(IntrospectionCommandsTest, MonitorShowsWhatOthersRun) {
  auto other = harness_.Connect();
  EXPECT_EQ(Run("MONITOR"), "+OK");
  other->Ask({"SET", "k", "a\n\"\x01"});
  EXPECT_EQ(client_->Lines(), "+1700000000.000000 [0 127.0.0.1:2] \"SET\" \"k\" \"a\\n\\\"\\x01\"");
  other->Run("CLIENT LIST");  // administration is not shown
  EXPECT_EQ(client_->Lines(), "");
  other->Run("MULTI");
  other->Run("PING");
  other->Run("MONITOR");
  client_->Lines();
  EXPECT_EQ(other->Run("EXEC"), "*2 +PONG -ERR MONITOR isn't allowed for DENY BLOCKING client");
  EXPECT_THAT(client_->Lines(), ContainsRegex("\"PING\" .*\"EXEC\"$"));
}

TEST_F(IntrospectionCommandsTest, MonitorShowsABlockedCommandOnceWhenItIsGiven) {
  auto popper = harness_.Connect(), pusher = harness_.Connect();
  EXPECT_EQ(Run("MONITOR"), "+OK");
  popper->Run("BLPOP q 0");
  EXPECT_THAT(client_->Lines(), ContainsRegex("\"BLPOP\" \"q\" \"0\"$"));
  pusher->Run("RPUSH q a");
  EXPECT_EQ(popper->Lines(), "*2 $1 q $1 a");
  EXPECT_THAT(client_->Lines(), Not(ContainsRegex("BLPOP")));
}

// One call each, whether they are served, time out or are unblocked.
TEST_F(IntrospectionCommandsTest, CommandsThatBlockAreCountedHoweverTheyEnd) {
  const CommandStats& stats = harness_.broker.commands().Find("blpop")->stats;
  auto popper = harness_.Connect();
  popper->Run("BLPOP q 1");
  EXPECT_EQ(stats.calls, 1u);
  harness_.Advance(1000);
  EXPECT_EQ(popper->Lines(), "*-1");
  EXPECT_EQ(stats.calls, 1u);
  popper->Run("BLPOP q 0");
  const std::string id = std::to_string(popper->session().id);
  EXPECT_EQ(Run("CLIENT UNBLOCK " + id), ":1");
  EXPECT_EQ(popper->Lines(), "*-1");
  EXPECT_EQ(stats.calls, 2u);
  EXPECT_EQ(stats.failed, 1u);
  popper->Run("BLPOP q 0");
  EXPECT_EQ(Run("CLIENT UNBLOCK " + id + " ERROR"), ":1");
  EXPECT_EQ(popper->Lines(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
  EXPECT_EQ(stats.failed, 2u);
  EXPECT_EQ(harness_.broker.stats().errors.at("UNBLOCKED"), 1u);
  popper->Run("BLPOP q 0");
  Run("RPUSH q a");
  EXPECT_EQ(popper->Lines(), "*2 $1 q $1 a");
  EXPECT_EQ(stats.calls, 4u);
  EXPECT_EQ(stats.failed, 2u);
  uint64_t timed = 0;
  for (const uint64_t calls : stats.histogram) {
    timed += calls;
  }
  EXPECT_EQ(timed, 4u);
}

TEST_F(IntrospectionCommandsTest, TimesAreNotCountedWithoutLatencyTracking) {
  const CommandStats& stats = harness_.broker.commands().Find("get")->stats;
  harness_.settings.latency_tracking = false;
  Run("GET k");
  EXPECT_EQ(stats.calls, 1u);
  EXPECT_EQ(stats.histogram, (std::array<uint64_t, 64>{}));
  harness_.settings.latency_tracking = true;
  Run("GET k");
  EXPECT_NE(stats.histogram, (std::array<uint64_t, 64>{}));
}

TEST_F(IntrospectionCommandsTest, WithoutFollowersAWaitLastsUntilItsTimeIsOver) {
  EXPECT_EQ(Run("WAIT 0 0"), ":0");
  EXPECT_EQ(Run("WAIT -1 0"), ":0");
  EXPECT_EQ(Run("WAIT 1 50"), "");
  harness_.Advance(49);
  EXPECT_EQ(client_->Lines(), "");
  harness_.Advance(1);
  EXPECT_EQ(client_->Lines(), ":0");
  EXPECT_EQ(Run("WAITAOF 0 1 50"), "");
  harness_.Advance(50);
  EXPECT_EQ(client_->Lines(), "*2 :0 :0");
  EXPECT_EQ(Run("WAIT x 0"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("WAIT 1 -1"), "-ERR timeout is negative");
  EXPECT_EQ(Run("WAIT 0 x"), "-ERR timeout is not an integer or out of range");
  EXPECT_EQ(Run("WAITAOF 1 0 0"),
            "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  EXPECT_EQ(Run("WAITAOF 2 0 0"), "-ERR value is out of range, value must between 0 and 1");
  EXPECT_EQ(Run("WAITAOF 0 -1 0"), "-ERR value is out of range, must be positive");
}

TEST_F(IntrospectionCommandsTest, TheServerSaysWhatItIs) {
  EXPECT_EQ(Run("TIME"), "*2 $10 1700000000 $1 0");
  EXPECT_EQ(Run("MODULE LIST"), "*0");
  for (const char* line :
       {"READONLY", "READWRITE", "ASKING", "CLUSTER NODES", "CLUSTER KEYSLOT k"}) {
    EXPECT_EQ(Run(line), "-ERR This instance has cluster support disabled") << line;
  }
  EXPECT_THAT(Run("LOLWUT"), HasSubstr("Runnel ver. 0.1.0 (Redis ver. 7.4.0)"));
  EXPECT_EQ(Run("LOLWUT VERSION x"), "-ERR value is not an integer or out of range");
}

}  // namespace
}  // namespace runnel
