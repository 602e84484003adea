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
  // It has blocked before: the deadline of that run counts.
  bool resumed = false;
  // False: a command that would block answers at once, as after a timeout.
  bool may_block = true;
  // It has run before, without an effect, and has missed entries on the disk.
  bool again = false;
  // A script calls it and is being run again: in the earlier run it has ended, and was counted.
  bool counted = false;
  // Where its reply goes; nullptr: to the session.
  ReplyWriter* reply = nullptr;
  // Where what it has found in cold data goes when it is done; nullptr: nobody needs it any more.
  std::unique_ptr<ColdProgress>* found = nullptr;
};

// One run of one command of a session: all state of the run, on the stack of Executor::Run. It is
// the Context that the command's handler sees; commands about sessions and the broker see more of
// it. Every Context of a handler is an Execution.
class Execution final : public Context {
 public:
  // Everything is borrowed for the time of the run. `outer` is the run of the command that runs
  // this one as a part of itself (EXEC), or nullptr.
  Execution(Parts& parts, Session& session, const Command& command,
            std::span<const std::string_view> args, const RunMode& mode, Execution* outer);
  // A run that only looks, in database `db`: instead of its first effect it throws WouldChange, and
  // it causes no notifications. `reply` and `planned_sequences` are the caller's.
  Execution(Parts& parts, Session& session, const Command& command, uint32_t db,
            std::span<const std::string_view> args, ReplyWriter& reply, Execution* outer,
            Sequences* planned_sequences);

  static Execution& Of(Context& context) { return static_cast<Execution&>(context); }

  Parts& parts() { return parts_; }
  Session& session() { return session_; }
  const Command& command() const { return command_; }
  Execution* outer() const { return outer_; }
  bool in_script() const override { return outer_ != nullptr && outer_->runs_script; }

  // The command waits: the executor sees this when the handler has returned.
  void Block(Wait wait) override;
  bool waits() const { return wait_ != nullptr; }
  // nullptr unless the command waits. Views in it are valid as long as the arguments are.
  std::unique_ptr<Wait> TakeWait() { return std::move(wait_); }

  std::optional<uint32_t> TooFewReplicas(uint32_t wanted) override;
  std::string_view client_address() const override { return session_.transport->peer(); }
  void WatchClient() override { session_.transport->WatchPeer(); }
  std::string_view client_name() const override { return session_.info.name; }

  // Argument i is a secret: the slow log and monitors show "(redacted)" in its place.
  void Redact(size_t i);
  // The arguments as they may be shown.
  std::span<const std::string_view> shown_args() const {
    return shown_args_.empty() ? args() : shown_args_;
  }

  // Whether the command can be unwound and run again: it has changed nothing, and it is not a part
  // of another command, which may have changed something. A script is unwound together with the
  // command that it calls, if it has done nothing yet that others may have seen.
  ColdStore::Phase cold_phase() const {
    using Cold = ColdStore::Phase;
    if (only_looks_) return Cold::kLooking;
    if (phase() == Phase::kPlanning) {
      const bool can_unwind = outer_ == nullptr || (in_script() && outer_->script_can_unwind());
      if (can_unwind) return Cold::kLooking;
      return in_script() ? Cold::kInScript : Cold::kInside;
    }
    return outer_ == nullptr ? Cold::kChanged : Cold::kChanging;
  }

  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }
  // The number of commands that ran as parts of this one and failed. Their errors do not count as
  // errors of this one.
  uint64_t failed_parts = 0;
  // What its parts took of the cycle clock; and what it took itself before and between them.
  uint64_t part_cycles = 0;
  uint64_t own_cycles = 0;
  // A command that ran as a part of this one has changed something.
  bool part_changed = false;
  // The parts are what a script calls.
  bool runs_script = false;
  // The script has done something that is no change, but must not be done twice (PUBLISH).
  bool script_acted = false;
  // It has been unwound often enough, or what it does cannot be undone by that: the loop waits for
  // the disk from now on.
  bool script_reads_at_once = false;
  bool script_can_unwind() const {
    return outer_ == nullptr && !part_changed && !script_acted && !script_reads_at_once;
  }

 private:
  bool memory_is_full() const override;
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
