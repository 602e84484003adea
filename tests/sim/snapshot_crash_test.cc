// The process ends inside each disk call of a snapshot, with every kind of loss: afterwards there
// is a good snapshot, the old one or the new one, with exactly the state that its position stands
// for; and once the new one was reported, it is the new one.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone.

#include <gtest/gtest.h>

#include <map>

#include "base/log.h"
#include "data/testing.h"
#include "snapshot/files.h"
#include "snapshot/load.h"
#include "snapshot/snapshotter.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/random_changes.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::snapshot {
namespace {

using sim::Crash;

constexpr uint64_t kDefaultSeeds = 40;
constexpr uint32_t kDatabases = 2;

// Takes a first snapshot, then a second one in which the process ends at the `call`-th call of the
// disk. Returns whether the second one came to its end before that.
class Scenario {
 public:
  Scenario(uint64_t seed, uint64_t call, Crash crash)
      : random_(seed), changes_(seed), disk_(seed * 1000 + call), call_(call), crash_(crash) {}

  bool Run() {
    Keyspace keyspace(kDatabases);
    Change(keyspace, 150);
    EXPECT_TRUE(Take(keyspace, 10));
    Change(keyspace, 100);
    disk_.StopAt(disk_.calls() + call_);
    const bool finished = Take(keyspace, 20);
    const bool stopped = disk_.stopped();
    disk_.Restart(crash_);
    // Recovery may be cut short, too.
    if (random_.Below(2) == 0) {
      disk_.StopAt(disk_.calls() + 1 + random_.Below(4));
      (void)RemoveLeftovers(disk_, "snapshots");
      disk_.Restart(Crash::kPower);
    }
    Check(finished);
    return !stopped;
  }

 private:
  void Change(Keyspace& keyspace, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
      changes_.Make(keyspace);
    }
  }

  // Whether it was reported to be durable.
  bool Take(Keyspace& keyspace, Position position) {
    sim::SteppedWorker worker;
    Snapshotter snapshotter(&disk_, &worker, &keyspace, "snapshots");
    bool ended = false;
    bool good = false;
    expected_[position] = ContentOf(keyspace);
    snapshotter.Begin({position, 1, 1, 0}, [&](const Status& status, const SnapshotTotals&) {
      ended = true;
      good = status.ok();
    });
    while (!ended) {
      snapshotter.Step(1 + random_.Below(30));
      worker.Step();
      changes_.Make(keyspace);
    }
    return good;
  }

  void Check(bool finished) {
    ASSERT_TRUE(RemoveLeftovers(disk_, "snapshots").ok());
    Keyspace keyspace(kDatabases);
    const auto loaded = LoadNewest(disk_, "snapshots", std::nullopt, &keyspace, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    ASSERT_TRUE(loaded->has_value()) << "no snapshot is left";
    const Position position = (*loaded)->info.position;
    if (finished) {
      EXPECT_EQ(position, 20u);
    }
    ASSERT_TRUE(expected_.contains(position));
    // Others rely on what was loaded: no power cut takes it any more.
    disk_.Restart(Crash::kPowerWorst);
    const auto kept = ListSnapshots(disk_, "snapshots");
    ASSERT_TRUE(kept.ok() && !kept->empty());
    EXPECT_EQ(kept->front(), position);
    EXPECT_TRUE(ContentOf(keyspace) == expected_[position]) << "not the state at " << position;
    // What is there now is as good as any: the next snapshot works on top of it.
    EXPECT_TRUE(Take(keyspace, 30));
    const auto positions = ListSnapshots(disk_, "snapshots");
    ASSERT_TRUE(positions.ok());
    EXPECT_EQ(*positions, std::vector<Position>{30});
  }

  Random random_;
  sim::RandomChanges changes_;
  sim::ModelDisk disk_;
  const uint64_t call_;
  const Crash crash_;
  std::map<Position, KeyspaceContent> expected_;
};

TEST(SnapshotCrashTest, EveryCallIsACrashPoint) {
  SetLogLevel(LogLevel::kNothing);
  sim::ForEachSeed(kDefaultSeeds, [](uint64_t seed) {
    for (const Crash crash : {Crash::kProcess, Crash::kPower, Crash::kPowerWorst}) {
      uint64_t call = 1;
      while (!Scenario(seed, call, crash).Run() && !::testing::Test::HasFailure()) {
        call++;
      }
      EXPECT_GT(call, 9u) << "directory, its sync, file, header, section, footer, sync, rename, "
                             "sync, list, removal";
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << "at call " << call;
        return;
      }
    }
  });
  SetLogLevel(LogLevel::kVerbose);
}

}  // namespace
}  // namespace runnel::snapshot
