#include "effects/topic_effects.h"

#include <algorithm>
#include <utility>

#include <absl/container/fixed_array.h>

#include "data/stream/stream.h"
#include "data/topic/record.h"
#include "effects/families.h"
#include "effects/foresight.h"

namespace runnel {
namespace {

constexpr Misfit kNoTopic("there is no topic with such a partition");
constexpr Misfit kNoPartition("the key holds a value that is no partition");
constexpr Misfit kNoOffset("the partition has no such offset");

Misfit FitsTopicKey(const KeyRef& key) {
  if (IsCompanion(key.db)) return Misfit("a topic is not in a companion");
  return IsTopicName(key.name) ? Misfit() : Misfit("the key is no name of a topic");
}

// For an effect on a partition, which may not exist: `*stream` is it then, or nullptr.
Misfit FitsPartition(const Keyspace& keyspace, const KeyRef& key, const Stream** stream) {
  if (!IsCompanion(key.db)) return Misfit("a partition is in a companion");
  const Misfit misfit = FitsValueOrNothing(keyspace, key, stream);
  if (!misfit.fits()) return misfit;
  if (*stream == nullptr) {
    return FindTopicOf(keyspace, key.db, key.name) == nullptr ? kNoTopic : Misfit();
  }
  return (*stream)->is_partition() ? Misfit() : kNoPartition;
}

// For records that are appended to it at this time; `keyed`: they have keys.
Misfit FitsAppend(const Keyspace& keyspace, const KeyRef& key, uint64_t ms, bool keyed) {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsPartition(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  if (ms == 0) return Misfit("no time");
  const bool compacted =
      stream != nullptr
          ? stream->is_compacted()
          : FindTopicOf(keyspace, key.db, key.name)->options().cleanup != Cleanup::kDelete;
  if (compacted && !keyed) return Misfit("a record of a compacted topic has a key");
  return stream != nullptr && ms < stream->last_id().ms ? Misfit("the time goes back") : Misfit();
}

std::unique_ptr<Stream> NewPartition(const Keyspace& keyspace, const KeyRef& key) {
  auto stream = std::make_unique<Stream>();
  stream->MakePartition();
  const Topic& topic = *FindTopicOf(keyspace, key.db, key.name);
  const TopicOptions& options = topic.options();
  stream->Retain(options.PartitionRetention());
  if (options.cleanup != Cleanup::kDelete) {
    stream->KeepNewest(std::make_unique<Compaction>(topic.id(), options.tombstone_ms));
  }
  return stream;
}

// Appends to the partition, which is made if there is none: append(stream).
template <class Append>
void AppendTo(Keyspace& keyspace, const KeyRef& key, Append append) {
  if (Stream* stream = keyspace.MutableIf<Stream>(key)) {
    append(*stream);
    keyspace.Changed(key, KeyChange::kGrown);
    return;
  }
  auto stream = NewPartition(keyspace, key);
  append(*stream);
  keyspace.Put(key, std::move(stream));
}

// What a producer's command has added, as ProducerAccept lists it.
AddedList ReadAdded(std::span<const StreamId> pairs) {
  AddedList added;
  added.reserve(pairs.size() / 2);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    added.push_back({static_cast<uint32_t>(pairs[i + 1].ms), pairs[i], pairs[i + 1].seq});
  }
  return added;
}

}  // namespace

// --- Topics ---

Misfit TopicCreate::Fits(const Keyspace& keyspace) const {
  const Misfit misfit = FitsTopicKey(key);
  if (!misfit.fits()) return misfit;
  if (keyspace.Find(key) != nullptr) return Misfit("there is such a key");
  if (id.size() != TopicId().size()) return Misfit("an ID of a topic has 16 bytes");
  if (partitions == 0 || partitions > kMostPartitions) return Misfit("no number of partitions");
  if (options.cleanup > Cleanup::kBoth) return Misfit("there is no such way to clean up");
  if (options.partitioner > Partitioner::kCrc32) return Misfit("there is no such partitioner");
  return {};
}

void TopicCreate::Apply(Keyspace& keyspace) const {
  TopicId bytes;
  std::copy(id.begin(), id.end(), bytes.begin());
  keyspace.Put(key, std::make_unique<Topic>(bytes, partitions, options));
  keyspace.TopicsChanged(key.db);
}

Misfit TopicConfigure::Fits(const Keyspace& keyspace) const {
  const Topic* topic = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &topic);
  if (!misfit.fits()) return misfit;
  if (partitions < topic->partitions()) return Misfit("the topic has more partitions");
  return partitions > kMostPartitions ? Misfit("no number of partitions") : Misfit();
}

void TopicConfigure::Apply(Keyspace& keyspace) const {
  Topic& topic = keyspace.Mutable<Topic>(key);
  TopicOptions options = topic.options();
  options.retention_ms = retention_ms;
  options.retention_bytes = retention_bytes;
  options.retention_entries = retention_entries;
  options.tombstone_ms = tombstone_ms;
  options.max_record_bytes = max_record_bytes;
  const Retention before = topic.options().PartitionRetention();
  const Retention after = options.PartitionRetention();
  const bool changes = before != after || tombstone_ms != topic.options().tombstone_ms;
  const uint32_t existing = topic.partitions();
  topic.Configure(partitions, options);
  for (uint32_t number = 0; changes && number < existing; number++) {
    const PartitionName name(key.name, number);
    const KeyRef partition(CompanionOf(key.db), name);
    Stream* stream = keyspace.MutableIf<Stream>(partition);
    if (stream == nullptr) continue;
    stream->Retain(after);
    if (stream->is_compacted()) stream->SetTombstoneMs(tombstone_ms);
    keyspace.NoteUpkeep(partition);
  }
  keyspace.Changed(key, KeyChange::kModified);
  if (partitions > existing) keyspace.TopicsChanged(key.db);
}

Misfit TopicDemand::Fits(const Keyspace& keyspace) const {
  if (min_insync > TopicOptions::kMostInSync) return Misfit("no number of in-sync replicas");
  return FitsValue<Topic>(keyspace, key);
}

void TopicDemand::Apply(Keyspace& keyspace) const {
  Topic& topic = keyspace.Mutable<Topic>(key);
  TopicOptions options = topic.options();
  options.min_insync = min_insync;
  topic.Configure(topic.partitions(), options);
  keyspace.Changed(key, KeyChange::kModified);
}

// --- Partitions ---

Misfit PartitionCreate::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsPartition(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  return stream == nullptr ? Misfit() : Misfit("there is such a key");
}

void PartitionCreate::Apply(Keyspace& keyspace) const {
  keyspace.Put(key, NewPartition(keyspace, key));
}

Misfit RecordAdd::Fits(const Keyspace& keyspace) const {
  if (fields.empty() || fields.size() % 2 != 0) return Misfit("names and values do not pair");
  return FitsAppend(keyspace, key, ms, fields[0] == kRecordKey);
}

void RecordAdd::Apply(Keyspace& keyspace) const {
  AppendTo(keyspace, key, [&](Stream& stream) {
    stream.Append({ms, stream.next_offset()}, fields, kPartitionLimits);
  });
}

Misfit RecordsAdd::Fits(const Keyspace& keyspace) const {
  if (names.empty() || values.empty() || values.size() % names.size() != 0) {
    return Misfit("names and values do not pair");
  }
  return FitsAppend(keyspace, key, ms, names[0] == kRecordKey);
}

void RecordsAdd::Apply(Keyspace& keyspace) const {
  absl::FixedArray<std::string_view, 16> fields(2 * names.size());
  for (size_t i = 0; i < names.size(); i++) {
    fields[2 * i] = names[i];
  }
  AppendTo(keyspace, key, [&](Stream& stream) {
    auto value = values.begin();
    while (value != values.end()) {
      for (std::string_view* field = fields.data(); field != fields.data() + fields.size();
           field += 2) {
        field[1] = *value++;
      }
      stream.Append({ms, stream.next_offset()}, fields, kPartitionLimits);
    }
  });
}

Misfit PartitionTrim::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  if (!stream->is_partition()) return kNoPartition;
  return offset > stream->next_offset() ? kNoOffset : Misfit();
}

void PartitionTrim::Foresee(Foresight& foresight) const {
  if (ForeseenStream* stream = foresight.StreamAt(key)) {
    stream->DropBelowOffset(offset, foresight.looks());
  }
}

void PartitionTrim::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DropBelowOffset(offset);
  keyspace.Changed(key, KeyChange::kModified);
}

Misfit TombstonesDrop::Fits(const Keyspace& keyspace) const {
  const Stream* stream = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &stream);
  if (!misfit.fits()) return misfit;
  if (!stream->is_compacted()) return Misfit("the key holds no partition of a compacted topic");
  return offset > stream->next_offset() ? kNoOffset : Misfit();
}

void TombstonesDrop::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Stream>(key).DropTombstones(offset);
  keyspace.Changed(key, KeyChange::kModified);
}

// --- Producers ---

Misfit ProducerOpen::Fits(const Keyspace& keyspace) const {
  return FitsValue<Topic>(keyspace, key);
}

void ProducerOpen::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Topic>(key).mutable_producers().Open(name, now_ms);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit ProducerAccept::Fits(const Keyspace& keyspace) const {
  const Topic* topic = nullptr;
  const Misfit misfit = FitsValue(keyspace, key, &topic);
  if (!misfit.fits()) return misfit;
  const Producer* producer = topic->producers().Find(name);
  if (producer == nullptr) return Misfit("there is no such producer");
  if (added.empty() || added.size() % 2 != 0) return Misfit("records and partitions do not pair");
  // The next number, which is at least 0, stays one.
  uint64_t left = static_cast<uint64_t>(INT64_MAX - (producer->last_seq() + 1));
  for (size_t i = 1; i < added.size(); i += 2) {
    if (added[i].ms >= topic->partitions()) return Misfit("the topic has no such partition");
    if (added[i].seq == 0 || added[i].seq > left) return Misfit("no number of records");
    left -= added[i].seq;
  }
  return {};
}

void ProducerAccept::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Topic>(key).mutable_producers().Accept(name, ReadAdded(added), now_ms);
  keyspace.Changed(key, KeyChange::kBeside);
}

Misfit ProducerClose::Fits(const Keyspace& keyspace) const {
  return FitsValue<Topic>(keyspace, key);
}

void ProducerClose::Apply(Keyspace& keyspace) const {
  keyspace.Mutable<Topic>(key).mutable_producers().Close(name);
  keyspace.Changed(key, KeyChange::kBeside);
}

std::span<const EffectKind> TopicEffects() {
  static constexpr EffectKind kKinds[] = {
      KindOf<TopicCreate>("topic-create"),         KindOf<TopicConfigure>("topic-configure"),
      KindOf<PartitionCreate>("partition-create"), KindOf<RecordAdd>("record-add"),
      KindOf<RecordsAdd>("records-add"),           KindOf<PartitionTrim>("partition-trim"),
      KindOf<ProducerOpen>("producer-open"),       KindOf<ProducerAccept>("producer-accept"),
      KindOf<ProducerClose>("producer-close"),     KindOf<TombstonesDrop>("tombstones-drop"),
      KindOf<TopicDemand>("topic-demand"),
  };
  return kKinds;
}

}  // namespace runnel
