#include <string>
#include <vector>

#include "base/glob.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/help.h"
#include "broker/execution.h"
#include "broker/pubsub.h"

namespace runnel {
namespace {

// The words by which a kind of subscription is confirmed.
struct Words {
  std::string_view subscribed;
  std::string_view unsubscribed;
};
constexpr Words kWords[kSubscriptionKinds] = {
    {"subscribe", "unsubscribe"},
    {"psubscribe", "punsubscribe"},
    {"ssubscribe", "sunsubscribe"},
};

const Words& WordsOf(Subscription kind) {
  return kWords[static_cast<size_t>(kind)];
}

// The number in a confirmation: channels and patterns count together, shard channels apart.
int64_t Count(const Session& session, Subscription kind) {
  const auto of = [&](Subscription one) {
    return static_cast<int64_t>(session.subscribed[static_cast<size_t>(one)].size());
  };
  return kind == Subscription::kShard ? of(kind)
                                      : of(Subscription::kChannel) + of(Subscription::kPattern);
}

// One confirmation for each name.
template <Subscription kKind>
void Subscribe(Context& context) {
  Execution& execution = Execution::Of(context);
  for (const std::string_view name : context.args().subspan(1)) {
    execution.parts().pubsub.Subscribe(execution.session(), kKind, name);
    context.reply().Push(3);
    context.reply().Bulk(WordsOf(kKind).subscribed);
    context.reply().Bulk(name);
    context.reply().Integer(Count(execution.session(), kKind));
  }
}

void UnsubscribeOne(Context& context, Subscription kind, std::string_view name) {
  Execution& execution = Execution::Of(context);
  execution.parts().pubsub.Unsubscribe(execution.session(), kind, name);
  context.reply().Push(3);
  context.reply().Bulk(WordsOf(kind).unsubscribed);
  context.reply().Bulk(name);
  context.reply().Integer(Count(execution.session(), kind));
}

// Without names, all subscriptions of the kind end; if there is none, one confirmation says so.
template <Subscription kKind>
void Unsubscribe(Context& context) {
  for (const std::string_view name : context.args().subspan(1)) {
    UnsubscribeOne(context, kKind, name);
  }
  if (context.argc() > 1) return;
  const Session& session = Execution::Of(context).session();
  std::vector<std::string> names;
  for (const auto& [name, place] : session.subscribed[static_cast<size_t>(kKind)]) {
    names.push_back(name);
  }
  for (const std::string& name : names) {
    UnsubscribeOne(context, kKind, name);
  }
  if (!names.empty()) return;
  context.reply().Push(3);
  context.reply().Bulk(WordsOf(kKind).unsubscribed);
  context.reply().Null();
  context.reply().Integer(Count(session, kKind));
}

template <Subscription kKind>
void Publish(Context& context) {
  PubSub& pubsub = Execution::Of(context).parts().pubsub;
  const size_t receivers = pubsub.Publish(kKind, context.arg(1), context.arg(2));
  context.reply().Integer(static_cast<int64_t>(receivers));
}

template <Subscription kKind>
void PubSubNames(Context& context) {
  if (context.argc() > 3) return ReplyWrongSubcommand(context);
  const bool all = context.argc() == 2;
  std::vector<std::string_view> names;
  Execution::Of(context).parts().pubsub.ForEachName(kKind, [&](std::string_view name) {
    if (all || GlobMatch(context.arg(2), name)) names.push_back(name);
  });
  context.reply().Array(names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
  }
}

template <Subscription kKind>
void PubSubCounts(Context& context) {
  const PubSub& pubsub = Execution::Of(context).parts().pubsub;
  const auto names = context.args().subspan(2);
  context.reply().Array(2 * names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
    context.reply().Integer(static_cast<int64_t>(pubsub.subscribers(kKind, name)));
  }
}

void PubSubNumPat(Context& context) {
  const PubSub& pubsub = Execution::Of(context).parts().pubsub;
  context.reply().Integer(static_cast<int64_t>(pubsub.names(Subscription::kPattern)));
}

constexpr uint32_t kSubscribing = kPubSub | kNoScript | kLoading | kStale | kInSubscribe;
constexpr uint32_t kPublishing = kPubSub | kLoading | kStale | kFast | kMayReplicate;
constexpr uint32_t kAsking = kPubSub | kLoading | kStale;

constexpr KeySpec kShardChannels[] = {{.last = -1, .not_key = true}};
constexpr KeySpec kShardChannel[] = {{.not_key = true}};

constexpr CommandSpec kPubSubSubcommands[] = {
    {.name = "channels",
     .run = PubSubNames<Subscription::kChannel>,
     .arity = -2,
     .flags = kAsking,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(N) for N channels with subscribers",
     .summary = "Lists the channels that have subscribers",
     .syntax = "[pattern]"},
    {.name = "numpat",
     .run = PubSubNumPat,
     .arity = 2,
     .flags = kAsking,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Tells how many different patterns are subscribed to",
     .syntax = ""},
    {.name = "numsub",
     .run = PubSubCounts<Subscription::kChannel>,
     .arity = -2,
     .flags = kAsking,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(N) for N channels asked about",
     .summary = "Tells how many subscribers channels have, those by pattern not counted",
     .syntax = "[channel:string ...]"},
    {.name = "shardchannels",
     .run = PubSubNames<Subscription::kShard>,
     .arity = -2,
     .flags = kAsking,
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) for N shard channels with subscribers",
     .summary = "Lists the shard channels that have subscribers",
     .syntax = "[pattern]"},
    {.name = "shardnumsub",
     .run = PubSubCounts<Subscription::kShard>,
     .arity = -2,
     .flags = kAsking,
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) for N shard channels asked about",
     .summary = "Tells how many subscribers shard channels have",
     .syntax = "[shardchannel:string ...]"},
    {.name = "help",
     .run = ReplyHelp,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = "pubsub",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands",
     .syntax = ""},
};

constexpr CommandSpec kPubSubCommands[] = {
    {.name = "subscribe",
     .run = Subscribe<Subscription::kChannel>,
     .arity = -2,
     .flags = kSubscribing,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) for N channels",
     .summary = "Listens to channels",
     .syntax = "channel:string ..."},
    {.name = "unsubscribe",
     .run = Unsubscribe<Subscription::kChannel>,
     .arity = -1,
     .flags = kSubscribing,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) for N channels",
     .summary = "Stops listening to channels, or to all of them",
     .syntax = "[channel:string ...]"},
    {.name = "psubscribe",
     .run = Subscribe<Subscription::kPattern>,
     .arity = -2,
     .flags = kSubscribing,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) for N patterns",
     .summary = "Listens to all channels whose names match patterns",
     .syntax = "pattern ..."},
    {.name = "punsubscribe",
     .run = Unsubscribe<Subscription::kPattern>,
     .arity = -1,
     .flags = kSubscribing,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) for N patterns",
     .summary = "Stops listening to patterns, or to all of them",
     .syntax = "[pattern ...]"},
    {.name = "ssubscribe",
     .run = Subscribe<Subscription::kShard>,
     .arity = -2,
     .flags = kSubscribing,
     .keys = kShardChannels,
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) for N shard channels",
     .summary = "Listens to shard channels",
     .syntax = "shardchannel:string ..."},
    {.name = "sunsubscribe",
     .run = Unsubscribe<Subscription::kShard>,
     .arity = -1,
     .flags = kSubscribing,
     .keys = kShardChannels,
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) for N shard channels",
     .summary = "Stops listening to shard channels, or to all of them",
     .syntax = "[shardchannel:string ...]"},
    {.name = "publish",
     .run = Publish<Subscription::kChannel>,
     .arity = 3,
     .flags = kPublishing,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N+M) for N subscribers of the channel and M patterns",
     .summary = "Sends a message to all who listen to a channel",
     .syntax = "channel:string message:string"},
    {.name = "spublish",
     .run = Publish<Subscription::kShard>,
     .arity = 3,
     .flags = kPublishing,
     .keys = kShardChannel,
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) for N subscribers of the shard channel",
     .summary = "Sends a message to all who listen to a shard channel",
     .syntax = "shardchannel:string message:string"},
    {.name = "pubsub",
     .arity = -2,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "That of the subcommand",
     .summary = "Questions about who listens to what",
     .subcommands = kPubSubSubcommands},
};

}  // namespace

std::span<const CommandSpec> PubSubCommands() {
  return kPubSubCommands;
}

}  // namespace runnel
