#pragma once

#include <cstddef>
#include <memory>

#include "broker/settings.h"
#include "script/script_engine.h"

namespace runnel {

// The scripts that the server knows. The engine is made when it is first used: until then a server
// pays nothing for it.
class Scripts {
 public:
  // `settings` outlives it.
  explicit Scripts(const Settings& settings) : settings_(settings) {}

  // With the bound of memory that is set now. To be called before each use.
  ScriptEngine& engine() {
    if (engine_ == nullptr) engine_ = std::make_unique<ScriptEngine>(settings_.script_memory_max);
    engine_->set_memory_max(settings_.script_memory_max);
    return *engine_;
  }
  // nullptr if it was not used yet.
  const ScriptEngine* known() const { return engine_.get(); }

  // A script has run, and may have left memory that nothing reaches.
  void NoteRun() { has_garbage_ = true; }
  // Frees such memory, in a piece of about 100 microseconds. Returns whether there may be more.
  bool CollectSome() {
    if (has_garbage_) has_garbage_ = engine_->CollectSome();
    return has_garbage_;
  }

 private:
  const Settings& settings_;
  std::unique_ptr<ScriptEngine> engine_;
  bool has_garbage_ = false;
};

}  // namespace runnel
