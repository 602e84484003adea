// Servers are killed and stopped, and others lead in their place, again and again, while clients
// write and read at acks all: none of them ever sees that something acknowledged is gone, or an old
// state. In the end all servers are equal.
//
// RUNNEL_ROUNDS_SEED=n begins with another seed, RUNNEL_ROUNDS=n makes more rounds.
#include <algorithm>
#include <atomic>
#include <optional>
#include <random>

#include "tests/process/replica_set.h"
#include "tests/support/environment.h"
#include "tests/support/logged_load.h"

namespace runnel::test {
namespace {

// Of each fsync policy: 50 together.
constexpr uint64_t kDefaultRounds = 17;

class ReplicationRoundsTest : public ReplicaSetTest {
 protected:
  // Three servers with small journal files of different sizes, and clients at the first.
  void Begin(Argv args = {}) {
    args.insert(args.end(),
                {"--acks", "all", "--min-insync-replicas", "2", "--replica-silence-max", "300"});
    StartAll(2, args,
             {{"--journal-segment-bytes", "65536"},
              {"--journal-segment-bytes", "100000"},
              {"--journal-segment-bytes", "1mb"}});
    leader_port_ = server(0).port();
    load_ = std::make_unique<LoggedLoad>(
        std::vector<LoggedKey*>{&list_, &stream_}, 2,
        [this] { return RespClient::Connect(leader_port_); }, random_());
  }
  bool Chance(uint64_t percent) { return random_() % 100 < percent; }
  // Lets the clients do something.
  void Work(uint64_t least = 1) {
    EXPECT_TRUE(load_->WaitForMore(least)) << load_->error() << "\n" << Logs();
  }

  // The one that Sentinel would take: it may lead, and has the most.
  size_t BestFollower() {
    std::optional<size_t> best;
    EXPECT_TRUE(Eventually([&] {
      int64_t most = -1;
      for (size_t i = 0; i < servers(); i++) {
        if (i == leader_ || !Runs(i) || InfoField(on(i), "slave_priority") != "100") continue;
        const int64_t offset = InfoNumber(on(i), "slave_repl_offset");
        if (offset <= most) continue;
        most = offset;
        best = i;
      }
      return best.has_value();
    })) << Logs();
    return best.value_or((leader_ + 1) % servers());
  }
  // It leads now, and the clients turn to it.
  void TakeForLeader(size_t i) {
    EXPECT_TRUE(Eventually([&] { return Leads(i); })) << Logs();
    leader_ = i;
    leader_port_ = server(i).port();
  }
  void PromoteBest() {
    const size_t best = BestFollower();
    EXPECT_TRUE(Eventually([&] { return LinkIsDown(best); })) << Logs();
    EXPECT_EQ(Ask(on(best), "REPLICAOF NO ONE"), "+OK") << Logs();
    TakeForLeader(best);
  }
  void TellOthers() {
    for (size_t i = 0; i < servers(); i++) {
      if (i == leader_ || !Runs(i)) continue;
      const std::string told = Ask(on(i), FollowIt(leader_));
      EXPECT_TRUE(told == "+OK" || told.find("OK Already connected") != std::string::npos) << told;
    }
  }
  void WaitUntilFollows(size_t i) {
    EXPECT_TRUE(Eventually([&] { return Follows(i, leader_); })) << i << "\n" << Logs();
  }
  void WaitUntilAllInSync() {
    for (size_t i = 0; i < servers(); i++) {
      if (i == leader_) continue;
      WaitUntilFollows(i);
      WaitUntilInSync(on(i));
    }
  }
  // The leader is killed, and comes back while another one leads.
  void KillAndPromote() {
    Work(random_() % 200);
    const size_t old = leader_;
    Kill(old);
    PromoteBest();
    const bool knows = Chance(50);
    const bool early = Chance(50);
    const auto come_back = [&] { Restart(old, knows ? Following(leader_port_) : Argv()); };
    if (early) come_back();
    TellOthers();
    Work();
    if (!early) come_back();
    // Before that it does not know that it has missed something, and nobody may promote it.
    WaitUntilFollows(old);
    // Otherwise the next one is killed while it has not caught up.
    if (Chance(50)) return;
    WaitUntilAllInSync();
    if (Chance(50)) KillFollower();
  }
  void KillFollower() {
    const size_t follower = (leader_ + 1 + random_() % 2) % servers();
    Kill(follower);
    Work();
    Restart(follower, Chance(50) ? Following(leader_port_) : Argv());
    WaitUntilAllInSync();
  }
  void HandOver() {
    Work(random_() % 100);
    const size_t old = leader_;
    const bool any = Chance(50);
    const size_t target = (old + 1 + random_() % 2) % servers();
    EXPECT_EQ(Ask(on(old), any ? "FAILOVER" : "FAILOVER " + To(target)), "+OK");
    std::optional<size_t> next;
    EXPECT_TRUE(Eventually([&] {
      for (size_t i = 0; i < servers(); i++) {
        if (i != old && Leads(i)) next = i;
      }
      return next.has_value();
    })) << Logs();
    if (!next) return;
    if (!any) {
      EXPECT_EQ(*next, target);
    }
    TakeForLeader(*next);
    WaitUntilAllInSync();
  }
  // The verdict. Ends all servers.
  void Judge() {
    load_->Stop();
    if (HasFailure()) return;
    WaitUntilAllInSync();
    for (LoggedKey* const key : {&list_, &stream_}) {
      EXPECT_EQ(ToText(JudgeAtTheEnd(*key, server(leader_).Connect())), "") << Logs();
    }
    ExpectAllEqual(leader_, {"LRANGE list 0 -1", "XRANGE stream - +", "DBSIZE"});
    CheckFiles();
  }
  void RunRounds(uint64_t rounds, const std::function<void()>& round) {
    for (uint64_t i = 0; i < FromEnvironment("RUNNEL_ROUNDS", rounds) && !HasFailure(); i++) {
      SCOPED_TRACE(fmt::format("RUNNEL_ROUNDS_SEED={}, round {}", seed_, i));
      round();
    }
    Judge();
  }

  const uint64_t seed_ = FromEnvironment("RUNNEL_ROUNDS_SEED", std::random_device()());
  std::mt19937_64 random_{seed_};
  LoggedKey list_{"list", LoggedKey::Type::kList, {}};
  LoggedKey stream_{"stream", LoggedKey::Type::kStream, {}};
  size_t leader_ = 0;
  std::atomic<int> leader_port_ = 0;
  std::unique_ptr<LoggedLoad> load_;
};

TEST_F(ReplicationRoundsTest, KilledUnderAlways) {
  Begin({"--appendfsync", "always"});
  RunRounds(kDefaultRounds, [this] { KillAndPromote(); });
}

TEST_F(ReplicationRoundsTest, KilledUnderEverySecond) {
  Begin({"--appendfsync", "everysec"});
  RunRounds(kDefaultRounds, [this] { KillAndPromote(); });
}

TEST_F(ReplicationRoundsTest, KilledUnderNo) {
  Begin({"--appendfsync", "no"});
  RunRounds(kDefaultRounds, [this] { KillAndPromote(); });
}

TEST_F(ReplicationRoundsTest, HandedOver) {
  Begin();
  RunRounds(10, [this] { HandOver(); });
}

// Requests that reached the old leader before it stopped, or while it stood still, are answered
// when it goes on: with nothing that contradicts what others were told meanwhile.
TEST_F(ReplicationRoundsTest, ALeaderThatStandsStillSaysNothingWrongLater) {
  Begin();
  RunRounds(3, [this] {
    Work(20);
    const size_t old = leader_;
    std::vector<std::unique_ptr<LoggedClient>> clients;
    for (LoggedKey* const key : {&list_, &list_, &stream_, &stream_}) {
      clients.push_back(std::make_unique<LoggedClient>(*key, server(old).Connect()));
      clients.back()->SendAppends(1);
      EXPECT_EQ(clients.back()->TakeReplies(), 1u) << clients.back()->error();
    }
    for (size_t i = 0; i < clients.size(); i++) {
      i % 2 == 0 ? clients[i]->SendAppends(2) : clients[i]->SendRead();
    }
    server(old).Signal(SIGSTOP);
    for (size_t i = 0; i < clients.size(); i++) {
      i % 2 == 1 ? clients[i]->SendAppends(2) : clients[i]->SendRead();
    }
    PromoteBest();
    const size_t other = 3 - old - leader_;
    EXPECT_EQ(Ask(on(other), FollowIt(leader_)), "+OK");
    Work(20);
    server(old).Signal(SIGCONT);
    for (const auto& client : clients) {
      client->TakeReplies();
      if (!client->open()) continue;
      client->SendRead();
      client->TakeReplies();
    }
    WaitUntilAllInSync();
  });
}

// It comes back and hears that another one leads, and nothing of who is in the set by now: it is
// not to be promoted with what it had when it was killed.
TEST_F(ReplicationRoundsTest, WhoHasHeardOfALaterLeaderMayHaveMissedSomething) {
  Begin();
  Work(20);
  Kill(0);
  PromoteBest();
  TellOthers();
  Work(20);
  const size_t other = 3 - leader_;
  // It is reached, and says nothing.
  server(leader_).Signal(SIGSTOP);
  Restart(0);
  EXPECT_EQ(InfoField(on(0), "master_port"), fmt::to_string(server(leader_).port()));
  EXPECT_EQ(InfoField(on(0), "slave_priority"), "0");
  EXPECT_EQ(InfoField(on(other), "slave_priority"), "100");
  server(leader_).Signal(SIGCONT);
  WaitUntilAllInSync();
  Work(20);
  Judge();
}

// It follows because it has asked who leads, and its configuration does not say so. When it ends
// and begins again, its journal has the epoch of that leader.
TEST_F(ReplicationRoundsTest, AnOldLeaderThatIsKilledTwiceFollows) {
  Begin();
  Work(20);
  Kill(0);
  PromoteBest();
  TellOthers();
  Restart(0);
  WaitUntilAllInSync();
  Work(20);
  Kill(0);
  Restart(0);
  EXPECT_EQ(InfoField(on(0), "role"), "slave");
  WaitUntilAllInSync();
  EXPECT_TRUE(Leads(leader_));
  Work(20);
  Judge();
}

// The set goes on without it, at no cost in memory; and it catches up from files.
TEST_F(ReplicationRoundsTest, AFollowerThatStandsStill) {
  constexpr int64_t kMiB = 1 << 20;
  Begin({"--replica-tail-bytes", "1mb", "--replica-window-bytes", "1mb"});
  const int64_t full_syncs = InfoNumber(on(0), "sync_full");
  Work(20);
  server(2).Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return InfoField(on(0), "in_sync_replicas") == "2"; }));
  Work(100);
  const int64_t before = InfoNumber(on(0), "used_memory");
  const int64_t begin = InfoNumber(on(0), "master_repl_offset");
  const auto writer = server(0).Connect();
  for (int i = 0; i < 300; i++) {
    EXPECT_EQ(ToText(writer->Call({"SET", "big", std::string(100'000, 'x')})), "+OK");
  }
  EXPECT_GT(InfoNumber(on(0), "master_repl_offset"), begin + 28 * kMiB);
  EXPECT_LT(InfoNumber(on(0), "used_memory"), before + 8 * kMiB);
  server(2).Signal(SIGCONT);
  WaitUntilAllInSync();
  EXPECT_EQ(InfoNumber(on(0), "sync_full"), full_syncs);
  Work(20);
  Judge();
}

TEST_F(ReplicationRoundsTest, AnEmptyFollowerComesToAFilledLeader) {
  Begin();
  const auto writer = server(0).Connect();
  for (int i = 0; i < 200; i++) {
    writer->Call({"SET", fmt::format("key-{}", i), std::string(100'000, 'x')});
  }
  Kill(2);
  std::filesystem::remove_all(server(2).dir());
  EXPECT_TRUE(Eventually([&] { return InfoField(on(0), "in_sync_replicas") == "2"; }));
  Work(20);
  Restart(2, Following(leader_port_));
  WaitUntilAllInSync();
  Work(20);
  Judge();
}

}  // namespace
}  // namespace runnel::test
