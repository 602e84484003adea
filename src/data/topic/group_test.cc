#include "data/topic/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/keyspace.h"
#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/topic.h"

namespace runnel {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Names = std::vector<std::string_view>;
using PartitionNumbers = std::vector<uint64_t>;

std::string GroupPayload(const Object& object) {
  std::string payload;
  object.Serialize(&payload);
  return payload;
}

TEST(TopicGroupNames, AKeyHasAPrefix) {
  EXPECT_EQ(TopicGroupKey("g"), "*g");
  EXPECT_EQ(ParseTopicGroupKey("*g"), "g");
  EXPECT_EQ(ParseTopicGroupKey("**"), "*");
  const std::string longest(kMostTopicGroupName, 'x');
  EXPECT_EQ(ParseTopicGroupKey(TopicGroupKey(longest)), longest);
  EXPECT_FALSE(ParseTopicGroupKey(TopicGroupKey(longest + "x")));
  for (const std::string_view text : {"", "*", "g", "t/0"}) {
    EXPECT_FALSE(ParseTopicGroupKey(text)) << text;
  }
  EXPECT_FALSE(ParsePartition(TopicGroupKey("t/0")));
}

// --- What is done in a partition ---

class TopicGroupTest : public ::testing::Test {
 protected:
  TopicGroupTest() {
    group_.AddPartitions("t", PartitionNumbers{10, 0});
    group_.Subscribe("a", Names{"t"}, 5);
    group_.Subscribe("b", Names{"t", "u*"}, 6);
  }
  const GroupPartition& partition(uint32_t number = 0) {
    return *group_.FindPartition("t", number);
  }
  MemberId Id(std::string_view name) { return group_.FindMember(name)->id; }
  uint32_t Owned(std::string_view name) { return group_.FindMember(name)->partitions; }
  OffsetRanges::Map Acknowledged() {
    return partition().acknowledged == nullptr ? OffsetRanges::Map()
                                               : partition().acknowledged->all();
  }

  TopicGroup group_{TopicGroupOptions()};
};

TEST_F(TopicGroupTest, CommittedIsTheFirstOffsetThatIsNotDone) {
  group_.Acknowledge("t", 0, PartitionNumbers{12, 13, 15, 9});
  EXPECT_EQ(partition().committed, 10u);
  EXPECT_EQ(Acknowledged(), (OffsetRanges::Map{{12, 14}, {15, 16}}));
  group_.Acknowledge("t", 0, PartitionNumbers{10, 11});
  EXPECT_EQ(partition().committed, 14u);
  EXPECT_EQ(Acknowledged(), (OffsetRanges::Map{{15, 16}}));
  group_.Commit("t", 0, 12);
  EXPECT_EQ(partition().committed, 14u);
  group_.Commit("t", 0, 15);
  EXPECT_EQ(partition().committed, 16u);
  EXPECT_EQ(partition().acknowledged, nullptr);
  group_.Acknowledge("t", 0, PartitionNumbers{18, 19, 20});
  group_.Commit("t", 0, 19);
  EXPECT_EQ(partition().committed, 21u);
  group_.Acknowledge("t", 0, PartitionNumbers{30});
  group_.Skip("t", 0, 25, 4);
  EXPECT_EQ(partition().committed, 25u);
  EXPECT_EQ(partition().skipped, 4u);
  group_.Skip("t", 0, 20, 1);
  EXPECT_EQ(partition().committed, 25u);
  EXPECT_EQ(partition().skipped, 5u);
  group_.Reset("t", 0, 3);
  EXPECT_EQ(partition().committed, 3u);
  EXPECT_EQ(partition().acknowledged, nullptr);
  EXPECT_EQ(partition().epoch, 1u);
  EXPECT_EQ(partition(1).committed, 0u);
}

TEST_F(TopicGroupTest, OffsetsReachTheLastOne) {
  group_.Acknowledge("t", 0, PartitionNumbers{UINT64_MAX - 1});
  EXPECT_NE(LoadAs<TopicGroup>(GroupPayload(group_)), nullptr);
  group_.Commit("t", 0, UINT64_MAX - 1);
  EXPECT_EQ(partition().committed, UINT64_MAX);
  EXPECT_EQ(partition().acknowledged, nullptr);
  group_.Commit("t", 1, UINT64_MAX);
  EXPECT_NE(LoadAs<TopicGroup>(GroupPayload(group_)), nullptr);
}

TEST_F(TopicGroupTest, InFlightIsWhatIsGivenAndNotDone) {
  EXPECT_EQ(partition().position(), 10u);
  EXPECT_FALSE(partition().in_flight());
  EXPECT_EQ(partition().CountInFlight(), 0u);
  partition().live.position = 20;
  EXPECT_EQ(partition().position(), 20u);
  EXPECT_EQ(partition().CountInFlight(), 10u);
  group_.Acknowledge("t", 0, PartitionNumbers{12, 13, 19, 20, 25});
  EXPECT_EQ(partition().CountInFlight(), 7u);
  group_.Commit("t", 0, 13);
  EXPECT_EQ(partition().committed, 14u);
  EXPECT_EQ(partition().CountInFlight(), 5u);
  group_.Commit("t", 0, 30);
  EXPECT_EQ(partition().position(), 30u);
  EXPECT_FALSE(partition().in_flight());
  EXPECT_EQ(partition().CountInFlight(), 0u);
}

// --- Members and owners ---

TEST_F(TopicGroupTest, ANewOwnerBeginsANewEpochWithNothing) {
  partition().live.position = 20;
  partition().live.queued = true;
  group_.Assign("t", 0, Id("a"));
  EXPECT_EQ(partition().epoch, 1u);
  EXPECT_EQ(partition().live.position, 0u);
  EXPECT_FALSE(partition().live.queued);
  EXPECT_EQ(group_.moves(), 0u);
  group_.Assign("t", 0, Id("a"));
  EXPECT_EQ(partition().epoch, 2u);
  EXPECT_EQ(group_.moves(), 0u);
  EXPECT_EQ(Owned("a"), 1u);
  group_.Assign("t", 0, Id("b"));
  EXPECT_EQ(group_.moves(), 1u);
  EXPECT_EQ(Owned("a"), 0u);
  EXPECT_EQ(Owned("b"), 1u);
  group_.Assign("t", 0, kNobody);
  EXPECT_EQ(group_.moves(), 1u);
  EXPECT_EQ(Owned("b"), 0u);
  EXPECT_EQ(partition().epoch, 4u);
  group_.Assign("t", 0, Id("b"));
  EXPECT_EQ(group_.moves(), 2u);
}

TEST_F(TopicGroupTest, AMemberThatGoesLeavesItsPartitions) {
  group_.Assign("t", 0, Id("a"));
  group_.Assign("t", 1, Id("b"));
  partition().live.position = 20;
  const MemberId a = Id("a");
  group_.Remove("a");
  group_.Remove("a");
  EXPECT_EQ(group_.FindMember("a"), nullptr);
  EXPECT_EQ(group_.FindMember(a), nullptr);
  EXPECT_EQ(partition().owner, kNobody);
  EXPECT_EQ(partition().epoch, 1u);
  EXPECT_EQ(partition().live.position, 0u);
  EXPECT_EQ(partition(1).owner, Id("b"));
  group_.Subscribe("a", Names{"t"}, 9);
  EXPECT_GT(Id("a"), Id("b"));
  EXPECT_EQ(Owned("a"), 0u);
}

TEST_F(TopicGroupTest, AMemberThatSubscribesAgainStaysTheSame) {
  const MemberId b = Id("b");
  group_.Subscribe("b", Names{"v", "w"}, 99);
  EXPECT_EQ(Id("b"), b);
  EXPECT_EQ(group_.FindMember("b")->since_ms, 6);
  EXPECT_THAT(group_.FindMember(b)->topics, ElementsAre("v", "w"));
  // Also if the names are those that the member has.
  const std::vector<std::string>& had = group_.FindMember("b")->topics;
  group_.Subscribe("b", Names{had[1]}, 99);
  EXPECT_THAT(group_.FindMember("b")->topics, ElementsAre("w"));
}

TEST_F(TopicGroupTest, ATopicThatGoesIsForgotten) {
  const uint32_t slot = group_.FindTopic("t")->slot;
  group_.Assign("t", 0, Id("a"));
  group_.Assign("t", 1, Id("a"));
  group_.RemoveTopic("t");
  group_.RemoveTopic("t");
  EXPECT_EQ(Owned("a"), 0u);
  EXPECT_EQ(group_.FindTopic(slot), nullptr);
  EXPECT_EQ(group_.FindPartition("t", 0), nullptr);
  group_.AddPartitions("t", PartitionNumbers{7});
  EXPECT_GT(group_.FindTopic("t")->slot, slot);
  EXPECT_EQ(group_.FindTopic(group_.FindTopic("t")->slot), group_.FindTopic("t"));
  group_.AddPartitions("t", PartitionNumbers{8, 9});
  EXPECT_EQ(partition().committed, 7u);
  EXPECT_EQ(group_.FindPartition("t", 2)->committed, 9u);
  EXPECT_EQ(group_.FindPartition("t", 3), nullptr);
}

// --- The stored form ---

TEST_F(TopicGroupTest, TheBytesNeverChange) {
  TopicGroupOptions options;
  options.start = GroupStart::kTime;
  options.start_ms = 300;
  options.assignor = Assignor::kRange;
  options.session_ms = 1;
  options.grace_ms = 2;
  options.move_ms = 3;
  options.expire_ms = 4;
  group_.Configure(options);
  group_.Remove("a");
  group_.Assign("t", 0, Id("b"));
  group_.Assign("t", 0, kNobody);
  group_.Assign("t", 0, Id("b"));
  group_.Acknowledge("t", 0, PartitionNumbers{12, 13, 14, 20});
  group_.Skip("t", 1, 300, 5);
  EXPECT_EQ(GroupPayload(group_),
            "\x01\x02\xac\x02\x01\x01\x02\x03\x04"s  // options
            "\x02\x01\x01"s                          // last numbers, moves
            "\x01\x01\x62\x02\x0c\x02\x01t\x02u*"s   // members
            "\x01\x01t\x01\x02"s                     // topics
            "\x03\x0a\x00\x02\x02\x01\x02\x04\x00"s  // partitions
            "\x00\xac\x02\x05\x00\x00"s);
}

TEST_F(TopicGroupTest, WhatIsLiveIsNotStored) {
  const std::string payload = GroupPayload(group_);
  group_.Assign("t", 0, Id("a"));
  const std::string assigned = GroupPayload(group_);
  EXPECT_NE(assigned, payload);
  group_.live().fenced = 3;
  partition().live.position = 50;
  group_.FindMember("a")->live.client = 7;
  EXPECT_EQ(GroupPayload(group_), assigned);
  const auto clone = group_.Clone();
  const TopicGroup& copy = static_cast<const TopicGroup&>(*clone);
  EXPECT_EQ(copy.live().fenced, 0u);
  EXPECT_EQ(copy.FindPartition("t", 0)->live.position, 0u);
  EXPECT_EQ(copy.FindMember("a")->live.client, 0u);
  EXPECT_EQ(copy.FindMember("a")->partitions, 1u);
}

// Payloads that are whole but say what cannot be.
TEST_F(TopicGroupTest, WhatCannotBeIsRefused) {
  const std::string options = "\x01\x00\x00\x00\x00\x00\x00\x00"s;
  const std::string head = options + "\x02\x02\x00"s;
  const std::string members = "\x01\x01m\x01\x00\x01\x01t"s;
  const std::string topic = "\x01t\x01\x01"s;
  const auto loads = [](const std::string& payload) {
    return LoadAs<TopicGroup>(payload) != nullptr;
  };
  EXPECT_TRUE(loads(head + "\x00\x00"s));
  EXPECT_TRUE(loads(head + members + "\x01" + topic + "\x01\x05\x00\x01\x01\x00\x00"s));
  EXPECT_FALSE(loads(head + members + "\x01" + topic + "\x00\x05\x00\x01\x00"s)) << "epoch 0";
  EXPECT_FALSE(loads(head + members + "\x01" + topic + "\x01\x05\x00\x02\x00"s)) << "no owner";
  EXPECT_FALSE(loads(head + members + "\x01" + topic + "\x01\x05\x00\x81\x80\x80\x80\x10\x00"s))
      << "an owner's number that is cut";
  const std::string last = "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"s;
  const std::string most = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s;
  const auto ranges = [&](const std::string& committed, const std::string& range) {
    return loads(head + members + "\x01" + topic + "\x01" + committed + "\x00\x01\x01"s + range);
  };
  EXPECT_FALSE(ranges(last, "\x00\x00"s));
  EXPECT_FALSE(ranges("\x00"s, last + "\x00"s));
  EXPECT_FALSE(ranges("\x00"s, most + "\x00"s));
  EXPECT_FALSE(ranges("\x00"s, "\x00"s + last));
  EXPECT_TRUE(ranges("\x00"s, "\x00\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01"s));
  // A slot that was not given, a topic without partitions, one that has no name of a topic.
  EXPECT_FALSE(loads(head + members + "\x01\x01t\x03\x01\x00\x00\x00\x00\x00"s));
  EXPECT_FALSE(loads(head + members + "\x01\x01t\x00\x01\x00\x00\x00\x00\x00"s));
  EXPECT_FALSE(loads(head + members + "\x01\x01t\x01\x00"s));
  EXPECT_FALSE(loads(head + members + "\x01\x01/\x01\x01\x00\x00\x00\x00\x00"s));
  // Twice the same slot, or number of a member.
  const std::string partition = "\x01\x00\x00\x00\x00\x00"s;
  EXPECT_TRUE(loads(head + "\x00\x02\x01t\x01"s + partition + "\x01u\x02"s + partition));
  EXPECT_FALSE(loads(head + "\x00\x02\x01t\x01"s + partition + "\x01u\x01"s + partition));
  EXPECT_FALSE(loads(head + "\x00\x02\x01u\x01"s + partition + "\x01t\x02"s + partition));
  EXPECT_TRUE(loads(head + "\x02\x01m\x01\x00\x01\x01t\x01n\x02\x00\x01\x01t\x00"s));
  EXPECT_FALSE(loads(head + "\x02\x01m\x01\x00\x01\x01t\x01n\x01\x00\x01\x01t\x00"s));
  EXPECT_FALSE(loads(head + "\x02\x01n\x01\x00\x01\x01t\x01m\x02\x00\x01\x01t\x00"s));
  EXPECT_FALSE(loads(head + "\x01\x01m\x03\x00\x01\x01t\x00"s));
  EXPECT_FALSE(loads(head + "\x01\x00\x01\x00\x01\x01t\x00"s)) << "a member without name";
  EXPECT_FALSE(loads(head + "\x01\x01m\x01\x00\x00\x00"s)) << "a member without topics";
  EXPECT_FALSE(loads(head + "\x01\x01m\x01\x00\x02\x01u\x01t\x00"s));
  EXPECT_FALSE(loads("\x01\x03\x00\x00\x00\x00\x00\x00\x02\x02\x00\x00\x00"s)) << "the start";
  EXPECT_FALSE(loads("\x01\x00\x00\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00"s)) << "the assignor";
}

// --- Random runs ---

// A group as plain maps and sets.
struct PlainPartition {
  uint64_t epoch = 0;
  uint64_t start = 0;  // all below is done
  std::set<uint64_t> done;
  uint64_t skipped = 0;
  std::string owner;

  uint64_t Committed() const {
    uint64_t committed = start;
    while (done.contains(committed)) {
      committed++;
    }
    return committed;
  }
};

class RandomGroup {
 public:
  explicit RandomGroup(int seed) : random_(seed) {}

  void Step() {
    const std::string topic(1, static_cast<char>('t' + Below(3)));
    const std::string member(1, static_cast<char>('a' + Below(4)));
    const auto found = topics_.find(topic);
    const uint64_t kind = Below(100);
    if (kind < 4) {
      PartitionNumbers starts;
      for (uint64_t i = 1 + Below(3); i > 0; i--) {
        starts.push_back(Below(20));
        topics_[topic].emplace_back().start = starts.back();
      }
      group_.AddPartitions(topic, starts);
    } else if (kind < 5) {
      topics_.erase(topic);
      group_.RemoveTopic(topic);
    } else if (kind < 10) {
      const std::string other = topic + "*";
      if (!members_.contains(member)) members_[member].id = ++last_id_;
      members_[member].topics = {topic, other};
      group_.Subscribe(member, Names{topic, other}, static_cast<int64_t>(Below(1000)) - 500);
    } else if (kind < 12) {
      members_.erase(member);
      group_.Remove(member);
      for (auto& [name, partitions] : topics_) {
        for (PlainPartition& partition : partitions) {
          if (partition.owner == member) partition.owner.clear();
        }
      }
    } else if (kind < 14) {
      TopicGroupOptions options;
      options.start_ms = Below(1000);
      options.assignor = static_cast<Assignor>(Below(2));
      group_.Configure(options);
    } else if (found != topics_.end()) {
      const auto number = static_cast<uint32_t>(Below(found->second.size()));
      Change(topic, number, member, found->second[number]);
    }
  }

  void Check() {
    uint32_t owned = 0;
    ASSERT_EQ(group_.members().size(), members_.size());
    for (const auto& [name, plain] : members_) {
      const GroupMember* member = group_.FindMember(name);
      ASSERT_NE(member, nullptr);
      EXPECT_EQ(member->id, plain.id);
      EXPECT_EQ(group_.FindMember(plain.id), member);
      EXPECT_EQ(member->topics, plain.topics);
      owned += member->partitions;
    }
    ASSERT_EQ(group_.topics().size(), topics_.size());
    for (const auto& [name, partitions] : topics_) {
      const GroupTopic* topic = group_.FindTopic(name);
      ASSERT_NE(topic, nullptr);
      EXPECT_EQ(group_.FindTopic(topic->slot), topic);
      ASSERT_EQ(topic->partitions.size(), partitions.size());
      for (size_t i = 0; i < partitions.size(); i++) {
        CheckPartition(topic->partitions[i], partitions[i], &owned);
      }
    }
    EXPECT_EQ(owned, 0u);
    EXPECT_EQ(group_.moves(), moves_);
  }

  void CheckStoredForm() {
    const std::string payload = GroupPayload(group_);
    const auto loaded = LoadAs<TopicGroup>(payload);
    ASSERT_NE(loaded, nullptr);
    EXPECT_EQ(GroupPayload(*loaded), payload);
    const auto clone = group_.Clone();
    EXPECT_EQ(GroupPayload(*clone), payload);
    EXPECT_GT(group_.MemoryBytes(0), payload.size() / 4);
    EXPECT_GT(group_.FreeEffort(), 0u);
    for (const auto& [name, member] : group_.members()) {
      EXPECT_EQ(static_cast<const TopicGroup&>(*loaded).FindMember(name)->partitions,
                member->partitions);
      EXPECT_EQ(static_cast<const TopicGroup&>(*clone).FindMember(member->id)->partitions,
                member->partitions);
    }
  }

  // Damaged bytes are no payload, or another one.
  void CheckDamage() {
    const std::string payload = GroupPayload(group_);
    for (size_t size = 0; size < payload.size(); size++) {
      EXPECT_EQ(LoadAs<TopicGroup>(std::string_view(payload).substr(0, size)), nullptr) << size;
    }
    EXPECT_EQ(LoadAs<TopicGroup>(payload + "x"), nullptr);
    for (size_t at = 0; at < payload.size(); at++) {
      for (const char byte : {'\x00', '\x01', '\x02', '\x7f', '\x80', '\xff'}) {
        std::string damaged = payload;
        damaged[at] = byte;
        const auto loaded = LoadAs<TopicGroup>(damaged);
        if (loaded == nullptr) continue;
        const auto again = LoadAs<TopicGroup>(GroupPayload(*loaded));
        ASSERT_NE(again, nullptr) << at;
        EXPECT_EQ(GroupPayload(*again), GroupPayload(*loaded)) << at;
      }
    }
  }

 private:
  struct PlainMember {
    MemberId id = kNobody;
    std::vector<std::string> topics;
  };

  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Change(const std::string& topic, uint32_t number, const std::string& member,
              PlainPartition& plain) {
    const uint64_t offset = plain.Committed() + Below(10);
    switch (Below(8)) {
      case 0: {
        const bool exists = members_.contains(member);
        const std::string owner = exists ? member : "";
        if (plain.epoch > 0 && exists && owner != plain.owner) moves_++;
        plain.owner = owner;
        plain.epoch++;
        group_.Assign(topic, number, exists ? members_[member].id : kNobody);
        EXPECT_EQ(group_.FindPartition(topic, number)->live.position, 0u);
        return;
      }
      case 1:
        if (Below(4) > 0) return;
        plain.start = Below(30);
        plain.done.clear();
        plain.epoch++;
        group_.Reset(topic, number, plain.start);
        EXPECT_EQ(group_.FindPartition(topic, number)->live.position, 0u);
        return;
      case 2: {
        const uint64_t count = Below(4);
        plain.skipped += count;
        plain.start = std::max(plain.start, offset);
        return group_.Skip(topic, number, offset, count);
      }
      case 3: {
        const uint64_t below = offset < 3 ? 0 : offset - 3;
        plain.start = std::max(plain.start, below);
        return group_.Commit(topic, number, below);
      }
      case 4:
        group_.FindPartition(topic, number)->live.position = offset + Below(10);
        return;
      default: {
        PartitionNumbers offsets;
        for (uint64_t i = Below(4); i > 0; i--) {
          offsets.push_back(offset + Below(6));
          plain.done.insert(offsets.back());
        }
        if (Below(4) == 0) offsets.push_back(offset / 2);
        if (!offsets.empty()) plain.done.insert(offsets.back());
        return group_.Acknowledge(topic, number, offsets);
      }
    }
  }

  // Takes what each member owns off `owned`.
  void CheckPartition(const GroupPartition& partition, const PlainPartition& plain,
                      uint32_t* owned) {
    EXPECT_EQ(partition.epoch, plain.epoch);
    EXPECT_EQ(partition.skipped, plain.skipped);
    EXPECT_EQ(partition.owner, plain.owner.empty() ? kNobody : members_[plain.owner].id);
    if (!plain.owner.empty()) --*owned;
    const uint64_t committed = plain.Committed();
    EXPECT_EQ(partition.committed, committed);
    uint64_t count = 0;
    uint64_t in_flight = 0;
    for (uint64_t offset = committed; offset < committed + 1000; offset++) {
      const bool done = offset >= plain.start && plain.done.contains(offset);
      count += done;
      in_flight += !done && offset < partition.live.position;
    }
    const OffsetRanges* acknowledged = partition.acknowledged.get();
    EXPECT_EQ(acknowledged == nullptr, count == 0);
    EXPECT_EQ(acknowledged == nullptr ? 0 : acknowledged->CountBelow(UINT64_MAX), count);
    for (const uint64_t offset : plain.done) {
      if (offset < committed) continue;
      EXPECT_TRUE(acknowledged->Contains(offset)) << offset;
    }
    EXPECT_EQ(partition.CountInFlight(), in_flight);
    EXPECT_EQ(partition.in_flight(), in_flight > 0);
  }

  std::mt19937_64 random_;
  TopicGroup group_{TopicGroupOptions()};
  std::map<std::string, PlainMember> members_;
  std::map<std::string, std::vector<PlainPartition>> topics_;
  MemberId last_id_ = kNobody;
  uint64_t moves_ = 0;
};

class TopicGroupSeeds : public testing::TestWithParam<int> {};

TEST_P(TopicGroupSeeds, AGroupIsWhatAPlainOneIs) {
  RandomGroup group(GetParam());
  for (int i = 0; i < 2000; i++) {
    group.Step();
    ASSERT_NO_FATAL_FAILURE(group.Check()) << "after step " << i;
    if (i % 20 == 0) {
      ASSERT_NO_FATAL_FAILURE(group.CheckStoredForm()) << "after step " << i;
    }
    if (i % 500 == 250) {
      ASSERT_NO_FATAL_FAILURE(group.CheckDamage()) << "after step " << i;
    }
    ASSERT_FALSE(HasFailure()) << "after step " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TopicGroupSeeds, testing::Range(0, 10));

// --- Groups and topics in a keyspace ---

class TopicGroupEnd : public ::testing::Test, private KeyspaceObserver {
 protected:
  TopicGroupEnd() {
    for (const std::string_view name : {"t", "u"}) {
      auto topic = std::make_unique<Topic>(TopicId(), 2, TopicOptions());
      topic->AddReader("g");
      topic->AddReader("gone");
      keyspace_.Put(KeyRef(1, name), std::move(topic));
    }
    auto group = std::make_unique<TopicGroup>(TopicGroupOptions());
    for (const std::string_view name : {"t", "u", "v"}) {
      group->AddPartitions(name, PartitionNumbers{0, 0});
    }
    group->Subscribe("m", Names{"t"}, 1);
    group->Assign("t", 1, 1);
    keyspace_.Put(KeyRef(CompanionOf(1), "*g"), std::move(group));
    keyspace_.Observe(this);
  }
  ~TopicGroupEnd() override { keyspace_.Observe(nullptr); }

  std::vector<std::string> Readers(std::string_view topic) {
    const auto& readers = keyspace_.Find(KeyRef(1, topic))->As<Topic>()->readers();
    return {readers.begin(), readers.end()};
  }
  const TopicGroup& group() {
    return *keyspace_.Find(KeyRef(CompanionOf(1), "*g"))->As<TopicGroup>();
  }
  std::vector<std::string> TopicsOfGroup() {
    std::vector<std::string> names;
    for (const auto& [name, topic] : group().topics()) {
      names.push_back(name);
    }
    return names;
  }

  Keyspace keyspace_{3};
  std::vector<std::string> heard_;

 private:
  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) override {
    const std::string what = change == KeyChange::kBeside    ? "beside "
                             : change == KeyChange::kRemoved ? "removed "
                                                             : "other ";
    heard_.push_back(what + std::to_string(DatabaseOf(db)) + ":" + std::string(name));
  }
  void OnFlush(uint32_t db) override { heard_.push_back("flush " + std::to_string(db)); }
  void OnSwap(uint32_t, uint32_t) override {}
  void OnTopicsChange(uint32_t db) override { heard_.push_back("topics " + std::to_string(db)); }
};

TEST_F(TopicGroupEnd, OfATopicIsToldToItsGroups) {
  keyspace_.Remove(KeyRef(1, "t"));
  EXPECT_THAT(TopicsOfGroup(), ElementsAre("u", "v"));
  EXPECT_EQ(group().FindMember("m")->partitions, 0u);
  EXPECT_THAT(heard_, ElementsAre("removed 1:t", "beside 1:*g", "topics 1"));
  keyspace_.Put(KeyRef(1, "u"), std::make_unique<Stream>());
  EXPECT_THAT(TopicsOfGroup(), ElementsAre("v"));
}

TEST_F(TopicGroupEnd, OfAGroupIsToldToItsTopics) {
  keyspace_.Remove(KeyRef(CompanionOf(1), "*g"));
  EXPECT_THAT(Readers("t"), ElementsAre("gone"));
  EXPECT_THAT(Readers("u"), ElementsAre("gone"));
  EXPECT_THAT(heard_, ElementsAre("removed 1:*g", "beside 1:t", "beside 1:u"));
}

TEST_F(TopicGroupEnd, IsAlsoWhenAnotherValueTakesItsPlace) {
  keyspace_.Put(KeyRef(CompanionOf(1), "*g"), std::make_unique<Stream>());
  EXPECT_THAT(Readers("t"), ElementsAre("gone"));
  keyspace_.Remove(KeyRef(1, "t"));
}

TEST_F(TopicGroupEnd, AFlushTakesBothTogether) {
  keyspace_.Flush(1);
  EXPECT_TRUE(ContentOf(keyspace_).empty());
  EXPECT_THAT(heard_, ElementsAre("flush 1", "flush 65537"));
  EXPECT_THAT(keyspace_.listed(CompanionOf(1)), IsEmpty());
}

TEST_F(TopicGroupEnd, ACaptureHasWhatWasThere) {
  for (const KeyRef& key : {KeyRef(1, "t"), KeyRef(CompanionOf(1), "*g")}) {
    HeldCapture capture;
    const KeyspaceContent before = ContentOf(keyspace_);
    keyspace_.BeginCapture(&capture);
    keyspace_.Remove(key);
    while (!keyspace_.CaptureSome(1)) {
    }
    EXPECT_EQ(capture.Content(), before);
  }
}

}  // namespace
}  // namespace runnel
