#include "script/sandbox.h"

#include "script/lib_redis.h"
#include "script/libraries.h"
#include "script/protection.h"

namespace runnel {
namespace {

// Opens a library of Lua itself in the state's globals.
void OpenStockLibrary(lua_State* L, const char* name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

// Sets the field of the table at the index to the value on the top.
void SetIn(lua_State* L, int table, const char* name) {
  lua_setfield(L, table, name);
}

}  // namespace

Sandbox::Sandbox(Interpreter& interpreter) {
  lua_State* L = interpreter.lua();
  lua_settop(L, 0);
  OpenStockLibrary(L, "", luaopen_base);
  OpenStockLibrary(L, LUA_TABLIBNAME, luaopen_table);
  OpenStockLibrary(L, LUA_STRLIBNAME, luaopen_string);
  OpenStockLibrary(L, LUA_MATHLIBNAME, luaopen_math);

  // Everything that both sets share, at 1.
  lua_newtable(L);
  constexpr int kShared = 1;
  lua_getglobal(L, LUA_STRLIBNAME);
  AdaptStringLibrary(L);
  Protect(L);
  // What getmetatable shows for strings. Nobody gets hold of their real metatable.
  lua_newtable(L);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "__index");
  Protect(L);
  AddBasicFunctions(L, kShared, lua_gettop(L));
  lua_pop(L, 1);
  SetIn(L, kShared, LUA_STRLIBNAME);

  lua_getglobal(L, LUA_TABLIBNAME);
  AdaptTableLibrary(L);
  Protect(L);
  SetIn(L, kShared, LUA_TABLIBNAME);
  lua_getglobal(L, LUA_MATHLIBNAME);
  AdaptMathLibrary(L);
  Protect(L);
  SetIn(L, kShared, LUA_MATHLIBNAME);

  constexpr struct {
    const char* name;
    void (*push)(lua_State* L);
  } kLibraries[] = {{"coroutine", PushCoroutineLibrary},
                    {"os", PushOsLibrary},
                    {"bit", PushBitLibrary},
                    {"struct", PushStructLibrary},
                    {"cjson", PushJsonLibrary},
                    {"cmsgpack", PushMsgpackLibrary}};
  for (const auto& library : kLibraries) {
    library.push(L);
    Protect(L);
    SetIn(L, kShared, library.name);
  }

  const auto make_globals = [&](RedisLibrary kind, int* real, int* shown) {
    lua_newtable(L);
    const int globals = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, kShared)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, globals);
    }
    PushRedisLibrary(L, kind);
    Protect(L);
    SetIn(L, globals, "redis");
    PushMissingNameMetatable(L);
    const int metatable = lua_gettop(L);
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, globals);
    // What getmetatable(_G) shows.
    Protect(L);
    lua_pushvalue(L, globals);
    Protect(L, metatable);
    lua_pushvalue(L, -1);
    SetIn(L, globals, "_G");
    *shown = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_settop(L, globals);
    *real = luaL_ref(L, LUA_REGISTRYINDEX);
  };
  make_globals(RedisLibrary::kScripts, &real_script_globals_, &script_globals_);
  make_globals(RedisLibrary::kFunctions, &real_function_globals_, &function_globals_);
  lua_newtable(L);
  PushRedisLibrary(L, RedisLibrary::kLoading);
  Protect(L);
  lua_setfield(L, -2, "redis");
  PushMissingNameMetatable(L);
  lua_setmetatable(L, -2);
  loading_globals_ = luaL_ref(L, LUA_REGISTRYINDEX);

  lua_settop(L, 0);
  lua_newtable(L);
  lua_newtable(L);
  SetArguments(L);
  UseGlobals(L, Globals::kScripts);
  lua_gc(L, LUA_GCCOLLECT, 0);
}

void Sandbox::SetGlobalsOfFunction(lua_State* L, Globals which) {
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              which == Globals::kScripts ? script_globals_ : function_globals_);
  lua_setfenv(L, -2);
}

void Sandbox::UseGlobals(lua_State* L, Globals which) {
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              which == Globals::kScripts ? script_globals_ : function_globals_);
  lua_replace(L, LUA_GLOBALSINDEX);
}

void Sandbox::SetArguments(lua_State* L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, real_script_globals_);
  lua_insert(L, -3);
  lua_setfield(L, -3, "ARGV");
  lua_setfield(L, -2, "KEYS");
  lua_pop(L, 1);
}

void Sandbox::ForgetArguments(lua_State* L) {
  lua_pushboolean(L, 0);
  lua_pushboolean(L, 0);
  SetArguments(L);
}

void Sandbox::BeginLoading(lua_State* L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, function_globals_);
  lua_rawgeti(L, LUA_REGISTRYINDEX, loading_globals_);
  ReadFrom(L, lua_gettop(L) - 1);
  lua_pop(L, 1);
}

void Sandbox::EndLoading(lua_State* L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, function_globals_);
  lua_rawgeti(L, LUA_REGISTRYINDEX, real_function_globals_);
  ReadFrom(L, lua_gettop(L) - 1);
  lua_pop(L, 1);
}

}  // namespace runnel
