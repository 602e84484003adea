// What is published on a leader, and who hears it on its followers.
#include <fmt/format.h>
#include <signal.h>

#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;

class PublishedTest : public ReplicationTest {
 protected:
  // Waits until what is published on the leader is sent to these, which are subscribed to "probe".
  // What they get for that is read here.
  static void WaitUntilHeard(RespClient& publisher, const std::vector<RespClient*>& subscribers) {
    for (RespClient* const subscriber : subscribers) {
      EXPECT_TRUE(Eventually([&] {
        publisher.Call({"PUBLISH", "probe", "x"});
        return subscriber->Ready();
      }));
    }
    publisher.Call({"PUBLISH", "probe", "last"});
    for (RespClient* const subscriber : subscribers) {
      Reply message;
      do {
        message = subscriber->Read();
      } while (message.items.size() == 3 && message.items[2].text == "x");
      EXPECT_EQ(ToText(message), "[\"message\", \"probe\", \"last\"]");
    }
  }
  static std::unique_ptr<RespClient> Subscribed(const ServerProcess& server,
                                                std::string_view command = "SUBSCRIBE probe") {
    auto subscriber = server.Connect();
    Ask(*subscriber, "SUBSCRIBE probe");
    if (command != "SUBSCRIBE probe") Ask(*subscriber, command);
    return subscriber;
  }
};

TEST_F(PublishedTest, SubscribersOnAFollowerHearTheLeader) {
  const auto leader = Start();
  const auto follower = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_follower = follower->Connect();
  WaitUntilEqual(*on_leader, *on_follower);
  const auto plain = Subscribed(*follower, "SUBSCRIBE news");
  const auto pattern = Subscribed(*follower, "PSUBSCRIBE n*");
  const auto shard = Subscribed(*follower, "SSUBSCRIBE news");
  WaitUntilHeard(*on_leader, {plain.get(), pattern.get(), shard.get()});
  // Nobody subscribes on the leader, so the count is that of the leader.
  EXPECT_EQ(Ask(*on_leader, "PUBLISH news one"), "0");
  EXPECT_EQ(Ask(*on_leader, "SPUBLISH news two"), "0");
  // What is larger than a message of the link.
  const std::string large(3'000'000, 'x');
  on_leader->Call({"PUBLISH", "news", large});
  EXPECT_EQ(ToText(plain->Read()), "[\"message\", \"news\", \"one\"]");
  EXPECT_TRUE(plain->Read().items.at(2).text == large);
  EXPECT_EQ(ToText(pattern->Read()), "[\"pmessage\", \"n*\", \"news\", \"one\"]");
  EXPECT_EQ(ToText(shard->Read()), "[\"smessage\", \"news\", \"two\"]");
  // What is published on a follower stays there.
  const auto at_leader = Subscribed(*leader, "SUBSCRIBE news");
  EXPECT_EQ(Ask(*on_follower, "PUBLISH news here"), "2");
  EXPECT_EQ(ToText(plain->Read()), "[\"message\", \"news\", \"here\"]");
  EXPECT_EQ(Ask(*on_leader, "PUBLISH news there"), "1");
  EXPECT_EQ(ToText(at_leader->Read()), "[\"message\", \"news\", \"there\"]");
  EXPECT_EQ(ToText(plain->Read()), "[\"message\", \"news\", \"there\"]");
}

// An event tells of a change that can be read where it is heard, and is heard in the order of the
// changes. So is a message.
TEST_F(PublishedTest, AnEventIsHeardAfterItsChangeIsApplied) {
  const auto leader = Start({"--notify-keyspace-events", "KEA"});
  const auto follower = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_follower = follower->Connect();
  WaitUntilEqual(*on_leader, *on_follower);
  const auto subscriber = Subscribed(*follower);
  WaitUntilHeard(*on_leader, {subscriber.get()});
  Ask(*subscriber, "SUBSCRIBE __keyevent@0__:incrby changed");
  subscriber->Read();
  Ask(*subscriber, "UNSUBSCRIBE probe");
  constexpr int kRounds = 500;
  std::string commands;
  for (int i = 1; i <= kRounds; i++) {
    commands += EncodeCommand({"INCR", "n"}) +
                EncodeCommand({"PUBLISH", "changed", fmt::to_string(i)}) +
                EncodeCommand({"APPEND", "filler", std::string(200, 'x')});
  }
  const auto writer = leader->Connect();
  writer->SendRaw(commands);
  for (int i = 1; i <= kRounds; i++) {
    EXPECT_EQ(ToText(subscriber->Read()), "[\"message\", \"__keyevent@0__:incrby\", \"n\"]");
    EXPECT_GE(std::stoi(on_follower->Call({"GET", "n"}).text), i);
    EXPECT_EQ(ToText(subscriber->Read()), fmt::format("[\"message\", \"changed\", \"{}\"]", i));
  }
  EXPECT_EQ(InfoNumber(*on_leader, "replication_dropped_messages"), 0);
  EXPECT_EQ(InfoNumber(*on_follower, "replication_dropped_messages"), 0);
}

// A follower that takes nothing costs the leader no more than the bound, and loses messages.
TEST_F(PublishedTest, WhatASlowFollowerDoesNotTakeIsDroppedAndCounted) {
  const auto leader = Start({"--loglevel", "notice"});
  const auto follower = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_follower = follower->Connect();
  WaitUntilEqual(*on_leader, *on_follower);
  const auto subscriber = Subscribed(*follower);
  WaitUntilHeard(*on_leader, {subscriber.get()});
  const int64_t before = InfoNumber(*on_leader, "used_memory");
  follower->Signal(SIGSTOP);
  const std::string text(1'000'000, 'x');
  for (int i = 0; i < 200; i++) {
    on_leader->Call({"PUBLISH", "large", text});
  }
  EXPECT_LT(InfoNumber(*on_leader, "used_memory"), before + 80'000'000);
  follower->Signal(SIGCONT);
  EXPECT_TRUE(
      Eventually([&] { return InfoNumber(*on_leader, "replication_dropped_messages") > 100; }));
  EXPECT_TRUE(Eventually([&] {
    return leader->Log().find("published messages were dropped: follower") != std::string::npos;
  }));
  WaitUntilHeard(*on_leader, {subscriber.get()});
}

// Nothing is sent to a follower where nobody subscribes.
TEST_F(PublishedTest, AFollowerWithoutSubscribersGetsNoMessages) {
  const auto leader = Start();
  const auto follower = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_follower = follower->Connect();
  WaitUntilEqual(*on_leader, *on_follower);
  const auto subscriber = Subscribed(*follower);
  WaitUntilHeard(*on_leader, {subscriber.get()});
  Ask(*subscriber, "UNSUBSCRIBE");
  // The follower's next report comes after what it says of that.
  WaitUntilRead(*on_follower);
  Ask(*on_leader, "SET k v");
  EXPECT_EQ(Ask(*on_leader, "WAIT 1 0"), "1");
  const std::string text(1'000'000, 'x');
  follower->Signal(SIGSTOP);
  const int64_t before = InfoNumber(*on_leader, "used_memory");
  for (int i = 0; i < 50; i++) {
    on_leader->Call({"PUBLISH", "large", text});
  }
  EXPECT_LT(InfoNumber(*on_leader, "used_memory"), before + 5'000'000);
  EXPECT_EQ(InfoNumber(*on_leader, "replication_dropped_messages"), 0);
  follower->Signal(SIGCONT);
}

// Also to the followers of a follower; a subscriber at the end keeps the one in the middle asking.
TEST_F(PublishedTest, MessagesGoDownAChain) {
  const auto leader = Start();
  const auto middle = Start(Following(leader->port()));
  const auto on_leader = leader->Connect();
  const auto on_middle = middle->Connect();
  WaitUntilEqual(*on_leader, *on_middle);
  const auto last = Start(Following(middle->port()));
  const auto on_last = last->Connect();
  WaitUntilEqual(*on_leader, *on_last);
  const auto subscriber = Subscribed(*last);
  WaitUntilHeard(*on_leader, {subscriber.get()});
  // What is published in the middle stays there.
  EXPECT_EQ(Ask(*on_middle, "PUBLISH probe middle"), "0");
  EXPECT_EQ(Ask(*on_leader, "PUBLISH probe leader"), "0");
  EXPECT_THAT(ToText(subscriber->Read()), HasSubstr("\"leader\""));
}

}  // namespace
}  // namespace runnel::test
