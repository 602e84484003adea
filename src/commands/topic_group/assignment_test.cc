#include "commands/topic_group/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace runnel::commands {
namespace {

// Members and topics with what they point to.
class AssignmentCase {
 public:
  // A member with the next name, which has this number.
  void AddMember(MemberId id, std::vector<uint32_t> topics) {
    names_.push_back("m" + std::to_string(1000 + names_.size()));
    subscriptions_.push_back(std::move(topics));
    ids_.push_back(id);
  }
  void AddTopic(size_t partitions) { topics.emplace_back().partitions.resize(partitions); }
  // The member has gone; what it owned keeps its number.
  void RemoveMember(size_t member) {
    names_.erase(names_.begin() + static_cast<ptrdiff_t>(member));
    subscriptions_.erase(subscriptions_.begin() + static_cast<ptrdiff_t>(member));
    ids_.erase(ids_.begin() + static_cast<ptrdiff_t>(member));
  }

  void Make(Assignor assignor = Assignor::kUniform) {
    std::vector<AssignmentMember> members;
    for (size_t i = 0; i < names_.size(); i++) {
      members.push_back({ids_[i], names_[i], subscriptions_[i]});
    }
    Assign(assignor, members, topics);
  }
  // All partitions have moved.
  void Move() {
    for (AssignmentTopic& topic : topics) {
      for (auto& partition : topic.partitions) {
        partition.owner = partition.target;
      }
    }
  }

  bool MayHave(MemberId id, uint32_t topic) const {
    for (size_t i = 0; i < ids_.size(); i++) {
      const std::vector<uint32_t>& of = subscriptions_[i];
      if (ids_[i] == id && std::find(of.begin(), of.end(), topic) != of.end()) return true;
    }
    return false;
  }
  const std::vector<MemberId>& ids() const { return ids_; }
  std::vector<MemberId> SubscribersOf(uint32_t topic) const {
    std::vector<MemberId> result;
    for (const MemberId id : ids_) {
      if (MayHave(id, topic)) result.push_back(id);
    }
    return result;
  }

  // Every partition that somebody may have has a target that may have it.
  void ExpectComplete() const {
    for (uint32_t i = 0; i < topics.size(); i++) {
      const bool wanted = !SubscribersOf(i).empty();
      for (const auto& partition : topics[i].partitions) {
        EXPECT_EQ(partition.target != kNobody, wanted);
        EXPECT_EQ(MayHave(partition.target, i), wanted);
      }
    }
  }
  std::map<MemberId, uint64_t> Loads() const {
    std::map<MemberId, uint64_t> loads;
    for (const MemberId id : ids_) {
      loads[id] = 0;
    }
    for (const AssignmentTopic& topic : topics) {
      for (const auto& partition : topic.partitions) {
        if (partition.target != kNobody) loads[partition.target]++;
      }
    }
    return loads;
  }
  // How uneven the targets are, how many partitions move, and how many of these are in flight.
  using Price = std::tuple<uint64_t, uint64_t, uint64_t>;
  Price PriceOf() const {
    uint64_t squares = 0, moves = 0, busy = 0;
    for (const auto& [id, load] : Loads()) {
      squares += load * load;
    }
    for (uint32_t i = 0; i < topics.size(); i++) {
      for (const auto& partition : topics[i].partitions) {
        if (partition.target == partition.owner || !MayHave(partition.owner, i)) continue;
        moves++;
        busy += partition.in_flight;
      }
    }
    return {squares, moves, busy};
  }
  // The least price that any targets have. For few partitions and members.
  Price BestPrice() const {
    AssignmentCase copy = *this;
    std::vector<std::pair<uint32_t, uint32_t>> places;
    for (uint32_t i = 0; i < topics.size(); i++) {
      if (SubscribersOf(i).empty()) continue;
      for (uint32_t k = 0; k < topics[i].partitions.size(); k++) {
        places.emplace_back(i, k);
      }
    }
    Price best = {UINT64_MAX, 0, 0};
    copy.Try(places, 0, &best);
    return best;
  }

  std::vector<AssignmentTopic> topics;

 private:
  void Try(const std::vector<std::pair<uint32_t, uint32_t>>& places, size_t at, Price* best) {
    if (at == places.size()) {
      *best = std::min(*best, PriceOf());
      return;
    }
    for (const MemberId id : ids_) {
      if (!MayHave(id, places[at].first)) continue;
      topics[places[at].first].partitions[places[at].second].target = id;
      Try(places, at + 1, best);
    }
  }

  std::vector<std::string> names_;
  std::vector<std::vector<uint32_t>> subscriptions_;
  std::vector<MemberId> ids_;
};

// Members with random numbers and subscriptions, topics, and random owners.
AssignmentCase RandomCase(std::mt19937_64& random, uint32_t most_members, uint32_t most_topics,
                          uint32_t most_partitions) {
  const auto below = [&](uint64_t bound) { return static_cast<uint32_t>(random() % bound); };
  AssignmentCase result;
  const uint32_t topics = 1 + below(most_topics);
  for (uint32_t i = 0; i < topics; i++) {
    result.AddTopic(below(most_partitions + 1));
  }
  const uint32_t members = below(most_members + 1);
  const uint32_t kinds = 1 + below(3);  // the fewer, the more members are alike
  const uint32_t salt = below(1000);
  for (uint32_t i = 0; i < members; i++) {
    std::vector<uint32_t> subscribed;
    std::mt19937_64 of_kind(kinds == 3 ? random() : salt + i % kinds);
    for (uint32_t topic = 0; topic < topics; topic++) {
      if (of_kind() % 3 > 0) subscribed.push_back(topic);
    }
    result.AddMember(10 + (i * 7) % 13, subscribed);
  }
  const uint32_t owned = below(5);
  // Some have gone, and one has most.
  const auto anybody = [&]() -> MemberId {
    return members == 0 || below(8) == 0 ? 10 + below(16) : result.ids()[below(members)];
  };
  const MemberId favourite = anybody();
  for (AssignmentTopic& topic : result.topics) {
    for (auto& partition : topic.partitions) {
      if (below(4) < owned) partition.owner = below(3) > 0 ? favourite : anybody();
      partition.in_flight = partition.owner != kNobody && below(2) == 0;
    }
  }
  return result;
}

std::vector<MemberId> TargetsOf(const AssignmentCase& assignment) {
  std::vector<MemberId> targets;
  for (const AssignmentTopic& topic : assignment.topics) {
    for (const auto& partition : topic.partitions) {
      targets.push_back(partition.target);
    }
  }
  return targets;
}

class AssignmentSeeds : public testing::TestWithParam<int> {};

TEST_P(AssignmentSeeds, NoneIsBetter) {
  std::mt19937_64 random(GetParam());
  int moved = 0;
  for (int i = 0; i < 300; i++) {
    AssignmentCase small = RandomCase(random, 4, 4, 3);
    size_t partitions = 0;
    for (const AssignmentTopic& topic : small.topics) {
      partitions += topic.partitions.size();
    }
    if (partitions > 6) continue;
    small.Make();
    ASSERT_NO_FATAL_FAILURE(small.ExpectComplete()) << "case " << i;
    const auto price = small.PriceOf();
    ASSERT_EQ(price, small.BestPrice()) << "case " << i;
    moved += std::get<1>(price) > 0;
    AssignmentCase again = small;
    again.Make();
    ASSERT_EQ(TargetsOf(again), TargetsOf(small));
    // What is best is left alone.
    again.Move();
    again.Make();
    ASSERT_EQ(TargetsOf(again), TargetsOf(small)) << "case " << i;
  }
  EXPECT_GT(moved, 10);
}

// No chain of partitions leads from a member to one that has two less.
TEST_P(AssignmentSeeds, NoChainMakesItMoreEven) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 60; i++) {
    AssignmentCase large = RandomCase(random, 13, 12, 30);
    large.Make();
    ASSERT_NO_FATAL_FAILURE(large.ExpectComplete()) << "case " << i;
    const auto loads = large.Loads();
    for (const auto& [from, load] : loads) {
      std::set<MemberId> reached = {from};
      std::vector<MemberId> open = {from};
      while (!open.empty()) {
        const MemberId id = open.back();
        open.pop_back();
        ASSERT_GE(loads.at(id) + 1, load) << "case " << i;
        for (uint32_t topic = 0; topic < large.topics.size(); topic++) {
          bool has = false;
          for (const auto& partition : large.topics[topic].partitions) {
            has |= partition.target == id;
          }
          if (!has) continue;
          for (const MemberId to : large.SubscribersOf(topic)) {
            if (reached.insert(to).second) open.push_back(to);
          }
        }
      }
    }
    AssignmentCase again = large;
    again.Move();
    again.Make();
    ASSERT_EQ(TargetsOf(again), TargetsOf(large)) << "case " << i;
  }
}

// With one subscription for all: how many move follows from how many each has.
TEST_P(AssignmentSeeds, WithEqualSubscriptionsAsFewMoveAsAFormulaSays) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 100; i++) {
    AssignmentCase equal;
    const uint64_t topics = 1 + random() % 5;
    std::vector<uint32_t> all;
    for (uint32_t topic = 0; topic < topics; topic++) {
      equal.AddTopic(random() % 40);
      all.push_back(topic);
    }
    const uint64_t members = 1 + random() % 12;
    for (uint32_t id = 1; id <= members; id++) {
      equal.AddMember(id, all);
    }
    std::map<MemberId, uint64_t> owned, busy;
    uint64_t partitions = 0;
    const uint64_t owners = 1 + random() % (members + 2);
    for (AssignmentTopic& topic : equal.topics) {
      for (auto& partition : topic.partitions) {
        partition.owner = static_cast<MemberId>(random() % (owners + 1));
        partition.in_flight = random() % 3 == 0;
        partitions++;
        if (partition.owner == kNobody || partition.owner > members) continue;
        owned[partition.owner]++;
        if (partition.in_flight) busy[partition.owner]++;
      }
    }
    equal.Make();
    equal.ExpectComplete();
    const uint64_t low = partitions / members;
    uint64_t extra = partitions % members;  // so many members have one more
    for (const auto& [id, load] : equal.Loads()) {
      EXPECT_TRUE(load == low || load == low + 1);
    }
    // Those who own most keep one more.
    std::vector<std::pair<bool, bool>> keeps;
    uint64_t moves = 0, busy_moves = 0;
    for (const auto& [id, count] : owned) {
      moves += count > low ? count - low : 0;
      busy_moves += busy[id] > low ? busy[id] - low : 0;
      keeps.emplace_back(count > low, busy[id] > low);
    }
    std::sort(keeps.rbegin(), keeps.rend());
    for (const auto& [keep, keep_busy] : keeps) {
      if (extra == 0) break;
      extra--;
      moves -= keep;
      busy_moves -= keep_busy;
    }
    const auto [squares, moved, moved_busy] = equal.PriceOf();
    ASSERT_EQ(moved, moves) << "case " << i;
    ASSERT_EQ(moved_busy, busy_moves) << "case " << i;
  }
}

TEST_P(AssignmentSeeds, RangesAreThoseOfAFormula) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 100; i++) {
    AssignmentCase ranges = RandomCase(random, 8, 6, 20);
    ranges.Make(Assignor::kRange);
    for (uint32_t topic = 0; topic < ranges.topics.size(); topic++) {
      const std::vector<MemberId> members = ranges.SubscribersOf(topic);
      const auto& partitions = ranges.topics[topic].partitions;
      for (size_t number = 0; number < partitions.size(); number++) {
        // The member whose range [begin, end) has the number.
        MemberId expected = kNobody;
        for (size_t k = 0; k < members.size(); k++) {
          const size_t each = partitions.size() / members.size();
          const size_t longer = partitions.size() % members.size();
          const size_t begin = k * each + std::min(k, longer);
          const size_t end = begin + each + (k < longer ? 1 : 0);
          if (number >= begin && number < end) expected = members[k];
        }
        ASSERT_EQ(partitions[number].target, expected) << "case " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AssignmentSeeds, testing::Range(0, 10));

TEST(Assignment, NobodyIsThere) {
  AssignmentCase empty;
  empty.AddTopic(3);
  for (const Assignor assignor : {Assignor::kUniform, Assignor::kRange}) {
    empty.Make(assignor);
    EXPECT_EQ(TargetsOf(empty), (std::vector<MemberId>{kNobody, kNobody, kNobody}));
  }
  AssignmentCase nothing;
  nothing.AddMember(1, {});
  nothing.Make();
}

// A member that comes or goes moves its own share only.
TEST(Assignment, MembersComeAndGo) {
  AssignmentCase all;
  const std::vector<uint32_t> both = {0, 1};
  all.AddTopic(12);
  all.AddTopic(12);
  for (const MemberId id : {1, 2, 3}) {
    all.AddMember(id, both);
    all.Make();
    all.Move();
  }
  const std::vector<MemberId> before = TargetsOf(all);
  all.AddMember(4, both);
  all.Make();
  EXPECT_EQ(all.Loads(), (std::map<MemberId, uint64_t>{{1, 6}, {2, 6}, {3, 6}, {4, 6}}));
  EXPECT_EQ(std::get<1>(all.PriceOf()), 6u);
  // The new member has partitions of both topics.
  const std::vector<MemberId> targets = TargetsOf(all);
  EXPECT_EQ(std::count(targets.begin(), targets.begin() + 12, 4u), 3);
  all.Move();
  all.RemoveMember(3);
  all.Make();
  EXPECT_EQ(all.Loads(), (std::map<MemberId, uint64_t>{{1, 8}, {2, 8}, {3, 8}}));
  EXPECT_EQ(std::get<1>(all.PriceOf()), 0u);
}

// Each topic is for two members that are neighbours: partitions go from hand to hand.
TEST(Assignment, AChainOfSubscriptions) {
  AssignmentCase chain;
  constexpr uint32_t kMembers = 40;
  for (uint32_t i = 0; i + 1 < kMembers; i++) {
    chain.AddTopic(i == 0 ? 1000 : 1);
  }
  for (uint32_t i = 0; i < kMembers; i++) {
    std::vector<uint32_t> topics;
    if (i > 0) topics.push_back(i - 1);
    if (i + 1 < kMembers) topics.push_back(i);
    chain.AddMember(i + 1, topics);
  }
  chain.Make();
  chain.ExpectComplete();
  EXPECT_EQ(chain.Loads().at(1), 500u);
  EXPECT_EQ(chain.Loads().at(2), 500u);
}

TEST(Assignment, ManyPartitionsAndMembersTakeNoTimeToSpeakOf) {
  AssignmentCase many;
  std::vector<uint32_t> all;
  for (uint32_t topic = 0; topic < 10; topic++) {
    many.AddTopic(100'000);
    all.push_back(topic);
  }
  for (MemberId id = 1; id <= 1000; id++) {
    many.AddMember(id, all);
  }
  many.Make();
  for (const auto& [id, load] : many.Loads()) {
    EXPECT_EQ(load, 1000u);
  }
  many.Move();
  for (MemberId id = 1001; id <= 2000; id++) {
    many.AddMember(id, all);
  }
  many.Make();
  for (const auto& [id, load] : many.Loads()) {
    EXPECT_EQ(load, 500u);
  }
}

}  // namespace
}  // namespace runnel::commands
