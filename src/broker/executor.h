#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "broker/command_table.h"
#include "broker/execution.h"
#include "broker/parts.h"
#include "broker/session.h"
#include "data/cold.h"

namespace runnel {

class FutureNames;

// What came of one run of a command.
struct Outcome {
  // Of kBlocked: what it waits for. nullptr otherwise.
  std::unique_ptr<Wait> wait;
  // Of kParked: what it missed, and what it has learned so far. nullptr otherwise.
  std::unique_ptr<ColdMiss> miss;
  std::unique_ptr<ColdProgress> progress;

  bool done() const { return wait == nullptr && miss == nullptr; }
};

// Runs commands that may run now, and counts them. The state of a run is an Execution on the stack;
// the executor itself keeps only which one is the innermost.
class Executor {
 public:
  // The parts outlive it.
  explicit Executor(Parts& parts);

  // Runs the command from its start. Its reply, or its error, is written when the outcome is
  // done(); otherwise nothing is, and the caller keeps the command to be run again. `progress` is
  // what an earlier run of the command has left, if any.
  Outcome Run(Session& session, const Command& command, std::span<const std::string_view> args,
              const RunMode& mode, std::unique_ptr<ColdProgress> progress = nullptr);
  // EXEC runs a command of its queue, which can neither wait nor miss.
  void RunPart(Execution& outer, QueuedCommand& queued);
  // EXEC, before it changes anything: throws ColdMiss if its queue will look at entries that are
  // not in memory, and ColdFailure if these are too much.
  void LookAhead(Execution& outer);

  // Whether the command that runs can be unwound: then reading an entry that is on the disk may
  // throw ColdMiss.
  ColdStore::Phase phase() const {
    return current_ == nullptr ? ColdStore::Phase::kChanging : current_->phase();
  }

  // An error reply that no run has written.
  void CountError(std::string_view error);
  // Measures how long a cycle is, from time to time.
  void Calibrate();
  double nanos_per_cycle() const { return nanos_per_cycle_; }

 private:
  Outcome RunOne(Execution& execution, const RunMode& mode);
  void Probe(Execution& outer, QueuedCommand& queued, FutureNames* names, uint32_t* db);
  void CountCall(Execution& execution, double nanos);
  void CountTime(Execution& execution, double nanos);

  Parts& parts_;
  Execution* current_ = nullptr;
  double nanos_per_cycle_;
};

}  // namespace runnel
