#include "broker/execution.h"

#include "broker/broker.h"

namespace runnel {

Execution::Execution(Broker& broker, Session& session, const Command& command,
                     std::span<const std::string_view> args, bool resumed, bool may_block)
    : Context(args, session.reply, broker.keyspace_, broker.batch_, broker.settings_.data),
      broker_(broker),
      session_(session),
      command_(command) {
  db_ = session.db;
  notify_classes_ = broker.settings_.notify_classes;
  now_ms_ = broker.now_ms();
  steady_ms_ = broker.steady_ms();
  may_block_ = may_block && broker.depth_ == 0;
  resumed_ = resumed;
  no_touch_ = session.no_touch;
  // The first time has told it.
  if (broker.running_again_) notify_classes_ &= ~kNotifyKeyMiss;
}

Execution::Execution(Broker& broker, Session& session, const Command& command, uint32_t db,
                     std::span<const std::string_view> args, ReplyWriter& reply)
    : Context(args, reply, broker.keyspace_, broker.batch_, broker.settings_.data),
      broker_(broker),
      session_(session),
      command_(command) {
  db_ = db;
  now_ms_ = broker.now_ms();
  steady_ms_ = broker.steady_ms();
  may_block_ = false;
  no_touch_ = true;
  only_looks_ = true;
}

void Execution::Block(Wait wait) {
  broker_.Block(*this, std::move(wait));
}

void Execution::Redact(size_t i) {
  if (shown_args_.empty()) shown_args_.assign(args_.begin(), args_.end());
  shown_args_[i] = "(redacted)";
}

void Execution::Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) {
  broker_.PublishEvent(event_class, event, key);
}

void Execution::Expire(const KeyRef& key) {
  if (!only_looks_) broker_.ExpireKey(key);
}

}  // namespace runnel
