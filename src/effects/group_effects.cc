#include "effects/group_effects.h"

#include <algorithm>

#include "data/stream/stream.h"
#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {
namespace {

ConsumerGroup& GroupAt(Keyspace& keyspace, const KeyRef& key, std::string_view name) {
  ConsumerGroup* group = keyspace.Mutable<Stream>(key).FindGroup(name);
  CHECK(group != nullptr);
  return *group;
}

// After a change that may leave entries behind which no group needs any more.
void NoteUnswept(Keyspace& keyspace, const KeyRef& key) {
  Stream& stream = keyspace.Mutable<Stream>(key);
  if (!stream.retention().delete_on_ack) return;
  stream.NoteUnswept();
  keyspace.NoteUpkeep(key);
}

ConsumerIndex IndexOf(const ConsumerGroup& group, std::string_view name) {
  const Consumer* consumer = group.FindConsumer(name);
  CHECK(consumer != nullptr);
  return consumer->index;
}

// Whether there is a stream with such a group.
Misfit FitsGroup(const Keyspace& keyspace, const KeyRef& key, std::string_view name,
                 const ConsumerGroup** group) {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  *group = stream->FindGroup(name);
  return *group == nullptr ? Misfit("the stream has no such group") : Misfit();
}

Misfit FitsGroup(const Keyspace& keyspace, const KeyRef& key, std::string_view name) {
  const ConsumerGroup* group = nullptr;
  return FitsGroup(keyspace, key, name, &group);
}

// Whether there is a stream with such a group that has such a consumer.
Misfit FitsConsumer(const Keyspace& keyspace, const KeyRef& key, std::string_view name,
                    std::string_view consumer) {
  const ConsumerGroup* group = nullptr;
  const Misfit misfit = FitsGroup(keyspace, key, name, &group);
  if (!misfit.fits()) return misfit;
  return group->FindConsumer(consumer) == nullptr ? Misfit("the group has no such consumer")
                                                  : Misfit();
}

constexpr Misfit kNoChange("there is no such change of a count");

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

Misfit GroupCreate::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  return stream->FindGroup(group) != nullptr ? Misfit("the stream has such a group") : Misfit();
}

void GroupCreate::Shift(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) stream->SetPosition(group, last_delivered);
}

void GroupCreate::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).CreateGroup(group, last_delivered, KnownEntriesRead(entries_read));
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit GroupSetId::Fits(const Keyspace& keyspace) const {
  return FitsGroup(keyspace, key, group);
}

void GroupSetId::Shift(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) stream->SetPosition(group, last_delivered);
}

void GroupSetId::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).SetLastDelivered(last_delivered, KnownEntriesRead(entries_read));
  NoteUnswept(keyspace, key);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit GroupDestroy::Fits(const Keyspace& keyspace) const {
  return FitsGroup(keyspace, key, group);
}

void GroupDestroy::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DestroyGroup(group);
  NoteUnswept(keyspace, key);
  keyspace.Changed(key, KeyChange::kBesideAwaited);
}

Misfit ConsumerCreate::Fits(const Keyspace& keyspace) const {
  const ConsumerGroup* of = nullptr;
  const Misfit misfit = FitsGroup(keyspace, key, group, &of);
  if (!misfit.fits()) return misfit;
  return of->FindConsumer(consumer) != nullptr ? Misfit("the group has such a consumer") : Misfit();
}

void ConsumerCreate::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).CreateConsumer(consumer, time);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit ConsumerDelete::Fits(const Keyspace& keyspace) const {
  return FitsConsumer(keyspace, key, group, consumer);
}

void ConsumerDelete::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  of.RemoveConsumer(IndexOf(of, consumer));
  NoteUnswept(keyspace, key);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit ConsumerSeen::Fits(const Keyspace& keyspace) const {
  return FitsConsumer(keyspace, key, group, consumer);
}

void ConsumerSeen::Apply(Keyspace& keyspace) const {
  ConsumerGroup& of = GroupAt(keyspace, key, group);
  of.MarkSeen(IndexOf(of, consumer), time);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit GroupDeliver::Fits(const Keyspace& keyspace) const {
  return FitsConsumer(keyspace, key, group, consumer);
}

void GroupDeliver::Foresee(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) {
    stream->Deliver(group, last, foresight.looks());
  }
}

void GroupDeliver::Apply(Keyspace& keyspace) const {
  Stream& stream = keyspace.Mutable<Stream>(key);
  ConsumerGroup* of = stream.FindGroup(group);
  CHECK(of != nullptr);
  stream.Deliver(of, IndexOf(*of, consumer), last, time, no_ack);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit GroupRedeliver::Fits(const Keyspace& keyspace) const {
  return FitsConsumer(keyspace, key, group, consumer);
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

Misfit GroupAck::Fits(const Keyspace& keyspace) const {
  return FitsGroup(keyspace, key, group);
}

void GroupAck::Apply(Keyspace& keyspace) const {
  GroupAt(keyspace, key, group).Ack(ids);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit GroupClaim::Fits(const Keyspace& keyspace) const {
  if (change > CountChange::kSet) return kNoChange;
  return FitsConsumer(keyspace, key, group, consumer);
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

Misfit GroupRelease::Fits(const Keyspace& keyspace) const {
  if (change > CountChange::kSet) return kNoChange;
  return FitsGroup(keyspace, key, group);
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
