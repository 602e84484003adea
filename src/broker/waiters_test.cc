#include "broker/waiters.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "broker/testing.h"
#include "data/stream.h"
#include "effects/list_effects.h"

namespace runnel {
namespace {

// Sessions that wait, and a count of how often a change made one of them try again.
class WaitersTest : public ::testing::Test {
 protected:
  Session& Waiting(WaitKind kind, std::vector<std::string_view> keys, std::string_view group = "") {
    clients_.push_back(harness_.Connect());
    Session& session = clients_.back()->session();
    session.blocking = std::make_unique<Blocking>();
    Wait wait;
    wait.kind = kind;
    wait.keys = std::move(keys);
    wait.group = group;
    waiters_.Block(session, wait);
    return session;
  }
  void Push(std::string_view key) {
    const std::string_view element = "x";
    ListPush{KeyRef(0, key), ListEnd::kBack, {&element, 1}}.Apply(harness_.keyspace);
  }
  void TearDown() override {
    for (const auto& client : clients_) {
      if (client->session().blocked) waiters_.Unblock(client->session());
    }
    harness_.keyspace.Observe(nullptr);
  }

  testing::BrokerHarness harness_;
  std::vector<std::unique_ptr<testing::BrokerHarness::Client>> clients_;
  std::vector<uint64_t> reruns_;
  // A rerun takes one element from the list that was pushed to, if there is one.
  Waiters waiters_{[this](Session& session) {
    reruns_.push_back(session.id);
    const KeyRef key(0, "q");
    if (harness_.keyspace.Find(key) != nullptr)
      ListPop{key, ListEnd::kFront, 1}.Apply(harness_.keyspace);
  }};
};

TEST_F(WaitersTest, AnElementTroublesNobodyButTheOneItServes) {
  const uint64_t first = Waiting(WaitKind::kList, {"q"}).id;
  for (int i = 0; i < 1000; i++) {
    Waiting(WaitKind::kList, {"q"});
  }
  Push("q");
  waiters_.OnKeyChange(0, "q", KeyChange::kAdded);
  waiters_.ServeReady(harness_.keyspace);
  EXPECT_EQ(reruns_, std::vector<uint64_t>{first});
  EXPECT_EQ(waiters_.blocked(), 1000u);
}

TEST_F(WaitersTest, ChangesThatCannotServeMarkNothing) {
  Waiting(WaitKind::kList, {"q"});
  waiters_.OnKeyChange(0, "q", KeyChange::kModified);
  waiters_.OnKeyChange(0, "other", KeyChange::kAdded);
  waiters_.OnKeyChange(1, "q", KeyChange::kAdded);
  EXPECT_FALSE(waiters_.anything_ready());
}

TEST_F(WaitersTest, ARemovedKeyWakesGroupReadersOnly) {
  Waiting(WaitKind::kList, {"s"});
  Waiting(WaitKind::kStream, {"s"});
  const uint64_t reader = Waiting(WaitKind::kGroup, {"s"}, "g").id;
  waiters_.OnKeyChange(0, "s", KeyChange::kRemoved);
  waiters_.ServeReady(harness_.keyspace);
  EXPECT_EQ(reruns_, std::vector<uint64_t>{reader});
}

TEST_F(WaitersTest, AFlushMarksWhatWasThere) {
  Waiting(WaitKind::kGroup, {"s"}, "g");
  waiters_.OnFlush(0, harness_.keyspace);
  EXPECT_FALSE(waiters_.anything_ready());
  Push("s");
  waiters_.OnFlush(1, harness_.keyspace);
  EXPECT_FALSE(waiters_.anything_ready());
  waiters_.OnFlush(0, harness_.keyspace);
  EXPECT_TRUE(waiters_.anything_ready());
}

TEST_F(WaitersTest, AKeyNamedTwiceIsWaitedForOnce) {
  Session& session = Waiting(WaitKind::kList, {"q", "q", "r"});
  EXPECT_EQ(waiters_.keys(), 2u);
  waiters_.Unblock(session);
  EXPECT_EQ(waiters_.keys(), 0u);
}

TEST_F(WaitersTest, SwappedDatabasesMarkTheirWaiters) {
  Waiting(WaitKind::kGroup, {"s"}, "g");
  waiters_.OnSwap(0, 3);
  EXPECT_TRUE(waiters_.anything_ready());
}

}  // namespace
}  // namespace runnel
