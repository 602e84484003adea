#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "broker/session.h"
#include "commands/context.h"

namespace runnel {

class Broker;
struct Command;

// The Context of a command that a session runs: what commands about sessions and the broker itself
// see beyond it. Every Context that a handler is given is one of these.
class Execution final : public Context {
 public:
  Execution(Broker& broker, Session& session, const Command& command,
            std::span<const std::string_view> args, bool resumed, bool may_block);
  // A run that only looks, at that database: it ends with WouldChange in the place of its first
  // effect, and nobody is told of it. `reply` is the caller's.
  Execution(Broker& broker, Session& session, const Command& command, uint32_t db,
            std::span<const std::string_view> args, ReplyWriter& reply);

  static Execution& Of(Context& context) { return static_cast<Execution&>(context); }

  Broker& broker() { return broker_; }
  Session& session() { return session_; }
  const Command& command() const { return command_; }

  void Block(Wait wait) override;

  // Argument i is a secret: the slow log and monitors show "(redacted)" in its place.
  void Redact(size_t i);
  // The arguments as they may be shown.
  std::span<const std::string_view> shown_args() const {
    return shown_args_.empty() ? args() : shown_args_;
  }

  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

 private:
  void Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) override;
  void Expire(const KeyRef& key) override;

  Broker& broker_;
  Session& session_;
  const Command& command_;
  std::vector<std::string_view> shown_args_;  // empty: as they are
};

}  // namespace runnel
