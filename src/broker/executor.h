#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "broker/command_table.h"
#include "broker/execution.h"
#include "broker/parts.h"
#include "broker/session.h"
#include "data/cold.h"

namespace runnel {

class FutureNames;

// Why a command that has run is not done: either `wait` or `miss` is set.
struct Unfinished {
  // What the command waits for, if it is blocked.
  std::unique_ptr<Wait> wait;
  // What the command missed, and what it has found so far, if it must be parked.
  std::unique_ptr<ColdMiss> miss;
  std::unique_ptr<ColdProgress> progress;
};

// What came of one run of a command; nullptr if it is done.
using Outcome = std::unique_ptr<Unfinished>;

// Runs commands that may run now, and counts them. The state of a run is an Execution on the stack;
// the executor itself only knows the innermost one.
class Executor {
 public:
  // The parts outlive it.
  explicit Executor(Parts& parts);

  // Runs the command from its start. If it is done, its reply or error has been written. Otherwise
  // nothing has been written, and the caller keeps the command to run it again. `progress` is what
  // an earlier run of the command has left, if there was one.
  Outcome Run(Session& session, const Command& command, std::span<const std::string_view> args,
              const RunMode& mode, std::unique_ptr<ColdProgress> progress = nullptr);
  // Runs a command of EXEC's queue, which can neither wait nor miss.
  void RunPart(Execution& outer, QueuedCommand& queued);
  // For EXEC, before it changes anything: throws ColdMiss if the commands of its queue will look at
  // entries that are not in memory. Returns why the transaction cannot run, as an error without
  // "ERR": they are too many; or one of its commands is such that all of them must succeed
  // (kCommits), and one would fail. Nothing if it can run.
  std::optional<std::string> LookAhead(Execution& outer);

  // The command that runs is set aside, while others run inside of it that neither look at data nor
  // change anything. GoOn undoes that.
  Execution* SetAside() {
    inside_ = true;
    return std::exchange(current_, nullptr);
  }
  void GoOn(Execution* running) {
    inside_ = false;
    current_ = running;
  }

  // Whether the running command can be unwound: then reading an entry that is on the disk may throw
  // ColdMiss.
  ColdStore::Phase phase() const {
    return current_ == nullptr ? ColdStore::Phase::kChanging : current_->cold_phase();
  }

  // Counts an error reply that no run of a command has written: by its whole text, or its code.
  void CountError(std::string_view error);
  void CountErrorCode(std::string_view code);
  // Measures how long a cycle is, from time to time.
  void Calibrate();
  double nanos_per_cycle() const { return nanos_per_cycle_; }

 private:
  std::string Probe(Execution& outer, QueuedCommand& queued, FutureNames* names, uint32_t* db,
                    Context::Sequences* sequences);
  void CountCall(Execution& execution, double nanos);
  void CountTime(Execution& execution, double nanos);
  void RecordSlow(Execution& execution, bool slow, int64_t micros);

  Parts& parts_;
  Execution* current_ = nullptr;
  bool inside_ = false;  // see SetAside
  double nanos_per_cycle_;
};

}  // namespace runnel
