#include "commands/topic_group/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/glob.h"
#include "base/hash.h"
#include "commands/topic_group/assignment.h"
#include "data/stream/stream.h"
#include "data/topic/topic.h"

namespace runnel {
namespace {

constexpr int64_t kNever = INT64_MAX;

// A time so long after another one, in milliseconds.
int64_t After(int64_t ms, uint64_t delay_ms) {
  return delay_ms > static_cast<uint64_t>(kNever - ms) ? kNever
                                                       : ms + static_cast<int64_t>(delay_ms);
}

}  // namespace

// --- Notes ---

uint64_t TopicGroups::HashOf(uint32_t db, std::string_view partition) {
  return HashKey(partition) ^ (uint64_t{db} << 40);
}

void TopicGroups::OnKeyChange(uint32_t db, std::string_view name, KeyChange change) {
  if (dry_.empty() || !IsCompanion(db) || change == KeyChange::kBeside) return;
  const auto it = dry_.find(HashOf(db, name));
  if (it == dry_.end()) return;
  dry_.erase(it);
  grown_.emplace_back(db, name);
}

void TopicGroups::OnTopicsChange(uint32_t db) {
  topics_version_++;
  topics_changed_.insert(db);
}

void TopicGroups::Settle(int64_t steady_ms) {
  if (scattered_) Gather();
  for (const uint32_t db : std::exchange(topics_changed_, {})) {
    for (const KeyEntry* entry : keyspace_.listed(CompanionOf(db))) {
      const TopicGroup& group = *entry->As<TopicGroup>();
      if (group.members().empty()) continue;
      const KeyRef key(CompanionOf(db), entry->name());
      RebalanceSoon(key, group, steady_ms);
      // A topic that is gone is something to tell.
      for (const auto& [name, member] : group.members()) {
        WakeMember(key, *member);
      }
    }
  }
  for (const auto& [db, name] : std::exchange(grown_, {})) {
    NoteGrown(KeyRef(db, name));
  }
}

// The partition is ready for its owner in each group that reads its topic.
void TopicGroups::NoteGrown(const KeyRef& partition) {
  const std::optional<PartitionId> id = ParsePartition(partition.name);
  const Topic* topic = FindTopicOf(keyspace_, partition.db, partition.name);
  if (!id || topic == nullptr) return;
  for (const std::string& reader : topic->readers()) {
    const std::string group_key = TopicGroupKey(reader);
    const KeyRef key(partition.db, group_key);
    const TopicGroup* group = Find(key);
    const GroupTopic* known = group == nullptr ? nullptr : group->FindTopic(id->topic);
    if (known == nullptr || id->number >= known->partitions.size()) continue;
    Offer(key, *group, *known, id->number);
  }
}

TopicGroups::Wake TopicGroups::TakeWake() {
  Wake wake = std::move(wakes_.front());
  wakes_.pop_front();
  return wake;
}

// --- Connections and time ---

// Visits the members for which the connection speaks, and their groups.
template <class Visit>
void TopicGroups::ForEachSpoken(uint64_t client, Visit visit) const {
  const auto it = clients_.find(client);
  if (it == clients_.end()) return;
  for (const auto& [db, group_key, name] : it->second) {
    const KeyRef key(db, group_key);
    const TopicGroup* group = Find(key);
    const GroupMember* member = group == nullptr ? nullptr : group->FindMember(name);
    if (member != nullptr && member->live.client == client) visit(key, *group, *member);
  }
}

void TopicGroups::OnClientClosed(uint64_t client, int64_t steady_ms) {
  ForEachSpoken(client, [&](const KeyRef& key, const TopicGroup& group, const GroupMember& member) {
    // A blocked call is a sign of life until its end.
    if (member.live.blocked) member.live.alive_ms = steady_ms;
    member.live.blocked = member.live.woken = false;
    member.live.client = 0;
    member.live.closed_ms = steady_ms;
    Schedule(key, group, EndOf(group, member));
  });
  clients_.erase(client);
}

void TopicGroups::OnWaitOver(uint64_t client, int64_t steady_ms, int64_t now_ms) {
  ForEachSpoken(client, [&](const KeyRef& key, const TopicGroup& group, const GroupMember& member) {
    if (!member.live.blocked) return;
    SeeAlive(key, group, member, steady_ms, now_ms);
    Schedule(key, group, EndOf(group, member));
  });
}

void TopicGroups::Begin(int64_t steady_ms) {
  for (uint32_t db = 0; db < keyspace_.databases(); db++) {
    for (const KeyEntry* entry : keyspace_.listed(CompanionOf(db))) {
      const TopicGroup& group = *entry->As<TopicGroup>();
      group.live().empty_since_ms = steady_ms;
      if (!group.members().empty()) group.live().rebalance_at_ms = steady_ms;
      for (const auto& [name, member] : group.members()) {
        member->live.alive_ms = member->live.closed_ms = steady_ms;
      }
      for (const auto& [name, topic] : group.topics()) {
        for (uint32_t number = 0; number < topic->partitions.size(); number++) {
          const GroupPartition& partition = topic->partitions[number];
          if (partition.owner == kNobody) continue;
          const Stream* stream = FindStreamOf(keyspace_, db, name, number);
          partition.live.unknown = stream != nullptr && stream->next_offset() > partition.committed;
        }
      }
    }
  }
  Gather();
}

// Finds its way to everything anew.
void TopicGroups::Gather() {
  scattered_ = false;
  most_dry_ = SIZE_MAX;
  due_.clear();
  clients_.clear();
  dry_.clear();
  for (uint32_t db = 0; db < keyspace_.databases(); db++) {
    for (const KeyEntry* entry : keyspace_.listed(CompanionOf(db))) {
      const TopicGroup& group = *entry->As<TopicGroup>();
      const KeyRef key(CompanionOf(db), entry->name());
      for (const auto& [name, member] : group.members()) {
        member->live.ready = {};
        if (member->live.client == 0) continue;
        clients_[member->live.client].emplace(key.db, key.name, name);
      }
      for (const auto& [name, topic] : group.topics()) {
        for (uint32_t number = 0; number < topic->partitions.size(); number++) {
          topic->partitions[number].live.queued = false;
          Offer(key, group, *topic, number);
        }
      }
      group.live().due_ms = 0;
      ScheduleAll(key, group);
    }
  }
  most_dry_ = 2 * dry_.size() + kLeastMostDry;
}

int64_t TopicGroups::due_ms() const {
  return due_.empty() ? kNever : std::get<0>(*due_.begin());
}

void TopicGroups::Schedule(const KeyRef& key, const TopicGroup& group, int64_t at_ms) {
  int64_t& due_ms = group.live().due_ms;
  if (at_ms == kNever || (due_ms != 0 && due_ms <= at_ms)) return;
  std::string name(key.name);
  if (due_ms != 0) due_.erase(Due(due_ms, key.db, name));
  due_ms = at_ms;
  due_.emplace(at_ms, key.db, std::move(name));
}

// The steady time at which the member is gone, if there is no sign of life before.
int64_t TopicGroups::EndOf(const TopicGroup& group, const GroupMember& member) const {
  const GroupMember::Live& live = member.live;
  if (live.blocked) return kNever;
  const TopicGroupOptions& options = group.options();
  const int64_t session = After(live.alive_ms, options.session_ms);
  if (live.client != 0) return session;
  return std::min(session, After(std::max(live.closed_ms, live.alive_ms), options.grace_ms));
}

void TopicGroups::ScheduleAll(const KeyRef& key, const TopicGroup& group) {
  const TopicGroup::Live& live = group.live();
  int64_t next = live.rebalance_at_ms != 0 ? live.rebalance_at_ms : kNever;
  for (const auto& [name, member] : group.members()) {
    next = std::min(next, EndOf(group, *member));
  }
  for (const TopicGroup::Live::Leaving& leaving : live.leaving) {
    next = std::min(next, leaving.at_ms);
  }
  if (group.members().empty() && group.options().expire_ms > 0) {
    next = std::min(next, After(live.empty_since_ms, group.options().expire_ms));
  }
  Schedule(key, group, next);
}

void TopicGroups::Work(GroupChanges& changes) {
  if (due_.empty() || std::get<0>(*due_.begin()) > changes.steady_ms()) return;
  const auto [at_ms, db, name] = std::move(due_.extract(due_.begin()).value());
  const KeyRef key(db, name);
  const TopicGroup* group = Find(key);
  // The group may be another one, or a time before this one may have been noted for it.
  if (group == nullptr || group->live().due_ms != at_ms) return;
  TopicGroup::Live& live = group->live();
  live.due_ms = 0;
  const int64_t now = changes.steady_ms();
  // Copies, which outlive the members.
  std::vector<std::string> gone;
  for (const auto& [member_name, member] : group->members()) {
    if (EndOf(*group, *member) <= now) gone.push_back(member_name);
  }
  if (!gone.empty()) {
    Leave(key, *group, std::vector<std::string_view>(gone.begin(), gone.end()), changes);
  }
  MoveLeaving(key, *group, changes);
  if (live.rebalance_at_ms != 0 && live.rebalance_at_ms <= now) Rebalance(key, *group, changes);
  const uint64_t expire_ms = group->options().expire_ms;
  if (group->members().empty() && expire_ms > 0 && After(live.empty_since_ms, expire_ms) <= now) {
    return changes.Apply(KeyRemove{key});
  }
  ScheduleAll(key, *group);
}

// --- Topics ---

std::vector<std::string_view> TopicGroups::TopicsOf(uint32_t db,
                                                    std::span<const std::string> subscription,
                                                    int64_t now_ms) const {
  const Database::Listed& listed = keyspace_.listed(DatabaseOf(db));
  std::vector<std::string_view> names;
  const auto add = [&](const KeyEntry* entry) {
    if (entry->type() == ObjectType::kTopic && !entry->ExpiredAt(now_ms)) {
      names.push_back(entry->name());
    }
  };
  for (const std::string& text : subscription) {
    if (IsTopicName(text)) {
      const KeyEntry* entry = keyspace_.Find(KeyRef(DatabaseOf(db), text));
      if (entry != nullptr) add(entry);
      continue;
    }
    for (const KeyEntry* entry : listed) {
      if (GlobMatch(text, entry->name())) add(entry);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void TopicGroups::SeeTopic(const KeyRef& key, const TopicGroup& group, std::string_view name,
                           GroupChanges& changes) {
  const Topic& topic = *keyspace_.Find(KeyRef(DatabaseOf(key.db), name))->As<Topic>();
  const GroupTopic* known = group.FindTopic(name);
  const size_t partitions = known == nullptr ? 0 : known->partitions.size();
  if (topic.partitions() <= partitions) return;
  const std::vector<uint64_t> starts(topic.partitions() - partitions, 0);
  changes.Apply(TopicGroupSee{key, name, starts});
}

void TopicGroups::SeeNew(const KeyRef& key, const TopicGroup& group, GroupChanges& changes) {
  const std::vector<std::string>* last = nullptr;
  for (const auto& [member_name, member] : group.members()) {
    // Mostly all members subscribe to the same.
    if (last != nullptr && *last == member->topics) continue;
    last = &member->topics;
    for (const std::string_view name : TopicsOf(key.db, member->topics, changes.now_ms())) {
      SeeTopic(key, group, name, changes);
    }
  }
}

// --- Assignment ---

void TopicGroups::RebalanceSoon(const KeyRef& key, const TopicGroup& group, int64_t steady_ms) {
  int64_t& at_ms = group.live().rebalance_at_ms;
  if (at_ms != 0) return;
  at_ms = steady_ms + kGatherMs;
  Schedule(key, group, at_ms);
}

void TopicGroups::Rebalance(const KeyRef& key, const TopicGroup& group, GroupChanges& changes) {
  SeeNew(key, group, changes);
  std::vector<const GroupTopic*> topics;
  absl::flat_hash_map<std::string_view, uint32_t> indexes;
  for (const auto& [name, topic] : group.topics()) {
    indexes.emplace(name, static_cast<uint32_t>(topics.size()));
    topics.push_back(topic.get());
  }
  absl::flat_hash_map<std::vector<std::string>, std::vector<uint32_t>> subscriptions;
  std::vector<commands::AssignmentMember> members;
  for (const auto& [name, member] : group.members()) {
    auto it = subscriptions.find(member->topics);
    if (it == subscriptions.end()) {
      std::vector<uint32_t> list;
      for (const std::string_view topic : TopicsOf(key.db, member->topics, changes.now_ms())) {
        list.push_back(indexes.at(topic));
      }
      it = subscriptions.emplace(member->topics, std::move(list)).first;
    }
    members.push_back({member->id, name, it->second});
  }
  std::vector<commands::AssignmentTopic> wanted(topics.size());
  for (size_t i = 0; i < topics.size(); i++) {
    wanted[i].partitions.reserve(topics[i]->partitions.size());
    for (const GroupPartition& partition : topics[i]->partitions) {
      wanted[i].partitions.push_back({partition.owner, partition.in_flight()});
    }
  }
  commands::Assign(group.options().assignor, members, wanted);

  group.live().rebalance_at_ms = 0;
  const int64_t leaves_at = After(changes.steady_ms(), group.options().move_ms);
  NewOwners moving;
  for (size_t i = 0; i < topics.size(); i++) {
    const GroupTopic& topic = *topics[i];
    moving.clear();
    for (uint32_t number = 0; number < topic.partitions.size(); number++) {
      const GroupPartition& partition = topic.partitions[number];
      const MemberId target = wanted[i].partitions[number].target;
      GroupPartition::Live& live = partition.live;
      if (target == partition.owner) {
        if (!live.leaving) continue;
        live.leaving = false;
        NoteAssigned(key, *group.FindMember(target), changes.now_ms());
        Offer(key, group, topic, number);
      } else if (partition.owner == kNobody || !partition.in_flight()) {
        moving.emplace_back(target, number);
      } else {
        live.heir = target;
        if (live.leaving) continue;
        live.leaving = true;
        live.queued = false;
        group.live().leaving.push_back({{topic.slot, number}, leaves_at});
        NoteAssigned(key, *group.FindMember(partition.owner), changes.now_ms());
      }
    }
    GiveAll(key, group, topic, &moving, changes);
  }
  ScheduleAll(key, group);
}

// These partitions of the topic get this owner.
void TopicGroups::Give(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                       std::span<const uint64_t> numbers, MemberId owner, GroupChanges& changes) {
  const GroupMember* member = group.FindMember(owner);
  std::vector<MemberId> before;
  for (const uint64_t number : numbers) {
    before.push_back(topic.partitions[number].owner);
  }
  const uint64_t moves = group.moves();
  const std::string_view name = member == nullptr ? std::string_view() : member->name;
  changes.Apply(TopicGroupAssign{key, topic.name, name, numbers});
  stats_.moves += group.moves() - moves;
  std::sort(before.begin(), before.end());
  before.erase(std::unique(before.begin(), before.end()), before.end());
  for (const MemberId old : before) {
    const GroupMember* loser = group.FindMember(old);
    if (loser != nullptr && loser != member) NoteAssigned(key, *loser, changes.now_ms());
  }
  if (member == nullptr) return;
  NoteAssigned(key, *member, changes.now_ms());
  for (const uint64_t number : numbers) {
    Offer(key, group, topic, static_cast<uint32_t>(number));
  }
}

// The same for each of these new owners.
void TopicGroups::GiveAll(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                          NewOwners* owners, GroupChanges& changes) {
  std::sort(owners->begin(), owners->end());
  std::vector<uint64_t> numbers;
  for (auto it = owners->begin(); it != owners->end();) {
    const MemberId owner = it->first;
    numbers.clear();
    for (; it != owners->end() && it->first == owner; ++it) {
      numbers.push_back(it->second);
    }
    Give(key, group, topic, numbers, owner, changes);
  }
}

// Partitions whose time to leave is over move, with what is in flight.
void TopicGroups::MoveLeaving(const KeyRef& key, const TopicGroup& group, GroupChanges& changes) {
  auto& leaving = group.live().leaving;
  for (size_t i = 0; i < leaving.size();) {
    const GroupPlace place = leaving[i].place;
    const GroupTopic* topic = group.FindTopic(place);
    const bool leaves = topic != nullptr && topic->partitions[place.number].live.leaving;
    if (leaves && leaving[i].at_ms > changes.steady_ms()) {
      i++;
      continue;
    }
    leaving[i] = leaving.back();
    leaving.pop_back();
    if (!leaves) continue;
    const uint64_t number = place.number;
    Give(key, group, *topic, {&number, 1}, topic->partitions[number].live.heir, changes);
  }
}

void TopicGroups::Leave(const KeyRef& key, const TopicGroup& group,
                        std::span<const std::string_view> members, GroupChanges& changes) {
  struct Gone {
    uint64_t client = 0;
    bool waits = false;
  };
  std::vector<Gone> gone;
  for (const std::string_view name : members) {
    const GroupMember::Live& live = group.FindMember(name)->live;
    gone.push_back({live.client, live.blocked && !live.woken});
  }
  changes.Apply(TopicGroupLeave{key, members});
  for (size_t i = 0; i < gone.size(); i++) {
    const std::string name(members[i]);
    ForgetClient(key, gone[i].client, name);
    // Its call runs again and sees that it is no member.
    if (gone[i].waits) wakes_.push_back({key.db, std::string(key.name), name});
  }
  if (group.members().empty()) {
    group.live().empty_since_ms = changes.steady_ms();
    ScheduleAll(key, group);
  } else {
    RebalanceSoon(key, group, changes.steady_ms());
  }
}

// --- Members ---

void TopicGroups::TakeOver(const KeyRef& key, const TopicGroup& group, const GroupMember& member,
                           const GroupClient& client, GroupChanges& changes) {
  GroupMember::Live& live = member.live;
  // The call over the other connection sees that it does not speak for the member.
  WakeMember(key, member);
  NewOwners fenced;
  for (const auto& [name, topic] : group.topics()) {
    fenced.clear();
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      const GroupPartition& partition = topic->partitions[number];
      if (partition.owner != member.id) continue;
      if (!partition.in_flight() && !partition.live.unknown) continue;
      fenced.emplace_back(partition.live.leaving ? partition.live.heir : member.id, number);
    }
    GiveAll(key, group, *topic, &fenced, changes);
  }
  ForgetClient(key, live.client, member.name);
  for (const GroupPlace& place : live.given) {
    const GroupTopic* topic = group.FindTopic(place);
    if (topic == nullptr) continue;
    const GroupPartition& partition = topic->partitions[place.number];
    if (partition.owner == member.id) partition.live.given = false;
  }
  live.given.clear();
  live.settled = 0;
  live.blocked = live.woken = false;
  live.client = client.id;
  live.address = client.address;
  live.client_name = client.name;
  clients_[client.id].emplace(key.db, key.name, member.name);
}

// The connection that speaks for the member does not any more.
void TopicGroups::ForgetClient(const KeyRef& key, uint64_t client, const std::string& member) {
  const auto it = clients_.find(client);
  if (it == clients_.end()) return;
  it->second.erase(Spoken(key.db, key.name, member));
  if (it->second.empty()) clients_.erase(it);
}

void TopicGroups::SeeAlive(const KeyRef& key, const TopicGroup& group, const GroupMember& member,
                           int64_t steady_ms, int64_t now_ms) {
  member.live.blocked = member.live.woken = false;
  member.live.alive_ms = steady_ms;
  member.live.alive_unix_ms = now_ms;
  // An end that is noted already is looked at again when it has come.
  if (group.live().due_ms == 0) Schedule(key, group, EndOf(group, member));
}

void TopicGroups::SeeHeartbeat(const GroupMember& member, int64_t steady_ms, int64_t now_ms) {
  member.live.alive_ms = steady_ms;
  member.live.alive_unix_ms = now_ms;
}

void TopicGroups::NoteMade(const KeyRef& key, const TopicGroup& group, int64_t steady_ms) {
  group.live().empty_since_ms = steady_ms;
  ScheduleAll(key, group);
}

void TopicGroups::NoteAltered(const KeyRef& key, const TopicGroup& group, bool divides_anew,
                              int64_t steady_ms) {
  if (divides_anew && !group.members().empty()) RebalanceSoon(key, group, steady_ms);
  ScheduleAll(key, group);
}

void TopicGroups::NoteReset(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                            uint32_t number, int64_t now_ms) {
  const GroupMember* owner = group.FindMember(topic.partitions[number].owner);
  if (owner == nullptr) return;
  NoteAssigned(key, *owner, now_ms);
  Offer(key, group, topic, number);
}

void TopicGroups::NoteAssigned(const KeyRef& key, const GroupMember& member, int64_t now_ms) {
  // After a restart the numbers are others, because they begin with the time.
  member.live.version = std::max(member.live.version + 1, static_cast<uint64_t>(now_ms));
  WakeMember(key, member);
}

void TopicGroups::WakeMember(const KeyRef& key, const GroupMember& member) {
  if (!member.live.blocked || std::exchange(member.live.woken, true)) return;
  wakes_.push_back({key.db, std::string(key.name), member.name});
}

// --- What is ready ---

void TopicGroups::Refresh(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                          uint32_t number, GroupChanges& changes) {
  const GroupPartition& partition = topic.partitions[number];
  if (partition.live.given && !partition.in_flight()) Settle(group, partition);
  if (partition.live.leaving) {
    if (partition.in_flight()) return;
    const uint64_t moved = number;
    return Give(key, group, topic, {&moved, 1}, partition.live.heir, changes);
  }
  if (!partition.live.withheld) return;
  partition.live.withheld = false;
  Offer(key, group, topic, number);
}

// Nothing of the partition is in flight any more. The member's list of partitions that were given
// loses such places when they are half of it.
void TopicGroups::Settle(const TopicGroup& group, const GroupPartition& partition) {
  constexpr size_t kLeast = 16;
  partition.live.given = false;
  const GroupMember& member = *group.FindMember(partition.owner);
  GroupMember::Live& live = member.live;
  if (++live.settled < std::max(kLeast, live.given.size() / 2)) return;
  live.settled = 0;
  std::erase_if(live.given, [&](const GroupPlace& place) {
    const GroupTopic* topic = group.FindTopic(place);
    if (topic == nullptr || topic->partitions[place.number].owner != member.id) return true;
    // A partition that was given again stands there twice: one place is enough.
    GroupPartition::Live& other = topic->partitions[place.number].live;
    const bool stays = other.given;
    other.given = false;
    return !stays;
  });
  for (const GroupPlace& place : live.given) {
    group.FindTopic(place)->partitions[place.number].live.given = true;
  }
  if (live.given.size() < live.given.capacity() / 4) live.given.shrink_to_fit();
}

// If the partition has something for its owner, it is ready; otherwise it is dry.
void TopicGroups::Offer(const KeyRef& key, const TopicGroup& group, const GroupTopic& topic,
                        uint32_t number) {
  const GroupPartition& partition = topic.partitions[number];
  if (partition.owner == kNobody || partition.live.leaving || partition.live.queued) return;
  partition.live.withheld = IsWithheld(partition, partition.next());
  if (partition.live.withheld) return;
  const Stream* stream = FindStreamOf(keyspace_, key.db, topic.name, number);
  if (stream == nullptr || partition.next() >= stream->next_offset()) {
    return NoteDry(key, topic.name, number);
  }
  const GroupMember& owner = *group.FindMember(partition.owner);
  partition.live.queued = true;
  owner.live.ready.PushBack({topic.slot, number});
  WakeMember(key, owner);
}

void TopicGroups::NoteDry(const KeyRef& key, std::string_view topic, uint32_t number) {
  const PartitionName name(topic, number);
  dry_.insert(HashOf(key.db, name));
  // Partitions that are gone may have left some.
  if (dry_.size() > most_dry_) scattered_ = true;
}

bool TopicGroups::ShallTellLoss(const KeyRef& key, std::string_view partition, int64_t steady_ms) {
  constexpr int64_t kEveryMs = 60'000;
  constexpr size_t kMost = 10'000;
  const uint64_t hash = HashOf(key.db, partition) + 31 * key.hash;
  if (told_ms_.size() >= kMost) told_ms_.clear();
  const auto [it, added] = told_ms_.try_emplace(hash, steady_ms);
  if (!added && steady_ms - it->second < kEveryMs) return false;
  it->second = steady_ms;
  return true;
}

const TopicGroup* TopicGroups::Find(const KeyRef& key) const {
  const KeyEntry* entry = keyspace_.Find(key);
  return entry == nullptr ? nullptr : entry->As<TopicGroup>();
}

}  // namespace runnel
