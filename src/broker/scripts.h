#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "broker/settings.h"
#include "data/function_catalog.h"
#include "env/clock.h"
#include "script/script_engine.h"

namespace runnel {

struct CommandSpec;

// The script that runs, as others see it that ask inside of it.
struct RunningScript {
  std::string_view name;  // the SHA-1 of a script, or the name of a function
  bool is_function = false;
  std::span<const std::string_view> command;  // with the arguments of the client
  int64_t began_us = 0;                       // steady clock
  // Nothing had been changed in this turn when it began: what others were answered before it shows
  // no change that must become safe first.
  bool began_sealed = false;
  // It has done what cannot be taken back, so nobody may end it.
  bool has_acted = false;
  bool killed = false;
};

// The scripts that the server knows. The engine is made when it is first used: until then a server
// pays nothing for it.
class Scripts {
 public:
  // All outlive it. `functions` are those of the keyspace.
  Scripts(const Settings& settings, const FunctionCatalog& functions, const Clock& clock)
      : settings_(settings), functions_(functions), clock_(clock) {}

  // With the bound of memory that is set now. To be called before each use.
  ScriptEngine& engine() {
    if (engine_ == nullptr) {
      engine_ = std::make_unique<ScriptEngine>(settings_.script_memory_max,
                                               [this] { return clock_.SteadyMicros(); });
    }
    engine_->set_memory_max(settings_.script_memory_max);
    return *engine_;
  }
  // nullptr if it was not used yet.
  const ScriptEngine* known() const { return engine_.get(); }

  // The flags (CommandFlag) by which a command is judged that runs a script with these flags
  // (ScriptFlag). `flags` are those of the command.
  static uint32_t FlagsOf(uint32_t flags, uint32_t script_flags);
  // The same for a command that a client has sent, and its arguments: those of its script, if that
  // is known and says them.
  uint32_t FlagsOf(const CommandSpec& spec, std::span<const std::string_view> args) const;

  // Between these two calls the script runs. It outlives the second.
  void Begin(RunningScript& script) { running_ = &script; }
  void End() { running_ = nullptr; }
  // nullptr if none runs.
  const RunningScript* running() const { return running_; }
  // The whole error for others, while one runs.
  std::string BusyError() const;
  // The script that runs is to end: one of EVAL, or a function. Not OK: the whole error for whoever
  // asks.
  Status Kill(bool function);

  // A script has run, and may have left memory that nothing reaches.
  void NoteRun() { has_garbage_ = true; }
  // Frees such memory, in a piece of about 100 microseconds. Returns whether there may be more.
  bool CollectSome() {
    if (has_garbage_) has_garbage_ = engine_->CollectSome();
    return has_garbage_;
  }

 private:
  const Settings& settings_;
  const FunctionCatalog& functions_;
  const Clock& clock_;
  std::unique_ptr<ScriptEngine> engine_;
  RunningScript* running_ = nullptr;
  bool has_garbage_ = false;
};

}  // namespace runnel
