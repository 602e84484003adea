#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
};

// The library that is being loaded: what redis.register_function has registered so far.
struct FunctionLoad {
  std::vector<std::unique_ptr<ScriptFunction>> functions;
  int table = LUA_NOREF;  // in the registry: where the functions of Lua go
};

// Names of libraries and functions: letters, digits and underscores, at least one.
bool IsLibraryName(std::string_view name);

// redis.register_function.
int RegisterFunction(lua_State* L);

}  // namespace runnel
