#include "data/topic/topic.h"

#include <algorithm>

#include "base/assert.h"
#include "data/keyspace.h"
#include "data/stream/stream.h"
#include "data/topic/group.h"

namespace runnel {

void Topic::Configure(uint32_t partitions, const TopicOptions& options) {
  ASSERT(partitions >= partitions_);
  partitions_ = partitions;
  options_ = options;
}

void Topic::Leave(Keyspace& keyspace, const KeyRef& key) const {
  const uint32_t companion = CompanionOf(key.db);
  for (uint32_t number = 0; number < partitions_; number++) {
    const PartitionName name(key.name, number);
    keyspace.Remove(KeyRef(companion, name));
  }
  for (const std::string& reader : readers_) {
    const std::string name = TopicGroupKey(reader);
    const KeyRef group_key(companion, name);
    TopicGroup* group = keyspace.MutableIf<TopicGroup>(group_key);
    if (group == nullptr) continue;
    group->RemoveTopic(key.name);
    keyspace.Changed(group_key, KeyChange::kBeside);
  }
  keyspace.TopicsChanged(key.db);
}

// Whether the number is one whose place is kept.
bool Topic::MakePlaces(uint32_t number) const {
  if (number >= kMostPlaces) return false;
  places_.resize(std::min(partitions_, kMostPlaces));
  return true;
}

size_t Topic::MemoryBytes(size_t) const {
  size_t bytes = sizeof(*this) + producers_.MemoryBytes() + places_.capacity() * sizeof(KeyPlace);
  for (const std::string& name : readers_) {
    bytes += sizeof(name) + name.capacity();
  }
  return bytes;
}

std::unique_ptr<Object> Topic::Clone() const {
  auto copy = std::make_unique<Topic>(id_, partitions_, options_);
  copy->producers_ = producers_.Clone();
  copy->readers_ = readers_;
  return copy;
}

// --- Stored form ---
//
//   topic := byte version | 16 bytes ID | varint partitions | varint MIN-INSYNC, from version 2 on
//            | varint retention ms | varint retention bytes | varint retention entries
//            | byte cleanup | varint tombstone ms | varint most record bytes | byte partitioner
//            | producers | varint readers | string reader...

namespace {

// Of a topic without a MIN-INSYNC: earlier versions of Runnel can read it.
constexpr uint8_t kPlainTopicVersion = 1;
constexpr uint8_t kTopicVersion = 2;

}  // namespace

void Topic::Encode(Encoder* out) const {
  const bool plain = options_.min_insync == 0;
  out->Byte(plain ? kPlainTopicVersion : kTopicVersion);
  out->Raw({id_.data(), id_.size()});
  out->Varint(partitions_);
  if (!plain) out->Varint(options_.min_insync);
  out->Varint(options_.retention_ms);
  out->Varint(options_.retention_bytes);
  out->Varint(options_.retention_entries);
  out->Byte(static_cast<uint8_t>(options_.cleanup));
  out->Varint(options_.tombstone_ms);
  out->Varint(options_.max_record_bytes);
  out->Byte(static_cast<uint8_t>(options_.partitioner));
  producers_.Encode(out);
  out->Varint(readers_.size());
  for (const std::string& name : readers_) {
    out->Bytes(name);
    out->Checkpoint();
  }
}

std::unique_ptr<Object> Topic::Load(Decoder* in) {
  const uint8_t version = in->Byte();
  if (version != kPlainTopicVersion && version != kTopicVersion) return nullptr;
  TopicId id;
  for (char& byte : id) {
    byte = static_cast<char>(in->Byte());
  }
  const uint64_t partitions = in->Varint();
  TopicOptions options;
  // There is one stored form for each topic.
  if (version == kTopicVersion) {
    options.min_insync = in->Varint();
    if (options.min_insync == 0 || options.min_insync > TopicOptions::kMostInSync) return nullptr;
  }
  options.retention_ms = in->Varint();
  options.retention_bytes = in->Varint();
  options.retention_entries = in->Varint();
  options.cleanup = static_cast<Cleanup>(in->Byte());
  options.tombstone_ms = in->Varint();
  options.max_record_bytes = in->Varint();
  options.partitioner = static_cast<Partitioner>(in->Byte());
  if (partitions == 0 || partitions > kMostPartitions || options.cleanup > Cleanup::kBoth ||
      options.partitioner > Partitioner::kCrc32) {
    return nullptr;
  }
  auto topic = std::make_unique<Topic>(id, static_cast<uint32_t>(partitions), options);
  if (!topic->producers_.Load(in)) return nullptr;
  const uint64_t readers = in->Count(1);
  for (uint64_t i = 0; i < readers && in->ok(); i++) {
    std::string name(in->Bytes());
    if (i > 0 && name <= *topic->readers_.rbegin()) return nullptr;
    topic->readers_.insert(topic->readers_.end(), std::move(name));
  }
  if (!in->ok()) return nullptr;
  return topic;
}

const Topic* FindTopicOf(const Keyspace& keyspace, uint32_t db, std::string_view partition) {
  const std::optional<PartitionId> id = ParsePartition(partition);
  if (!id) return nullptr;
  const KeyEntry* entry = keyspace.Find(KeyRef(DatabaseOf(db), id->topic));
  const Topic* topic = entry == nullptr ? nullptr : entry->As<Topic>();
  return topic != nullptr && id->number < topic->partitions() ? topic : nullptr;
}

const Stream* FindStreamOf(const Keyspace& keyspace, uint32_t db, std::string_view topic,
                           uint32_t number) {
  const PartitionName name(topic, number);
  const KeyEntry* entry = keyspace.Find(KeyRef(CompanionOf(db), name));
  return entry == nullptr ? nullptr : entry->As<Stream>();
}

}  // namespace runnel
