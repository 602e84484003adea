#include "script/function_load.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "script/interpreter.h"
#include "script/lib_redis.h"
#include "script/script_flags.h"

namespace runnel {
namespace {

constexpr char kBadName[] =
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one "
    "character long";

std::string_view TextAt(lua_State* L, int index) {
  size_t size;
  const char* text = lua_tolstring(L, index, &size);
  return {text, size};
}

// Reads the table of flags on the top into *flags.
void ReadFunctionFlags(lua_State* L, uint32_t* flags) {
  for (int i = 1;; i++) {
    lua_rawgeti(L, -1, i);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      return;
    }
    const std::optional<ScriptFlag> flag =
        lua_type(L, -1) == LUA_TSTRING ? FindScriptFlag(TextAt(L, -1)) : std::nullopt;
    if (!flag) RaiseRedisError(L, "unknown flag given");
    *flags |= *flag;
    lua_pop(L, 1);
  }
}

// The form with a table of named arguments, which is at 1. Leaves the name at 2 and the function at
// 3, nil for what is missing.
void ReadNamedArguments(lua_State* L, ScriptFunction* function) {
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    const std::string_view name =
        lua_type(L, -2) == LUA_TSTRING ? TextAt(L, -2) : std::string_view();
    if (name == "function_name") {
      if (!lua_isstring(L, -1)) {
        RaiseRedisError(L,
                        "function_name argument given to redis.register_function must be a string");
      }
      lua_replace(L, 2);
    } else if (name == "callback") {
      if (!lua_isfunction(L, -1)) {
        RaiseRedisError(L, "callback argument given to redis.register_function must be a function");
      }
      lua_replace(L, 3);
    } else if (name == "description") {
      if (!lua_isstring(L, -1)) {
        RaiseRedisError(L,
                        "description argument given to redis.register_function must be a string");
      }
      function->description = TextAt(L, -1);
      lua_pop(L, 1);
    } else if (name == "flags") {
      if (!lua_istable(L, -1)) {
        RaiseRedisError(
            L,
            "flags argument to redis.register_function must be a table representing function "
            "flags");
      }
      ReadFunctionFlags(L, &function->flags);
      lua_pop(L, 1);
    } else {
      RaiseRedisError(L, "unknown argument given to redis.register_function");
    }
  }
  if (lua_isnil(L, 2)) {
    RaiseRedisError(L, "redis.register_function must get a function name argument");
  }
  if (lua_isnil(L, 3)) RaiseRedisError(L, "redis.register_function must get a callback argument");
}

}  // namespace

bool IsLibraryName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

int RegisterFunction(lua_State* L) {
  FunctionLoad* load = Interpreter::Of(L).load;
  if (load == nullptr) {
    return RaiseRedisError(L,
                           "redis.register_function can only be called on FUNCTION LOAD command");
  }
  const int count = lua_gettop(L);
  if (count < 1 || count > 2) {
    return RaiseRedisError(L, "wrong number of arguments to redis.register_function");
  }
  if (load->functions.size() >= FunctionLoad::kMostFunctions) {
    return RaiseRedisError(L, "the library registers too many functions");
  }
  // Until it has a place it is not registered: an error may leave it so.
  ScriptFunction* function = load->functions.emplace_back(std::make_unique<ScriptFunction>()).get();
  if (count == 1) {
    if (!lua_istable(L, 1)) {
      return RaiseRedisError(L,
                             "calling redis.register_function with a single argument is only "
                             "applicable to Lua table (representing named arguments).");
    }
    ReadNamedArguments(L, function);
  } else {
    if (!lua_isstring(L, 1)) {
      return RaiseRedisError(L, "first argument to redis.register_function must be a string");
    }
    if (!lua_isfunction(L, 2)) {
      return RaiseRedisError(L, "second argument to redis.register_function must be a function");
    }
    lua_pushnil(L);
    lua_insert(L, 1);
  }
  const std::string_view name = TextAt(L, 2);
  if (!IsLibraryName(name)) return RaiseRedisError(L, kBadName);
  if (!load->names.insert(LowerCase(name)).second) {
    return RaiseRedisError(L, "Function already exists in the library");
  }
  load->text_bytes += name.size() + (function->description ? function->description->size() : 0);
  if (load->text_bytes > FunctionLoad::kMostTextBytes) {
    return RaiseRedisError(L, "the names and descriptions of the library's functions are too long");
  }
  function->name = name;
  lua_rawgeti(L, LUA_REGISTRYINDEX, load->table);
  function->keeps_state = lua_getupvalue(L, 3, 1) != nullptr;
  if (function->keeps_state) lua_pop(L, 1);
  lua_pushvalue(L, 3);
  function->place = luaL_ref(L, -2);
  return 0;
}

}  // namespace runnel
