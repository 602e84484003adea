#include "effects/topic_group_effects.h"

#include <algorithm>

#include <absl/container/flat_hash_set.h>

#include "base/string_map.h"
#include "data/topic/topic.h"
#include "effects/families.h"

namespace runnel {
namespace {

constexpr Misfit kNoGroupPartition("the group knows no such partition");
constexpr Misfit kNoGroupMember("the group has no such member");
constexpr Misfit kNoGroupOptions("there are no such options");
constexpr Misfit kTooManyEpochs("the partition has no further epochs");

Misfit FitsGroupKey(const KeyRef& key) {
  if (!IsCompanion(key.db)) return Misfit("a topic group is in a companion");
  return ParseTopicGroupKey(key.name) ? Misfit() : Misfit("the key is none of a topic group");
}

Misfit FitsTopicGroup(const Keyspace& keyspace, const KeyRef& key, const TopicGroup** group) {
  const Misfit misfit = FitsGroupKey(key);
  return misfit.fits() ? FitsValue(keyspace, key, group) : misfit;
}

// For an effect on a topic that the group knows.
Misfit FitsGroupTopic(const Keyspace& keyspace, const KeyRef& key, std::string_view name,
                      const TopicGroup** group, const GroupTopic** topic) {
  const Misfit misfit = FitsTopicGroup(keyspace, key, group);
  if (!misfit.fits()) return misfit;
  *topic = (*group)->FindTopic(name);
  return *topic == nullptr ? Misfit("the group does not know the topic") : Misfit();
}

// For an effect on one partition.
Misfit FitsGroupPartition(const Keyspace& keyspace, const KeyRef& key, std::string_view name,
                          uint64_t number, const GroupPartition** partition) {
  const TopicGroup* group = nullptr;
  const GroupTopic* topic = nullptr;
  const Misfit misfit = FitsGroupTopic(keyspace, key, name, &group, &topic);
  if (!misfit.fits()) return misfit;
  if (number >= topic->partitions.size()) return kNoGroupPartition;
  *partition = &topic->partitions[number];
  return {};
}

// For pairs of a partition's number and an offset.
Misfit FitsGroupOffsets(const Keyspace& keyspace, const KeyRef& key, std::string_view name,
                        std::span<const uint64_t> offsets, const GroupTopic** topic) {
  const TopicGroup* group = nullptr;
  const Misfit misfit = FitsGroupTopic(keyspace, key, name, &group, topic);
  if (!misfit.fits()) return misfit;
  if (offsets.size() % 2 != 0) return Misfit("partitions and offsets do not pair");
  for (size_t i = 0; i < offsets.size(); i += 2) {
    if (offsets[i] >= (*topic)->partitions.size()) return kNoGroupPartition;
  }
  return {};
}

// Whether the partition can have so many further epochs.
bool HasEpochs(const GroupPartition& partition, size_t count) {
  return count <= UINT64_MAX - partition.epoch;
}

}  // namespace

// --- The group ---

Misfit TopicGroupCreate::Fits(const Keyspace& keyspace) const {
  const Misfit misfit = FitsGroupKey(key);
  if (!misfit.fits()) return misfit;
  if (keyspace.Find(key) != nullptr) return Misfit("there is such a key");
  return options.AreKnown() ? Misfit() : kNoGroupOptions;
}

void TopicGroupCreate::Apply(Keyspace& keyspace) const {
  keyspace.Put(key, std::make_unique<TopicGroup>(options));
}

Misfit TopicGroupConfigure::Fits(const Keyspace& keyspace) const {
  const TopicGroup* group = nullptr;
  const Misfit misfit = FitsTopicGroup(keyspace, key, &group);
  if (!misfit.fits()) return misfit;
  return options.AreKnown() ? Misfit() : kNoGroupOptions;
}

void TopicGroupConfigure::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<TopicGroup>(key).Configure(options);
  keyspace.Changed(key, KeyChange::kBeside);
}

// --- Members ---

Misfit TopicGroupSubscribe::Fits(const Keyspace& keyspace) const {
  const TopicGroup* group = nullptr;
  const Misfit misfit = FitsTopicGroup(keyspace, key, &group);
  if (!misfit.fits()) return misfit;
  if (member.empty()) return Misfit("a member has a name");
  if (topics.empty()) return Misfit("a member subscribes to topics");
  for (size_t i = 1; i < topics.size(); i++) {
    if (topics[i] <= topics[i - 1]) return Misfit("the topics are not sorted");
  }
  if (!group->MayAddMember() && group->FindMember(member) == nullptr) {
    return Misfit("there are no further members");
  }
  return {};
}

void TopicGroupSubscribe::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<TopicGroup>(key).Subscribe(member, topics, now_ms);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit TopicGroupLeave::Fits(const Keyspace& keyspace) const {
  const TopicGroup* group = nullptr;
  const Misfit misfit = FitsTopicGroup(keyspace, key, &group);
  if (!misfit.fits()) return misfit;
  absl::flat_hash_set<std::string_view, StringHash, StringEqual> seen;
  for (const std::string_view name : members) {
    if (group->FindMember(name) == nullptr) return kNoGroupMember;
    if (!seen.insert(name).second) return Misfit("a member is named twice");
  }
  return {};
}

void TopicGroupLeave::Apply(Keyspace& keyspace) const {
  TopicGroup& group = keyspace.Mutable<TopicGroup>(key);
  for (const std::string_view name : members) {
    group.Remove(name);
  }
  keyspace.Changed(key, KeyChange::kBeside);
}

// --- Topics and their partitions ---

Misfit TopicGroupSee::Fits(const Keyspace& keyspace) const {
  const TopicGroup* group = nullptr;
  const Misfit misfit = FitsTopicGroup(keyspace, key, &group);
  if (!misfit.fits()) return misfit;
  const Topic* seen = nullptr;
  const Misfit no_topic = FitsValue(keyspace, KeyRef(DatabaseOf(key.db), topic), &seen);
  if (!no_topic.fits() || !IsTopicName(topic)) return Misfit("there is no such topic");
  if (starts.empty()) return Misfit("no partitions");
  const GroupTopic* known = group->FindTopic(topic);
  if (known == nullptr && !group->MayAddTopic()) return Misfit("there are no further topics");
  const size_t before = known == nullptr ? 0 : known->partitions.size();
  if (before + starts.size() > seen->partitions()) return Misfit("the topic has fewer partitions");
  return {};
}

void TopicGroupSee::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<TopicGroup>(key).AddPartitions(topic, starts);
  keyspace.Changed(key, KeyChange::kBeside);
  const KeyRef topic_key(DatabaseOf(key.db), topic);
  keyspace.Mutable<Topic>(topic_key).AddReader(*ParseTopicGroupKey(key.name));
  keyspace.Changed(topic_key, KeyChange::kBeside);
}

Misfit TopicGroupAssign::Fits(const Keyspace& keyspace) const {
  const TopicGroup* group = nullptr;
  const GroupTopic* known = nullptr;
  const Misfit misfit = FitsGroupTopic(keyspace, key, topic, &group, &known);
  if (!misfit.fits()) return misfit;
  if (!member.empty() && group->FindMember(member) == nullptr) return kNoGroupMember;
  for (const uint64_t number : partitions) {
    if (number >= known->partitions.size()) return kNoGroupPartition;
    if (!HasEpochs(known->partitions[number], partitions.size())) return kTooManyEpochs;
  }
  return {};
}

void TopicGroupAssign::Apply(Keyspace& keyspace) const {
  TopicGroup& group = keyspace.Mutable<TopicGroup>(key);
  const MemberId owner = member.empty() ? kNobody : group.FindMember(member)->id;
  for (const uint64_t number : partitions) {
    group.Assign(topic, static_cast<uint32_t>(number), owner);
  }
  keyspace.Changed(key, KeyChange::kBeside);
}

// --- What is done ---

Misfit TopicGroupCommit::Fits(const Keyspace& keyspace) const {
  const GroupTopic* known = nullptr;
  return FitsGroupOffsets(keyspace, key, topic, offsets, &known);
}

void TopicGroupCommit::Apply(Keyspace& keyspace) const {
  TopicGroup& group = keyspace.Mutable<TopicGroup>(key);
  for (size_t i = 0; i < offsets.size(); i += 2) {
    group.Commit(topic, static_cast<uint32_t>(offsets[i]), offsets[i + 1]);
  }
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit TopicGroupAcknowledge::Fits(const Keyspace& keyspace) const {
  const GroupPartition* of = nullptr;
  const Misfit misfit = FitsGroupPartition(keyspace, key, topic, partition, &of);
  if (!misfit.fits()) return misfit;
  const bool over = std::find(offsets.begin(), offsets.end(), UINT64_MAX) != offsets.end();
  return over ? Misfit("no record has the last offset") : Misfit();
}

void TopicGroupAcknowledge::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<TopicGroup>(key).Acknowledge(topic, partition, offsets);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit TopicGroupReset::Fits(const Keyspace& keyspace) const {
  const GroupTopic* known = nullptr;
  const Misfit misfit = FitsGroupOffsets(keyspace, key, topic, offsets, &known);
  if (!misfit.fits()) return misfit;
  for (size_t i = 0; i < offsets.size(); i += 2) {
    if (!HasEpochs(known->partitions[offsets[i]], offsets.size() / 2)) return kTooManyEpochs;
  }
  return {};
}

void TopicGroupReset::Apply(Keyspace& keyspace) const {
  TopicGroup& group = keyspace.Mutable<TopicGroup>(key);
  for (size_t i = 0; i < offsets.size(); i += 2) {
    group.Reset(topic, static_cast<uint32_t>(offsets[i]), offsets[i + 1]);
  }
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit TopicGroupSkip::Fits(const Keyspace& keyspace) const {
  const GroupPartition* of = nullptr;
  const Misfit misfit = FitsGroupPartition(keyspace, key, topic, partition, &of);
  if (!misfit.fits()) return misfit;
  return count > UINT64_MAX - of->skipped ? Misfit("too many records") : Misfit();
}

void TopicGroupSkip::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<TopicGroup>(key).Skip(topic, partition, offset, count);
  keyspace.Changed(key, KeyChange::kBeside);
}

std::span<const EffectKind> TopicGroupEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<TopicGroupCreate>("topic-group-create"),
      KindOf<TopicGroupConfigure>("topic-group-configure"),
      KindOf<TopicGroupSubscribe>("topic-group-subscribe"),
      KindOf<TopicGroupLeave>("topic-group-leave"),
      KindOf<TopicGroupSee>("topic-group-see"),
      KindOf<TopicGroupAssign>("topic-group-assign"),
      KindOf<TopicGroupCommit>("topic-group-commit"),
      KindOf<TopicGroupAcknowledge>("topic-group-acknowledge"),
      KindOf<TopicGroupReset>("topic-group-reset"),
      KindOf<TopicGroupSkip>("topic-group-skip"),
  };
  return kKinds;
}

}  // namespace runnel
