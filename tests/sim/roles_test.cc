// Three whole servers on model disks and a model network, whose roles change: somebody promotes one
// of them while the one that led goes on writing, is cut off, is killed or loses its power, and
// comes back later. In the end all follow one of them: they have the same journal, byte for byte,
// and the same data.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/planted_fault.h"
#include "data/string_object.h"
#include "journal/segment.h"
#include "journal/set_aside.h"
#include "snapshot/files.h"
#include "tests/sim/crash_workload.h"
#include "tests/sim/files.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_server.h"
#include "tests/sim/roles_world.h"
#include "tests/sim/seeds.h"
#include "tests/support/quote.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::kMostSteps;
using sim::ModelServer;
using sim::World;
using test::Argv;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kRolesSeeds = 300;

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

// Servers under `everysec` that lose their power, with min-insync-replicas 2 and a client under
// `acks all`. Nobody tells them anything then.
class PowerCuts {
 public:
  explicit PowerCuts(uint64_t seed, size_t servers = 3) : world_(seed, servers) {
    for (size_t i = 0; i < servers; i++) {
      ModelServer& server = world_.server(i);
      server.options().appendfsync = journal::SyncPolicy::kEverySecond;
      server.Configure("unclean-leader-election", "no");
      server.Configure("min-insync-replicas", "2");
      server.Greet(kClient, {{"CLIENT", "ACKS", "ALL"}});
    }
  }

  World& world() { return world_; }
  Roles& roles(size_t i) { return world_.server(i).roles(); }
  void Begin() {
    world_.StartAll();
    world_.Heal();
    Await("all are in the set", [&] { return InSync().size() == world_.servers(); });
  }
  // Who is in the recorded set.
  std::vector<size_t> InSync() {
    std::vector<size_t> found;
    for (size_t i = 0; i < world_.servers(); i++) {
      if (world_.server(i).running() && roles(0).leader()->in_sync().Has(roles(i).node_id())) {
        found.push_back(i);
      }
    }
    return found;
  }
  void Step() {
    world_.Step();
    if (!world_.server(0).running()) return;
    world_.server(0).TakeReplies(
        [&](const Argv& command, const test::Reply& reply, Position) {
          if (command[0] == "SET" && !reply.is_error()) acknowledged_.push_back(command[1]);
        },
        kClient);
  }
  void Await(const char* what, const std::function<bool()>& done) {
    for (int i = 0; i < kMostSteps && !done(); i++) {
      Step();
    }
    ASSERT_TRUE(done()) << "not " << what << "\n" << world_.Describe();
  }
  void Write(int steps) {
    for (int i = 0; i < steps; i++) {
      if (world_.Chance(30)) {
        world_.server(0).Ask({"SET", "k" + std::to_string(sent_++), "v"}, kClient);
      }
      Step();
    }
  }
  void Cut(size_t i) {
    world_.server(i).Stop(world_.Chance(50) ? Crash::kPower : Crash::kPowerWorst);
  }
  size_t acknowledged() const { return acknowledged_.size(); }
  // What was acknowledged and is not there.
  std::vector<std::string> LackingOn(size_t i) {
    const auto content = sim::LogicalContentOf(world_.server(i).keyspace());
    std::vector<std::string> lacking;
    for (const std::string& key : acknowledged_) {
      if (content.count({0, key}) == 0) lacking.push_back(key);
    }
    return lacking;
  }

 private:
  static constexpr size_t kClient = 1;

  World world_;
  uint64_t sent_ = 0;
  std::vector<std::string> acknowledged_;
};

class RolesTest : public ::testing::Test {
 protected:
  RolesTest() { SetLogLevel(LogLevel::kNothing); }
  ~RolesTest() override { SetLogLevel(LogLevel::kVerbose); }
};

// What became of servers that lived through trouble, over all seeds.
struct Lives {
  uint64_t seeds = 0;
  uint64_t equal = 0;  // of two for each seed
  uint64_t reloads = 0;
  uint64_t cut_bytes = 0;
  uint64_t compared_bytes = 0;

  // They live, are healed, and compared.
  void Add(World& world) {
    world.StartAll();
    // Whoever leads has the beginning of the one journal.
    world.Heal();
    world.Live(1500);
    if (!::testing::Test::HasFailure()) world.Heal();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    seeds++;
    equal += world.equal();
    compared_bytes += world.compared_bytes();
    for (size_t i = 0; i < world.servers(); i++) {
      reloads += world.server(i).reloads();
      cut_bytes += world.server(i).roles().dropped_bytes();
    }
  }
};

TEST_F(RolesTest, AllBecomeEqualWhateverRolesTheyHad) {
  Lives lives;
  sim::ForEachSeed(kRolesSeeds, [&](uint64_t seed) {
    World world(seed);
    lives.Add(world);
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(lives.reloads, lives.seeds / 10);
  EXPECT_GT(lives.cut_bytes, 0u);
  EXPECT_GT(lives.compared_bytes, 1000 * lives.seeds);
  EXPECT_GT(lives.equal, lives.seeds) << "the others lack journal that was removed or lost";
}

// Servers follow servers that follow, also in rings, are promoted in the middle and at the end, and
// are cut when the one before them is. In the end each follows the one before it.
TEST_F(RolesTest, ChainsBecomeEqualWhateverTheyWere) {
  Lives lives;
  sim::ForEachSeed(kRolesSeeds / 2, [&](uint64_t seed) {
    World world(seed);
    world.MakeChain();
    lives.Add(world);
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(lives.cut_bytes, 0u);
  EXPECT_GT(lives.compared_bytes, 1000 * lives.seeds);
  EXPECT_GT(lives.equal, lives.seeds);
}

// The one in the middle is promoted, when the leader is gone: what it has, the last one has or
// gets, and nothing of it is cut.
TEST_F(RolesTest, WhenTheMiddleOfAChainLeadsTheLastOneGoesOn) {
  sim::ForEachSeed(20, [&](uint64_t seed) {
    World world(seed);
    world.MakeChain();
    world.StartAll();
    world.Heal();
    ASSERT_TRUE(world.server(2).roles().follower()->chained());
    EXPECT_FALSE(world.server(2).roles().in_recorded_set());
    EXPECT_EQ(world.server(1).roles().serving()->followers(), 1u);
    for (int i = 0; i < 30; i++) {
      world.Write(0);
      world.Step();
    }
    world.server(0).Stop(Crash::kProcess);
    world.Promote(1);
    const auto joined = [&] {
      return world.leading() == std::vector<size_t>{1} && world.IsEqual(world.server(2)) &&
             world.server(2).roles().in_recorded_set();
    };
    for (int i = 0; i < kMostSteps && !joined(); i++) {
      world.Step();
    }
    EXPECT_TRUE(joined()) << world.Describe();
    EXPECT_FALSE(world.server(2).roles().follower()->chained());
    EXPECT_EQ(world.server(2).roles().dropped_bytes(), 0u);
  });
}

// A new leader that ends before anybody has followed it, and comes back with a configuration that
// says that it follows the old one, which follows it: one of the two leads again, and nothing that
// either has is lost.
TEST_F(RolesTest, TwoThatFollowEachOtherAfterAHandOverFindALeader) {
  uint64_t seeds = 0;
  uint64_t linked = 0;
  sim::ForEachSeed(100, [&](uint64_t seed) {
    World world(seed, 2);
    world.StartAll();
    world.Heal();
    for (int i = 0; i < 30; i++) {
      world.Write(0);
      world.Step();
    }
    world.Heal();
    world.server(0).roles().HandOver({"", 1000, false});
    const auto led = [&] { return world.leading() == std::vector<size_t>{1}; };
    for (int i = 0; i < kMostSteps && !led(); i++) {
      world.Step();
    }
    ASSERT_TRUE(led()) << world.Describe();
    // The old leader may have followed it, or not yet, and have some of what it has made since.
    for (uint64_t i = world.random().Below(200); i > 0; i--) {
      if (world.Chance(20)) world.Write(1);
      world.Step();
    }
    const auto* const follower = world.server(0).roles().follower();
    linked += follower != nullptr && follower->link_up();
    world.server(1).Stop(seed % 2 == 0 ? Crash::kProcess : Crash::kPowerWorst);
    world.server(1).SetLeader("0");
    if (seed % 3 == 0) {
      for (int i = 0; i < 100; i++) {
        world.Step();
      }
    }
    world.Start(1);
    world.Settle();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    for (size_t i = 0; i < 2; i++) {
      EXPECT_EQ(world.server(i).roles().dropped_bytes(), 0u) << i;
    }
    seeds++;
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(linked, 0u);
  EXPECT_LT(linked, seeds);
}

// As above, but the new leader has lost its power, and does not trust its journal: though the old
// leader has less, and yields, it does not lead before a person says so.
TEST_F(RolesTest, WhoDoesNotTrustItsJournalDoesNotLeadWhenTheOtherOneYields) {
  World world(1, 2);
  for (size_t i = 0; i < 2; i++) {
    world.server(i).options().appendfsync = journal::SyncPolicy::kEverySecond;
    world.server(i).Configure("unclean-leader-election", "no");
  }
  world.StartAll();
  world.Heal();
  const auto await = [&](const std::function<bool()>& done) {
    for (int i = 0; i < kMostSteps && !done(); i++) {
      world.Step();
    }
    ASSERT_TRUE(done()) << world.Describe();
  };
  Roles& old = world.server(0).roles();
  await([&] { return world.server(1).roles().may_be_promoted(); });
  old.HandOver({"", 1000, false});
  await([&] { return world.leading() == std::vector<size_t>{1}; });
  await([&] {
    return old.follower() != nullptr && old.follower()->link_up() && old.may_be_promoted();
  });
  world.CutOff(0, true);
  for (int i = 0; i < 30; i++) {
    world.server(1).Ask({"SET", "k" + std::to_string(i), "v"});
    world.Step();
  }
  const journal::Journal& journal = *world.server(1).storage().journal();
  await([&] { return journal.durable() == journal.appended(); });
  world.server(1).Stop(Crash::kPower);
  world.server(1).SetLeader("0");
  world.Start(1);
  world.CutOff(0, false);
  Roles& roles = world.server(1).roles();
  await([&] { return world.server(1).running() && !world.server(1).loading(); });
  EXPECT_FALSE(roles.trusted());
  for (int i = 0; i < 10'000; i++) {
    world.Step();
    ASSERT_THAT(world.leading(), IsEmpty()) << "step " << i;
  }
  EXPECT_THAT(roles.error(), HasSubstr("2 servers follow each other in a ring"));
  world.Promote(1);
  world.Settle();
  EXPECT_EQ(world.leading(), std::vector<size_t>{1});
  world.Compare();
}

// Links break at any moment of a hand-over, and servers are cut off for a while. Nobody tells the
// servers who leads, but by FAILOVER.
TEST_F(RolesTest, HandingOverLosesNothingAndLeavesOneLeader) {
  uint64_t changes = 0;
  uint64_t seeds = 0;
  sim::ForEachSeed(kRolesSeeds, [&](uint64_t seed) {
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

// Wall clocks jump by an hour, forward and back, on any server: links, the in-sync set and what
// followers have do not hang on them. What the leader writes does, and a leader may have another
// clock than the one before.
TEST_F(RolesTest, WallClocksThatJumpChangeNothingElse) {
  constexpr int64_t kHourMs = 3'600'000;
  uint64_t led_by_others = 0;
  uint64_t seeds = 0;
  sim::ForEachSeed(kRolesSeeds / 3, [&](uint64_t seed) {
    World world(seed);
    world.StartAll();
    world.Heal();
    const auto all_in_sync = [&] {
      const auto leads = world.leading();
      if (leads.size() != 1) return false;
      return world.server(leads.front()).roles().leader()->in_sync().size() == world.servers();
    };
    for (int i = 0; i < kMostSteps && !all_in_sync(); i++) {
      world.Step();
    }
    ASSERT_TRUE(all_in_sync()) << world.Describe();
    for (int i = 0; i < 1000 && !::testing::Test::HasFailure(); i++) {
      world.Step();
      if (world.Chance(40)) world.Write();
      const size_t any = world.random().Below(world.servers());
      if (world.random().Below(50) == 0) {
        const int64_t hours = static_cast<int64_t>(world.random().Below(3)) - 1;
        world.server(any).SetWallClock(hours * kHourMs);
      }
      if (i == 500) world.HandOver(0);
      const auto leads = world.leading();
      if (leads.size() != 1) continue;
      // Nobody is judged by a clock that jumps: those that are in the set stay.
      if (leads.front() == 0) {
        ASSERT_TRUE(all_in_sync()) << "step " << i;
      }
    }
    if (::testing::Test::HasFailure()) return;
    world.Settle();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    led_by_others += world.leading() == std::vector<size_t>{0} ? 0 : 1;
    for (size_t i = 0; i < world.servers(); i++) {
      EXPECT_EQ(world.server(i).roles().dropped_bytes(), 0u) << i;
      EXPECT_EQ(world.server(i).reloads(), 0u) << i;
    }
    seeds++;
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(led_by_others, seeds / 2);
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

// A leader begins with a frame of its own. It is on the disk before the first change is made, and
// says nothing about that one.
TEST_F(RolesTest, TheFirstChangeAfterAStartIsWaitedFor) {
  World world(1, 1);
  ModelServer& server = world.server(0);
  server.options().appendfsync = journal::SyncPolicy::kEverySecond;
  world.Start(0);
  server.Ask({"SET", "k", "v"});
  server.Ask({"WAITAOF", "1", "0", "0"});
  std::vector<std::string> told;
  const auto turn = [&] {
    server.Turn(world.now_ms());
    server.TakeReplies([&](const Argv&, const test::Reply& reply, Position) {
      told.push_back(test::ToText(reply));
    });
  };
  for (int i = 0; i < 5; i++) {
    turn();
  }
  EXPECT_THAT(told, SizeIs(1)) << "nothing was synced since";
  for (int i = 0; i < 5; i++) {
    server.StepWorkers([] { return true; });
    turn();
  }
  EXPECT_THAT(told, SizeIs(2));
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
  // It tries that again, with what its leader has.
  EXPECT_EQ(server.config().options().leader_host, "0");
  for (int i = 0; i < kMostSteps && !server.roles().follower()->has_given_up(); i++) {
    world.Step();
  }
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

// The mark stands still while the leader is alone, and its snapshot is beyond that: the follower
// gets it even so, because otherwise nobody could ever come in.
TEST_F(RolesTest, AnEmptyFollowerComesInThoughTheMarkStandsStill) {
  World world(1, 2);
  for (size_t i = 0; i < 2; i++) {
    world.server(i).Configure("min-insync-replicas", "2");
    world.server(i).options().journal_segment_bytes = 2000;
  }
  world.Start(0);
  ModelServer& leader = world.server(0);
  for (int i = 0; i < 100; i++) {
    leader.Ask({"XADD", "s", "*", "f", std::string(100, 'x')});
    world.Step();
  }
  leader.saver().Begin(Saver::Kind::kSave);
  for (int i = 0; i < kMostSteps && leader.storage().journal()->first() == 0; i++) {
    world.Step();
  }
  ASSERT_GT(leader.storage().journal()->first(), leader.roles().high_watermark());
  leader.Ask({"XADD", "s", "*", "f", "x"});
  world.Step();
  world.server(1).SetLeader("0");
  world.Start(1);
  world.Heal();
  EXPECT_EQ(world.equal(), 1u) << world.Describe();
  world.Compare();
}

// A server that cannot note that it follows does so when there is room again.
TEST_F(RolesTest, AFullDiskPutsFollowingOff) {
  World world(1, 2);
  world.StartAll();
  world.Heal();
  world.CutOff(0, true);
  world.Promote(1);
  for (int i = 0; i < kMostSteps && world.server(1).roles().follows(); i++) {
    world.Step();
  }
  world.CutOff(0, false);
  ModelServer& server = world.server(1);
  server.disk().set_capacity(server.disk().used());
  world.Promote(0);
  world.TellToFollow(1);
  const auto refused = [&] {
    return server.roles().error().find("this server cannot follow: ") != std::string::npos;
  };
  for (int i = 0; i < kMostSteps && !refused(); i++) {
    world.Step();
  }
  EXPECT_TRUE(refused()) << world.Describe();
  server.disk().set_capacity(UINT64_MAX);
  for (int i = 0; i < kMostSteps && !world.IsEqual(server); i++) {
    world.Step();
  }
  EXPECT_TRUE(world.IsEqual(server)) << world.Describe();
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
    server.TakeReplies([&](const Argv&, const test::Reply& reply, Position) {
      told.push_back(test::ToText(reply));
    });
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
  // The rest comes with the leader's mark.
  for (int i = 0; i < kMostSteps && told.back() != "29"; i++) {
    world.Step();
    server.Ask({"XLEN", "s"});
    step();
  }
  EXPECT_EQ(told.back(), "29");
  world.Heal();
  world.Compare();
}

// Whoever of the set keeps its power has all that was acknowledged, and the others get it back.
TEST_F(RolesTest, WhatWasAcknowledgedToAllOutlivesPowerCuts) {
  const std::vector<std::vector<size_t>> kCuts = {{0}, {1}, {0, 1}, {1, 2}, {0, 1, 2}};
  uint64_t checked = 0;
  uint64_t acknowledged = 0;
  sim::ForEachSeed(200, [&](uint64_t seed) {
    PowerCuts power(seed);
    World& world = power.world();
    power.Begin();
    if (world.Chance(50)) {
      world.CutOff(2, true);
      power.Write(200);
      power.Await("the set is smaller", [&] { return power.InSync().size() == 2; });
    }
    power.Write(300);
    if (::testing::Test::HasFailure()) return;
    const std::vector<size_t> set = power.InSync();
    const auto& cut = kCuts[seed % kCuts.size()];
    for (const size_t i : cut) {
      power.Cut(i);
    }
    const bool one_is_left = std::any_of(set.begin(), set.end(), [&](size_t i) {
      return std::find(cut.begin(), cut.end(), i) == cut.end();
    });
    for (size_t i = 0; i < world.servers(); i++) {
      if (world.server(i).running()) continue;
      for (uint64_t steps = world.random().Below(1000); steps > 0; steps--) {
        world.Step();
      }
      world.Start(i);
    }
    world.Settle();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    acknowledged += power.acknowledged();
    for (size_t i = 0; one_is_left && i < world.servers(); i++) {
      EXPECT_THAT(power.LackingOn(i), IsEmpty()) << i;
      power.Await("it trusts its journal", [&] { return power.roles(i).trusted(); });
    }
    checked += one_is_left ? 1 : 0;
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(checked, 50u);
  EXPECT_GT(acknowledged, 5000u);
}

// A follower of the set that may have lost something is not promoted, and counts again when it has
// caught up.
TEST_F(RolesTest, AFollowerThatMayHaveLostSomethingDoesNotLead) {
  sim::ForEachSeed(20, [&](uint64_t seed) {
    PowerCuts power(seed, 2);
    World& world = power.world();
    power.Begin();
    power.Write(200);
    EXPECT_TRUE(power.roles(1).may_be_promoted());
    world.server(1).Stop(Crash::kPowerWorst);
    world.server(0).Stop(Crash::kProcess);
    world.Start(1);
    if (::testing::Test::HasFailure()) return;
    ASSERT_TRUE(power.roles(1).in_recorded_set());
    EXPECT_FALSE(power.roles(1).may_be_promoted()) << "slave_priority is 0";
    EXPECT_THAT(power.roles(1).WhyNotLead().message(),
                AllOf(HasSubstr("NOTINSYNC"), HasSubstr("the end of this server's journal"),
                      HasSubstr("CONFIG SET unclean-leader-election yes")));
    EXPECT_FALSE(power.roles(1).Claim().trusted);
    // Also when it is killed then.
    world.server(1).Stop(Crash::kProcess);
    // By a person's word it does.
    world.server(1).Configure("unclean-leader-election", "yes");
    if (::testing::Test::HasFailure()) return;
    world.Start(1);
    EXPECT_FALSE(power.roles(1).may_be_promoted());
    EXPECT_TRUE(power.roles(1).WhyNotLead().ok());
    world.Start(0);
    world.Settle();
    if (::testing::Test::HasFailure()) return;
    power.Await("it counts again", [&] { return power.roles(1).may_be_promoted(); });
    EXPECT_EQ(power.roles(1).error(), "");
    world.Compare();
    EXPECT_THAT(power.LackingOn(1), IsEmpty());
  });
}

// A follower under `always` loses its power, and is promoted: returns how much of what was
// acknowledged it lacks. Its leader, under `everysec`, counts what it says that it has written.
size_t LacksUnderAlways(uint64_t seed) {
  PowerCuts power(seed, 2);
  World& world = power.world();
  world.server(1).options().appendfsync = journal::SyncPolicy::kAlways;
  power.Begin();
  for (int i = 0; i < 100 && power.acknowledged() <= 20; i++) {
    power.Write(20);
  }
  EXPECT_GT(power.acknowledged(), 20u);
  world.server(1).Stop(Crash::kPowerWorst);
  world.server(0).Stop(Crash::kProcess);
  world.Start(1);
  if (::testing::Test::HasFailure()) return 0;
  EXPECT_TRUE(power.roles(1).may_be_promoted());
  power.roles(1).AskToLead();
  power.Await("it leads", [&] { return power.roles(1).leader() != nullptr; });
  return power.LackingOn(1).size();
}

// It says so when it has synced it, so it is trusted.
TEST_F(RolesTest, AFollowerUnderAlwaysHasWhatItHasTold) {
  sim::ForEachSeed(30, [&](uint64_t seed) { EXPECT_EQ(LacksUnderAlways(seed), 0u); });
  if (sim::OneSeedOnly()) return;
  const PlantFault plant(PlantedFault::kTellTheUnsynced);
  size_t lacks = 0;
  for (uint64_t seed = 1; seed <= 300 && lacks == 0; seed++) {
    lacks = LacksUnderAlways(seed);
  }
  EXPECT_GT(lacks, 0u) << "the fault is not found";
}

// A leader that may have lost something and finds nobody waits, if others had to have it; reads are
// served meanwhile, and a person may decide that it leads with what it has.
TEST_F(RolesTest, ALeaderThatMayHaveLostSomethingWaitsForOthers) {
  for (const bool must_wait : {true, false}) {
    PowerCuts power(1, 2);
    World& world = power.world();
    power.Begin();
    power.Write(200);
    power.Cut(0);
    world.server(1).Stop(Crash::kProcess);
    if (!must_wait) world.server(0).Configure("min-insync-replicas", "1");
    world.Start(0);
    power.Await("it serves", [&] { return !world.server(0).loading(); });
    EXPECT_TRUE(power.roles(0).follows());
    const int64_t since_ms = world.now_ms();
    while (world.now_ms() < since_ms + 4500) {
      power.Step();
    }
    EXPECT_TRUE(power.roles(0).follows());
    while (world.now_ms() < since_ms + 7500) {
      power.Step();
    }
    EXPECT_EQ(power.roles(0).follows(), must_wait);
    if (must_wait) {
      EXPECT_THAT(power.roles(0).error(),
                  AllOf(HasSubstr("it waits for an in-sync replica that has it: of 1 others 0"),
                        HasSubstr("REPLICAOF NO ONE")));
      EXPECT_TRUE(power.roles(0).WhyNotLead().ok());
      power.roles(0).AskToLead();
      power.Await("it leads", [&] { return power.roles(0).leader() != nullptr; });
    }
    EXPECT_TRUE(power.roles(0).trusted());
  }
}

// What lies beyond the mark is applied when the mark comes, or when the server is to lead.
TEST_F(RolesTest, AFollowerStartsWithTheStateOfTheMark) {
  for (const bool leads : {false, true}) {
    PowerCuts power(2);
    World& world = power.world();
    for (size_t i = 0; i < 3; i++) {
      world.server(i).Configure("min-insync-replicas", "3");
    }
    power.Begin();
    power.Write(100);
    power.Await("acknowledged", [&] { return power.acknowledged() > 20; });
    // The mark has been noted.
    for (const int64_t since_ms = world.now_ms(); world.now_ms() < since_ms + 3000;) {
      power.Step();
    }
    const Position mark = power.roles(0).leader()->in_sync().mark();
    ASSERT_GT(mark, 0u);
    world.server(2).Stop(Crash::kProcess);
    const auto add = [&](const char* key) {
      world.server(0).Ask({"SET", key, "v"});
      power.Await("written", [&] {
        const journal::Journal& journal = *world.server(0).storage().journal();
        return journal.appended() > mark && world.server(0).broker().log().sealed() &&
               world.server(1).storage().journal()->written() == journal.appended();
      });
    };
    add("beyond the mark");
    ASSERT_EQ(power.roles(0).leader()->in_sync().mark(), mark);
    world.server(1).Stop(Crash::kProcess);
    if (leads) world.server(0).Stop(Crash::kProcess);
    world.Start(1);
    ASSERT_NE(power.roles(1).follower(), nullptr);
    EXPECT_EQ(power.roles(1).follower()->applied(), mark);
    EXPECT_TRUE(power.roles(1).follower()->has_unapplied_data());
    const auto has = [&] {
      return sim::LogicalContentOf(world.server(1).keyspace()).count({0, "beyond the mark"}) > 0;
    };
    EXPECT_FALSE(has());
    for (int i = 0; i < 1000; i++) {
      power.Step();
    }
    EXPECT_FALSE(has()) << "the mark stands still";
    if (leads) {
      power.roles(1).AskToLead();
    } else {
      world.Start(2);
    }
    power.Await("applied", has);
  }
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
