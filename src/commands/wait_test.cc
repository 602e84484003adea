#include "commands/wait.h"

#include "data/list/list.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

class CanServeTest : public ::testing::Test {
 protected:
  bool Can(WaitKind kind) { return CanServe(kind, "g", keyspace_.Find(key_)); }

  Stream& PutStream() {
    keyspace_.Put(key_, std::make_unique<Stream>());
    return keyspace_.Mutable<Stream>(key_);
  }

  Keyspace keyspace_{1};
  KeyRef key_{0, "k"};
};

TEST_F(CanServeTest, WithoutTheKeyOnlyGroupsHaveSomethingToTell) {
  EXPECT_FALSE(Can(WaitKind::kList));
  EXPECT_FALSE(Can(WaitKind::kSortedSet));
  EXPECT_FALSE(Can(WaitKind::kStream));
  EXPECT_TRUE(Can(WaitKind::kGroup));
}

TEST_F(CanServeTest, AnotherTypeServesNobodyButGroups) {
  keyspace_.Put(key_, std::make_unique<StringObject>("v"));
  EXPECT_FALSE(Can(WaitKind::kList));
  EXPECT_FALSE(Can(WaitKind::kSortedSet));
  EXPECT_FALSE(Can(WaitKind::kStream));
  EXPECT_TRUE(Can(WaitKind::kGroup));
}

TEST_F(CanServeTest, AListServesThoseWhoWaitForLists) {
  auto list = std::make_unique<List>();
  list->PushBack("a");
  keyspace_.Put(key_, std::move(list));
  EXPECT_TRUE(Can(WaitKind::kList));
  EXPECT_FALSE(Can(WaitKind::kSortedSet));
  EXPECT_FALSE(Can(WaitKind::kStream));
  EXPECT_TRUE(Can(WaitKind::kGroup));
}

TEST_F(CanServeTest, ASortedSetServesThoseWhoWaitForSortedSets) {
  auto set = std::make_unique<SortedSet>();
  set->Set("a", 1);
  keyspace_.Put(key_, std::move(set));
  EXPECT_TRUE(Can(WaitKind::kSortedSet));
  EXPECT_FALSE(Can(WaitKind::kList));
  EXPECT_FALSE(Can(WaitKind::kStream));
}

TEST_F(CanServeTest, AGroupServesWhileItHasEntriesToGive) {
  Stream& stream = PutStream();
  EXPECT_FALSE(Can(WaitKind::kList));
  EXPECT_FALSE(Can(WaitKind::kSortedSet));
  EXPECT_TRUE(Can(WaitKind::kStream));
  EXPECT_TRUE(Can(WaitKind::kGroup));  // no such group

  ConsumerGroup& group = stream.CreateGroup("g", StreamId::Min(), 0);
  EXPECT_FALSE(Can(WaitKind::kGroup));
  const std::string_view fields[] = {"f", "v"};
  stream.Append({1, 0}, fields, StreamLimits());
  EXPECT_TRUE(Can(WaitKind::kGroup));
  Consumer& consumer = group.CreateConsumer("c", 0);
  stream.Deliver(&group, consumer.index, {1, 0}, 5, false);
  EXPECT_FALSE(Can(WaitKind::kGroup));

  group.Release({1, 0}, 1);
  EXPECT_TRUE(Can(WaitKind::kGroup));
  group.Ack({1, 0});
  EXPECT_FALSE(Can(WaitKind::kGroup));
  stream.Append({2, 0}, fields, StreamLimits());
  stream.Delete({2, 0});
  EXPECT_FALSE(Can(WaitKind::kGroup));
  stream.DestroyGroup("g");
  EXPECT_TRUE(Can(WaitKind::kGroup));
}

}  // namespace
}  // namespace runnel
