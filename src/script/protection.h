#pragma once

#include <lua.hpp>

namespace runnel {

// Tables that all scripts share and none may change. Lua 5.1 has no such thing, so a script only
// sees a stand-in: an empty table whose metatable reads from the real one and refuses to write. The
// functions of the sandbox that look into tables without metatables know stand-ins (RealTable), and
// those that write refuse them (CheckWritable).

// The text of the error that a write gets.
inline constexpr char kReadOnlyTable[] = "Attempt to modify a readonly table";

// Replaces the table on the top by its stand-in. `metatable`: index of what getmetatable gives for
// it, 0 for nil.
void Protect(lua_State* L, int metatable = 0);

// Whether the value at the index is a stand-in. If so, leaves the real table on the top.
bool PushRealTable(lua_State* L, int index);
bool IsStandIn(lua_State* L, int index);
// Replaces a stand-in at the index (positive) by the real table.
void ToRealTable(lua_State* L, int index);
// Raises kReadOnlyTable if the value at the index is a stand-in.
void CheckWritable(lua_State* L, int index);
// For a stand-in at the index, leaves what getmetatable gives on the top and returns true.
bool PushShownMetatable(lua_State* L, int index);
// Lets the stand-in at the index read from the table on the top, which it pops. Only reads by name:
// those that go around metatables still see the table that it stands for.
void ReadFrom(lua_State* L, int index);

}  // namespace runnel
