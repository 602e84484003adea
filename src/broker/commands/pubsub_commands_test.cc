// Subscribing, publishing, and asking for subscribers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AnyOf;

class PubSubCommandsTest : public ::testing::Test {
 protected:
  PubSubCommandsTest() {
    for (const auto family : {ConnectionCommands(), PubSubCommands(), TransactionCommands()}) {
      harness_.broker.commands().Add(family);
    }
  }

  BrokerHarness harness_;
};

TEST_F(PubSubCommandsTest, ConfirmationsCountChannelsAndPatternsTogetherAndShardsApart) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("SUBSCRIBE a a b"),
            "*3 $9 subscribe $1 a :1 *3 $9 subscribe $1 a :1 *3 $9 subscribe $1 b :2");
  EXPECT_EQ(client->Run("PSUBSCRIBE p*"), "*3 $10 psubscribe $2 p* :3");
  EXPECT_EQ(client->Run("SSUBSCRIBE a"), "*3 $10 ssubscribe $1 a :1");
  EXPECT_EQ(client->Run("UNSUBSCRIBE b x"),
            "*3 $11 unsubscribe $1 b :2 *3 $11 unsubscribe $1 x :2");
  EXPECT_EQ(client->Run("PUNSUBSCRIBE"), "*3 $12 punsubscribe $2 p* :1");
  EXPECT_EQ(client->Run("SUNSUBSCRIBE a"), "*3 $12 sunsubscribe $1 a :0");
}

TEST_F(PubSubCommandsTest, UnsubscribingFromAllConfirmsEachOrThatThereIsNone) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("UNSUBSCRIBE"), "*3 $11 unsubscribe $-1 :0");
  client->Run("HELLO 3");
  EXPECT_EQ(client->Run("PUNSUBSCRIBE"), ">3 $12 punsubscribe _ :0");
  client->Run("SUBSCRIBE a b");
  EXPECT_THAT(client->Run("UNSUBSCRIBE"),
              AnyOf(">3 $11 unsubscribe $1 a :1 >3 $11 unsubscribe $1 b :0",
                    ">3 $11 unsubscribe $1 b :1 >3 $11 unsubscribe $1 a :0"));
}

// They are sent from bytes that all of them share.
TEST_F(PubSubCommandsTest, ManySubscribersGetEveryMessageInOrder) {
  std::vector<std::unique_ptr<BrokerHarness::Client>> subscribers;
  for (int i = 0; i < 10; i++) {
    subscribers.push_back(harness_.Connect());
    if (i % 2 == 1) subscribers.back()->Run("HELLO 3");
    subscribers.back()->Run(i < 5 ? "SUBSCRIBE c d" : "SUBSCRIBE c");
  }
  auto publisher = harness_.Connect();
  const std::string large(50'000, 'x');
  std::vector<std::string> expected(subscribers.size());
  // Nobody takes what it got, so that later turns must leave the bytes of the earlier ones alone.
  for (int turn = 0; turn < 5; turn++) {
    for (const auto& [channel, text] :
         {std::pair<std::string, std::string>{"c", "1"}, {"c", "22"}, {"d", "333"}, {"c", large}}) {
      publisher->Request({"PUBLISH", channel, text + std::to_string(turn)});
      for (size_t i = 0; i < subscribers.size(); i++) {
        if (channel == "d" && i >= 5) continue;
        const std::string message = text + std::to_string(turn);
        expected[i] += (i % 2 == 1 ? ">3" : "*3") + std::string("\r\n$7\r\nmessage\r\n$1\r\n") +
                       channel + "\r\n$" + std::to_string(message.size()) + "\r\n" + message +
                       "\r\n";
      }
    }
    harness_.broker.EndTurn();
  }
  for (size_t i = 0; i < subscribers.size(); i++) {
    EXPECT_EQ(subscribers[i]->Received(), expected[i]);
  }
}

TEST_F(PubSubCommandsTest, EachSubscriptionThatMatchesGetsTheMessage) {
  auto client = harness_.Connect(), publisher = harness_.Connect();
  client->Run("SUBSCRIBE abc");
  client->Run("PSUBSCRIBE a*");
  client->Run("SSUBSCRIBE abc");
  EXPECT_EQ(publisher->Run("PUBLISH abc hi"), ":2");
  EXPECT_EQ(client->Lines(), "*3 $7 message $3 abc $2 hi *4 $8 pmessage $2 a* $3 abc $2 hi");
  EXPECT_EQ(publisher->Run("SPUBLISH abc hi"), ":1");
  EXPECT_EQ(client->Lines(), "*3 $8 smessage $3 abc $2 hi");
  EXPECT_EQ(publisher->Run("PUBLISH b hi"), ":0");
}

TEST_F(PubSubCommandsTest, ConfirmationsInATransactionAreElementsOfItsArray) {
  auto client = harness_.Connect();
  client->Run("HELLO 3");
  client->Run("MULTI");
  client->Run("SUBSCRIBE a");
  client->Run("PUBLISH a hi");
  EXPECT_EQ(client->Run("EXEC"), "*2 >3 $9 subscribe $1 a :1 :1 >3 $7 message $1 a $2 hi");
}

TEST_F(PubSubCommandsTest, OnesQuestionsAreAboutAll) {
  auto a = harness_.Connect(), b = harness_.Connect(), asker = harness_.Connect();
  a->Run("SUBSCRIBE one two");
  b->Run("SUBSCRIBE one");
  a->Run("PSUBSCRIBE p* q*");
  b->Run("PSUBSCRIBE p*");
  b->Run("SSUBSCRIBE shard");
  EXPECT_THAT(asker->Run("PUBSUB CHANNELS"), AnyOf("*2 $3 one $3 two", "*2 $3 two $3 one"));
  EXPECT_EQ(asker->Run("PUBSUB CHANNELS t*"), "*1 $3 two");
  EXPECT_EQ(asker->Run("PUBSUB SHARDCHANNELS"), "*1 $5 shard");
  EXPECT_EQ(asker->Run("PUBSUB NUMSUB one p* shard"), "*6 $3 one :2 $2 p* :0 $5 shard :0");
  EXPECT_EQ(asker->Run("PUBSUB SHARDNUMSUB shard one"), "*4 $5 shard :1 $3 one :0");
  EXPECT_EQ(asker->Run("PUBSUB NUMSUB"), "*0");
  EXPECT_EQ(asker->Run("PUBSUB NUMPAT"), ":2");
  EXPECT_EQ(asker->Run("PUBSUB CHANNELS a b"),
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB "
            "HELP.");
}

TEST_F(PubSubCommandsTest, ASubscriberThatEndsIsCountedNoMore) {
  auto asker = harness_.Connect();
  {
    auto subscriber = harness_.Connect();
    subscriber->Run("SUBSCRIBE a");
    EXPECT_EQ(asker->Run("PUBLISH a x"), ":1");
  }
  EXPECT_EQ(asker->Run("PUBLISH a x"), ":0");
  EXPECT_EQ(asker->Run("PUBSUB CHANNELS"), "*0");
}

}  // namespace
}  // namespace runnel
