// Whole servers that follow each other, in all kinds of trouble (model_cluster.h), and faults that
// are planted to see that the simulation finds them.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone. Epochs and the ids
// of journals are drawn at random, so a seed may not always run alike.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/log.h"
#include "base/planted_fault.h"
#include "tests/sim/model_cluster.h"
#include "tests/sim/seeds.h"

namespace runnel::sim {
namespace {

constexpr uint64_t kClusterSeeds = 2000;
constexpr int kTroubledSteps = 1000;

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() { SetLogLevel(OneSeedOnly() ? LogLevel::kVerbose : LogLevel::kNothing); }
  ~ClusterTest() override { SetLogLevel(LogLevel::kVerbose); }
};

TEST_F(ClusterTest, NothingIsMixedOrLostWhateverHappens) {
  std::map<std::string, uint64_t> counts;
  uint64_t seeds = 0;
  ForEachSeed(kClusterSeeds, [&](uint64_t seed) {
    ModelCluster cluster(seed);
    cluster.Run(kTroubledSteps);
    EXPECT_EQ(cluster.violation(), "");
    seeds++;
    for (const auto& [what, count] : cluster.counts()) {
      counts[what] += count;
    }
  });
  if (OneSeedOnly() || HasFailure()) return;
  for (const auto& [what, count] : counts) {
    RecordProperty(what, std::to_string(count));
    EXPECT_GT(count, seeds / 10) << what;
  }
}

}  // namespace
}  // namespace runnel::sim
