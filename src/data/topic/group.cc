#include "data/topic/group.h"

#include <utility>

#include "base/assert.h"
#include "data/keyspace.h"
#include "data/topic/topic.h"

namespace runnel {

uint64_t GroupPartition::CountOpen(uint64_t from, uint64_t end) const {
  if (end <= from) return 0;
  if (acknowledged == nullptr) return end - from;
  return end - from - (acknowledged->CountBelow(end) - acknowledged->CountBelow(from));
}

const GroupMember* TopicGroup::FindMember(std::string_view name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? nullptr : found->second.get();
}

const GroupMember* TopicGroup::FindMember(MemberId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

const GroupTopic* TopicGroup::FindTopic(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second.get();
}

const GroupTopic* TopicGroup::FindTopic(uint32_t slot) const {
  const auto found = by_slot_.find(slot);
  return found == by_slot_.end() ? nullptr : found->second;
}

const GroupTopic* TopicGroup::FindTopic(const GroupPlace& place) const {
  const GroupTopic* found = FindTopic(place.slot);
  return found != nullptr && place.number < found->partitions.size() ? found : nullptr;
}

const GroupPartition* TopicGroup::FindPartition(std::string_view topic, uint32_t number) const {
  const GroupTopic* found = FindTopic(topic);
  return found != nullptr && number < found->partitions.size() ? &found->partitions[number]
                                                               : nullptr;
}

// --- Changes ---

GroupPartition& TopicGroup::Mutable(std::string_view topic, uint32_t number) {
  const auto found = topics_.find(topic);
  CHECK(found != topics_.end() && number < found->second->partitions.size());
  return found->second->partitions[number];
}

void TopicGroup::SetOwner(GroupPartition& partition, MemberId owner) {
  if (partition.owner != kNobody) by_id_.find(partition.owner)->second->partitions--;
  if (owner != kNobody) by_id_.find(owner)->second->partitions++;
  partition.owner = owner;
  partition.live = {};
}

void TopicGroup::Subscribe(std::string_view name, std::span<const std::string_view> topics,
                           int64_t now_ms) {
  ASSERT(!name.empty() && !topics.empty());
  auto found = members_.find(name);
  if (found == members_.end()) {
    CHECK(MayAddMember());
    auto member = std::make_unique<GroupMember>();
    member->name = name;
    member->id = ++last_id_;
    member->since_ms = now_ms;
    by_id_.emplace(member->id, member.get());
    found = members_.emplace(member->name, std::move(member)).first;
  }
  // The views may be those of the list before.
  found->second->topics = std::vector<std::string>(topics.begin(), topics.end());
}

void TopicGroup::Remove(std::string_view name) {
  const auto found = members_.find(name);
  if (found == members_.end()) return;
  const GroupMember& member = *found->second;
  for (auto& [topic_name, topic] : topics_) {
    for (GroupPartition& partition : topic->partitions) {
      if (member.partitions == 0) break;
      if (partition.owner == member.id) SetOwner(partition, kNobody);
    }
  }
  by_id_.erase(member.id);
  members_.erase(found);
}

void TopicGroup::AddPartitions(std::string_view name, std::span<const uint64_t> starts) {
  ASSERT(!starts.empty());
  auto found = topics_.find(name);
  if (found == topics_.end()) {
    CHECK(MayAddTopic());
    auto topic = std::make_unique<GroupTopic>();
    topic->name = name;
    topic->slot = ++last_slot_;
    by_slot_.emplace(topic->slot, topic.get());
    found = topics_.emplace(topic->name, std::move(topic)).first;
  }
  auto& partitions = found->second->partitions;
  const size_t before = partitions.size();
  partitions.Grow(starts.size());
  for (size_t i = 0; i < starts.size(); i++) {
    partitions[before + i].committed = starts[i];
  }
}

void TopicGroup::RemoveTopic(std::string_view name) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) return;
  GroupTopic& topic = *found->second;
  for (GroupPartition& partition : topic.partitions) {
    SetOwner(partition, kNobody);
  }
  by_slot_.erase(topic.slot);
  topics_.erase(found);
}

void TopicGroup::Assign(std::string_view topic, uint32_t number, MemberId owner) {
  GroupPartition& partition = Mutable(topic, number);
  if (partition.epoch > 0 && owner != kNobody && owner != partition.owner) moves_++;
  partition.epoch++;
  SetOwner(partition, owner);
}

void TopicGroup::Commit(std::string_view topic, uint32_t number, uint64_t offset) {
  GroupPartition& partition = Mutable(topic, number);
  if (offset <= partition.committed) return;
  partition.committed = offset;
  Absorb(partition);
}

void TopicGroup::Acknowledge(std::string_view topic, uint32_t number,
                             std::span<const uint64_t> offsets) {
  GroupPartition& partition = Mutable(topic, number);
  for (const uint64_t offset : offsets) {
    if (offset < partition.committed) continue;
    if (partition.acknowledged == nullptr) {
      partition.acknowledged = std::make_unique<OffsetRanges>();
    }
    partition.acknowledged->Add(offset);
  }
  Absorb(partition);
}

void TopicGroup::Absorb(GroupPartition& partition) {
  if (partition.acknowledged == nullptr) return;
  partition.committed = partition.acknowledged->NextMissing(partition.committed);
  partition.acknowledged->RemoveBelow(partition.committed);
  if (partition.acknowledged->empty()) partition.acknowledged.reset();
}

void TopicGroup::Reset(std::string_view topic, uint32_t number, uint64_t offset) {
  GroupPartition& partition = Mutable(topic, number);
  partition.epoch++;
  partition.committed = offset;
  partition.acknowledged.reset();
  partition.live = {};
}

void TopicGroup::Skip(std::string_view topic, uint32_t number, uint64_t offset, uint64_t count) {
  Mutable(topic, number).skipped += count;
  Commit(topic, number, offset);
}

void TopicGroup::Leave(Keyspace& keyspace, const KeyRef& key) const {
  const std::optional<std::string_view> group = ParseTopicGroupKey(key.name);
  if (!group) return;
  for (const auto& [name, topic] : topics_) {
    const KeyRef topic_key(DatabaseOf(key.db), name);
    Topic* known = keyspace.MutableIf<Topic>(topic_key);
    if (known == nullptr) continue;
    known->RemoveReader(*group);
    keyspace.Changed(topic_key, KeyChange::kBeside);
  }
}

// --- Object ---

namespace {

// What a string holds beside itself.
size_t HeapBytes(const std::string& text) {
  // So many bytes lie in the string itself.
  constexpr size_t kInPlace = 15;
  return text.capacity() > kInPlace ? text.capacity() + 1 : 0;
}

size_t HeapBytes(const std::vector<std::string>& texts) {
  size_t bytes = texts.capacity() * sizeof(std::string);
  for (const std::string& text : texts) {
    bytes += HeapBytes(text);
  }
  return bytes;
}

// Nodes of a tree are half full if keys came in their order.
template <class Tree>
size_t NodeBytes(const Tree& tree) {
  return tree.size() * sizeof(typename Tree::value_type) * 2;
}

size_t BytesOf(const GroupMember& member) {
  return sizeof(member) + 2 * HeapBytes(member.name) + HeapBytes(member.topics) +
         HeapBytes(member.live.address) + HeapBytes(member.live.client_name) +
         HeapBytes(member.live.asked) + member.live.ready.size() * sizeof(GroupPlace);
}

size_t BytesOf(const GroupTopic& topic) {
  size_t bytes = sizeof(topic) + 2 * HeapBytes(topic.name) + topic.partitions.MemoryBytes();
  for (const GroupPartition& partition : topic.partitions) {
    if (partition.acknowledged == nullptr) continue;
    bytes += sizeof(OffsetRanges) + NodeBytes(partition.acknowledged->all());
  }
  return bytes;
}

}  // namespace

size_t TopicGroup::MemoryBytes(size_t) const {
  size_t bytes = sizeof(*this) + NodeBytes(members_) + NodeBytes(topics_) +
                 by_id_.capacity() * (sizeof(*by_id_.begin()) + 1) +
                 by_slot_.capacity() * (sizeof(*by_slot_.begin()) + 1);
  for (const auto& [name, member] : members_) {
    bytes += BytesOf(*member);
  }
  for (const auto& [name, topic] : topics_) {
    bytes += BytesOf(*topic);
  }
  return bytes;
}

size_t TopicGroup::FreeEffort() const {
  // So many partitions take about as long to copy as one allocation.
  constexpr size_t kPartitions = 8;
  // And so many ranges are in a node of a tree.
  constexpr size_t kRanges = 8;
  size_t effort = 1;
  for (const auto& [name, member] : members_) {
    effort += 6 + member->topics.size();
  }
  for (const auto& [name, topic] : topics_) {
    effort += 4 + topic->partitions.size() / kPartitions;
    for (const GroupPartition& partition : topic->partitions) {
      if (partition.acknowledged == nullptr) continue;
      effort += 2 + partition.acknowledged->size() / kRanges;
    }
  }
  return effort;
}

std::unique_ptr<Object> TopicGroup::Clone() const {
  auto copy = std::make_unique<TopicGroup>(options_);
  copy->last_id_ = last_id_;
  copy->last_slot_ = last_slot_;
  copy->moves_ = moves_;
  for (const auto& [name, member] : members_) {
    auto other = std::make_unique<GroupMember>();
    other->name = member->name;
    other->id = member->id;
    other->topics = member->topics;
    other->since_ms = member->since_ms;
    other->partitions = member->partitions;
    copy->by_id_.emplace(other->id, other.get());
    copy->members_.insert(copy->members_.end(), {name, std::move(other)});
  }
  for (const auto& [name, topic] : topics_) {
    auto other = std::make_unique<GroupTopic>();
    other->name = topic->name;
    other->slot = topic->slot;
    other->partitions.Grow(topic->partitions.size());
    for (size_t i = 0; i < topic->partitions.size(); i++) {
      const GroupPartition& from = topic->partitions[i];
      GroupPartition& to = other->partitions[i];
      to.epoch = from.epoch;
      to.committed = from.committed;
      to.skipped = from.skipped;
      to.owner = from.owner;
      if (from.acknowledged != nullptr) {
        to.acknowledged = std::make_unique<OffsetRanges>(*from.acknowledged);
      }
    }
    copy->by_slot_.emplace(other->slot, other.get());
    copy->topics_.insert(copy->topics_.end(), {name, std::move(other)});
  }
  return copy;
}

// --- Stored form ---
//
//   group     := byte version | options | varint last ID | varint last slot | varint moves
//                | varint members | member... | varint topics | topic...
//   options   := byte start | varint start ms | byte assignor | varint session ms
//                | varint grace ms | varint move ms | varint expire ms
//   member    := string name | varint ID | signed since ms | varint n | string topic...
//   topic     := string name | varint slot | varint n | partition...
//   partition := varint epoch | varint committed | varint skipped | varint ID of the owner, or 0
//                | varint n | range...
//   range     := varint missing - 1 | varint acknowledged - 1
//
// `missing` counts the offsets before the range: from `committed` on, or since the range before.
// Members and topics are sorted by name.

namespace {

constexpr uint8_t kTopicGroupVersion = 1;

void EncodePartition(const GroupPartition& partition, Encoder* out) {
  out->Varint(partition.epoch);
  out->Varint(partition.committed);
  out->Varint(partition.skipped);
  out->Varint(partition.owner);
  out->Varint(partition.acknowledged == nullptr ? 0 : partition.acknowledged->size());
  if (partition.acknowledged != nullptr) {
    uint64_t last = partition.committed;
    for (const auto& [first, end] : partition.acknowledged->all()) {
      out->Varint(first - last - 1);
      out->Varint(end - first - 1);
      out->Checkpoint();
      last = end;
    }
  }
  out->Checkpoint();
}

bool LoadRanges(Decoder* in, GroupPartition* partition) {
  const uint64_t count = in->Count(2);
  if (count > 0) partition->acknowledged = std::make_unique<OffsetRanges>();
  uint64_t last = partition->committed;
  for (uint64_t i = 0; i < count && in->ok(); i++) {
    const uint64_t missing = in->Varint();
    const uint64_t acknowledged = in->Varint();
    if (missing >= UINT64_MAX - last) return false;
    const uint64_t first = last + missing + 1;
    if (acknowledged >= UINT64_MAX - first) return false;
    last = first + acknowledged + 1;
    partition->acknowledged->Append(first, last);
  }
  return in->ok();
}

bool LoadOptions(Decoder* in, TopicGroupOptions* options) {
  options->start = static_cast<GroupStart>(in->Byte());
  options->start_ms = in->Varint();
  options->assignor = static_cast<Assignor>(in->Byte());
  options->session_ms = in->Varint();
  options->grace_ms = in->Varint();
  options->move_ms = in->Varint();
  options->expire_ms = in->Varint();
  return in->ok() && options->AreKnown();
}

// A number that is not 0 and at most `last`; fails the decoder if it is another.
uint32_t LoadNumber(Decoder* in, uint64_t last) {
  const uint64_t number = in->Varint();
  if (number == 0 || number > last) in->Fail();
  return static_cast<uint32_t>(number);
}

}  // namespace

void TopicGroup::Encode(Encoder* out) const {
  out->Byte(kTopicGroupVersion);
  out->Byte(static_cast<uint8_t>(options_.start));
  out->Varint(options_.start_ms);
  out->Byte(static_cast<uint8_t>(options_.assignor));
  out->Varint(options_.session_ms);
  out->Varint(options_.grace_ms);
  out->Varint(options_.move_ms);
  out->Varint(options_.expire_ms);
  out->Varint(last_id_);
  out->Varint(last_slot_);
  out->Varint(moves_);
  out->Varint(members_.size());
  for (const auto& [name, member] : members_) {
    out->Bytes(name);
    out->Varint(member->id);
    out->Signed(member->since_ms);
    out->Varint(member->topics.size());
    for (const std::string& topic : member->topics) {
      out->Bytes(topic);
      out->Checkpoint();
    }
    out->Checkpoint();
  }
  out->Varint(topics_.size());
  for (const auto& [name, topic] : topics_) {
    out->Bytes(name);
    out->Varint(topic->slot);
    out->Varint(topic->partitions.size());
    for (const GroupPartition& partition : topic->partitions) {
      EncodePartition(partition, out);
    }
  }
}

bool TopicGroup::LoadMember(Decoder* in) {
  auto member = std::make_unique<GroupMember>();
  member->name = in->Bytes();
  if (member->name.empty()) return false;
  if (!members_.empty() && member->name <= members_.rbegin()->first) return false;
  member->id = LoadNumber(in, last_id_);
  member->since_ms = in->Signed();
  const uint64_t topics = in->Count(1);
  for (uint64_t i = 0; i < topics && in->ok(); i++) {
    std::string topic(in->Bytes());
    if (i > 0 && topic <= member->topics.back()) return false;
    member->topics.push_back(std::move(topic));
  }
  if (!in->ok() || topics == 0) return false;
  if (!by_id_.emplace(member->id, member.get()).second) return false;
  members_.insert(members_.end(), {member->name, std::move(member)});
  return true;
}

bool TopicGroup::LoadTopic(Decoder* in) {
  auto topic = std::make_unique<GroupTopic>();
  topic->name = in->Bytes();
  if (!IsTopicName(topic->name)) return false;
  if (!topics_.empty() && topic->name <= topics_.rbegin()->first) return false;
  topic->slot = LoadNumber(in, last_slot_);
  const uint64_t partitions = in->Count(5);
  if (partitions == 0 || partitions > kMostPartitions) return false;
  topic->partitions.Grow(partitions);
  for (uint64_t i = 0; i < partitions && in->ok(); i++) {
    GroupPartition& partition = topic->partitions[i];
    partition.epoch = in->Varint();
    partition.committed = in->Varint();
    partition.skipped = in->Varint();
    const uint64_t owner = in->Varint();
    if (owner != kNobody) {
      const auto found = by_id_.find(static_cast<MemberId>(owner));
      if (owner > last_id_ || found == by_id_.end() || partition.epoch == 0) return false;
      found->second->partitions++;
    }
    partition.owner = static_cast<MemberId>(owner);
    if (!LoadRanges(in, &partition)) return false;
  }
  if (!in->ok()) return false;
  if (!by_slot_.emplace(topic->slot, topic.get()).second) return false;
  topics_.insert(topics_.end(), {topic->name, std::move(topic)});
  return true;
}

std::unique_ptr<Object> TopicGroup::Load(Decoder* in) {
  if (in->Byte() != kTopicGroupVersion) return nullptr;
  TopicGroupOptions options;
  if (!LoadOptions(in, &options)) return nullptr;
  auto group = std::make_unique<TopicGroup>(options);
  const uint64_t last_id = in->Varint();
  const uint64_t last_slot = in->Varint();
  if (last_id > UINT32_MAX || last_slot > UINT32_MAX) return nullptr;
  group->last_id_ = static_cast<MemberId>(last_id);
  group->last_slot_ = static_cast<uint32_t>(last_slot);
  group->moves_ = in->Varint();
  const uint64_t members = in->Count(6);
  for (uint64_t i = 0; i < members && in->ok(); i++) {
    if (!group->LoadMember(in)) return nullptr;
  }
  const uint64_t topics = in->Count(9);
  for (uint64_t i = 0; i < topics && in->ok(); i++) {
    if (!group->LoadTopic(in)) return nullptr;
  }
  if (!in->ok()) return nullptr;
  return group;
}

}  // namespace runnel
