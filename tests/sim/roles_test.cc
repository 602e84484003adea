// Three whole servers on model disks and a model network, whose roles change: somebody promotes one
// of them while the one that led goes on writing, is cut off, is killed or loses its power, and
// comes back later. In the end all follow one of them: they have the same journal, byte for byte,
// and the same data.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone. Epochs and the ids
// of journals are drawn at random, so a seed may not always run alike.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "journal/set_aside.h"
#include "snapshot/files.h"
#include "tests/sim/model_server.h"
#include "tests/sim/roles_world.h"
#include "tests/sim/seeds.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::kMostSteps;
using sim::ModelServer;
using sim::World;
using test::Argv;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kDefaultSeeds = 300;

// An old leader that comes back, with snapshots on both sides of the parting: its process ends
// inside the `call`-th call of its disk from the moment on that it is told to follow.
class Comeback {
 public:
  Comeback(uint64_t seed, uint64_t call, Crash crash)
      : world_(seed, 2), call_(call), crash_(crash) {}

  // Whether it was equal before that call.
  bool Run() {
    for (size_t i = 0; i < 2; i++) {
      world_.server(i).options().appendfsync = journal::SyncPolicy::kAlways;
      world_.server(i).options().journal_segment_bytes = 2000;
      world_.server(i).settings().cold.stream_memory = 500;
    }
    world_.StartAll();
    world_.Heal();
    Write(0, 30);
    Save();
    Write(0, 20);
    world_.Heal();
    world_.CutOff(0, true);
    world_.Promote(1);
    Write(0, 30);
    Save();
    Write(0, 10);
    Write(1, 20);
    if (::testing::Test::HasFailure()) return true;
    ModelServer& old = world_.server(0);
    old.disk().StopAt(old.disk().calls() + call_);
    world_.set_crash(crash_);
    world_.CutOff(0, false);
    world_.TellToFollow(0);
    for (int i = 0; i < kMostSteps && old.running() && !world_.IsEqual(old); i++) {
      world_.Step();
    }
    const bool stopped = !old.running();
    if (!stopped) {
      EXPECT_GT(old.roles().dropped_bytes(), 0u);
      EXPECT_EQ(old.reloads(), 1u);
      EXPECT_THAT(old.saver().positions(), SizeIs(1));
    }
    // As a follower, or as a leader once more.
    if (stopped && world_.Chance(50)) old.SetLeader("1");
    world_.Heal();
    if (::testing::Test::HasFailure()) return true;
    EXPECT_EQ(world_.equal(), 1u) << world_.Describe();
    world_.Compare();
    return !stopped;
  }

 private:
  void Write(size_t server, int commands) {
    for (int i = 0; i < commands; i++) {
      world_.Write(server);
      world_.Step();
    }
  }
  void Save() {
    Saver& saver = world_.server(0).saver();
    saver.Begin(Saver::Kind::kSave);
    for (int i = 0; i < kMostSteps && saver.busy(); i++) {
      world_.Step();
    }
    EXPECT_TRUE(!saver.busy() && saver.last(Saver::Kind::kSave).status.ok());
  }

  World world_;
  const uint64_t call_;
  const Crash crash_;
};

class RolesTest : public ::testing::Test {
 protected:
  RolesTest() { SetLogLevel(LogLevel::kNothing); }
  ~RolesTest() override { SetLogLevel(LogLevel::kVerbose); }
};

TEST_F(RolesTest, AllBecomeEqualWhateverRolesTheyHad) {
  uint64_t reloads = 0;
  uint64_t cut_bytes = 0;
  uint64_t equal = 0;
  uint64_t seeds = 0;
  sim::ForEachSeed(kDefaultSeeds, [&](uint64_t seed) {
    World world(seed);
    world.StartAll();
    // Whoever leads has the beginning of the one journal.
    world.Heal();
    world.Live(1500);
    if (!::testing::Test::HasFailure()) world.Heal();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    seeds++;
    equal += world.equal();
    for (size_t i = 0; i < world.servers(); i++) {
      reloads += world.server(i).reloads();
      cut_bytes += world.server(i).roles().dropped_bytes();
    }
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(reloads, seeds / 10);
  EXPECT_GT(cut_bytes, 0u);
  EXPECT_GT(equal, seeds)
      << "of two for each seed: the others lack journal that was removed or lost";
}

// Links break at any moment of a hand-over, and servers are cut off for a while. Nobody tells the
// servers who leads, but by FAILOVER.
TEST_F(RolesTest, HandingOverLosesNothingAndLeavesOneLeader) {
  uint64_t changes = 0;
  uint64_t seeds = 0;
  sim::ForEachSeed(kDefaultSeeds, [&](uint64_t seed) {
    World world(seed);
    world.StartAll();
    world.Heal();
    size_t led = 0;
    for (int i = 0; i < 2000 && !::testing::Test::HasFailure(); i++) {
      world.Step();
      if (world.Chance(40)) world.Write();
      if (world.Chance(1)) world.BreakOne();
      const size_t any = world.random().Below(world.servers());
      if (world.random().Below(500) == 0) world.Stall(any);
      if (world.random().Below(500) == 0) world.Stall({});
      if (world.random().Below(300) == 0) world.CutOff(any, !world.IsCutOff(any));
      if (world.random().Below(60) == 0) world.HandOver(any);
      const auto leads = world.leading();
      ASSERT_LE(leads.size(), 1u) << world.Describe();
      if (leads.size() == 1 && leads.front() != led) {
        led = leads.front();
        changes++;
      }
    }
    if (::testing::Test::HasFailure()) return;
    world.Settle();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    for (size_t i = 0; i < world.servers(); i++) {
      EXPECT_EQ(world.server(i).roles().dropped_bytes(), 0u) << i;
    }
    seeds++;
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(changes, seeds);
}

// The target has read that it is to take over, and not dealt with it. The old leader asks, and is
// told that it does not lead: so it never does, on the old leader's word.
TEST_F(RolesTest, WhoWasAskedDoesNotTakeOverLater) {
  World world(1, 2);
  world.StartAll();
  world.Heal();
  Roles& roles = world.server(0).roles();
  const auto step = [&](const std::function<bool()>& until) {
    for (int i = 0; i < kMostSteps && !until(); i++) {
      world.Step();
    }
    EXPECT_TRUE(until()) << world.Describe();
  };
  world.Stall(1);
  replication::Handover::Wish wish{"", 1, true};
  roles.leader()->ForEachFollower(
      [&](const replication::Leader::Peer& peer) { wish.node_id = peer.request.node_id; });
  roles.HandOver(wish);
  step([&] { return roles.failover() == Roles::Failover::kInProgress; });
  step([&] { return world.server(1).roles().follower()->take_over().has_value(); });
  step([&] { return roles.follows(); });
  // It is asked, and the old leader leads again.
  step([&] { return !roles.follows(); });
  EXPECT_EQ(world.server(1).roles().follower()->take_over(), std::nullopt);
  world.Settle();
  EXPECT_EQ(world.leading(), std::vector<size_t>{0});
  world.Compare();
}

// Whoever cannot take the journal of the leader has none, and says so.
TEST_F(RolesTest, AServerThatHasLostItsJournalSaysWhy) {
  World world(1, 2);
  world.Start(0);
  world.server(1).SetLeader("0");
  world.Start(1);
  ModelServer& server = world.server(1);
  for (int i = 0; i < kMostSteps && !server.roles().follower()->journal_to_take(); i++) {
    world.Step();
  }
  server.disk().FailCalls(server.disk().calls() + 1, 1000, EIO);
  for (int i = 0; i < kMostSteps && server.roles().follower() != nullptr; i++) {
    world.Step();
  }
  ASSERT_EQ(server.roles().follower(), nullptr);
  EXPECT_TRUE(server.roles().follows());
  EXPECT_THAT(server.roles().error(), HasSubstr("this server cannot follow: "));
  EXPECT_THAT(server.roles().Refusal().message(),
              HasSubstr("this server has no journal until it is started again: this server cannot "
                        "follow: "));
  server.disk().FailCalls(0, 0, 0);
  server.Stop(Crash::kProcess);
  world.Start(1);
  world.Heal();
  EXPECT_EQ(world.equal(), 1u) << world.Describe();
}

// What cannot be applied keeps a follower from leading, and the wish is dropped.
TEST_F(RolesTest, WhoCannotApplyItsJournalDoesNotLead) {
  World world(1, 2);
  world.StartAll();
  world.Heal();
  journal::Journal& journal = *world.server(0).storage().journal();
  ASSERT_TRUE(journal.Append("no effects", 1).ok());
  ModelServer& server = world.server(1);
  for (int i = 0; i < kMostSteps &&
                  server.roles().follower()->state() != replication::Follower::State::kStopped;
       i++) {
    world.Step();
  }
  EXPECT_THAT(server.roles().error(), HasSubstr("cannot be applied"));
  server.roles().AskToLead();
  EXPECT_TRUE(server.roles().wishes());
  for (int i = 0; i < 10; i++) {
    world.Step();
  }
  EXPECT_FALSE(server.roles().wishes());
  EXPECT_TRUE(server.roles().follows());
  EXPECT_THAT(server.roles().error(), HasSubstr("cannot be applied"));
}

TEST_F(RolesTest, AFullDiskPutsACutOff) {
  World world(1, 2);
  world.StartAll();
  world.Heal();
  ModelServer& server = world.server(0);
  world.CutOff(0, true);
  world.Promote(1);
  for (int i = 0; i < 20; i++) {
    world.Write(0);
    world.Step();
  }
  world.TellToFollow(0);
  for (int i = 0; i < kMostSteps && server.roles().follower() == nullptr; i++) {
    world.Step();
  }
  server.disk().set_capacity(server.disk().used() + 10);
  world.CutOff(0, false);
  const auto refused = [&] {
    return server.roles().error().find("the disk has no room to keep") != std::string::npos;
  };
  for (int i = 0; i < kMostSteps && !refused(); i++) {
    world.Step();
  }
  EXPECT_TRUE(refused()) << world.Describe();
  EXPECT_TRUE(server.saver().Refusal().ok()) << "snapshots may make room";
  server.disk().set_capacity(UINT64_MAX);
  world.Heal();
  world.Compare();
  EXPECT_GT(server.roles().dropped_bytes(), 0u);
}

// A command that waits for the disk when the keyspace is emptied is answered, and its connection
// stays. Loading begins when nothing is read or written any more.
TEST_F(RolesTest, AParkedCommandIsToldThatTheServerLoads) {
  World world(1, 2);
  for (size_t i = 0; i < 2; i++) {
    world.server(i).options().journal_segment_bytes = 100'000;
    world.server(i).settings().cold.stream_memory = 1;
  }
  world.StartAll();
  ModelServer& server = world.server(0);
  const auto add = [&](int from, int to) {
    for (int i = from; i < to; i++) {
      server.Ask({"XADD", "s", std::to_string(i) + "-1", "f", std::string(100, 'x')});
      world.Step();
    }
  };
  add(1, 30);
  world.Heal();
  world.CutOff(0, true);
  world.Promote(1);
  add(30, 40);
  world.CutOff(0, false);
  world.TellToFollow(0);
  std::vector<std::string> told;
  bool reads = false;
  const auto step = [&] {
    int worker = 0;
    server.StepWorkers([&] { return ++worker != 5 || reads; });
    server.Turn(world.now_ms());
    server.TakeReplies(
        [&](const Argv&, const test::Reply& reply) { told.push_back(test::ToText(reply)); });
  };
  for (int i = 0; i < kMostSteps && server.storage().journal() != nullptr; i++) {
    world.Step();
  }
  ASSERT_EQ(server.storage().journal(), nullptr);
  for (int i = 0; i < 100 && !server.storage().cold()->idle(); i++) {
    reads = true;
    step();
    reads = false;
  }
  ASSERT_FALSE(server.loading());
  told.clear();
  server.Ask({"XRANGE", "s", "-", "+"});
  ASSERT_EQ(server.broker().parking().count(), 1u);
  for (int i = 0; i < 100; i++) {
    step();
  }
  EXPECT_TRUE(server.loading());
  EXPECT_EQ(server.broker().parking().count(), 0u);
  EXPECT_FALSE(server.storage().may_load());
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_THAT(told.front(), HasSubstr("LOADING"));
  reads = true;
  for (int i = 0; i < 1000 && server.loading(); i++) {
    step();
  }
  EXPECT_FALSE(server.loading());
  server.Ask({"XLEN", "s"});
  step();
  ASSERT_THAT(told, SizeIs(2)) << "the same connection";
  EXPECT_EQ(told.back(), "29");
  world.Heal();
  world.Compare();
}

// Each seed has another kind of crash.
TEST_F(RolesTest, EveryCallOfAComebackIsACrashPoint) {
  constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};
  sim::ForEachSeed(3, [&](uint64_t seed) {
    uint64_t call = 1;
    while (!Comeback(seed, call, kCrashes[seed % 3]).Run() && !::testing::Test::HasFailure()) {
      call++;
    }
    EXPECT_GT(call, 40u);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << "at call " << call;
  });
}

}  // namespace
}  // namespace runnel
