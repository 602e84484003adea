#include "effects/group_effects.h"

#include <algorithm>

#include "data/stream.h"
#include "effects/families.h"

namespace runnel {
namespace {

ConsumerGroup& GroupAt(Keyspace& keyspace, const KeyRef& key, std::string_view name) {
  ConsumerGroup* group = keyspace.Mutable<Stream>(key).FindGroup(name);
  CHECK(group != nullptr);
  return *group;
}

ConsumerIndex IndexOf(const ConsumerGroup& group, std::string_view name) {
  const Consumer* consumer = group.FindConsumer(name);
  CHECK(consumer != nullptr);
  return consumer->index;
}

std::optional<uint64_t> KnownEntriesRead(int64_t entries_read) {
  if (entries_read < 0) return std::nullopt;
  return static_cast<uint64_t>(entries_read);
}

uint64_t NewCount(uint64_t old, CountChange change, uint64_t count) {
  switch (change) {
    case CountChange::kKeep:
      return old;
    case CountChange::kIncrement:
      return std::min(old, kMaxDeliveries - 1) + 1;
    case CountChange::kDecrement:
      return std::max<uint64_t>(old, 1) - 1;
    case CountChange::kSet:
      break;
  }
  return std::min(count, kMaxDeliveries);
}

}  // namespace

void GroupCreate::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).CreateGroup(group, last_delivered, KnownEntriesRead(entries_read));
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupSetId::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).SetLastDelivered(last_delivered, KnownEntriesRead(entries_read));
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupDestroy::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DestroyGroup(group);
  keyspace.Changed(key, KeyChange::kBesideAwaited);
}

void ConsumerCreate::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).CreateConsumer(consumer, time);
  keyspace.Changed(key, KeyChange::kBeside);
}

void ConsumerDelete::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  of.RemoveConsumer(IndexOf(of, consumer));
  keyspace.Changed(key, KeyChange::kBeside);
}

void ConsumerSeen::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  of.MarkSeen(IndexOf(of, consumer), time);
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupDeliver::Apply(Keyspace& keyspace) const {
  Stream& stream = keyspace.Mutable<Stream>(key);
  ConsumerGroup* of = stream.FindGroup(group);
  CHECK(of != nullptr);
  stream.Deliver(of, IndexOf(*of, consumer), last, time, no_ack);
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupRedeliver::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  const ConsumerIndex index = IndexOf(of, consumer);
  for (const StreamId id : ids) {
    of.Redeliver(id, index, time);
  }
  of.MarkSeen(index, time);
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupAck::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).Ack(ids);
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupClaim::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  const ConsumerIndex index = IndexOf(of, consumer);
  for (const StreamId id : ids) {
    const std::optional<PendingEntry> entry = of.pending().Find(id);
    const uint64_t old = entry ? entry->deliveries : 1;
    of.Assign(id, index, delivery_time, NewCount(old, change, count));
  }
  of.MarkSeen(index, time);
  of.MarkActive(index, time);
  keyspace.Changed(key, KeyChange::kBeside);
}

void GroupRelease::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  for (const StreamId id : ids) {
    const std::optional<PendingEntry> entry = of.pending().Find(id);
    const uint64_t old = entry ? entry->deliveries : 0;
    of.Release(id, NewCount(old, change, count));
  }
  keyspace.Changed(key, KeyChange::kBesideAwaited);
}

std::span<const EffectKind> GroupEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<GroupCreate>("group-create"),
      KindOf<GroupSetId>("group-set-id"),
      KindOf<GroupDestroy>("group-destroy"),
      KindOf<ConsumerCreate>("consumer-create"),
      KindOf<ConsumerDelete>("consumer-delete"),
      KindOf<ConsumerSeen>("consumer-seen"),
      KindOf<GroupDeliver>("group-deliver"),
      KindOf<GroupRedeliver>("group-redeliver"),
      KindOf<GroupAck>("group-ack"),
      KindOf<GroupClaim>("group-claim"),
      KindOf<GroupRelease>("group-release"),
  };
  return kKinds;
}

}  // namespace runnel
