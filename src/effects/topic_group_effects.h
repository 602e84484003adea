#pragma once

#include <tuple>

#include "data/topic/group.h"
#include "effects/effect.h"

namespace runnel {

// The effects on topic groups. The key is the group's, in the companion of the database that has
// its topics (TopicGroupKey).

// There is a new group in the place of nothing.
struct TopicGroupCreate {
  static constexpr EffectType kType = EffectType::kTopicGroupCreate;
  KeyRef key;
  TopicGroupOptions options;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.options.start, self.options.start_ms, self.options.assignor,
                    self.options.session_ms, self.options.grace_ms, self.options.move_ms,
                    self.options.expire_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The group has these options now.
struct TopicGroupConfigure {
  static constexpr EffectType kType = EffectType::kTopicGroupConfigure;
  KeyRef key;
  TopicGroupOptions options;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.options.start, self.options.start_ms, self.options.assignor,
                    self.options.session_ms, self.options.grace_ms, self.options.move_ms,
                    self.options.expire_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The member subscribes to these topics and patterns now; it was made if it did not exist.
struct TopicGroupSubscribe {
  static constexpr EffectType kType = EffectType::kTopicGroupSubscribe;
  KeyRef key;
  std::string_view member;
  int64_t now_ms = 0;
  std::span<const std::string_view> topics;  // sorted, each once, at least one
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.member, self.now_ms, self.topics);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These members are gone. Their partitions have no owner then.
struct TopicGroupLeave {
  static constexpr EffectType kType = EffectType::kTopicGroupLeave;
  KeyRef key;
  std::span<const std::string_view> members;  // each once
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.members);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The group knows further partitions of the topic: the first ones that it does not know. It begins
// in each at the offset that is given here.
struct TopicGroupSee {
  static constexpr EffectType kType = EffectType::kTopicGroupSee;
  KeyRef key;
  std::string_view topic;
  std::span<const uint64_t> starts;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.starts);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// These partitions of the topic have this owner now, and each has its next epoch. An owner that
// stays is named for a new epoch alone.
struct TopicGroupAssign {
  static constexpr EffectType kType = EffectType::kTopicGroupAssign;
  KeyRef key;
  std::string_view topic;
  std::string_view member;  // empty: nobody
  std::span<const uint64_t> partitions;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.member, self.partitions);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// All records below these offsets are done: pairs of a partition's number and an offset.
struct TopicGroupCommit {
  static constexpr EffectType kType = EffectType::kTopicGroupCommit;
  KeyRef key;
  std::string_view topic;
  std::span<const uint64_t> offsets;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.offsets);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The records of the partition at these offsets are done.
struct TopicGroupAcknowledge {
  static constexpr EffectType kType = EffectType::kTopicGroupAcknowledge;
  KeyRef key;
  std::string_view topic;
  uint32_t partition = 0;
  std::span<const uint64_t> offsets;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.partition, self.offsets);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The group goes on at these offsets, each partition in its next epoch: pairs of a partition's
// number and an offset.
struct TopicGroupReset {
  static constexpr EffectType kType = EffectType::kTopicGroupReset;
  KeyRef key;
  std::string_view topic;
  std::span<const uint64_t> offsets;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.offsets);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// Retention has removed `count` records of the partition before the group was given them. The group
// goes on at the offset.
struct TopicGroupSkip {
  static constexpr EffectType kType = EffectType::kTopicGroupSkip;
  KeyRef key;
  std::string_view topic;
  uint32_t partition = 0;
  uint64_t offset = 0;
  uint64_t count = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.topic, self.partition, self.offset, self.count);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
