#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>

#include "data/key_place.h"
#include "data/object.h"
#include "data/stream/retention.h"
#include "data/topic/names.h"
#include "data/topic/producers.h"

namespace runnel {

class Keyspace;
class Stream;
struct KeyRef;

// How the partition of a key is found. The numbers are stored: never reuse one.
enum class Partitioner : uint8_t {
  kMurmur2 = 0,  // as Kafka's Java client does by default
  kCrc32 = 1,    // as librdkafka does by default
};

// What ends records. The numbers are stored: never reuse one.
enum class Cleanup : uint8_t {
  kDelete = 0,   // retention
  kCompact = 1,  // a newer record of the same key
  kBoth = 2,
};

struct TopicOptions {
  uint64_t retention_ms = 604'800'000;  // of each partition; 0: no bound
  uint64_t retention_bytes = 0;
  uint64_t retention_entries = 0;
  Cleanup cleanup = Cleanup::kDelete;
  uint64_t tombstone_ms = 86'400'000;
  uint64_t max_record_bytes = 1'048'576;  // key, names and values of a record together
  Partitioner partitioner = Partitioner::kMurmur2;
  // A reply to a client that adds records, and asks for all in-sync replicas, waits until there are
  // so many, itself included. 0: the server's min-insync-replicas is enough, which counts anyway.
  uint64_t min_insync = 0;
  static constexpr uint64_t kMostInSync = 1000;

  // What a partition's stream keeps. COMPACT alone has no bound.
  Retention PartitionRetention() const {
    if (cleanup == Cleanup::kCompact) return kKeepAll;
    return {.ms = retention_ms, .bytes = retention_bytes, .entries = retention_entries};
  }
  bool operator==(const TopicOptions&) const = default;
};

// A topic: the value of its key. It knows how many partitions there are, but not what they hold: a
// partition is a Stream of its own in the companion of the database, under its name, from its first
// record or consumer group on.
//
// Commands call the const functions; effects call the changes, which cannot fail.
class Topic final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kTopic;

  // REQUIRES: 1 <= partitions <= kMostPartitions.
  Topic(const TopicId& id, uint32_t partitions, const TopicOptions& options)
      : Object(kType), id_(id), partitions_(partitions), options_(options) {}
  // Reads what Encode wrote; nullptr if the bytes are no such payload.
  static std::unique_ptr<Object> Load(Decoder* in);

  const TopicId& id() const { return id_; }
  uint32_t partitions() const { return partitions_; }
  const TopicOptions& options() const { return options_; }
  const Producers& producers() const { return producers_; }
  // Names of the topic groups that have seen the topic.
  const absl::btree_set<std::string>& readers() const { return readers_; }

  // The partition that is next for records without a key, and how many bytes of them it has been
  // given. Not durable state: commands change it, too.
  struct Sticky {
    uint32_t partition = 0;
    uint64_t bytes = 0;
  };
  Sticky& sticky() const { return sticky_; }
  // Where commands have found the partition last; nullptr for numbers of which this is not kept.
  // Not durable state: commands change it, too. REQUIRES: number < partitions().
  KeyPlace* place(uint32_t number) const {
    if (number >= places_.size() && !MakePlaces(number)) return nullptr;
    return &places_[number];
  }

  // --- Changes ---

  // REQUIRES: partitions >= partitions().
  void Configure(uint32_t partitions, const TopicOptions& options);
  Producers& mutable_producers() { return producers_; }
  void AddReader(std::string_view group) { readers_.emplace(group); }
  void RemoveReader(std::string_view group) { readers_.erase(std::string(group)); }

  // The key that had this value has gone or has another one: takes the partitions along, and what
  // groups know of the topic. `key` is the topic's key, in a database.
  void Leave(Keyspace& keyspace, const KeyRef& key) const;

  // --- Object ---

  std::string_view encoding() const override { return "topic"; }
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override { return 1 + producers_.FreeEffort() + readers_.size(); }
  std::unique_ptr<Object> Clone() const override;
  void Encode(Encoder* out) const override;

 private:
  // Of partitions from this number on the place is not kept: of so many, each is sought rarely.
  static constexpr uint32_t kMostPlaces = 16 * 1024;
  bool MakePlaces(uint32_t number) const;

  TopicId id_;
  uint32_t partitions_;
  TopicOptions options_;
  Producers producers_;
  absl::btree_set<std::string> readers_;
  mutable Sticky sticky_;
  mutable std::vector<KeyPlace> places_;  // by number
};

// The topic that has this partition, in the database of `db`; nullptr if there is none, or it has
// fewer partitions, or the text is no name of a partition. An expired topic is found like any
// other.
const Topic* FindTopicOf(const Keyspace& keyspace, uint32_t db, std::string_view partition);

// The stream of a topic's partition; nullptr if it was never written. `db` is the database of the
// topic, or its companion. Does not count as a use. REQUIRES: IsTopicName(topic).
const Stream* FindStreamOf(const Keyspace& keyspace, uint32_t db, std::string_view topic,
                           uint32_t number);

}  // namespace runnel
