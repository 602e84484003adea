// Servers that leave their leader for another follower, and what others may believe of them then.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/log.h"
#include "tests/sim/roles_world.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::kMostSteps;
using sim::World;
using ::testing::HasSubstr;

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() { SetLogLevel(LogLevel::kNothing); }
  ~ChainTest() override { SetLogLevel(LogLevel::kVerbose); }

  static void StepUntil(World& world, const std::function<bool()>& so) {
    for (int i = 0; i < kMostSteps && !so(); i++) {
      world.Step();
    }
    ASSERT_TRUE(so()) << world.Describe();
  }
  static void StepFor(World& world, int64_t ms) {
    const int64_t until_ms = world.now_ms() + ms;
    while (world.now_ms() < until_ms) {
      world.Step();
    }
  }
  // All follow 0, have some data, and are in its set.
  static void Begin(World& world) {
    for (size_t i = 0; i < world.servers(); i++) {
      world.server(i).options().appendfsync = journal::SyncPolicy::kAlways;
    }
    for (size_t i = 0; i < world.servers() && i < 3; i++) {
      world.Start(i);
      world.server(i).Configure("unclean-leader-election", "no");
      world.TellToFollow(i);
    }
    for (int i = 0; i < 20; i++) {
      world.Write(0);
      world.Step();
    }
    StepUntil(world, [&] {
      for (size_t i = 1; i < world.servers() && i < 3; i++) {
        if (!world.IsEqual(world.server(i)) || !world.server(i).roles().in_recorded_set()) {
          return false;
        }
      }
      return true;
    });
  }
};

// One that its own leader misses tells of what it follows now, in the same epoch. That one follows,
// too, and has no link.
TEST_F(ChainTest, ALeaderGoesOnWhateverAChainedServerSaysOfItsEpoch) {
  World world(1, 4);  // number 3 never runs
  Begin(world);
  // The goodbye is lost.
  world.CutOff(2, true);
  world.TellToFollow(2, 1);
  StepUntil(world, [&] { return !world.server(2).roles().wishes(); });
  world.CutOff(2, false);
  StepUntil(world, [&] { return world.server(2).roles().follower()->chained(); });
  world.TellToFollow(1, 3);
  StepUntil(world, [&] {
    return world.server(2).roles().follower()->path().size() == 1 &&
           !world.server(2).roles().follower()->link_up();
  });
  EXPECT_EQ(world.server(2).roles().Claim().leader_node, world.server(0).roles().node_id());
  StepFor(world, 5000);
  EXPECT_NE(world.server(0).roles().leader(), nullptr) << world.Describe();
}

// A link to a follower does not say that the leader is there.
TEST_F(ChainTest, TheLastOneIsNotPromotedBecauseItHasALink) {
  World world(1, 3);
  Begin(world);
  world.TellToFollow(2, 1);
  StepUntil(world, [&] {
    const replication::Follower* const follower = world.server(2).roles().follower();
    return follower != nullptr && follower->link_up() && follower->chained();
  });
  EXPECT_THAT(world.server(2).roles().WhyNotLead().message(), HasSubstr("NOTINSYNC"));
  EXPECT_FALSE(world.server(2).roles().may_be_promoted());
}

TEST_F(ChainTest, WhoHasLeftTheSetForAnotherOneKnowsThat) {
  World world(1, 4);  // number 3 never runs
  Begin(world);
  EXPECT_TRUE(world.server(2).roles().may_be_promoted());
  world.TellToFollow(2, 3);
  StepUntil(world, [&] { return !world.server(2).roles().wishes(); });
  EXPECT_FALSE(world.server(2).roles().may_be_promoted());
  EXPECT_THAT(world.server(2).roles().WhyNotLead().message(), HasSubstr("NOTINSYNC"));
  // Also after a start.
  StepFor(world, 100);
  world.server(2).Stop(Crash::kProcess);
  world.server(2).SetLeader("3");
  world.Start(2);
  StepUntil(world, [&] { return !world.server(2).loading(); });
  EXPECT_FALSE(world.server(2).roles().may_be_promoted());
  // And it is in the set again when it follows the leader again.
  world.TellToFollow(2);
  StepUntil(world, [&] { return world.server(2).roles().may_be_promoted(); });
}

// A person who sees that something is about to be cut, and wants to keep it.
TEST_F(ChainTest, WhoIsToldToLeadDuringACutLeadsWithAllThatItHas) {
  World world(1, 2);
  Begin(world);
  world.CutOff(0, true);
  world.CutOff(1, true);
  world.Promote(1);
  world.server(0).Ask({"SET", "mine", "0"});
  StepFor(world, 100);
  const auto before = sim::LogicalContentOf(world.server(0).keyspace());
  const Position end = world.server(0).storage().journal()->appended();
  StepUntil(world, [&] { return world.server(1).roles().leader() != nullptr; });
  world.server(1).Ask({"SET", "mine", "1"});
  StepFor(world, 100);
  // Started as a follower, it has not applied all.
  world.server(0).Stop(Crash::kProcess);
  world.server(0).SetLeader("");
  world.TellToFollow(0);
  world.Start(0);
  StepUntil(world, [&] { return !world.server(0).loading(); });
  world.server(0).roles().AskToFollow("1", 1, true);
  world.CutOff(0, false);
  world.CutOff(1, false);
  StepUntil(world, [&] { return world.server(0).roles().cuts(); });
  world.server(0).roles().AskToLead();
  StepUntil(world, [&] { return world.server(0).roles().leader() != nullptr; });
  EXPECT_EQ(world.server(0).roles().dropped_bytes(), 0u);
  EXPECT_GE(world.server(0).storage().journal()->appended(), end);
  EXPECT_TRUE(sim::LogicalContentOf(world.server(0).keyspace()) == before);
}

}  // namespace
}  // namespace runnel
