#include <utility>

#include "commands/key_events.h"
#include "commands/stream/retention.h"
#include "commands/topic/arguments.h"
#include "commands/topic/commands.h"
#include "commands/topic/creating.h"
#include "commands/topic/options.h"
#include "effects/topic_effects.h"
#include "fmt/format.h"

namespace runnel::commands {

void TopicCreateCommand(Context& context) {
  TopicSettings settings;
  settings.options = context.options().topic_defaults;
  if (!ReadTopicSettings(context, 3, true, &settings)) return;
  if (!settings.partitions) return context.reply().Error("ERR PARTITIONS is missing");
  const KeyRef key = context.Key(2);
  if (const KeyEntry* entry = context.FindForWrite(key)) {
    if (settings.only_new && entry->type() == ObjectType::kTopic) return context.reply().Null();
    return context.reply().Error(fmt::format("BUSYKEY '{}' exists, and is a {}", key.name,
                                             FindObjectKind(entry->type())->name));
  }
  // A negative number is out of range as well.
  if (!CheckNewTopic(context, key, 0, static_cast<uint64_t>(*settings.partitions))) return;
  CreateTopic(context, key, static_cast<uint32_t>(*settings.partitions), settings.options);
  context.reply().Ok();
}

void TopicAlter(Context& context) {
  const KeyRef key = context.Key(2);
  const Topic* topic;
  if (!FindTopic(context, key, &topic)) return;
  TopicSettings settings;
  settings.options = topic->options();
  if (!ReadTopicSettings(context, 3, false, &settings)) return;
  const uint32_t now = topic->partitions();
  const int64_t wanted = settings.partitions.value_or(now);
  if (wanted < now) {
    return context.reply().Error(fmt::format(
        "ERR topic '{}' has {} partitions, and cannot shrink to {}", key.name, now, wanted));
  }
  if (wanted > now) {
    if (!CheckNewTopic(context, key, now, static_cast<uint64_t>(wanted))) return;
    if (context.FailIfMemoryIsFull()) return;
  }
  const TopicOptions& options = settings.options;
  TopicOptions before = topic->options();
  if (wanted == now && options == before) return context.reply().Ok();
  if (std::exchange(before.min_insync, options.min_insync) != options.min_insync) {
    context.Apply(TopicDemand{key, options.min_insync});
  }
  const bool configures = wanted != now || options != before;
  if (configures)
    context.Apply(TopicConfigure{key, static_cast<uint32_t>(wanted), options.retention_ms,
                                 options.retention_bytes, options.retention_entries,
                                 options.tombstone_ms, options.max_record_bytes});
  context.Notify(kNotifyStream, "topic-alter", key);
  context.reply().Ok();
}

void TopicDelete(Context& context) {
  const KeyRef key = context.Key(2);
  const Topic* topic;
  if (!FindTopic(context, key, &topic)) return;
  context.Apply(KeyRemove{key});
  NotifyDeleted(context, key);
  context.reply().Ok();
}

void TopicTrim(Context& context) {
  PartitionPart part;
  TopicPosition position;
  if (!ReadPartition(context, context.arg(2), &part)) return;
  if (!ReadPosition(context, context.arg(3), &position)) return;
  const Stream& stream = *part.stream;
  const uint64_t offset = position.OffsetIn(stream);
  if (offset > stream.next_offset()) {
    (void)CheckOffset(context, part.key.name, stream, offset);
    return;
  }
  if (offset <= stream.first_offset()) return context.reply().Integer(0);
  const uint64_t count = stream.PlanDropBelow(offset);
  context.Apply(PartitionTrim{part.key, offset}, count);
  context.Notify(kNotifyStream, "xtrim", part.key);
  context.reply().Integer(static_cast<int64_t>(count));
}

}  // namespace runnel::commands
