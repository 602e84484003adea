#pragma once

#include <lua.hpp>

namespace runnel {

enum class RedisLibrary {
  kScripts,    // for EVAL
  kFunctions,  // for functions of libraries, when they are called
  kLoading,    // for libraries while they are loaded; the one that has register_function
};

// Leaves a new table with the library `redis` on the top.
void PushRedisLibrary(lua_State* L, RedisLibrary kind);

// Raises {err="ERR " .. text}.
int RaiseRedisError(lua_State* L, const char* text);

// The error of a run that the host has ended.
inline constexpr char kScriptKilled[] = "ERR Script killed by user with SCRIPT KILL...";

// The handler of errors that nobody in the script has caught: notes what the reply needs to tell
// (Interpreter::failure).
int NoteFailure(lua_State* L);

// Leaves a metatable whose tables answer the name of a missing field with an error about a global
// variable.
void PushMissingNameMetatable(lua_State* L);

}  // namespace runnel
