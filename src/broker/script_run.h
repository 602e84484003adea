#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "broker/execution.h"
#include "broker/scripts.h"
#include "data/cold.h"
#include "script/host.h"
#include "script/random48.h"
#include "script/script_engine.h"

namespace runnel {

// One run of a script, on the stack of the command that runs it (EVAL, FCALL). The commands that
// the script calls are parts of that command: they change the same batch, at the same time, and do
// not wait.
//
// A script that looks at entries on the disk before it has changed anything is unwound, and its
// command is parked. It runs again from its start when they are in memory: at the time of the first
// run, with the same random numbers, and its commands have what they had found. Later than that,
// and after many runs, the loop waits for the disk.
//
// While a script runs for longer than busy-reply-threshold, it is interrupted from time to time,
// and other clients are told so. One that has changed nothing can be ended by them.
class ScriptRun final : public ScriptHost {
 public:
  // `execution` is the run of the command. `flags`: of ScriptFlag. `read_only`: the command is one
  // for scripts that change nothing (EVAL_RO).
  ScriptRun(Execution& execution, uint32_t flags, bool read_only);
  ~ScriptRun();

  // Runs it and writes its reply, or the error because of which it may not run. Throws ColdMiss, as
  // commands do.
  void Run(const Script& script, std::span<const std::string_view> keys,
           std::span<const std::string_view> args);
  // The same for a function of a library.
  void Run(const ScriptFunction& function, std::span<const std::string_view> keys,
           std::span<const std::string_view> args);

  // --- ScriptHost ---

  Answer Call(std::span<const std::string_view> args, ReplyWriter& reply) noexcept override;
  bool MayGoOn() noexcept override;
  void Log(ScriptLogLevel level, std::string_view text) noexcept override;
  void CountError(std::string_view code) noexcept override;
  Access CheckAccess(std::span<const std::string_view> args) noexcept override;

 private:
  struct Progress;

  bool has(ScriptFlag flag) const { return (flags_ & flag) != 0; }
  bool may_write() const { return !read_only_ && !has(kScriptNoWrites); }
  std::string WhyNot() const;
  std::string WhyNot(const Command& command, std::span<const std::string_view> args) const;
  std::unique_ptr<ColdProgress> TakeFound(std::span<const std::string_view> args);
  void KeepFound(std::span<const std::string_view> args, std::unique_ptr<ColdProgress> found);
  // Writes an error and returns false if it may not run.
  bool Begin(std::string_view name, bool is_function);
  void End(const ScriptResult& result);
  void ServeOthers();

  Execution& execution_;
  Parts& parts_;
  Session& session_;
  ScriptEngine& engine_;
  const uint32_t flags_;
  const bool read_only_;
  const uint32_t db_;                  // of the session: SELECT in a script is for the script alone
  const int64_t clock_us_;             // the time of this turn
  std::unique_ptr<Progress> earlier_;  // what the run before has left; nullptr in the first run
  int64_t began_us_;                   // the time as the script sees it
  RunningScript running_;
  int64_t serve_at_us_ = 0;  // when others are served next, by the steady clock
  bool is_slow_ = false;     // they were served before
  Random48 random_;          // as the run begins
  Random command_random_;    // the same of what the commands draw
  uint64_t calls_ = 0;
  uint64_t lines_ = 0;       // that it has logged
  uint64_t own_errors_ = 0;  // in its reply
  // What the last call has missed, and what the next run gets.
  std::unique_ptr<ColdMiss> miss_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace runnel
