#pragma once

#include "script/interpreter.h"

namespace runnel {

// The globals that scripts see, of which there are three sets that share the libraries: those of
// EVAL, with KEYS and ARGV; those of functions; and the few that a library has while it is loaded.
// Scripts can change none of them.
class Sandbox {
 public:
  // Opens the libraries in the interpreter, which outlives the sandbox.
  explicit Sandbox(Interpreter& interpreter);

  enum class Globals { kScripts, kFunctions };
  // Sets the globals of the function on the top.
  void SetGlobalsOfFunction(lua_State* L, Globals which);
  // From now on chunks that are compiled, and coroutines that are made, get these.
  void UseGlobals(lua_State* L, Globals which);
  // Takes the tables of keys (below) and arguments (top) for KEYS and ARGV of EVAL. Cannot fail.
  void SetArguments(lua_State* L);
  // Forgets large arguments. Cannot fail.
  void ForgetArguments(lua_State* L);

  // Between these calls functions see what a library sees while it is loaded.
  void BeginLoading(lua_State* L);
  void EndLoading(lua_State* L);

 private:
  // Places in the registry.
  int script_globals_;  // stand-ins: what scripts see
  int function_globals_;
  int real_script_globals_;  // the tables behind them
  int real_function_globals_;
  int loading_globals_;
};

}  // namespace runnel
