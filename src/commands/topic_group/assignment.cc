#include "commands/topic_group/assignment.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "base/assert.h"
#include "base/string_map.h"

namespace runnel::commands {
namespace {

// Members that subscribe to the same topics are of one kind. Partitions of topics that have the
// same subscribers are in one pool: it makes no difference which of them a member has.
//
// kUniform has three steps. `DivideEvenly` finds how many partitions each member may have, from the
// sizes of pools and kinds alone: it divides them into groups, and within a group each member has
// `low` partitions or one more. Then, in each group, every member has what it owns already, and
// what it has too much flows to those who have too little, on the cheapest ways that there are
// (`SharingFlow`). Last, partitions are chosen for the numbers that this gives.

constexpr uint32_t kNoPlace = std::numeric_limits<uint32_t>::max();

struct PartitionPool {
  std::vector<uint32_t> topics;
  std::vector<uint32_t> kinds;  // of the members that may have them
  uint64_t partitions = 0;
};

struct Subscriptions {
  std::vector<uint32_t> kind_of;     // of each member
  std::vector<uint64_t> kind_sizes;  // members of each kind
  std::vector<PartitionPool> pools;  // without topics that nobody subscribes to
};

Subscriptions ReadSubscriptions(std::span<const AssignmentMember> members,
                                std::span<const AssignmentTopic> topics) {
  Subscriptions result;
  std::vector<std::vector<uint32_t>> kinds_of(topics.size());
  absl::flat_hash_map<std::string_view, uint32_t, StringHash, StringEqual> kinds;
  for (const AssignmentMember& member : members) {
    const std::string_view bytes(reinterpret_cast<const char*>(member.topics.data()),
                                 member.topics.size_bytes());
    const auto next = static_cast<uint32_t>(result.kind_sizes.size());
    const auto [found, is_new] = kinds.try_emplace(bytes, next);
    if (is_new) {
      result.kind_sizes.push_back(0);
      for (const uint32_t topic : member.topics) {
        kinds_of[topic].push_back(next);
      }
    }
    result.kind_of.push_back(found->second);
    result.kind_sizes[found->second]++;
  }
  absl::flat_hash_map<std::vector<uint32_t>, uint32_t> pools;
  for (uint32_t topic = 0; topic < topics.size(); topic++) {
    if (kinds_of[topic].empty() || topics[topic].partitions.empty()) continue;
    const auto next = static_cast<uint32_t>(result.pools.size());
    const auto [found, is_new] = pools.try_emplace(kinds_of[topic], next);
    if (is_new) result.pools.emplace_back().kinds = std::move(kinds_of[topic]);
    PartitionPool& pool = result.pools[found->second];
    pool.topics.push_back(topic);
    pool.partitions += topics[topic].partitions.size();
  }
  return result;
}

// The members of these kinds, in the order of their names.
std::vector<uint32_t> MembersOf(const Subscriptions& subscriptions,
                                const std::vector<uint32_t>& kinds) {
  std::vector<bool> wanted(subscriptions.kind_sizes.size());
  for (const uint32_t kind : kinds) {
    wanted[kind] = true;
  }
  std::vector<uint32_t> members;
  for (uint32_t i = 0; i < subscriptions.kind_of.size(); i++) {
    if (wanted[subscriptions.kind_of[i]]) members.push_back(i);
  }
  return members;
}

// --- Flows ---

// Who takes how many partitions of which pool, and how partitions can be shifted: a taker gives one
// back to its pool, and the pool gives it to another taker. Ways lead over any number of both.
//
// A way costs for each partition that leaves the member that owns it, and a little more if that one
// is in flight; a partition that comes back saves as much. As long as each way is one of the
// cheapest that there are, what was shifted could not have been shifted for less.
class SharingFlow {
 public:
  struct Edge {
    uint32_t pool = 0;
    uint32_t taker = 0;  // as a node
    uint64_t units = 0;  // partitions that the taker has
    uint64_t owned = 0;  // that it would have without a move
    uint64_t busy = 0;   // those of them that are in flight
  };
  // How many partitions can begin or end their way at a node, and what that costs.
  struct End {
    uint64_t units = 0;
    int64_t cost = 0;
  };

  // Nodes are the pools and behind them the takers.
  SharingFlow(size_t pools, size_t takers)
      : begins(pools + takers),
        ends(pools + takers),
        pools_(pools),
        edges_of_(pools + takers),
        distances_(pools + takers),
        next_(pools + takers),
        scale_(4 * (2 * static_cast<int64_t>(std::min(pools, takers)) + 4)) {}

  uint32_t TakerNode(size_t taker) const { return static_cast<uint32_t>(pools_ + taker); }
  Edge& Connect(size_t pool, size_t taker) {
    const auto edge = static_cast<uint32_t>(edges.size());
    edges.push_back({static_cast<uint32_t>(pool), TakerNode(taker)});
    edges_of_[pool].push_back(edge);
    edges_of_[TakerNode(taker)].push_back(edge);
    return edges.back();
  }
  // More than any way without the costs of its ends.
  int64_t high_cost() const { return scale_ * scale_ * scale_; }

  // Shifts what can be shifted on the cheapest ways that there are, if they cost less than nothing.
  // Returns whether there was such a way.
  bool Push();
  // Whether a way led to the node when Push looked for ways for the last time.
  bool Reached(uint32_t node) const { return distances_[node] != kFar; }

  std::vector<Edge> edges;
  std::vector<End> begins;
  std::vector<End> ends;

 private:
  static constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

  // What can be shifted from one node of an edge to the other one at the same cost.
  struct Step {
    uint64_t units;
    int64_t cost;
  };
  Step StepFrom(uint32_t node, const Edge& edge) const;
  void Measure();
  uint64_t Shift(uint32_t node, uint64_t most);

  const size_t pools_;
  std::vector<std::vector<uint32_t>> edges_of_;
  std::vector<int64_t> distances_;
  std::vector<size_t> next_;  // the first edge of each node over which more may go
  int64_t cheapest_ = 0;
  // Each step of a way costs 1, so that of ways that cost the same the shortest are taken, and
  // these make no circle. A partition in flight costs more than all steps of a way together, a
  // partition that moves more than all of those.
  const int64_t scale_;
};

SharingFlow::Step SharingFlow::StepFrom(uint32_t node, const Edge& edge) const {
  const int64_t move = scale_ * scale_;
  if (node >= pools_) {
    if (edge.units > edge.owned) return {edge.units - edge.owned, 1};
    if (edge.units > edge.busy) return {edge.units - edge.busy, 1 + move};
    return {edge.units, 1 + move + scale_};
  }
  if (edge.units < edge.busy) return {edge.busy - edge.units, 1 - move - scale_};
  if (edge.units < edge.owned) return {edge.owned - edge.units, 1 - move};
  return {std::numeric_limits<uint64_t>::max(), 1};
}

void SharingFlow::Measure() {
  std::deque<uint32_t> queue;
  std::vector<bool> queued(begins.size());
  for (uint32_t node = 0; node < begins.size(); node++) {
    const bool begin = begins[node].units > 0;
    distances_[node] = begin ? begins[node].cost : kFar;
    queued[node] = begin;
    if (begin) queue.push_back(node);
  }
  while (!queue.empty()) {
    const uint32_t node = queue.front();
    queue.pop_front();
    queued[node] = false;
    for (const uint32_t index : edges_of_[node]) {
      const Edge& edge = edges[index];
      const Step step = StepFrom(node, edge);
      const uint32_t to = node < pools_ ? edge.taker : edge.pool;
      if (step.units == 0 || distances_[node] + step.cost >= distances_[to]) continue;
      distances_[to] = distances_[node] + step.cost;
      if (!queued[to]) queue.push_back(to);
      queued[to] = true;
    }
  }
}

bool SharingFlow::Push() {
  Measure();
  cheapest_ = 0;
  for (uint32_t node = 0; node < ends.size(); node++) {
    if (ends[node].units == 0 || !Reached(node)) continue;
    cheapest_ = std::min(cheapest_, distances_[node] + ends[node].cost);
  }
  if (cheapest_ == 0) return false;
  std::fill(next_.begin(), next_.end(), 0);
  for (uint32_t node = 0; node < begins.size(); node++) {
    End& begin = begins[node];
    if (begin.units == 0 || distances_[node] != begin.cost) continue;
    begin.units -= Shift(node, begin.units);
  }
  return true;
}

// Shifts partitions that have come to the node as far as they can go, and returns how many could.
uint64_t SharingFlow::Shift(uint32_t node, uint64_t most) {
  uint64_t shifted = 0;
  if (distances_[node] + ends[node].cost == cheapest_) {
    shifted = std::min(most, ends[node].units);
    ends[node].units -= shifted;
  }
  for (size_t& i = next_[node]; shifted < most && i < edges_of_[node].size(); i++) {
    Edge& edge = edges[edges_of_[node][i]];
    const Step step = StepFrom(node, edge);
    const uint32_t to = node < pools_ ? edge.taker : edge.pool;
    if (step.units == 0 || distances_[to] != distances_[node] + step.cost) continue;
    const uint64_t gone = Shift(to, std::min(most - shifted, step.units));
    edge.units = node < pools_ ? edge.units + gone : edge.units - gone;
    shifted += gone;
    if (shifted == most) break;
  }
  return shifted;
}

// --- How many partitions each member has ---

// Pools and kinds of members. Each of the members has `low` partitions of the pools, or one more.
struct EvenGroup {
  std::vector<uint32_t> pools;
  std::vector<uint32_t> kinds;
  uint64_t low = 0;
};

uint64_t SizeOf(const Subscriptions& subscriptions, const std::vector<uint32_t>& kinds) {
  uint64_t size = 0;
  for (const uint32_t kind : kinds) {
    size += subscriptions.kind_sizes[kind];
  }
  return size;
}

uint64_t PartitionsOf(const Subscriptions& subscriptions, const std::vector<uint32_t>& pools) {
  uint64_t partitions = 0;
  for (const uint32_t pool : pools) {
    partitions += subscriptions.pools[pool].partitions;
  }
  return partitions;
}

// Gives each member up to `most` partitions. If then both partitions are left and members could
// take more, divides the group in two and returns true: members of `upper` have at least `most`
// partitions each, those of `lower` at most so many, and no pool of `upper` is for any of these.
bool DivideAt(const Subscriptions& subscriptions, const EvenGroup& group, uint64_t most,
              EvenGroup* upper, EvenGroup* lower) {
  SharingFlow flow(group.pools.size(), group.kinds.size());
  std::vector<uint32_t> place(subscriptions.kind_sizes.size(), kNoPlace);
  uint64_t room = 0;
  for (uint32_t i = 0; i < group.kinds.size(); i++) {
    place[group.kinds[i]] = i;
    const uint64_t units = subscriptions.kind_sizes[group.kinds[i]] * most;
    flow.ends[flow.TakerNode(i)].units = units;
    room += units;
  }
  for (uint32_t i = 0; i < group.pools.size(); i++) {
    const PartitionPool& pool = subscriptions.pools[group.pools[i]];
    flow.begins[i] = {pool.partitions, -flow.high_cost()};
    for (const uint32_t kind : pool.kinds) {
      if (place[kind] != kNoPlace) flow.Connect(i, place[kind]);
    }
  }
  while (flow.Push()) {
  }
  uint64_t left = 0;
  for (uint32_t i = 0; i < group.pools.size(); i++) {
    left += flow.begins[i].units;
  }
  const uint64_t partitions = PartitionsOf(subscriptions, group.pools);
  if (left == 0 || partitions - left == room) return false;
  for (uint32_t i = 0; i < group.pools.size(); i++) {
    (flow.Reached(i) ? upper : lower)->pools.push_back(group.pools[i]);
  }
  for (uint32_t i = 0; i < group.kinds.size(); i++) {
    (flow.Reached(flow.TakerNode(i)) ? upper : lower)->kinds.push_back(group.kinds[i]);
  }
  return true;
}

// In every assignment that is as even as can be, the partitions of a group's pools belong to the
// group's members. For if a group was divided at a number, another partition for a member of the
// upper one makes it at least that and one, and one less for a member of the lower one makes it
// less than that.
std::vector<EvenGroup> DivideEvenly(const Subscriptions& subscriptions) {
  std::vector<EvenGroup> groups;
  std::vector<EvenGroup> open(1);
  for (uint32_t i = 0; i < subscriptions.pools.size(); i++) {
    open[0].pools.push_back(i);
  }
  for (uint32_t i = 0; i < subscriptions.kind_sizes.size(); i++) {
    open[0].kinds.push_back(i);
  }
  while (!open.empty()) {
    EvenGroup group = std::move(open.back());
    open.pop_back();
    const uint64_t partitions = PartitionsOf(subscriptions, group.pools);
    if (partitions == 0) continue;
    const uint64_t members = SizeOf(subscriptions, group.kinds);
    group.low = partitions / members;
    const uint64_t high = (partitions + members - 1) / members;
    EvenGroup upper, lower;
    if (DivideAt(subscriptions, group, high, &upper, &lower) ||
        (group.low < high && DivideAt(subscriptions, group, group.low, &upper, &lower))) {
      open.push_back(std::move(upper));
      open.push_back(std::move(lower));
    } else {
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

// --- Which partitions they are ---

// Says of a row of partitions, some of which go, which ones: they are spread over the row, so that
// not all of them are of one topic.
class SpreadChoice {
 public:
  void Begin(uint64_t all, uint64_t chosen) {
    all_ = all;
    chosen_ = chosen;
    sum_ = 0;
  }
  bool Next() {
    sum_ += chosen_;
    if (sum_ < all_) return false;
    sum_ -= all_;
    return true;
  }

 private:
  uint64_t all_ = 0;
  uint64_t chosen_ = 0;
  uint64_t sum_ = 0;
};

class UniformAssignment {
 public:
  UniformAssignment(std::span<const AssignmentMember> members, std::span<AssignmentTopic> topics)
      : members_(members),
        topics_(topics),
        subscriptions_(ReadSubscriptions(members, topics)),
        edge_of_(members.size(), kNoPlace) {
    for (uint32_t i = 0; i < members.size(); i++) {
      index_of_.emplace(members[i].id, i);
    }
  }

  void Make() {
    for (const EvenGroup& group : DivideEvenly(subscriptions_)) {
      Share(group);
    }
  }

 private:
  using Edge = SharingFlow::Edge;

  void Share(const EvenGroup& group) {
    const std::vector<uint32_t> takers = MembersOf(subscriptions_, group.kinds);
    SharingFlow flow(group.pools.size(), takers.size());
    std::vector<uint64_t> loads(takers.size());
    std::vector<std::pair<uint32_t, uint32_t>> edges_of;  // the first one, and the one behind
    for (uint32_t i = 0; i < group.pools.size(); i++) {
      const auto first = static_cast<uint32_t>(flow.edges.size());
      Connect(subscriptions_.pools[group.pools[i]], i, takers, &flow);
      edges_of.emplace_back(first, flow.edges.size());
    }
    // No partition that has an owner moves at first. Those without one go where room is, or
    // anywhere: they can be shifted at no cost.
    for (const Edge& edge : flow.edges) {
      loads[edge.taker - group.pools.size()] += edge.units;
    }
    for (uint32_t i = 0; i < group.pools.size(); i++) {
      uint64_t left = subscriptions_.pools[group.pools[i]].partitions;
      for (uint32_t at = edges_of[i].first; at < edges_of[i].second; at++) {
        left -= flow.edges[at].units;
      }
      for (const uint64_t limit :
           {group.low, group.low + 1, std::numeric_limits<uint64_t>::max()}) {
        for (uint32_t at = edges_of[i].first; at < edges_of[i].second && left > 0; at++) {
          uint64_t& load = loads[flow.edges[at].taker - group.pools.size()];
          const uint64_t added = load < limit ? std::min(left, limit - load) : 0;
          flow.edges[at].units += added;
          load += added;
          left -= added;
        }
      }
    }
    Level(group.low, &flow, &loads);
    for (uint32_t i = 0; i < group.pools.size(); i++) {
      Choose(
          subscriptions_.pools[group.pools[i]], takers, group.pools.size(),
          std::span(flow.edges).subspan(edges_of[i].first, edges_of[i].second - edges_of[i].first));
    }
  }

  // Adds the edges of a pool, with what their takers own of it.
  void Connect(const PartitionPool& pool, uint32_t number, const std::vector<uint32_t>& takers,
               SharingFlow* flow) {
    std::vector<bool> subscribes(subscriptions_.kind_sizes.size());
    for (const uint32_t kind : pool.kinds) {
      subscribes[kind] = true;
    }
    const size_t first = flow->edges.size();
    for (uint32_t i = 0; i < takers.size(); i++) {
      if (!subscribes[subscriptions_.kind_of[takers[i]]]) continue;
      edge_of_[takers[i]] = static_cast<uint32_t>(flow->edges.size());
      flow->Connect(number, i);
    }
    for (const uint32_t topic : pool.topics) {
      for (const AssignmentTopic::Partition& partition : topics_[topic].partitions) {
        const uint32_t edge = OwningEdge(partition);
        if (edge == kNoPlace) continue;
        flow->edges[edge].owned++;
        if (partition.in_flight) flow->edges[edge].busy++;
      }
    }
    for (size_t at = first; at < flow->edges.size(); at++) {
      Edge& edge = flow->edges[at];
      edge.units = edge.owned;
      edge_of_[takers[edge.taker - flow->TakerNode(0)]] = kNoPlace;
    }
  }

  // The edge of the owner, if it is one of those who may have the partition.
  uint32_t OwningEdge(const AssignmentTopic::Partition& partition) const {
    if (partition.owner == kNobody) return kNoPlace;
    const auto found = index_of_.find(partition.owner);
    return found == index_of_.end() ? kNoPlace : edge_of_[found->second];
  }

  // Shifts partitions until each taker has `low` or one more, and no such state moves fewer.
  static void Level(uint64_t low, SharingFlow* flow, std::vector<uint64_t>* loads) {
    for (;;) {
      for (size_t i = 0; i < loads->size(); i++) {
        const uint64_t load = (*loads)[i];
        const uint32_t node = flow->TakerNode(i);
        flow->begins[node] = {};
        flow->ends[node] = {};
        if (load > low + 1) flow->begins[node] = {load - low - 1, -flow->high_cost()};
        if (load == low + 1) flow->begins[node] = {1, 0};
        if (load == low) flow->ends[node] = {1, 0};
        if (load < low) flow->ends[node] = {low - load, -flow->high_cost()};
        (*loads)[i] -= flow->begins[node].units;
        (*loads)[i] += flow->ends[node].units;
      }
      const bool pushed = flow->Push();
      for (size_t i = 0; i < loads->size(); i++) {
        const uint32_t node = flow->TakerNode(i);
        (*loads)[i] += flow->begins[node].units;
        (*loads)[i] -= flow->ends[node].units;
        ASSERT(pushed || (*loads)[i] - low <= 1);
      }
      if (!pushed) return;
    }
  }

  // Names the new owners of a pool's partitions, whose numbers the edges say.
  void Choose(const PartitionPool& pool, const std::vector<uint32_t>& takers, size_t first_taker,
              std::span<const Edge> edges) {
    std::vector<std::pair<SpreadChoice, SpreadChoice>> going(edges.size());  // idle, in flight
    std::vector<std::pair<MemberId, uint64_t>> coming;  // who gets how many partitions
    for (uint32_t i = 0; i < edges.size(); i++) {
      const Edge& edge = edges[i];
      const uint32_t taker = takers[edge.taker - first_taker];
      edge_of_[taker] = i;
      if (edge.units > edge.owned) {
        coming.emplace_back(members_[taker].id, edge.units - edge.owned);
      }
      const uint64_t gone = edge.units < edge.owned ? edge.owned - edge.units : 0;
      const uint64_t idle = edge.owned - edge.busy;
      const uint64_t idle_gone = std::min(gone, idle);
      going[i].first.Begin(idle, idle_gone);
      going[i].second.Begin(edge.busy, gone - idle_gone);
    }
    // Those that come take turns.
    size_t turn = 0;
    for (const uint32_t topic : pool.topics) {
      for (AssignmentTopic::Partition& partition : topics_[topic].partitions) {
        const uint32_t edge = OwningEdge(partition);
        const bool goes = edge == kNoPlace || (partition.in_flight ? going[edge].second.Next()
                                                                   : going[edge].first.Next());
        if (!goes) {
          partition.target = partition.owner;
          continue;
        }
        ASSERT(turn < coming.size());
        partition.target = coming[turn].first;
        coming[turn].second--;
        if (++turn < coming.size()) continue;
        turn = 0;
        std::erase_if(coming, [](const auto& taker) { return taker.second == 0; });
      }
    }
    for (const Edge& edge : edges) {
      edge_of_[takers[edge.taker - first_taker]] = kNoPlace;
    }
  }

  const std::span<const AssignmentMember> members_;
  const std::span<AssignmentTopic> topics_;
  const Subscriptions subscriptions_;
  absl::flat_hash_map<MemberId, uint32_t> index_of_;
  std::vector<uint32_t> edge_of_;  // of each member, for the pool that is looked at
};

void AssignRanges(std::span<const AssignmentMember> members, std::span<AssignmentTopic> topics) {
  const Subscriptions subscriptions = ReadSubscriptions(members, topics);
  for (const PartitionPool& pool : subscriptions.pools) {
    const std::vector<uint32_t> takers = MembersOf(subscriptions, pool.kinds);
    for (const uint32_t topic : pool.topics) {
      std::vector<AssignmentTopic::Partition>& partitions = topics[topic].partitions;
      const size_t each = partitions.size() / takers.size();
      const size_t longer = partitions.size() % takers.size();
      size_t number = 0;
      for (size_t i = 0; number < partitions.size(); i++) {
        for (const size_t end = number + each + (i < longer ? 1 : 0); number < end; number++) {
          partitions[number].target = members[takers[i]].id;
        }
      }
    }
  }
}

}  // namespace

void Assign(Assignor assignor, std::span<const AssignmentMember> members,
            std::span<AssignmentTopic> topics) {
  for (AssignmentTopic& topic : topics) {
    for (AssignmentTopic::Partition& partition : topic.partitions) {
      partition.target = kNobody;
    }
  }
  if (assignor == Assignor::kRange) {
    AssignRanges(members, topics);
  } else {
    UniformAssignment(members, topics).Make();
  }
}

}  // namespace runnel::commands
