#pragma once

#include <tuple>

#include "data/topic/topic.h"
#include "effects/effect.h"

namespace runnel {

// The effects on topics, on their partitions and on idempotent producers. The key of a topic is in
// a database, that of a partition in the companion of the database.

// There is a new topic in the place of nothing.
struct TopicCreate {
  static constexpr EffectType kType = EffectType::kTopicCreate;
  KeyRef key;
  std::string_view id;  // 16 bytes
  uint32_t partitions = 0;
  TopicOptions options;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.id, self.partitions, self.options.retention_ms,
                    self.options.retention_bytes, self.options.retention_entries,
                    self.options.cleanup, self.options.tombstone_ms, self.options.max_record_bytes,
                    self.options.partitioner);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The topic has these partitions and options now; all but the last two fields may differ from what
// they were. The partitions that exist keep their records as the options say from now on.
struct TopicConfigure {
  static constexpr EffectType kType = EffectType::kTopicConfigure;
  KeyRef key;
  uint32_t partitions = 0;  // not fewer than before
  uint64_t retention_ms = 0;
  uint64_t retention_bytes = 0;
  uint64_t retention_entries = 0;
  uint64_t tombstone_ms = 0;
  uint64_t max_record_bytes = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.partitions, self.retention_ms, self.retention_bytes,
                    self.retention_entries, self.tombstone_ms, self.max_record_bytes);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The topic asks for so many in-sync replicas from now on (TopicOptions::min_insync).
struct TopicDemand {
  static constexpr EffectType kType = EffectType::kTopicDemand;
  KeyRef key;
  uint64_t min_insync = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.min_insync);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// A partition that was never written is a value now. REQUIRES: no such key.
struct PartitionCreate {
  static constexpr EffectType kType = EffectType::kPartitionCreate;
  KeyRef key;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// A record was appended at this time and got the partition's next offset; the partition was made if
// there was no such key. In a compacted topic it has a key, and the partition's older record of the
// key is gone.
struct RecordAdd {
  static constexpr EffectType kType = EffectType::kRecordAdd;
  KeyRef key;
  uint64_t ms = 0;                           // Unix time, not below that of the record before
  std::span<const std::string_view> fields;  // as data/topic/record.h says
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.ms, self.fields);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The same for several records, whose fields have the same names.
struct RecordsAdd {
  static constexpr EffectType kType = EffectType::kRecordsAdd;
  KeyRef key;
  uint64_t ms = 0;
  std::span<const std::string_view> names;   // at least one
  std::span<const std::string_view> values;  // of the first record, of the second, ...
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.ms, self.names, self.values);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// All records of the partition below this offset are gone, which is not above the next offset.
struct PartitionTrim {
  static constexpr EffectType kType = EffectType::kPartitionTrim;
  KeyRef key;
  uint64_t offset = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.offset);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Foresee(Foresight& foresight) const;
  void Apply(Keyspace& keyspace) const;
};

// The tombstones of the partition below this offset have been there for as long as its topic keeps
// them, and are gone, unless newer records have replaced them before. It is not above the next
// offset. The partition keeps only the newest record of each key.
struct TombstonesDrop {
  static constexpr EffectType kType = EffectType::kTombstonesDrop;
  KeyRef key;
  uint64_t offset = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.offset);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The producer of the topic has a new epoch; it was made if it did not exist.
struct ProducerOpen {
  static constexpr EffectType kType = EffectType::kProducerOpen;
  KeyRef key;
  std::string_view name;
  int64_t now_ms = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.name, self.now_ms);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// A command of the producer was accepted. It begins at the sequence number after the last one.
// `added` says what it added, two pairs of numbers for each partition: the ID of the first record,
// then the partition's number and how many records.
struct ProducerAccept {
  static constexpr EffectType kType = EffectType::kProducerAccept;
  KeyRef key;
  std::string_view name;
  int64_t now_ms = 0;
  std::span<const StreamId> added;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.name, self.now_ms, self.added);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

// The topic has no such producer any more.
struct ProducerClose {
  static constexpr EffectType kType = EffectType::kProducerClose;
  KeyRef key;
  std::string_view name;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.key, self.name);
  }
  Misfit Fits(const Keyspace& keyspace) const;
  void Apply(Keyspace& keyspace) const;
};

}  // namespace runnel
