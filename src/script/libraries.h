#pragma once

#include <lua.hpp>

// The libraries of the sandbox. Each function leaves a new table with the library on the top. They
// run once, when the sandbox is made, outside of protected calls.

namespace runnel {

// Functions of Lua's own libraries, for those of the sandbox that only check before they go on with
// them. They are called directly, in the same activation: so names and places in errors stay right.
struct StockFunctions {
  lua_CFunction string_lower = nullptr;
  lua_CFunction string_upper = nullptr;
  lua_CFunction string_reverse = nullptr;
  lua_CFunction string_format = nullptr;
  lua_CFunction table_concat = nullptr;
  lua_CFunction table_foreach = nullptr;
  lua_CFunction table_maxn = nullptr;
  lua_CFunction table_insert = nullptr;
  lua_CFunction table_remove = nullptr;
  lua_CFunction table_sort = nullptr;
};
extern StockFunctions stock_functions;

// Sets the basic functions in the table at the index; those that stay as they are, are taken from
// the globals of the state, where Lua's own libraries have been opened. `string_metatable`: index
// of what getmetatable gives for strings.
void AddBasicFunctions(lua_State* L, int table, int string_metatable);
void PushCoroutineLibrary(lua_State* L);
// These change the libraries of Lua on the top.
void AdaptStringLibrary(lua_State* L);
void AdaptTableLibrary(lua_State* L);
void AdaptMathLibrary(lua_State* L);
void PushOsLibrary(lua_State* L);
void PushBitLibrary(lua_State* L);
void PushStructLibrary(lua_State* L);
void PushJsonLibrary(lua_State* L);
void PushMsgpackLibrary(lua_State* L);

// Whether the function stands between table.sort and the comparison of the script.
bool IsSortHelper(lua_CFunction function);

// The compiler: like luaL_loadbuffer, for text only. Returns Lua's status; on the top is the
// function, or the error. Raises only if memory ends.
int CompileChunk(lua_State* L, const char* text, size_t size, const char* name);

// The same as a function for Lua, which raises all errors. Its argument is a pointer to a Chunk.
struct Chunk {
  const char* text;
  size_t size;
  const char* name;
};
int CompileUnderLua(lua_State* L);

}  // namespace runnel
