// A leader and a follower, whole servers on model disks, where the follower's disk is what matters:
// most of its data lies on it, it is slow, gets full, or fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/sim/model_pair.h"
#include "tests/sim/seeds.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::ModelPair;
using sim::ModelServer;
using test::Argv;
using test::Reply;
using ::testing::HasSubstr;

constexpr uint64_t kFollowerSeeds = 20;

class ColdFollowerTest : public ::testing::Test {
 protected:
  ColdFollowerTest() { SetLogLevel(LogLevel::kNothing); }
  ~ColdFollowerTest() override { SetLogLevel(LogLevel::kVerbose); }

  static void Add(ModelPair& pair, int from, int to) {
    for (int i = from; i < to; i++) {
      pair.leader().Ask({"XADD", "q", std::to_string(i) + "-1", "f", std::string(100, 'x')});
      if (i % 10 == 0) pair.Steps(4);
    }
  }
};

// A consumer of the leader reads what has been on the disk for long, of a stream and of a list.
// Each of its transactions changes two keys, too: a reader of the follower always sees the same in
// both.
TEST_F(ColdFollowerTest, ALaggingConsumerMakesTheLoopWaitForNothing) {
  std::set<std::string> seen;
  uint64_t reads = 0;
  sim::ForEachSeed(kFollowerSeeds, [&](uint64_t seed) {
    ModelPair pair(seed);
    pair.Start();
    Add(pair, 1, 250);
    for (int i = 0; i < 12; i++) {
      Argv push = {"RPUSH", "l"};
      for (int k = 0; k < 20; k++) {
        push.push_back(std::string(1000, static_cast<char>('a' + k)));
      }
      pair.leader().Ask(std::move(push));
      pair.Steps(10);
    }
    pair.leader().Ask({"XGROUP", "CREATE", "q", "g", "0"});
    pair.Heal();
    ASSERT_GT(pair.follower().keyspace().hot_blocks().cold_entries(), 200u);
    pair.Tell([&](const ModelServer& from, const Argv& asked, const Reply& reply) {
      if (&from != &pair.follower() || asked[0] != "EXEC") return;
      ASSERT_EQ(reply.items.size(), 2u) << test::ToText(reply);
      EXPECT_EQ(reply.items[0], reply.items[1]) << test::ToText(reply);
      seen.insert(reply.items[0].text);
    });
    for (int i = 0; i < 40; i++) {
      const std::string number = std::to_string(i);
      for (Argv command :
           std::vector<Argv>{{"MULTI"},
                             {"SET", "a", number},
                             {"XREADGROUP", "GROUP", "g", "c", "COUNT", "5", "STREAMS", "q", ">"},
                             {"LMOVE", "l", "m", "LEFT", "RIGHT"},
                             {"LSET", "l", std::to_string(50 + i), "set"},
                             {"SET", "b", number},
                             {"EXEC"}}) {
        pair.leader().Ask(std::move(command));
      }
      for (int k = 0; k < 4; k++) {
        for (Argv command : std::vector<Argv>{{"MULTI"}, {"GET", "a"}, {"GET", "b"}, {"EXEC"}}) {
          pair.follower().Ask(std::move(command));
        }
        pair.Steps(5);
      }
    }
    pair.Heal();
    pair.Steps(100);
    const ColdStats stats = pair.follower().storage().cold()->stats();
    EXPECT_EQ(stats.blocking_reads, 0u);
    reads += stats.reads;
    pair.Compare();
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(reads, 1000u);
  EXPECT_GT(seen.size(), 20u);
}

// As long as the disk reads, the follower answers what it had.
TEST_F(ColdFollowerTest, ReadersSeeTheOldStateWhileTheDiskReads) {
  ModelPair pair(1);
  pair.Start();
  Add(pair, 1, 100);
  pair.leader().Ask({"SET", "a", "old"});
  pair.leader().Ask({"XGROUP", "CREATE", "q", "g", "0"});
  pair.Heal();
  pair.Stop(ModelPair::kColdReader);
  const Position before = pair.follower().roles().follower()->applied();
  for (Argv command :
       std::vector<Argv>{{"MULTI"},
                         {"SET", "a", "new"},
                         {"XREADGROUP", "GROUP", "g", "c", "COUNT", "20", "STREAMS", "q", ">"},
                         {"EXEC"}}) {
    pair.leader().Ask(std::move(command));
  }
  pair.Until([&] {
    return pair.follower().storage().journal()->written() > before &&
           pair.follower().storage().journal()->written() ==
               pair.leader().storage().journal()->written();
  });
  EXPECT_EQ(pair.Ask(pair.follower(), {"GET", "a"}), "\"old\"");
  pair.Steps(500);
  EXPECT_EQ(pair.follower().roles().follower()->applied(), before);
  EXPECT_EQ(pair.Ask(pair.follower(), {"GET", "a"}), "\"old\"");
  pair.GoOn();
  pair.Heal();
  EXPECT_EQ(pair.Ask(pair.follower(), {"GET", "a"}), "\"new\"");
  EXPECT_EQ(pair.follower().storage().cold()->stats().blocking_reads, 0u);
  pair.Compare();
}

// The leader keeps all in memory, and adds far more than the follower may have there, whose disk
// takes nothing for so long that a link without a sign of life would have ended.
TEST_F(ColdFollowerTest, ASlowDiskBoundsWhatAFollowerTakes) {
  constexpr uint64_t kWindow = 64 * 1024;
  ModelPair pair(1);
  pair.leader().settings().cold.stream_memory = 0;
  pair.follower().settings().cold.stream_memory = 10'000;
  pair.follower().cold_sizes().far_behind = 5000;
  for (ModelServer* const server : {&pair.leader(), &pair.follower()}) {
    server->Configure("replica-window-bytes", std::to_string(kWindow));
    server->Configure("replica-silence-max", "100");
    server->Configure("replica-lag-time-max", "100");
  }
  pair.Start();
  pair.Stop(ModelPair::kColdWriter);
  uint64_t most_hot = 0;
  uint64_t most_taken = 0;
  uint64_t most_unsent = 0;
  const int64_t begin_ms = pair.now_ms();
  for (int i = 1; i < 4000; i++) {
    pair.leader().Ask({"XADD", "q", std::to_string(i) + "-1", "f", std::string(100, 'x')});
    pair.Step();
    const replication::Follower& machine = *pair.follower().roles().follower();
    ASSERT_TRUE(machine.link_up()) << machine.error();
    most_hot = std::max(most_hot, pair.follower().keyspace().hot_blocks().bytes());
    most_taken =
        std::max(most_taken, pair.follower().storage().journal()->appended() - machine.applied());
    most_unsent = std::max(most_unsent, pair.leader().roles().Links()[0].output_bytes);
  }
  EXPECT_GT(pair.now_ms() - begin_ms, 1000);
  EXPECT_GT(pair.leader().keyspace().hot_blocks().bytes(), 400'000u);
  EXPECT_GT(most_hot, 10'000u);
  EXPECT_LT(most_hot, 10'000u + 4 * 5000 + 10'000);
  EXPECT_GT(most_taken, kWindow);
  EXPECT_LT(most_taken, 3 * kWindow);
  // The leader, whose mark goes on without it, keeps little for it.
  EXPECT_EQ(pair.in_sync(), 1u);
  EXPECT_LT(most_unsent, kWindow + 20'000);
  pair.GoOn();
  pair.Heal();
  pair.Compare();
}

TEST_F(ColdFollowerTest, AFullDiskEndsTheLinkUntilThereIsRoom) {
  ModelPair pair(1);
  for (ModelServer* const server : {&pair.leader(), &pair.follower()}) {
    server->options().journal_segment_bytes = 20'000;
  }
  pair.Start();
  pair.leader().Ask({"SET", "a", "old"});
  pair.Heal();
  ModelServer& follower = pair.follower();
  follower.disk().set_capacity(follower.disk().used() + 30'000);
  int i = 0;
  const auto add = [&] {
    pair.leader().Ask({"SET", "b" + std::to_string(i++ % 10), std::string(500, 'x')});
  };
  const auto is_full = [&] {
    return follower.roles().error().find("the own disk gets full: ") == 0 &&
           !follower.roles().follower()->link_up();
  };
  pair.Until([&] {
    add();
    return is_full() && pair.in_sync() == 1;
  });
  EXPECT_FALSE(follower.storage().journal()->failed());
  EXPECT_EQ(pair.Ask(follower, {"GET", "a"}), "\"old\"");
  // It is not asked for more, and nothing is lost.
  const Position end = follower.storage().journal()->appended();
  for (int k = 0; k < 300; k++) {
    add();
    pair.Step();
  }
  EXPECT_EQ(follower.storage().journal()->appended(), end);
  EXPECT_TRUE(is_full()) << follower.roles().error();
  follower.disk().set_capacity(UINT64_MAX);
  pair.Heal();
  pair.Compare();
}

TEST_F(ColdFollowerTest, AFollowerWhoseJournalFailsLeavesAndServesWhatItHad) {
  for (const bool syncs : {false, true}) {
    SCOPED_TRACE(syncs);
    ModelPair pair(1);
    if (syncs) pair.follower().options().appendfsync = journal::SyncPolicy::kAlways;
    pair.Start();
    pair.leader().Ask({"SET", "a", "old"});
    pair.Heal();
    ModelServer& follower = pair.follower();
    follower.disk().FailCalls(follower.disk().calls() + 1, 1'000'000, EIO);
    const int64_t begin_ms = pair.now_ms();
    pair.leader().Ask({"SET", "b", "new"});
    pair.Until([&] { return follower.storage().journal()->failed() && pair.in_sync() == 1; });
    // It has said goodbye: nobody waits until it is judged.
    EXPECT_LT(pair.now_ms() - begin_ms, 400);
    pair.Steps(200);
    EXPECT_THAT(follower.roles().error(), HasSubstr("the own journal has failed"));
    EXPECT_FALSE(follower.roles().follower()->link_up());
    EXPECT_EQ(pair.Ask(follower, {"GET", "a"}), "\"old\"");
    EXPECT_EQ(pair.Ask(follower, {"PING"}), "+PONG");
    EXPECT_THAT(pair.Ask(follower, {"SET", "a", "x"}), HasSubstr("READONLY"));
    EXPECT_FALSE(follower.roles().in_recorded_set());
    EXPECT_THAT(follower.roles().WhyNotLead().message(), HasSubstr("MISCONF The journal"));
    // A restart heals it.
    follower.disk().FailCalls(0, 0, 0);
    follower.Stop(Crash::kProcess);
    ASSERT_TRUE(follower.Start(pair.now_ms()));
    pair.Heal();
    pair.Compare();
  }
}

// So a Sentinel takes it for down.
TEST_F(ColdFollowerTest, ALeaderWhoseJournalHasFailedIsNotWell) {
  ModelPair pair(1);
  pair.Start();
  EXPECT_EQ(pair.Ask(pair.leader(), {"PING"}), "+PONG");
  pair.leader().disk().FailCalls(pair.leader().disk().calls() + 1, 1'000'000, EIO);
  pair.leader().Ask({"SET", "b", "new"});
  pair.Until([&] { return pair.leader().broker().log().failed(); });
  EXPECT_THAT(pair.Ask(pair.leader(), {"PING"}),
              HasSubstr("-\"MISCONF Errors writing to the journal: "));
  EXPECT_THAT(pair.Ask(pair.leader(), {"PING", "text"}), HasSubstr("MISCONF"));
  EXPECT_THAT(pair.Ask(pair.leader(), {"ECHO", "text"}), HasSubstr("text"));
}

}  // namespace
}  // namespace runnel
