#include "commands/topic/creating.h"

#include <array>
#include <cstring>

#include "base/random.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "data/topic/names.h"
#include "effects/topic_effects.h"
#include "fmt/format.h"

namespace runnel::commands {

bool CheckNewTopic(Context& context, const KeyRef& key, uint32_t from, uint64_t to) {
  if (!IsTopicName(key.name)) {
    return Fail(context,
                fmt::format("ERR '{}' is no name of a topic: 1 to {} bytes without blanks, control "
                            "bytes and / * ? [ ] \\ ^, and not . or ..",
                            key.name.substr(0, kMostTopicName), kMostTopicName));
  }
  const uint64_t most = context.options().topic_max_partitions;
  if (to == 0 || to > most) {
    return Fail(context, fmt::format("ERR a topic has 1 to {} partitions (topic-max-partitions), "
                                     "not {}",
                                     most, to));
  }
  for (uint32_t number = from; number < to; number++) {
    const PartitionName name(key.name, number);
    if (context.Peek(KeyRef(key.db, name)) == nullptr) continue;
    return Fail(context,
                fmt::format("BUSYKEY '{}' would be a partition, and is a key", name.text()));
  }
  return true;
}

void CreateTopic(Context& context, const KeyRef& key, uint32_t partitions,
                 const TopicOptions& options) {
  TopicId id;
  static_assert(sizeof(id) == 2 * sizeof(uint64_t));
  for (size_t at = 0; at < id.size(); at += sizeof(uint64_t)) {
    const uint64_t bits = RandomSeed();
    std::memcpy(id.data() + at, &bits, sizeof(bits));
  }
  context.Apply(TopicCreate{key, {id.data(), id.size()}, partitions, options});
  if (options.min_insync > 0) context.Apply(TopicDemand{key, options.min_insync}, 0);
  NotifyNew(context, key);
  context.Notify(kNotifyStream, "topic-create", key);
}

}  // namespace runnel::commands
