#pragma once

#include <tuple>

#include "effects/effect.h"

namespace runnel {

// The effects on consumer groups. The key must be a stream. Except for GroupCreate, the stream must
// have the group; and where a consumer is named, the group must have the consumer. Times are Unix
// milliseconds.

// Stands for a group's counter of entries read where that is not known.
inline constexpr int64_t kEntriesReadUnknown = -1;

// There is a new group; all entries up to `last_delivered` count as delivered. REQUIRES: no such
// group.
struct GroupCreate {
  static constexpr EffectType kType = EffectType::kGroupCreate;
  KeyRef key;
  std::string_view group;
  StreamId last_delivered;
  int64_t entries_read = kEntriesReadUnknown;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.last_delivered, self.entries_read);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The group's position and counter are now these: XGROUP SETID, and XCLAIM's LASTID.
struct GroupSetId {
  static constexpr EffectType kType = EffectType::kGroupSetId;
  KeyRef key;
  std::string_view group;
  StreamId last_delivered;
  int64_t entries_read = kEntriesReadUnknown;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.last_delivered, self.entries_read);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Shift(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The group is gone with its consumers and its pending list. Clients that wait for it are told so:
// it reports kRemoved.
struct GroupDestroy {
  static constexpr EffectType kType = EffectType::kGroupDestroy;
  KeyRef key;
  std::string_view group;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The group has a new consumer, whose first command came at `time`. REQUIRES: no such consumer.
struct ConsumerCreate {
  static constexpr EffectType kType = EffectType::kConsumerCreate;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  int64_t time = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer, self.time);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The consumer is gone, and its pending entries with it.
struct ConsumerDelete {
  static constexpr EffectType kType = EffectType::kConsumerDelete;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The consumer asked for entries at `time` and got none.
struct ConsumerSeen {
  static constexpr EffectType kType = EffectType::kConsumerSeen;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  int64_t time = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer, self.time);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// All entries after the group's position, up to and including `last`, were delivered to the
// consumer at `time`. They are pending for it, delivered once, unless `no_ack`; the group's
// position is now `last`.
struct GroupDeliver {
  static constexpr EffectType kType = EffectType::kGroupDeliver;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  StreamId last;
  int64_t time = 0;
  bool no_ack = false;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer, self.last, self.time, self.no_ack);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// These pending entries of the consumer were delivered to it once more, at `time`.
struct GroupRedeliver {
  static constexpr EffectType kType = EffectType::kGroupRedeliver;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  int64_t time = 0;
  std::span<const StreamId> ids;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer, self.time, self.ids);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These entries are no longer pending, as far as they were: they were acknowledged, or are no
// longer in the stream.
struct GroupAck {
  static constexpr EffectType kType = EffectType::kGroupAck;
  KeyRef key;
  std::string_view group;
  std::span<const StreamId> ids;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.ids);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// How an entry's count of deliveries changes. The numbers are stored in the journal.
enum class CountChange : uint8_t {
  kKeep = 0,
  kIncrement = 1,  // at most to kMaxDeliveries
  kDecrement = 2,  // at least to 0
  kSet = 3,
};

// These entries now belong to the consumer, whichever consumer had them: they count as delivered at
// `delivery_time`, and so often as `change` says, where those that were not pending begin at 1. The
// consumer asked for them at `time`.
struct GroupClaim {
  static constexpr EffectType kType = EffectType::kGroupClaim;
  KeyRef key;
  std::string_view group;
  std::string_view consumer;
  int64_t time = 0;
  int64_t delivery_time = 0;
  CountChange change = CountChange::kKeep;
  uint64_t count = 0;  // for kSet
  std::span<const StreamId> ids;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.consumer, self.time, self.delivery_time, self.change,
                    self.count, self.ids);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These entries now belong to nobody and wait to be claimed: XNACK. Their counts change as `change`
// says, where those that were not pending begin at 0. They are something to be had, so this reports
// kGrown.
struct GroupRelease {
  static constexpr EffectType kType = EffectType::kGroupRelease;
  KeyRef key;
  std::string_view group;
  CountChange change = CountChange::kKeep;
  uint64_t count = 0;  // for kSet
  std::span<const StreamId> ids;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.group, self.change, self.count, self.ids);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
