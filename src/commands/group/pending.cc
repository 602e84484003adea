#include <algorithm>
#include <limits>

#include "commands/group/commands.h"
#include "commands/stream/arguments.h"
#include "commands/topic/partitions.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

void WriteSummary(ReplyWriter& reply, const ConsumerGroup& group) {
  const PendingList& pending = group.pending();
  reply.Array(4);
  reply.Integer(static_cast<int64_t>(pending.size()));
  if (pending.empty()) {
    reply.Null();
    reply.Null();
    reply.NullArray();
    return;
  }
  reply.BulkId(pending.first_id());
  reply.BulkId(pending.last_id());
  const auto has_pending = [](const auto& named) { return named.second->pending > 0; };
  reply.Array(static_cast<size_t>(
      std::count_if(group.consumers().begin(), group.consumers().end(), has_pending)));
  for (const auto& [name, consumer] : group.consumers()) {
    if (consumer->pending == 0) continue;
    reply.Array(2);
    reply.Bulk(name);
    reply.BulkInteger(static_cast<int64_t>(consumer->pending));
  }
}

// [IDLE ms] start end count [consumer].
struct PendingArguments {
  int64_t min_idle = 0;
  StreamId first;
  StreamId last;
  int64_t count = 0;
  bool has_consumer = false;
  std::string_view consumer;
};

bool ReadPendingArguments(Context& context, PendingArguments* arguments) {
  size_t i = 3;
  if (Is(context.arg(i), "IDLE")) {
    if (!ReadInteger(context, context.arg(i + 1), &arguments->min_idle)) return false;
    i += 2;
    if (i + 3 > context.argc()) {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  if (!ReadInteger(context, context.arg(i + 2), &arguments->count) ||
      !ReadIntervalStart(context, context.arg(i), &arguments->first) ||
      !ReadIntervalEnd(context, context.arg(i + 1), &arguments->last)) {
    return false;
  }
  // What may follow the consumer is not looked at.
  arguments->has_consumer = i + 3 < context.argc();
  if (arguments->has_consumer) arguments->consumer = context.arg(i + 3);
  return true;
}

void WritePendingEntries(Context& context, const ConsumerGroup& group,
                         const PendingArguments& arguments) {
  const Consumer* consumer = nullptr;
  if (arguments.has_consumer) {
    consumer = group.FindConsumer(arguments.consumer);
    if (consumer == nullptr) return context.reply().Array(0);
  }
  // Entries that are not idle for long enough are passed over chunk by chunk.
  const int64_t latest = arguments.min_idle <= 0 ? std::numeric_limits<int64_t>::max()
                                                 : context.now_ms() - arguments.min_idle;
  std::vector<PendingEntry> entries;
  auto at = consumer == nullptr
                ? group.pending().SeekOf(std::nullopt, arguments.first, arguments.last, latest)
                : group.History(*consumer, arguments.first, latest);
  for (; at.valid() && at->id <= arguments.last; at.Next()) {
    if (static_cast<int64_t>(entries.size()) >= arguments.count) break;
    entries.push_back(*at);
  }
  ReplyWriter& reply = context.reply();
  reply.Array(entries.size());
  for (const PendingEntry& entry : entries) {
    const int64_t idle = entry.Idle(context.now_ms());
    reply.Array(4);
    reply.BulkId(entry.id);
    reply.Bulk(group.NameOf(entry.consumer));
    reply.Integer(entry.released() ? idle : std::max<int64_t>(idle, 0));
    reply.Integer(static_cast<int64_t>(entry.deliveries));
  }
}

}  // namespace

void XPending(Context& context) {
  const bool summary = context.argc() == 3;
  if (!summary && (context.argc() < 6 || context.argc() > 9)) {
    return context.reply().Error(kSyntaxError);
  }
  PendingArguments arguments;
  if (!summary && !ReadPendingArguments(context, &arguments)) return;
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, StreamKey(context, 1), context.arg(2), &stream, &group)) return;
  if (group == nullptr) return ReplyNoKeyOrGroup(context, context.arg(1), context.arg(2));
  if (summary) return WriteSummary(context.reply(), *group);
  WritePendingEntries(context, *group, arguments);
}

}  // namespace runnel::commands
