#include "broker/waiting.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/testing.h"
#include "data/stream/stream.h"
#include "effects/list_effects.h"

namespace runnel {
namespace {

// Sessions that wait, and a count of how often a change made one of them try again.
class WaitingTest : public ::testing::Test {
 protected:
  Session& Block(WaitKind kind, std::vector<std::string_view> keys, std::string_view group = "") {
    clients_.push_back(harness_.Connect());
    Session& session = clients_.back()->session();
    session.suspended = std::make_unique<Suspended>();
    Wait wait;
    wait.kind = kind;
    for (const std::string_view key : keys) {
      wait.keys.emplace_back(0, key);
    }
    wait.group = group;
    session.suspended->kind = kind;
    waiting_.Block(session, wait);
    return session;
  }
  void Push(std::string_view key) {
    const std::string_view element = "x";
    ListPush{KeyRef(0, key), ListEnd::kBack, {&element, 1}}.Apply(harness_.keyspace);
  }
  void TearDown() override {
    for (const auto& client : clients_) {
      if (client->session().blocked()) waiting_.Unblock(client->session());
    }
    harness_.keyspace.Observe(nullptr);
  }

  testing::BrokerHarness harness_;
  std::vector<std::unique_ptr<testing::BrokerHarness::Client>> clients_;
  std::vector<uint64_t> reruns_;
  // A session that is served takes one element from the list that was pushed to, if there is one.
  void ServeReady() {
    while (Session* session = waiting_.TakeReady(harness_.keyspace)) {
      reruns_.push_back(session->id);
      const KeyRef key(0, "q");
      if (harness_.keyspace.Find(key) != nullptr)
        ListPop{key, ListEnd::kFront, 1}.Apply(harness_.keyspace);
    }
  }
  Waiting waiting_;
};

TEST_F(WaitingTest, AnElementTroublesNobodyButTheOneItServes) {
  const uint64_t first = Block(WaitKind::kList, {"q"}).id;
  for (int i = 0; i < 1000; i++) {
    Block(WaitKind::kList, {"q"});
  }
  Push("q");
  waiting_.OnKeyChange(0, "q", KeyChange::kAdded);
  ServeReady();
  EXPECT_EQ(reruns_, std::vector<uint64_t>{first});
  EXPECT_EQ(waiting_.blocked(), 1000u);
}

TEST_F(WaitingTest, ChangesThatCannotServeMarkNothing) {
  Block(WaitKind::kList, {"q"});
  waiting_.OnKeyChange(0, "q", KeyChange::kModified);
  waiting_.OnKeyChange(0, "other", KeyChange::kAdded);
  waiting_.OnKeyChange(1, "q", KeyChange::kAdded);
  EXPECT_FALSE(waiting_.anything_ready());
}

// Sessions that wait for followers: `count` of them with the journal up to `position`.
TEST_F(WaitingTest, FollowersServeThoseForWhomEnoughAreFarEnough) {
  std::map<uint64_t, Wait::Followers> waits;
  for (const Wait::Followers followers :
       {Wait::Followers{false, 1, 10}, Wait::Followers{false, 2, 10}, Wait::Followers{false, 1, 20},
        Wait::Followers{false, 9, 1}, Wait::Followers{true, 1, 10}}) {
    clients_.push_back(harness_.Connect());
    Session& session = clients_.back()->session();
    session.suspended = std::make_unique<Suspended>();
    session.suspended->kind = WaitKind::kDurable;
    session.suspended->followers = followers;
    waiting_.Block(session, Wait());
    waits[session.id] = followers;
  }
  const auto serve = [&](std::vector<Position> written, std::vector<Position> synced) {
    std::vector<Wait::Followers> served;
    while (Session* session = waiting_.DueByFollowers(written, synced)) {
      served.push_back(waits[session->id]);
      waiting_.Unblock(*session);
    }
    return served;
  };
  using Served = std::vector<Wait::Followers>;
  EXPECT_EQ(waiting_.awaited_of_followers(), 20u);
  EXPECT_EQ(serve({}, {}), Served());
  EXPECT_EQ(serve({9, 9, 9}, {9}), Served());
  EXPECT_EQ(serve({19, 9}, {9, 0}), (Served{{false, 1, 10}}));
  EXPECT_EQ(serve({19, 10}, {9, 0}), (Served{{false, 2, 10}}));
  EXPECT_EQ(serve({20, 20}, {10, 0}), (Served{{false, 1, 20}, {true, 1, 10}}));
  EXPECT_NE(waiting_.AnyForFollowers(), nullptr);
  EXPECT_EQ(serve({9, 8, 7, 6, 5, 4, 3, 2, 1}, {}), (Served{{false, 9, 1}}));
  EXPECT_EQ(waiting_.AnyForFollowers(), nullptr);
  EXPECT_EQ(waiting_.awaited_of_followers(), 0u);
}

TEST_F(WaitingTest, ARemovedKeyWakesGroupReadersOnly) {
  Block(WaitKind::kList, {"s"});
  Block(WaitKind::kStream, {"s"});
  const uint64_t reader = Block(WaitKind::kGroup, {"s"}, "g").id;
  waiting_.OnKeyChange(0, "s", KeyChange::kRemoved);
  ServeReady();
  EXPECT_EQ(reruns_, std::vector<uint64_t>{reader});
}

TEST_F(WaitingTest, AFlushMarksWhatWasThere) {
  Block(WaitKind::kGroup, {"s"}, "g");
  waiting_.OnFlush(0, harness_.keyspace);
  EXPECT_FALSE(waiting_.anything_ready());
  Push("s");
  waiting_.OnFlush(1, harness_.keyspace);
  EXPECT_FALSE(waiting_.anything_ready());
  waiting_.OnFlush(0, harness_.keyspace);
  EXPECT_TRUE(waiting_.anything_ready());
}

TEST_F(WaitingTest, AKeyNamedTwiceIsWaitedForOnce) {
  Session& session = Block(WaitKind::kList, {"q", "q", "r"});
  EXPECT_EQ(waiting_.keys(), 2u);
  waiting_.Unblock(session);
  EXPECT_EQ(waiting_.keys(), 0u);
}

// n keys cost n steps, wherever one looks.
TEST_F(WaitingTest, WaitingOnManyKeysCostsOneStepForEach) {
  constexpr size_t kKeys = 20000;
  std::vector<std::string> names;
  for (size_t i = 0; i < kKeys; i++) {
    names.push_back("k" + std::to_string(i));
  }
  const std::vector<std::string_view> keys(names.begin(), names.end());
  Session& session = Block(WaitKind::kList, keys);
  EXPECT_EQ(waiting_.keys(), kKeys);
  EXPECT_EQ(waiting_.steps(), kKeys);
  for (const std::string_view name : keys) {
    waiting_.OnKeyChange(0, name, KeyChange::kAdded);
  }
  ServeReady();  // none of them is there
  EXPECT_EQ(waiting_.steps(), 2 * kKeys);
  waiting_.Unblock(session);
  EXPECT_EQ(waiting_.steps(), 3 * kKeys);
  EXPECT_EQ(waiting_.keys(), 0u);
}

TEST_F(WaitingTest, ManyGroupsOfOneKeyCostOneStepForEach) {
  constexpr size_t kGroups = 2000;
  std::vector<std::string> names;
  for (size_t i = 0; i < kGroups; i++) {
    names.push_back("g" + std::to_string(i));
  }
  for (const std::string& name : names) {
    Block(WaitKind::kGroup, {"s"}, name);
  }
  EXPECT_EQ(waiting_.keys_of_groups(), 1u);
  EXPECT_EQ(waiting_.steps(), kGroups);
  waiting_.OnKeyChange(0, "s", KeyChange::kRemoved);
  ServeReady();
  EXPECT_EQ(reruns_.size(), kGroups);
  EXPECT_EQ(waiting_.keys_of_groups(), 0u);
  // A look and a leaving for each, and a look that finds nobody left.
  EXPECT_LE(waiting_.steps(), 4 * kGroups);
}

TEST_F(WaitingTest, SwappedDatabasesMarkTheirWaiters) {
  Block(WaitKind::kGroup, {"s"}, "g");
  waiting_.OnSwap(0, 3);
  EXPECT_TRUE(waiting_.anything_ready());
}

}  // namespace
}  // namespace runnel
