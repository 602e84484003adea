#include "script/protection.h"

namespace runnel {
namespace {

// Places in the metatable of a stand-in.
enum { kMarkPlace = 1, kRealPlace = 2, kShownPlace = 3 };

// Its address is the mark; no script can make such a value.
char stand_in_mark;

int RefuseWrite(lua_State* L) {
  return luaL_error(L, kReadOnlyTable);
}

bool PushStandInMetatable(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return false;
  lua_rawgeti(L, -1, kMarkPlace);
  const bool marked = lua_touserdata(L, -1) == &stand_in_mark;
  lua_pop(L, marked ? 1 : 2);
  return marked;
}

}  // namespace

void Protect(lua_State* L, int metatable) {
  const int real = lua_gettop(L);
  lua_newtable(L);
  lua_createtable(L, kShownPlace, 3);
  lua_pushlightuserdata(L, &stand_in_mark);
  lua_rawseti(L, -2, kMarkPlace);
  lua_pushvalue(L, real);
  lua_rawseti(L, -2, kRealPlace);
  if (metatable != 0) {
    lua_pushvalue(L, metatable);
    lua_rawseti(L, -2, kShownPlace);
  }
  lua_pushvalue(L, real);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, RefuseWrite);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_replace(L, real);
}

bool IsStandIn(lua_State* L, int index) {
  const bool marked = PushStandInMetatable(L, index);
  if (marked) lua_pop(L, 1);
  return marked;
}

bool PushRealTable(lua_State* L, int index) {
  if (!PushStandInMetatable(L, index)) return false;
  lua_rawgeti(L, -1, kRealPlace);
  lua_remove(L, -2);
  return true;
}

void ToRealTable(lua_State* L, int index) {
  if (PushRealTable(L, index)) lua_replace(L, index);
}

void CheckWritable(lua_State* L, int index) {
  if (!IsStandIn(L, index)) return;
  lua_pushstring(L, kReadOnlyTable);
  lua_error(L);
}

bool PushShownMetatable(lua_State* L, int index) {
  if (!PushStandInMetatable(L, index)) return false;
  lua_rawgeti(L, -1, kShownPlace);
  lua_remove(L, -2);
  return true;
}

void ReadFrom(lua_State* L, int index) {
  lua_getmetatable(L, index);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

}  // namespace runnel
