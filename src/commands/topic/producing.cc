#include "commands/topic/producing.h"

#include <string>
#include <utility>

#include <absl/container/fixed_array.h>

#include "commands/topic/creating.h"
#include "commands/topic_group/engine.h"
#include "effects/topic_effects.h"
#include "fmt/format.h"

namespace runnel::commands {

bool ReadProducerArguments(Context& context, size_t i, std::optional<ProducerArguments>* producer) {
  if (*producer) return Fail(context, "ERR PRODUCER is given twice");
  if (i + 2 >= context.argc()) return Fail(context, kSyntaxError);
  ProducerArguments& read = producer->emplace();
  read.name = context.arg(i);
  constexpr std::string_view kEpoch = "ERR the epoch of a producer is a number from 0 on";
  constexpr std::string_view kSeq = "ERR the sequence number of a producer is a number from 0 on";
  return CheckShortName(context, "producer name", read.name) &&
         ReadInteger(context, context.arg(i + 1), &read.epoch, kEpoch, 0) &&
         ReadInteger(context, context.arg(i + 2), &read.seq, kSeq, 0);
}

bool CheckProducer(Context& context, const TopicPart& part, const ProducerArguments& producer,
                   int64_t records, const Producer::Command** repeated) {
  const Producer* known =
      part.topic == nullptr ? nullptr : part.topic->producers().Find(producer.name);
  if (known == nullptr) {
    return Fail(context, fmt::format("FENCED Producer '{}' of '{}' is not open: TPRODUCER OPEN",
                                     producer.name, part.key.name));
  }
  if (known->epoch() != static_cast<uint64_t>(producer.epoch)) {
    return Fail(context, fmt::format("FENCED Producer '{}' of '{}' is at epoch {}, not {}",
                                     producer.name, part.key.name, known->epoch(), producer.epoch));
  }
  int64_t planned = known->last_seq();
  int64_t* last_seq = &planned;
  if (context.planned_sequences() != nullptr) {
    std::string name(part.topic->id().data(), part.topic->id().size());
    name.append(producer.name);
    last_seq = &context.planned_sequences()->try_emplace(std::move(name), planned).first->second;
  }
  const int64_t expected = *last_seq + 1;
  if (producer.seq > expected || expected > INT64_MAX - records) {
    return Fail(context,
                fmt::format("OUTOFORDER Producer '{}' of '{}': expected sequence {}, got {}",
                            producer.name, part.key.name, expected, producer.seq));
  }
  if (producer.seq == expected) {
    known->ExpectNext();
    *last_seq += records;
    return true;
  }
  // A command before it in the transaction has the number.
  if (producer.seq > known->last_seq()) return true;
  *repeated = known->Find(producer.seq);
  if (*repeated != nullptr && (*repeated)->records == records) {
    if (!context.only_looks()) context.topic_groups().stats().duplicates++;
    return true;
  }
  return Fail(context, fmt::format("DUPLICATE Producer '{}' of '{}': sequence {} was accepted "
                                   "before, and its result is not known any more",
                                   producer.name, part.key.name, producer.seq));
}

void AcceptCommand(Context& context, const KeyRef& topic, const ProducerArguments& producer,
                   std::span<const AddedRecords> added) {
  absl::FixedArray<StreamId, 8> pairs(2 * added.size());
  auto pair = pairs.begin();
  for (const AddedRecords& part : added) {
    *pair++ = part.first;
    *pair++ = {part.partition, part.count};
  }
  context.Apply(ProducerAccept{topic, producer.name, context.now_ms(), pairs}, 0);
}

bool FindOrPlanTopic(Context& context, std::string_view text, TopicPart* part, bool* make) {
  *make = false;
  if (context.options().auto_create_topics > 0) {
    const std::string_view name = text.substr(0, text.find('/'));
    part->key = KeyRef(context.db(), name);
    if (context.Peek(part->key) == nullptr) {
      *make = true;
      if (!CheckNewTopic(context, part->key, 0, context.options().auto_create_topics)) return false;
      if (name.size() == text.size()) return true;
      const std::optional<PartitionId> id = ParsePartition(text);
      if (id && id->number < context.options().auto_create_topics) {
        part->partition = id->number;
        return true;
      }
      return Fail(context, fmt::format("ERR no partition '{}': topic '{}' would have {}", text,
                                       name, context.options().auto_create_topics));
    }
  }
  return ReadTopicPart(context, text, part);
}

void MakeTopic(Context& context, TopicPart* part) {
  CreateTopic(context, part->key, context.options().auto_create_topics,
              context.options().topic_defaults);
  part->topic = context.keyspace().Find(part->key)->As<Topic>();
}

uint32_t TakeSticky(Context& context, const Topic& topic, uint64_t bytes) {
  constexpr uint64_t kEnough = 16 * 1024;
  Topic::Sticky& sticky = topic.sticky();
  const uint32_t partition = sticky.partition;
  if (context.only_looks()) return partition;
  sticky.bytes += bytes;
  if (sticky.bytes >= kEnough) {
    sticky = {partition + 1 == topic.partitions() ? 0 : partition + 1, 0};
  }
  return partition;
}

bool FailForRecordBytes(Context& context, const TopicPart& part, const TopicOptions& options,
                        uint64_t bytes) {
  return Fail(context, fmt::format("ERR a record of {} bytes is larger than MAX-RECORD-BYTES {} of "
                                   "topic '{}'",
                                   bytes, options.max_record_bytes, part.key.name));
}

bool CheckReplicas(Context& context, const TopicPart& part, const TopicOptions& options) {
  if (options.min_insync == 0) return true;
  const std::optional<uint32_t> there =
      context.TooFewReplicas(static_cast<uint32_t>(options.min_insync));
  if (!there) return true;
  return Fail(context, fmt::format("NOREPLICAS Not enough in-sync replicas for topic '{}' ({} of "
                                   "{}).",
                                   part.key.name, *there, options.min_insync));
}

bool FailForRecordKey(Context& context, const TopicPart& part) {
  return Fail(context, fmt::format("ERR a record of topic '{}' needs a KEY: it keeps the newest "
                                   "record of each key",
                                   part.key.name));
}

}  // namespace runnel::commands
