// A topic that asks for more in-sync replicas than the server does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/log.h"
#include "tests/sim/model_pair.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::ModelPair;
using test::Argv;
using test::Reply;
using ::testing::ElementsAre;
using ::testing::EndsWith;

class TopicDemandTest : public ::testing::Test {
 protected:
  TopicDemandTest() {
    SetLogLevel(LogLevel::kNothing);
    pair_.leader().settings().acks = Acks::kAll;
    pair_.Start();
    EXPECT_EQ(Ask({"TOPIC", "CREATE", "t", "PARTITIONS", "1", "MIN-INSYNC", "2"}), "+OK");
    EXPECT_THAT(Ask({"TADD", "t", "*", "f", "v"}), EndsWith("-0\"]"));
  }
  ~TopicDemandTest() override { SetLogLevel(LogLevel::kVerbose); }

  std::string Ask(const Argv& command) { return pair_.Ask(pair_.leader(), command); }
  void StopFollower() { pair_.follower().Stop(Crash::kProcess); }
  void StartFollower() {
    ASSERT_TRUE(pair_.follower().Start(pair_.now_ms()));
    pair_.Heal();
  }

  ModelPair pair_{1};
};

TEST_F(TopicDemandTest, ARecordIsRefusedWhileTooFewAreThere) {
  StopFollower();
  pair_.Until([&] { return pair_.in_sync() == 1; });
  EXPECT_EQ(Ask({"TADD", "t", "*", "f", "w"}),
            "-\"NOREPLICAS Not enough in-sync replicas for topic 't' (1 of 2).\"");
  EXPECT_EQ(Ask({"SET", "a", "1"}), "+OK") << "the server itself asks for one only";
  EXPECT_EQ(Ask({"CLIENT", "ACKS", "1"}), "+OK");
  EXPECT_THAT(Ask({"TADD", "t", "*", "f", "x"}), EndsWith("-1\"]"));
  StartFollower();
  EXPECT_EQ(Ask({"CLIENT", "ACKS", "all"}), "+OK");
  EXPECT_THAT(Ask({"TADD", "t", "*", "f", "y"}), EndsWith("-2\"]"));
}

// The record was added when enough were there; the reply says so only when they have it.
TEST_F(TopicDemandTest, AReplyThatIsHeldWaitsUntilTheSetHasGrownAgain) {
  std::vector<std::string> told;
  pair_.Tell([&](const sim::ModelServer&, const Argv&, const Reply& reply) {
    told.push_back(test::ToText(reply));
  });
  // Nothing reaches the follower any more.
  pair_.leader().Ask({"TADD", "t", "*", "f", "w"});
  pair_.leader().Turn(pair_.now_ms());
  StopFollower();
  pair_.Until([&] { return pair_.in_sync() == 1; });
  const auto& watermarks = pair_.leader().broker().log().watermarks();
  pair_.Until([&] { return watermarks.committed.position == watermarks.appended.position; });
  pair_.Steps(200);
  EXPECT_TRUE(told.empty()) << told[0];
  StartFollower();
  pair_.Steps(50);
  EXPECT_THAT(told, ElementsAre(EndsWith("-1\"]")));
}

}  // namespace
}  // namespace runnel
