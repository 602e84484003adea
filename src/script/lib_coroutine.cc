#include "script/interpreter.h"
#include "script/libraries.h"

namespace runnel {
namespace {

const char* CoroutineStatus(lua_State* L, lua_State* other) {
  if (L == other) return "running";
  switch (lua_status(other)) {
    case LUA_YIELD:
      return "suspended";
    case 0: {
      lua_Debug activation;
      if (lua_getstack(other, 0, &activation) > 0) return "normal";
      return lua_gettop(other) == 0 ? "dead" : "suspended";
    }
    default:
      return "dead";
  }
}

// Moves `arguments` values to the other coroutine and runs it. Returns how many results are on the
// stack, or -1 if there is an error there.
int ResumeCoroutine(lua_State* L, lua_State* other, int arguments) {
  Interpreter& interpreter = Interpreter::Of(L);
  const char* status = CoroutineStatus(L, other);
  if (status[0] != 's') {
    lua_pushfstring(L, "cannot resume %s coroutine", status);
    return -1;
  }
  if (!lua_checkstack(other, arguments)) luaL_error(L, "too many arguments to resume");
  lua_xmove(L, other, arguments);
  lua_setlevel(L, other);
  // lua_resume catches all errors: so the state is always set back.
  lua_State* const outer = interpreter.running_state();
  interpreter.set_running_state(other);
  const int outcome = lua_resume(other, arguments);
  interpreter.set_running_state(outer);
  if (outcome != 0 && outcome != LUA_YIELD) {
    interpreter.AfterError(L, outcome);
    lua_xmove(other, L, 1);
    return -1;
  }
  const int results = lua_gettop(other);
  if (!lua_checkstack(L, results + 1)) luaL_error(L, "too many results to resume");
  lua_xmove(other, L, results);
  return results;
}

lua_State* CoroutineArgument(lua_State* L) {
  lua_State* other = lua_tothread(L, 1);
  luaL_argcheck(L, other != nullptr, 1, "coroutine expected");
  return other;
}

int CoroutineResume(lua_State* L) {
  lua_State* other = CoroutineArgument(L);
  const int results = ResumeCoroutine(L, other, lua_gettop(L) - 1);
  const int given = results < 0 ? 1 : results;
  lua_pushboolean(L, results >= 0);
  lua_insert(L, -(given + 1));
  return given + 1;
}

int CoroutineCallWrapped(lua_State* L) {
  lua_State* other = lua_tothread(L, lua_upvalueindex(1));
  const int results = ResumeCoroutine(L, other, lua_gettop(L));
  if (results >= 0) return results;
  if (lua_isstring(L, -1)) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int CoroutineCreate(lua_State* L) {
  luaL_argcheck(L, lua_isfunction(L, 1) && !lua_iscfunction(L, 1), 1, "Lua function expected");
  lua_State* other = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, other, 1);
  return 1;
}

int CoroutineWrap(lua_State* L) {
  CoroutineCreate(L);
  lua_pushcclosure(L, CoroutineCallWrapped, 1);
  return 1;
}

int CoroutineYield(lua_State* L) {
  return lua_yield(L, lua_gettop(L));
}

int CoroutineStatusOf(lua_State* L) {
  lua_pushstring(L, CoroutineStatus(L, CoroutineArgument(L)));
  return 1;
}

int CoroutineRunning(lua_State* L) {
  if (lua_pushthread(L)) lua_pushnil(L);
  return 1;
}

}  // namespace

void PushCoroutineLibrary(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {{"create", CoroutineCreate},   {"resume", CoroutineResume},
                                     {"running", CoroutineRunning}, {"wrap", CoroutineWrap},
                                     {"status", CoroutineStatusOf}, {"yield", CoroutineYield}};
  lua_newtable(L);
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
}

}  // namespace runnel
