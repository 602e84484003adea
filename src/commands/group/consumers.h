#pragma once

#include <string_view>

#include "commands/context.h"
#include "data/stream/stream.h"
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
// It goes into the journal at most once a minute, and only beside other changes. So consumers that
// only poll write nothing, and after a restart they may seem to have been idle for longer than they
// were.
inline void NoteSeen(Context& context, const KeyRef& key, const ConsumerGroup& group,
                     const Speaker& speaker) {
  constexpr int64_t kLeastMs = 60'000;
  const Consumer& consumer = *speaker.consumer;
  if (context.phase() == Context::Phase::kChanging &&
      context.now_ms() - consumer.seen_time >= kLeastMs) {
    return context.Apply(ConsumerSeen{key, group.name(), consumer.name, context.now_ms()}, 0);
  }
  if (!context.only_looks()) consumer.NotePoll(context.now_ms());
}

}  // namespace runnel::commands
