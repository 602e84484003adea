#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/context.h"
#include "commands/topic/arguments.h"
#include "data/topic/producers.h"
#include "data/topic/topic.h"

// What TADD and TADDM have in common.

namespace runnel::commands {

// PRODUCER name epoch seq.
struct ProducerArguments {
  std::string_view name;
  int64_t epoch = 0;
  int64_t seq = 0;
};
// Reads the three arguments from i on.
[[nodiscard]] bool ReadProducerArguments(Context& context, size_t i,
                                         std::optional<ProducerArguments>* producer);

// Whether the command, with so many records, is the producer's next one. Sets `*repeated` if it was
// accepted before, and must get the first result again.
[[nodiscard]] bool CheckProducer(Context& context, const TopicPart& part,
                                 const ProducerArguments& producer, int64_t records,
                                 const Producer::Command** repeated);

// Notes the command in the topic. REQUIRES: CheckProducer was true, and nothing was repeated.
void AcceptCommand(Context& context, const KeyRef& topic, const ProducerArguments& producer,
                   std::span<const AddedRecords> added);

// The topic that the first argument of TADD or TADDM names. Makes a missing one if the server's
// configuration says so; that is the command's first change, and `*part` has a topic only after
// MakeTopic then.
[[nodiscard]] bool FindOrPlanTopic(Context& context, std::string_view text, TopicPart* part,
                                   bool* make);
void MakeTopic(Context& context, TopicPart* part);

// The partition for `bytes` of records without key, and the next one in turn.
uint32_t TakeSticky(Context& context, const Topic& topic, uint64_t bytes);

// Writes the error for a record that is too large, or has no key in a compacted topic, and returns
// false.
bool FailForRecordBytes(Context& context, const TopicPart& part, const TopicOptions& options,
                        uint64_t bytes);
bool FailForRecordKey(Context& context, const TopicPart& part);

// How many bytes a record may have.
[[nodiscard]] inline bool CheckRecordBytes(Context& context, const TopicPart& part,
                                           const TopicOptions& options, uint64_t bytes) {
  return bytes <= options.max_record_bytes || FailForRecordBytes(context, part, options, bytes);
}
// Whether there are as many in-sync replicas as the topic asks for, if the client asks for all of
// them. The reply then waits until there are so many.
[[nodiscard]] bool CheckReplicas(Context& context, const TopicPart& part,
                                 const TopicOptions& options);
// A record of a compacted topic has a key.
[[nodiscard]] inline bool CheckRecordKey(Context& context, const TopicPart& part,
                                         const TopicOptions& options, bool has_key) {
  return has_key || options.cleanup == Cleanup::kDelete || FailForRecordKey(context, part);
}

// What `count` records become that are appended to the partition now; `stream` is nullptr if it was
// never written. The time never goes back.
inline AddedRecords NextRecords(const Context& context, uint32_t partition, const Stream* stream,
                                uint64_t count) {
  const auto now = static_cast<uint64_t>(std::max<int64_t>(context.now_ms(), 1));
  if (stream == nullptr) return {partition, {now, 0}, count};
  return {partition, {std::max(now, stream->last_id().ms), stream->next_offset()}, count};
}

}  // namespace runnel::commands
