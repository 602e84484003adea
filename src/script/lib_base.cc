#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>

#include "script/interpreter.h"
#include "script/libraries.h"
#include "script/protection.h"

namespace runnel {

StockFunctions stock_functions;

namespace {

// Longer texts are not compiled: counters of the compiler are 32 bits wide.
constexpr size_t kMaxChunk = size_t{1} << 29;

struct ChunkReader {
  const char* text;
  size_t left;
  size_t last = 0;  // bytes of the last piece

  // Hands the text out in pieces, so that the host is asked between them.
  static const char* Read(lua_State* L, void* data, size_t* size) {
    constexpr size_t kPiece = 16 * 1024;
    auto& reader = *static_cast<ChunkReader*>(data);
    Interpreter::Of(L).Spend(L, reader.last / 2);
    *size = std::min(reader.left, kPiece);
    reader.last = *size;
    const char* piece = reader.text;
    reader.text += *size;
    reader.left -= *size;
    return *size == 0 ? nullptr : piece;
  }
};

// Lua's compiler takes text that begins with this byte for compiled code. Redis has no such code
// and sees a character that is out of place.
bool RefuseBytecode(lua_State* L, const char* text, size_t size, const char* name) {
  if (size == 0 || text[0] != LUA_SIGNATURE[0]) return false;
  // A blank instead of the byte makes the compiler give a place to its error; what follows is not
  // looked at.
  constexpr char kStandIn[] = "?";
  luaL_loadbuffer(L, kStandIn, 1, name);
  const char* message = lua_tostring(L, -1);
  const char* near = std::strstr(message, "near '?'");
  if (near == nullptr) near = message + std::strlen(message);
  lua_pushlstring(L, message, static_cast<size_t>(near - message));
  lua_pushliteral(L, "near 'char(27)'");
  lua_concat(L, 2);
  lua_remove(L, -2);
  return true;
}

int BaseLoadString(lua_State* L) {
  size_t size;
  const char* text = luaL_checklstring(L, 1, &size);
  const char* name = luaL_optstring(L, 2, text);
  const int status = CompileChunk(L, text, size, name);
  if (status == 0) return 1;
  Interpreter::Of(L).AfterError(L, status);
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

// Calls the function at 1 until it gives nothing more; leaves the text that the pieces make.
int GatherChunk(lua_State* L) {
  Interpreter& interpreter = Interpreter::Of(L);
  lua_settop(L, 1);
  lua_newtable(L);
  int pieces = 0;
  while (true) {
    interpreter.Spend(L, 50);
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) break;
    if (!lua_isstring(L, -1)) return luaL_error(L, "reader function must return a string");
    if (lua_objlen(L, -1) == 0) break;
    lua_tostring(L, -1);
    lua_rawseti(L, 2, ++pieces);
  }
  // The functions of the reader may have used the buffer: it is filled only now.
  interpreter.TakeBuffer();
  for (int i = 1; i <= pieces; i++) {
    lua_rawgeti(L, 2, i);
    size_t size;
    const char* piece = lua_tolstring(L, -1, &size);
    interpreter.Append(L, {piece, size});
    lua_pop(L, 1);
  }
  interpreter.PushBuffer(L);
  return 1;
}

int BaseLoad(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const char* name = luaL_optstring(L, 2, "=(load)");
  lua_settop(L, 3);
  lua_pushcfunction(L, GatherChunk);
  lua_pushvalue(L, 1);
  int status = lua_pcall(L, 1, 1, 0);
  if (status == 0) {
    size_t size;
    const char* text = lua_tolstring(L, -1, &size);
    status = CompileChunk(L, text, size, name);
    if (status == 0) return 1;
  }
  Interpreter::Of(L).AfterError(L, status);
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

// Like pcall of Lua. But an error that is a table with a field err, as redis.call raises it, is
// given as the text in this field.
int BasePcall(lua_State* L) {
  luaL_checkany(L, 1);
  const int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (status != 0) {
    Interpreter::Of(L).AfterError(L, status);
    if (lua_istable(L, -1)) {
      lua_getfield(L, -1, "err");
      if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
      } else {
        lua_replace(L, -2);
      }
    }
  }
  lua_pushboolean(L, status == 0);
  lua_insert(L, 1);
  return lua_gettop(L);
}

// The handler that xpcall has given to Lua. The function of the script does not see that the run
// ends.
int HandleXpcallError(lua_State* L) {
  if (Interpreter::Of(L).ending() != ScriptEnding::kNone) return 1;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

int BaseXpcall(lua_State* L) {
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_pushcclosure(L, HandleXpcallError, 1);
  lua_insert(L, 1);
  const int status = lua_pcall(L, 0, LUA_MULTRET, 1);
  if (status != 0) Interpreter::Of(L).AfterError(L, status);
  lua_pushboolean(L, status == 0);
  lua_replace(L, 1);
  return lua_gettop(L);
}

int BaseNext(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  ToRealTable(L, 1);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

int BasePairs(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

int BaseRawGet(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  ToRealTable(L, 1);
  lua_rawget(L, 1);
  return 1;
}

int BaseRawSet(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  CheckWritable(L, 1);
  lua_rawset(L, 1);
  return 1;
}

int BaseGetMetatable(lua_State* L) {
  luaL_checkany(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
  }
  if (PushShownMetatable(L, 1)) return 1;
  if (!lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

int BaseSetMetatable(lua_State* L) {
  const int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
  CheckWritable(L, 1);
  if (luaL_getmetafield(L, 1, "__metatable")) luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

// The nearest int; 0 for what is no number.
int64_t ClampToInt(lua_Number number) {
  constexpr lua_Number kLeast = std::numeric_limits<int>::min();
  constexpr lua_Number kMost = std::numeric_limits<int>::max();
  return std::isnan(number) ? 0 : static_cast<int64_t>(std::clamp(number, kLeast, kMost));
}

int BaseUnpack(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  ToRealTable(L, 1);
  const int64_t first = ClampToInt(luaL_optnumber(L, 2, 1));
  const int64_t last = lua_isnoneornil(L, 3) ? static_cast<int64_t>(lua_objlen(L, 1))
                                             : ClampToInt(luaL_checknumber(L, 3));
  if (first > last) return 0;
  const int64_t count = last - first + 1;
  if (count > LUAI_MAXCSTACK || !lua_checkstack(L, static_cast<int>(count))) {
    return luaL_error(L, "too many results to unpack");
  }
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, static_cast<int>(first + i));
  }
  return static_cast<int>(count);
}

// How the collector works is not the scripts' business: what would change it is accepted without
// effect.
int BaseCollectGarbage(lua_State* L) {
  static const char* const kOptions[] = {"stop", "restart",  "collect",    "count",
                                         "step", "setpause", "setstepmul", nullptr};
  enum { kStop, kRestart, kCollect, kCount, kStep, kSetPause, kSetStepMul };
  Interpreter& interpreter = Interpreter::Of(L);
  const int option = luaL_checkoption(L, 1, "collect", kOptions);
  luaL_optinteger(L, 2, 0);
  switch (option) {
    case kCount:
      lua_pushnumber(L, static_cast<lua_Number>(interpreter.used()) / 1024);
      break;
    case kCollect:
      lua_gc(L, LUA_GCCOLLECT, 0);
      interpreter.SpendBytes(L, interpreter.used());
      lua_pushinteger(L, 0);
      break;
    case kStep:
      interpreter.Spend(L, 1000);
      lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 0));
      break;
    case kSetPause:
      lua_pushinteger(L, LUAI_GCPAUSE);
      break;
    case kSetStepMul:
      lua_pushinteger(L, LUAI_GCMUL);
      break;
    default:
      lua_pushinteger(L, 0);
  }
  return 1;
}

int OsClock(lua_State* L) {
  lua_pushnumber(L, static_cast<lua_Number>(std::clock()) / CLOCKS_PER_SEC);
  return 1;
}

}  // namespace

int CompileChunk(lua_State* L, const char* text, size_t size, const char* name) {
  if (size > kMaxChunk) {
    lua_pushliteral(L, "the text is too long to be compiled");
    return LUA_ERRSYNTAX;
  }
  if (RefuseBytecode(L, text, size, name)) return LUA_ERRSYNTAX;
  Interpreter& interpreter = Interpreter::Of(L);
  ChunkReader reader{text, size};
  // The compiler holds things that the collector does not know of.
  const size_t used = interpreter.used();
  interpreter.StopCollecting();
  const int status = lua_load(L, ChunkReader::Read, &reader, name);
  interpreter.GoOnCollecting(interpreter.used() - std::min(used, interpreter.used()));
  return status;
}

int CompileUnderLua(lua_State* L) {
  const auto& chunk = *static_cast<const Chunk*>(lua_touserdata(L, 1));
  return CompileChunk(L, chunk.text, chunk.size, chunk.name) == 0 ? 1 : lua_error(L);
}

void AddBasicFunctions(lua_State* L, int table, int string_metatable) {
  for (const char* name : {"_VERSION", "assert", "error", "gcinfo", "ipairs", "rawequal", "select",
                           "tonumber", "tostring", "type"}) {
    lua_getglobal(L, name);
    lua_setfield(L, table, name);
  }
  constexpr luaL_Reg kFunctions[] = {{"collectgarbage", BaseCollectGarbage},
                                     {"load", BaseLoad},
                                     {"loadstring", BaseLoadString},
                                     {"next", BaseNext},
                                     {"pcall", BasePcall},
                                     {"rawget", BaseRawGet},
                                     {"rawset", BaseRawSet},
                                     {"setmetatable", BaseSetMetatable},
                                     {"unpack", BaseUnpack},
                                     {"xpcall", BaseXpcall}};
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, table, function.name);
  }
  lua_getfield(L, table, "next");
  lua_pushcclosure(L, BasePairs, 1);
  lua_setfield(L, table, "pairs");
  lua_pushvalue(L, string_metatable);
  lua_pushcclosure(L, BaseGetMetatable, 1);
  lua_setfield(L, table, "getmetatable");
}

void PushOsLibrary(lua_State* L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, OsClock);
  lua_setfield(L, -2, "clock");
}

}  // namespace runnel
