#include "commands/topic/arguments.h"

#include "base/numbers.h"
#include "commands/topic/partitions.h"
#include "fmt/format.h"

namespace runnel::commands {

bool FindTopic(Context& context, const KeyRef& key, const Topic** topic) {
  if (!context.Read(key, topic)) return false;
  if (*topic != nullptr) return true;
  return Fail(context, fmt::format("NOTOPIC No such topic '{}'", key.name));
}

bool ReadTopicPart(Context& context, std::string_view text, TopicPart* part) {
  const size_t slash = text.find('/');
  part->key = KeyRef(context.db(), text.substr(0, slash));
  if (!FindTopic(context, part->key, &part->topic)) return false;
  if (slash == std::string_view::npos) return true;
  const std::optional<PartitionId> id = ParsePartition(text);
  if (!id || id->number >= part->topic->partitions()) {
    return Fail(context, fmt::format("ERR no partition '{}': topic '{}' has {}", text,
                                     part->key.name, part->topic->partitions()));
  }
  part->partition = id->number;
  return true;
}

const Stream& PartitionAt(Context& context, const KeyRef& key) {
  const KeyEntry* entry = context.Find(key);
  return entry == nullptr ? *UnwrittenPartition().As<Stream>() : *entry->As<Stream>();
}

bool ReadPartition(Context& context, std::string_view text, PartitionPart* part) {
  if (!ReadTopicPart(context, text, &part->of)) return false;
  if (!part->of.partition) {
    return Fail(context,
                fmt::format("ERR '{}' is a topic, not a partition such as '{}/0'", text, text));
  }
  part->number = *part->of.partition;
  part->key = PartitionKey(context, text);
  part->stream = &PartitionAt(context, part->key);
  return true;
}

uint64_t TopicPosition::OffsetIn(const Stream& partition) const {
  switch (kind) {
    case Kind::kOffset:
      return value;
    case Kind::kEarliest:
      return partition.first_offset();
    case Kind::kLatest:
      return partition.next_offset();
    case Kind::kTime:
      return partition.OffsetAt(value);
  }
  return value;
}

bool ReadPosition(Context& context, std::string_view text, TopicPosition* position) {
  if (Is(text, "EARLIEST")) {
    position->kind = TopicPosition::Kind::kEarliest;
    return true;
  }
  if (Is(text, "LATEST")) {
    position->kind = TopicPosition::Kind::kLatest;
    return true;
  }
  if (!text.empty() && text[0] == '@') {
    if (const std::optional<uint64_t> ms = ParseDigits(text.substr(1))) {
      *position = {TopicPosition::Kind::kTime, *ms};
      return true;
    }
  } else if (const size_t dash = text.find('-'); dash != std::string_view::npos && dash > 0) {
    const std::optional<uint64_t> ms = ParseDigits(text.substr(0, dash));
    const std::optional<uint64_t> offset = ParseDigits(text.substr(dash + 1));
    if (ms && offset && *offset != UINT64_MAX) {
      *position = {TopicPosition::Kind::kOffset, *offset + 1};
      return true;
    }
  } else if (const std::optional<uint64_t> offset = ParseDigits(text)) {
    *position = {TopicPosition::Kind::kOffset, *offset};
    return true;
  }
  return Fail(context, fmt::format("ERR '{}' is no position: give an offset, the ID of a record, "
                                   "EARLIEST, LATEST, or @ and Unix milliseconds",
                                   text));
}

bool CheckOffset(Context& context, std::string_view partition, const Stream& stream,
                 uint64_t offset) {
  if (offset >= stream.first_offset() && offset <= stream.next_offset()) return true;
  return Fail(context, fmt::format("OFFSETRANGE Offset {} of '{}' is outside of {} to {}", offset,
                                   partition, stream.first_offset(), stream.next_offset()));
}

bool CheckShortName(Context& context, std::string_view what, std::string_view name) {
  if (!name.empty() && name.size() <= kMostTopicNames) return true;
  return Fail(context, fmt::format("ERR {} has {} bytes, and must have 1 to {}", what, name.size(),
                                   kMostTopicNames));
}

bool ReadNumberOption(Context& context, std::string_view option, std::string_view text,
                      int64_t least, uint64_t* value) {
  // The error is only made where it is needed: every read has such options.
  const std::optional<int64_t> number = ParseInteger(text);
  if (!number || *number < least) {
    return Fail(context,
                fmt::format("ERR {} must be a number from {} on, not '{}'", option, least, text));
  }
  *value = static_cast<uint64_t>(*number);
  return true;
}

}  // namespace runnel::commands
