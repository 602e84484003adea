#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "commands/common_replies.h"
#include "commands/topic/arguments.h"
#include "commands/topic/commands.h"
#include "effects/topic_effects.h"

namespace runnel::commands {

void TProducerOpen(Context& context) {
  const KeyRef key = context.Key(2);
  const Topic* topic;
  if (!FindTopic(context, key, &topic)) return;
  const std::string_view name = context.arg(3);
  if (!CheckShortName(context, "producer name", name)) return;
  context.Apply(ProducerOpen{key, name, context.now_ms()});
  const Producer& producer = *topic->producers().Find(name);
  context.reply().Array(2);
  context.reply().Integer(static_cast<int64_t>(producer.epoch()));
  context.reply().Integer(producer.last_seq());
}

void TProducerList(Context& context) {
  const Topic* topic;
  if (!FindTopic(context, context.Key(2), &topic)) return;
  ReplyWriter& reply = context.reply();
  reply.Array(topic->producers().all().size());
  for (const auto& [name, value] : topic->producers().all()) {
    const Producer& producer = *value;
    reply.Map(4);
    reply.Bulk("name");
    reply.Bulk(name);
    reply.Bulk("epoch");
    reply.Integer(static_cast<int64_t>(producer.epoch()));
    reply.Bulk("last-seq");
    reply.Integer(producer.last_seq());
    reply.Bulk("idle");
    reply.Integer(std::max<int64_t>(context.now_ms() - producer.used_ms(), 0));
  }
}

void TProducerClose(Context& context) {
  const KeyRef key = context.Key(2);
  const Topic* topic;
  if (!FindTopic(context, key, &topic)) return;
  if (topic->producers().Find(context.arg(3)) == nullptr) return context.reply().Integer(0);
  context.Apply(ProducerClose{key, context.arg(3)});
  context.reply().Integer(1);
}

void TProducerHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "TPRODUCER <subcommand> [<arg> ...]. Subcommands are:",
      "OPEN <topic> <name>",
      "    Begin a new epoch of an idempotent producer, which fences earlier ones. Returns the "
      "epoch",
      "    and the last sequence number that was accepted, or -1.",
      "LIST <topic>",
      "    The producers of a topic.",
      "CLOSE <topic> <name>",
      "    Forget a producer.",
      "HELP",
      "    Print this help.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
