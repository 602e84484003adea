#include "broker/commands/broker_families.h"
#include "broker/dispatcher.h"
#include "broker/execution.h"
#include "broker/executor.h"
#include "broker/watches.h"
#include "commands/topic/partitions.h"
#include "fmt/format.h"

namespace runnel {
namespace {

constexpr KeySpec kWatchedKeys[] = {{.access = KeySpec::kRO, .last = -1}};

void Multi(Context& context) {
  Transaction& transaction = Execution::Of(context).session().transaction;
  if (transaction.open) return context.reply().Error("ERR MULTI calls can not be nested");
  transaction.open = true;
  context.reply().Ok();
}

void Discard(Context& context) {
  Execution& execution = Execution::Of(context);
  if (!execution.session().transaction.open) {
    return context.reply().Error("ERR DISCARD without MULTI");
  }
  execution.parts().dispatcher.DiscardTransaction(execution.session());
  context.reply().Ok();
}

// Whether a watched key has changed. Its expiry is a change too, whether or not somebody has
// noticed it before, and whether or not it may be removed now.
bool WatchIsBroken(Context& context) {
  const Session& session = Execution::Of(context).session();
  bool gone = false;
  for (const auto& watch : session.watched) {
    const KeyEntry* entry = context.Peek(KeyRef(watch->key->db, watch->key->name));
    gone |= watch->existed && entry == nullptr;
  }
  return gone || session.watch_broken;
}

void Exec(Context& context) {
  Execution& execution = Execution::Of(context);
  Parts& parts = execution.parts();
  Session& session = execution.session();
  if (!session.transaction.open) return context.reply().Error("ERR EXEC without MULTI");
  if (session.transaction.broken) {
    parts.dispatcher.DiscardTransaction(session);
    return context.reply().Error("EXECABORT Transaction discarded because of previous errors.");
  }
  if (WatchIsBroken(context)) {
    parts.dispatcher.DiscardTransaction(session);
    return context.reply().NullArray();
  }
  if (const std::optional<std::string> refused = parts.executor.LookAhead(execution)) {
    parts.dispatcher.DiscardTransaction(session);
    return context.reply().Error(
        fmt::format("EXECABORT Transaction discarded because of: {}", *refused));
  }
  // The transaction's own changes are no reason to note that it is broken.
  parts.watches.Unwatch(session);
  context.reply().Array(session.transaction.queue.size());
  for (QueuedCommand& queued : session.transaction.queue) {
    parts.executor.RunPart(execution, queued);
  }
  parts.dispatcher.DiscardTransaction(session);
}

void WatchKeys(Context& context) {
  Execution& execution = Execution::Of(context);
  if (execution.session().transaction.open) {
    return context.reply().Error("ERR WATCH inside MULTI is not allowed");
  }
  Parts& parts = execution.parts();
  for (size_t i = 1; i < context.argc(); i++) {
    // A key whose time is over must not break the transaction when it goes: it is gone already.
    const bool exists = context.Peek(context.Key(i)) != nullptr;
    parts.watches.Add(execution.session(), context.db(), context.arg(i), exists);
    const std::optional<KeyRef> partition = commands::PossiblePartition(context, i);
    if (!partition) continue;
    const bool written = context.Peek(*partition) != nullptr;
    parts.watches.Add(execution.session(), partition->db, partition->name, written);
  }
  context.reply().Ok();
}

void Unwatch(Context& context) {
  Execution& execution = Execution::Of(context);
  execution.parts().watches.Unwatch(execution.session());
  context.reply().Ok();
}

constexpr uint32_t kAnyTime = kNoScript | kLoading | kStale;

constexpr CommandSpec kTransactionCommands[] = {
    {.name = "multi",
     .run = Multi,
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy | kInMulti,
     .categories = kAclTransaction,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Begins a transaction: what follows is queued",
     .syntax = ""},
    {.name = "exec",
     .run = Exec,
     .arity = 1,
     .flags = kAnyTime | kSkipSlowlog | kInMulti | kEndsMulti,
     .categories = kAclTransaction,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "That of the queued commands",
     .summary = "Runs the queued commands, with nobody else's in between",
     .syntax = ""},
    {.name = "discard",
     .run = Discard,
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy | kInMulti,
     .categories = kAclTransaction,
     .group = "transactions",
     .since = "2.0.0",
     .complexity = "O(N) for N queued commands",
     .summary = "Forgets the queued commands and the watched keys",
     .syntax = ""},
    {.name = "watch",
     .run = WatchKeys,
     .arity = -2,
     .flags = kAnyTime | kFast | kAllowBusy | kInMulti,
     .categories = kAclTransaction,
     .keys = kWatchedKeys,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1) for each key",
     .summary = "Makes the next EXEC do nothing if one of the keys changes before it",
     .syntax = "key ..."},
    {.name = "unwatch",
     .run = Unwatch,
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy,
     .categories = kAclTransaction,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(N) for N watched keys",
     .summary = "Forgets the watched keys",
     .syntax = ""},
};

}  // namespace

std::span<const CommandSpec> TransactionCommands() {
  return kTransactionCommands;
}

}  // namespace runnel
