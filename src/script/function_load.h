#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <lua.hpp>

namespace runnel {

struct ScriptLibrary;

// A function that a library has registered.
struct ScriptFunction {
  std::string name;
  std::optional<std::string> description;
  uint32_t flags = 0;  // of ScriptFlag
  // Of the interpreter: the function's place in its table.
  int place = LUA_NOREF;
  const ScriptLibrary* library = nullptr;
  // It has variables that outlive its calls, which it may have changed before it is unwound.
  bool keeps_state = true;
};

// The library that is being loaded: what redis.register_function has registered so far.
struct FunctionLoad {
  // What one library may register. The functions and their texts are not in Lua's memory, so its
  // bound does not hold for them.
  static constexpr size_t kMostFunctions = 10'000;
  static constexpr size_t kMostTextBytes = 1024 * 1024;

  std::vector<std::unique_ptr<ScriptFunction>> functions;
  std::unordered_set<std::string> names;  // of the functions, in lower case
  size_t text_bytes = 0;                  // of names and descriptions
  int table = LUA_NOREF;                  // in the registry: where the functions of Lua go
};

// Names of libraries and functions: letters, digits and underscores, at least one.
bool IsLibraryName(std::string_view name);

// redis.register_function.
int RegisterFunction(lua_State* L);

}  // namespace runnel
