#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>

#include "script/interpreter.h"
#include "script/libraries.h"
#include "script/pattern.h"
#include "script/protection.h"

namespace runnel {
namespace {

std::string_view CheckText(lua_State* L, int index) {
  size_t size;
  const char* text = luaL_checklstring(L, index, &size);
  return {text, size};
}

// find or match: the arguments are the text, the pattern, the place to begin at and, of find,
// whether the pattern is plain text.
int FindOrMatch(lua_State* L, bool find) {
  const std::string_view text = CheckText(L, 1);
  const std::string_view pattern = CheckText(L, 2);
  const auto size = static_cast<lua_Integer>(text.size());
  lua_Integer init = luaL_optinteger(L, 3, 1);
  if (init < 0) init += size + 1;
  const auto start = static_cast<size_t>(std::clamp<lua_Integer>(init - 1, 0, size));
  Interpreter& interpreter = Interpreter::Of(L);
  const std::string_view read = pattern.substr(0, pattern.find('\0'));
  if (find && (lua_toboolean(L, 4) || read.find_first_of("^$*+?.([%-") == read.npos)) {
    interpreter.SpendBytes(L, text.size() - start);
    // The library's search takes linear time, whatever the texts are.
    const void* found =
        ::memmem(text.data() + start, text.size() - start, pattern.data(), pattern.size());
    if (found != nullptr) {
      const auto at = static_cast<const char*>(found) - text.data();
      lua_pushinteger(L, at + 1);
      lua_pushinteger(L, at + static_cast<lua_Integer>(pattern.size()));
      return 2;
    }
    lua_pushnil(L);
    return 1;
  }
  PatternMatch match(L, text, pattern);
  for (const char* at = text.data() + start;; at++) {
    interpreter.Spend(L, 1);
    const char* end = match.MatchAt(at);
    if (end != nullptr) {
      if (!find) return match.PushCaptures(at, end, true);
      lua_pushinteger(L, at - text.data() + 1);
      lua_pushinteger(L, end - text.data());
      return match.PushCaptures(at, end, false) + 2;
    }
    if (at == match.subject_end() || match.anchored()) break;
  }
  lua_pushnil(L);
  return 1;
}

int StringFind(lua_State* L) {
  return FindOrMatch(L, true);
}

int StringMatch(lua_State* L) {
  return FindOrMatch(L, false);
}

// The state of the iteration: text, pattern, and where to go on.
int StringNextMatch(lua_State* L) {
  const std::string_view text = CheckText(L, lua_upvalueindex(1));
  const std::string_view pattern = CheckText(L, lua_upvalueindex(2));
  const auto start = static_cast<size_t>(lua_tointeger(L, lua_upvalueindex(3)));
  if (start > text.size()) return 0;
  // Here ^ stands for itself.
  PatternMatch match(L, text, pattern, /*anchors=*/false);
  for (const char* at = text.data() + start;; at++) {
    Interpreter::Of(L).Spend(L, 1);
    const char* end = match.MatchAt(at);
    if (end != nullptr) {
      lua_pushinteger(L, end - text.data() + (end == at ? 1 : 0));
      lua_replace(L, lua_upvalueindex(3));
      return match.PushCaptures(at, end, true);
    }
    if (at == match.subject_end()) return 0;
  }
}

int StringGmatch(lua_State* L) {
  CheckText(L, 1);
  CheckText(L, 2);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, StringNextMatch, 3);
  return 1;
}

// Adds the replacement text at 3, in which %0 to %9 stand for captures.
void AddReplacementText(lua_State* L, PatternMatch& match, luaL_Buffer* result, const char* from,
                        const char* to) {
  size_t size;
  const char* text = lua_tolstring(L, 3, &size);
  Interpreter::Of(L).Spend(L, size / 2);
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '%') {
      luaL_addchar(result, text[i]);
      continue;
    }
    i++;
    // A % at the end stands for the zero that ends the text.
    const char c = i < size ? text[i] : '\0';
    if (c < '0' || c > '9') {
      luaL_addchar(result, c);
    } else if (c == '0') {
      Interpreter::Of(L).SpendBytes(L, static_cast<size_t>(to - from));
      luaL_addlstring(result, from, static_cast<size_t>(to - from));
    } else {
      match.PushCapture(c - '1', from, to);
      luaL_addvalue(result);
    }
  }
}

void AddReplacement(lua_State* L, PatternMatch& match, luaL_Buffer* result, const char* from,
                    const char* to) {
  switch (lua_type(L, 3)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      AddReplacementText(L, match, result, from, to);
      return;
    case LUA_TFUNCTION: {
      lua_pushvalue(L, 3);
      const int captures = match.PushCaptures(from, to, true);
      lua_call(L, captures, 1);
      break;
    }
    default:
      match.PushCapture(0, from, to);
      lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, from, static_cast<size_t>(to - from));
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(result);
}

int StringGsub(lua_State* L) {
  const std::string_view text = CheckText(L, 1);
  const std::string_view pattern = CheckText(L, 2);
  const int type = lua_type(L, 3);
  const lua_Integer most = luaL_optinteger(L, 4, static_cast<lua_Integer>(text.size()) + 1);
  luaL_argcheck(
      L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE,
      3, "string/function/table expected");
  if (type == LUA_TNUMBER) lua_tostring(L, 3);
  PatternMatch match(L, text, pattern);
  luaL_Buffer result;
  luaL_buffinit(L, &result);
  const char* at = text.data();
  lua_Integer count = 0;
  while (count < most) {
    Interpreter::Of(L).Spend(L, 2);
    const char* end = match.MatchAt(at);
    if (end != nullptr) {
      count++;
      AddReplacement(L, match, &result, at, end);
    }
    if (end != nullptr && end > at) {
      at = end;
    } else if (at < match.subject_end()) {
      luaL_addchar(&result, *at);
      at++;
    } else {
      break;
    }
    if (match.anchored()) break;
  }
  luaL_addlstring(&result, at, static_cast<size_t>(match.subject_end() - at));
  luaL_pushresult(&result);
  lua_pushinteger(L, count);
  return 2;
}

int StringRep(lua_State* L) {
  const std::string_view text = CheckText(L, 1);
  // As Lua has it: the number is an int.
  const auto count = static_cast<int>(static_cast<uint32_t>(luaL_checkinteger(L, 2)));
  if (count <= 0 || text.empty()) {
    lua_pushliteral(L, "");
    return 1;
  }
  Interpreter& interpreter = Interpreter::Of(L);
  size_t size;
  // The result is there twice for a moment.
  if (__builtin_mul_overflow(text.size(), static_cast<size_t>(count), &size) ||
      size > interpreter.memory_max() / 2) {
    return luaL_error(L, "not enough memory");
  }
  interpreter.SpendBytes(L, size);
  auto* out = static_cast<char*>(lua_newuserdata(L, size));
  std::memcpy(out, text.data(), text.size());
  for (size_t done = text.size(); done < size;) {
    const size_t more = std::min(done, size - done);
    std::memcpy(out + done, out, more);
    done += more;
  }
  lua_pushlstring(L, out, size);
  return 1;
}

// There is no compiled code here.
int StringDump(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  return luaL_error(L, "unable to dump given function");
}

// A function of Lua whose time depends on the length of its first argument.
template <lua_CFunction StockFunctions::*kFunction>
int ChargedForText(lua_State* L) {
  if (lua_type(L, 1) == LUA_TSTRING) Interpreter::Of(L).Spend(L, lua_objlen(L, 1) / 2);
  return (stock_functions.*kFunction)(L);
}

// The texts that %s and %q take.
int StringFormat(lua_State* L) {
  size_t bytes = 0;
  for (int i = lua_gettop(L); i > 0; i--) {
    if (lua_type(L, i) == LUA_TSTRING) bytes += lua_objlen(L, i);
  }
  Interpreter::Of(L).Spend(L, bytes / 2);
  return stock_functions.string_format(L);
}

lua_CFunction TakeStockFunction(lua_State* L, const char* name) {
  lua_getfield(L, -1, name);
  lua_CFunction function = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return function;
}

// Lua's comparison, for sorting without a function: Lua would not look up before it has sorted all.
int TableLess(lua_State* L) {
  Interpreter::Of(L).Spend(L, 10);
  lua_pushboolean(L, lua_lessthan(L, 1, 2));
  return 1;
}

int TableCompare(lua_State* L) {
  Interpreter::Of(L).Spend(L, 20);
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

int TableSort(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  // There is nothing to sort in a shared table, and nothing is written.
  if (IsStandIn(L, 1)) return 0;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushcfunction(L, TableLess);
    lua_replace(L, 2);
  } else if (lua_iscfunction(L, 2)) {
    // The count of instructions does not see such a function.
    lua_pushcclosure(L, TableCompare, 1);
  }
  return stock_functions.table_sort(L);
}

template <lua_CFunction StockFunctions::*kFunction>
int TableReader(lua_State* L) {
  if (lua_type(L, 1) == LUA_TTABLE) {
    Interpreter::Of(L).Spend(L, lua_objlen(L, 1));
    ToRealTable(L, 1);
  }
  return (stock_functions.*kFunction)(L);
}

template <lua_CFunction StockFunctions::*kFunction>
int TableWriter(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (IsStandIn(L, 1) && kFunction == &StockFunctions::table_remove) return 0;
  CheckWritable(L, 1);
  // The elements after the place move.
  if (lua_gettop(L) > 1 && lua_isnumber(L, 2)) {
    const auto size = static_cast<lua_Integer>(lua_objlen(L, 1));
    // As Lua takes it: of a larger number, the lower half.
    const lua_Integer place = static_cast<int>(lua_tointeger(L, 2));
    const bool inserts = kFunction == &StockFunctions::table_insert;
    if (inserts ? lua_gettop(L) == 3 && place < size : 1 <= place && place < size) {
      // A place far before the first element would take long, and has no use.
      if (place < -size - 1000) return luaL_error(L, "position out of bounds");
      Interpreter::Of(L).Spend(L, static_cast<size_t>(size - place));
    }
  }
  return (stock_functions.*kFunction)(L);
}

// math.random by the numbers that Redis's scripts get.
int MathRandom(lua_State* L) {
  constexpr auto kMax = static_cast<uint32_t>(std::numeric_limits<int32_t>::max());
  const lua_Number r = static_cast<lua_Number>(Interpreter::Of(L).random.Next() % kMax) /
                       static_cast<lua_Number>(kMax);
  switch (lua_gettop(L)) {
    case 0:
      lua_pushnumber(L, r);
      return 1;
    case 1: {
      const auto upper = static_cast<int>(luaL_checkinteger(L, 1));
      luaL_argcheck(L, 1 <= upper, 1, "interval is empty");
      lua_pushnumber(L, std::floor(r * upper) + 1);
      return 1;
    }
    case 2: {
      const auto lower = static_cast<int>(luaL_checkinteger(L, 1));
      const auto upper = static_cast<int>(luaL_checkinteger(L, 2));
      luaL_argcheck(L, lower <= upper, 2, "interval is empty");
      const lua_Number width = static_cast<lua_Number>(upper) - lower + 1;
      lua_pushnumber(L, std::floor(r * width) + lower);
      return 1;
    }
    default:
      return luaL_error(L, "wrong number of arguments");
  }
}

int MathRandomSeed(lua_State* L) {
  Interpreter::Of(L).random.Seed(static_cast<uint32_t>(luaL_checkinteger(L, 1)));
  return 0;
}

void SetFunctions(lua_State* L, std::initializer_list<luaL_Reg> functions) {
  for (const luaL_Reg& function : functions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
}

}  // namespace

bool IsSortHelper(lua_CFunction function) {
  return function == TableLess || function == TableCompare;
}

void AdaptStringLibrary(lua_State* L) {
  using Stock = StockFunctions;
  stock_functions.string_lower = TakeStockFunction(L, "lower");
  stock_functions.string_upper = TakeStockFunction(L, "upper");
  stock_functions.string_reverse = TakeStockFunction(L, "reverse");
  stock_functions.string_format = TakeStockFunction(L, "format");
  SetFunctions(L, {{"find", StringFind},
                   {"match", StringMatch},
                   {"gmatch", StringGmatch},
                   {"gfind", StringGmatch},
                   {"gsub", StringGsub},
                   {"rep", StringRep},
                   {"dump", StringDump},
                   {"format", StringFormat},
                   {"lower", ChargedForText<&Stock::string_lower>},
                   {"upper", ChargedForText<&Stock::string_upper>},
                   {"reverse", ChargedForText<&Stock::string_reverse>}});
}

void AdaptTableLibrary(lua_State* L) {
  using Stock = StockFunctions;
  stock_functions.table_concat = TakeStockFunction(L, "concat");
  stock_functions.table_foreach = TakeStockFunction(L, "foreach");
  stock_functions.table_maxn = TakeStockFunction(L, "maxn");
  stock_functions.table_insert = TakeStockFunction(L, "insert");
  stock_functions.table_remove = TakeStockFunction(L, "remove");
  stock_functions.table_sort = TakeStockFunction(L, "sort");
  SetFunctions(L, {{"concat", TableReader<&Stock::table_concat>},
                   {"foreach", TableReader<&Stock::table_foreach>},
                   {"maxn", TableReader<&Stock::table_maxn>},
                   {"insert", TableWriter<&Stock::table_insert>},
                   {"remove", TableWriter<&Stock::table_remove>},
                   {"sort", TableSort}});
}

void AdaptMathLibrary(lua_State* L) {
  SetFunctions(L, {{"random", MathRandom}, {"randomseed", MathRandomSeed}});
}

}  // namespace runnel
