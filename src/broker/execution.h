#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "broker/parts.h"
#include "broker/session.h"
#include "cold/cold_store.h"
#include "commands/context.h"

namespace runnel {

struct Command;

// How a command is run.
struct RunMode {
  // It has blocked before: the deadline of then counts.
  bool resumed = false;
  // False: what would block answers at once, as if its time were over.
  bool may_block = true;
  // It has run before, without an effect, and missed entries that were on the disk.
  bool again = false;
};

// One run of one command by a session: all of its state, on the stack of Executor::Run. It is the
// Context that the command's handler sees, and lets commands about sessions and the broker itself
// see more. Every Context that a handler is given is one of these.
class Execution final : public Context {
 public:
  // Everything is borrowed for the time of the run. `outer` is the command that runs this one as a
  // part of itself (EXEC), or nullptr.
  Execution(Parts& parts, Session& session, const Command& command,
            std::span<const std::string_view> args, const RunMode& mode, Execution* outer);
  // A run that only looks, at that database: it ends with WouldChange in the place of its first
  // effect, and nobody is told of it. `reply` is the caller's.
  Execution(Parts& parts, Session& session, const Command& command, uint32_t db,
            std::span<const std::string_view> args, ReplyWriter& reply, Execution* outer);

  static Execution& Of(Context& context) { return static_cast<Execution&>(context); }

  Parts& parts() { return parts_; }
  Session& session() { return session_; }
  const Command& command() const { return command_; }
  Execution* outer() const { return outer_; }

  // The command waits: the executor finds out when the handler has returned.
  void Block(Wait wait) override;
  // nullptr unless the command waits. Views in it are good as long as the arguments are.
  std::unique_ptr<Wait> TakeWait() { return std::move(wait_); }

  // Argument i is a secret: the slow log and monitors show "(redacted)" in its place.
  void Redact(size_t i);
  // The arguments as they may be shown.
  std::span<const std::string_view> shown_args() const {
    return shown_args_.empty() ? args() : shown_args_;
  }

  // Whether it can be unwound and run again: it has changed nothing, and it is not a part of
  // another command, which may have.
  ColdStore::Phase phase() const {
    if (only_looks_) return ColdStore::Phase::kLooking;
    if (changes_ > 0) return ColdStore::Phase::kChanging;
    return outer_ == nullptr ? ColdStore::Phase::kLooking : ColdStore::Phase::kInside;
  }

  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }
  // Commands that ran as parts of this one and failed. Their errors are no error of this one.
  uint64_t failed_parts = 0;

 private:
  void Publish(NotifyClass event_class, std::string_view event, const KeyRef& key) override;
  void Expire(const KeyRef& key) override;

  Parts& parts_;
  Session& session_;
  const Command& command_;
  Execution* const outer_;
  std::unique_ptr<Wait> wait_;
  std::vector<std::string_view> shown_args_;  // empty: as they are
};

}  // namespace runnel
