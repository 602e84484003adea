#pragma once

#include <string_view>

#include "commands/context.h"
#include "data/stream.h"
#include "effects/group_effects.h"

namespace runnel::commands {

// The consumer that sends the command: the one with this name, which is created, with a
// notification, if the group had none.
struct Speaker {
  const Consumer* consumer = nullptr;
  bool created = false;
};
inline Speaker FindOrCreateConsumer(Context& context, const KeyRef& key, const ConsumerGroup& group,
                                    std::string_view name) {
  if (const Consumer* consumer = group.FindConsumer(name)) return {consumer, false};
  context.Apply(ConsumerCreate{key, group.name(), name, context.now_ms()});
  context.Notify(kNotifyStream, "xgroup-createconsumer", key);
  return {group.FindConsumer(name), true};
}

// Notes that the consumer asked and got nothing. (The effects of a delivery note this themselves.)
inline void NoteSeen(Context& context, const KeyRef& key, const ConsumerGroup& group,
                     const Speaker& speaker) {
  if (speaker.consumer->seen_time == context.now_ms()) return;
  context.Apply(ConsumerSeen{key, group.name(), speaker.consumer->name, context.now_ms()}, 0);
}

}  // namespace runnel::commands
