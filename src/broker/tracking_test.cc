// Client-side caching: what the written comparisons with redis-server do not show.

#include "broker/tracking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::HasSubstr;

class TrackingTest : public ::testing::Test {
 protected:
  TrackingTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands()}) {
      harness_.broker.commands().Add(family);
    }
  }

  std::unique_ptr<BrokerHarness::Client> Tracker(const std::string& options = "") {
    auto client = harness_.Connect();
    client->Run("HELLO 3");
    EXPECT_EQ(client->Run("CLIENT TRACKING on" + options), "+OK");
    return client;
  }
  const Tracking& tracking() { return harness_.broker.tracking(); }

  BrokerHarness harness_;
};

TEST_F(TrackingTest, KeysAboveTheBoundAreForgottenAndTold) {
  harness_.settings.tracking_table_max_keys = 10;
  auto client = Tracker();
  std::string told;
  for (int i = 0; i < 100; i++) {
    told += client->Run(fmt::format("GET k{}", i));
  }
  EXPECT_EQ(tracking().keys(), 10u);
  EXPECT_EQ(tracking().items(), 10u);
  size_t messages = 0;
  for (size_t at = 0; (at = told.find("invalidate", at)) != std::string::npos; at++) {
    messages++;
  }
  EXPECT_EQ(messages, 90u);
}

TEST_F(TrackingTest, ReadersThatHaveGoneDoNotPileUp) {
  auto client = Tracker();
  for (int i = 0; i < 1000; i++) {
    auto other = Tracker();
    other->Run("GET k");
    ASSERT_LE(tracking().items(), 32u);
  }
  client->Run("GET k");
  auto writer = harness_.Connect();
  writer->Run("SET k 1");
  EXPECT_THAT(client->Lines(), HasSubstr("invalidate *1 $1 k"));
  EXPECT_EQ(tracking().items(), 0u);
}

TEST_F(TrackingTest, NothingIsKeptWhenNobodyTracks) {
  auto client = Tracker();
  auto broadcaster = Tracker(" BCAST PREFIX x");
  client->Run("MGET a b c");
  EXPECT_EQ(tracking().keys(), 3u);
  EXPECT_EQ(tracking().prefixes(), 1u);
  broadcaster->CloseNow();
  EXPECT_EQ(tracking().prefixes(), 0u);
  client->Run("CLIENT TRACKING off");
  EXPECT_TRUE(tracking().idle());
  EXPECT_EQ(tracking().keys(), 0u);
  EXPECT_EQ(tracking().items(), 0u);
}

TEST_F(TrackingTest, AKeyThatExpiresIsToldAlsoToTheReaderThatFindsItGone) {
  auto client = Tracker(" NOLOOP");
  auto writer = harness_.Connect();
  writer->Run("SET k 1 PX 100");
  client->Run("GET k");
  harness_.clock.Advance(200);
  harness_.broker.UpdateTime();
  // The read that finds it gone is remembered anew.
  EXPECT_EQ(client->Run("GET k"), "_ >2 $10 invalidate *1 $1 k");
  EXPECT_EQ(tracking().keys(), 1u);
}

TEST_F(TrackingTest, ARedirectionToAClientThatHasGoneIsToldToTheClientItself) {
  auto client = harness_.Connect();
  auto other = harness_.Connect();
  auto writer = harness_.Connect();
  client->Run("HELLO 3");
  client->Run(fmt::format("CLIENT TRACKING on REDIRECT {}", other->session().id));
  client->Run("GET k");
  const uint64_t id = other->session().id;
  other->CloseNow();
  writer->Run("SET k 1");
  EXPECT_EQ(client->Lines(), fmt::format(">2 $21 tracking-redir-broken :{}", id));
  EXPECT_THAT(client->Run("CLIENT TRACKINGINFO"), HasSubstr("broken_redirect"));
}

TEST_F(TrackingTest, APrefixInsideOneThatAnotherLiesBetweenIsFound) {
  auto client = harness_.Connect();
  EXPECT_THAT(client->Run("CLIENT TRACKING on BCAST PREFIX ab PREFIX b PREFIX aba PREFIX c"),
              HasSubstr("Prefix 'ab' overlaps with another provided prefix 'aba'"));
  EXPECT_EQ(client->Run("CLIENT TRACKING on BCAST PREFIX ac PREFIX b"), "+OK");
  // Without a prefix all keys are meant, in addition to what was there.
  EXPECT_EQ(client->Run("CLIENT TRACKING on BCAST"), "+OK");
  EXPECT_THAT(client->Run("CLIENT TRACKING on BCAST PREFIX z"),
              HasSubstr("Prefix 'z' overlaps with an existing prefix ''"));
}

}  // namespace
}  // namespace runnel
