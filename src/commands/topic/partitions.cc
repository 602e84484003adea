#include "commands/topic/partitions.h"

#include <memory>
#include <utility>

#include "data/topic/names.h"
#include "fmt/format.h"

namespace runnel::commands {

const Topic* TopicOfPartition(Context& context, std::string_view partition) {
  const std::optional<PartitionId> id = ParsePartition(partition);
  if (!id) return nullptr;
  const KeyEntry* entry = context.Peek(KeyRef(context.db(), id->topic));
  const Topic* topic = entry == nullptr ? nullptr : entry->As<Topic>();
  return topic != nullptr && id->number < topic->partitions() ? topic : nullptr;
}

KeyRef StreamKey(Context& context, size_t i) {
  const KeyRef key = context.Key(i);
  if (context.keyspace().Find(key) != nullptr) return key;
  if (key.name.find('/') == std::string_view::npos) return key;
  if (TopicOfPartition(context, key.name) == nullptr) return key;
  return KeyRef(CompanionOf(key.db), key.name);
}

std::optional<KeyRef> PossiblePartition(Context& context, size_t i) {
  const KeyRef key = context.Key(i);
  if (!ParsePartition(key.name)) return std::nullopt;
  return KeyRef(CompanionOf(key.db), key.name);
}

const KeyEntry& UnwrittenPartition() {
  static const KeyEntry* const entry = [] {
    auto partition = std::make_unique<Stream>();
    partition->MakePartition();
    return KeyEntry::Create("", 0, std::move(partition));
  }();
  return *entry;
}

const KeyEntry* ExamineWithPartitions(Context& context, size_t i) {
  const KeyRef key = StreamKey(context, i);
  const KeyEntry* entry = context.Examine(key);
  return entry == nullptr && IsCompanion(key.db) ? &UnwrittenPartition() : entry;
}

const KeyEntry* PeekWithPartitions(Context& context, size_t i) {
  const KeyRef key = StreamKey(context, i);
  const KeyEntry* entry = context.Peek(key);
  return entry == nullptr && IsCompanion(key.db) ? &UnwrittenPartition() : entry;
}

bool FailIfPartition(Context& context, size_t i) {
  const std::string_view name = context.arg(i);
  if (name.find('/') == std::string_view::npos) return false;
  if (context.Peek(context.Key(i)) != nullptr) return false;
  if (TopicOfPartition(context, name) == nullptr) return false;
  context.reply().Error(fmt::format("ERR '{}' is a partition of topic '{}'; use TADD or TOPIC TRIM",
                                    name, name.substr(0, name.find('/'))));
  return true;
}

bool FailIfTopic(Context& context, size_t i, std::string_view done) {
  const KeyEntry* entry = context.Peek(context.Key(i));
  if (entry == nullptr) return FailIfPartition(context, i);
  if (FindObjectKind(entry->type())->movable) return false;
  context.reply().Error(fmt::format("ERR a topic cannot be {}", done));
  return true;
}

}  // namespace runnel::commands
