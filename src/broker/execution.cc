#include "broker/execution.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/change_log.h"
#include "broker/command_table.h"
#include "broker/expiry.h"
#include "broker/notifications.h"
#include "broker/settings.h"
#include "broker/turn_clock.h"

namespace runnel {

Execution::Execution(Parts& parts, Session& session, const Command& command,
                     std::span<const std::string_view> args, const RunMode& mode, Execution* outer)
    : Context(args, mode.reply != nullptr ? *mode.reply : session.reply, parts.keyspace,
              parts.log.batch(), parts.settings.data),
      parts_(parts),
      session_(session),
      command_(command),
      outer_(outer) {
  db_ = session.db;
  notify_classes_ = parts.settings.notify_classes;
  client_id_ = session.id;
  topic_groups_ = &parts.topic_groups;
  random_ = &parts.random;
  now_ms_ = parts.clock.now_ms();
  steady_ms_ = parts.clock.steady_ms();
  may_block_ = mode.may_block && outer == nullptr;
  resumed_ = mode.resumed;
  reply_is_sent_ = !session.output.muted();
  no_touch_ = session.info.no_touch;
  // The first time has told it.
  if (mode.again) notify_classes_ &= ~kNotifyKeyMiss;
}

Execution::Execution(Parts& parts, Session& session, const Command& command, uint32_t db,
                     std::span<const std::string_view> args, ReplyWriter& reply, Execution* outer,
                     Sequences* planned_sequences)
    : Context(args, reply, parts.keyspace, parts.log.batch(), parts.settings.data),
      parts_(parts),
      session_(session),
      command_(command),
      outer_(outer) {
  db_ = db;
  client_id_ = session.id;
  topic_groups_ = &parts.topic_groups;
  random_ = &parts.random;
  now_ms_ = parts.clock.now_ms();
  steady_ms_ = parts.clock.steady_ms();
  may_block_ = false;
  no_touch_ = true;
  only_looks_ = true;
  planned_sequences_ = planned_sequences;
}

void Execution::Block(Wait wait) {
  CHECK(may_block() && wait_ == nullptr);
  wait_ = std::make_unique<Wait>(std::move(wait));
}

// The set may become smaller before the reply leaves: the reply waits then until it has grown
// again, or until acks-timeout ends the session, as it does when there are too few for everybody.
std::optional<uint32_t> Execution::TooFewReplicas(uint32_t wanted) {
  if (session_.effective_acks(parts_.settings.acks) != Acks::kAll) return std::nullopt;
  const uint32_t live = parts_.log.replicas().live;
  if (live < wanted) return live;
  if (!only_looks_) session_.output.members = std::max(session_.output.members, wanted);
  return std::nullopt;
}

void Execution::Redact(size_t i) {
  if (shown_args_.empty()) shown_args_.assign(args_.begin(), args_.end());
  shown_args_[i] = "(redacted)";
}

bool Execution::memory_is_full() const {
  const uint64_t most = parts_.settings.maxmemory;
  return most != 0 && AllocatedBytes() > most;
}

void Execution::Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) {
  parts_.notifications.Publish(event_class, event, key);
}

// A command that writes was allowed to, and may put something into the key's place.
void Execution::Expire(const KeyRef& key) {
  if (only_looks_) return;
  const bool writes = (command_.spec->flags & kWrite) != 0;
  if (writes || parts_.expiry.MayExpire()) parts_.expiry.Expire(key);
}

}  // namespace runnel
