#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "script/interpreter.h"
#include "script/libraries.h"
#include "script/protection.h"

// cmsgpack: the interface of lua-cmsgpack 0.4, as Redis has it. (MessagePack's library for C
// allocates by itself, where the bound of scripts does not reach.)

namespace runnel {
namespace {

// Tables below this depth are written as nil.
constexpr int kMsgpackMaxDepth = 16;

// --- Writing ---

class MsgpackEncoder {
 public:
  explicit MsgpackEncoder(lua_State* L) : L_(L), interpreter_(Interpreter::Of(L)) {}

  // Appends the value on the top, and takes it away. Its depth is bounded, so this is recursive.
  void Encode(int depth) {
    luaL_checkstack(L_, 4, "in function mp_encode_lua_table");
    switch (lua_type(L_, -1)) {
      case LUA_TSTRING:
        EncodeString();
        break;
      case LUA_TNUMBER:
        EncodeNumber(lua_tonumber(L_, -1));
        break;
      case LUA_TBOOLEAN:
        Byte(lua_toboolean(L_, -1) ? 0xc3 : 0xc2);
        break;
      case LUA_TTABLE:
        if (depth < kMsgpackMaxDepth) {
          EncodeTable(depth);
          break;
        }
        [[fallthrough]];
      default:
        Byte(0xc0);
    }
    lua_pop(L_, 1);
  }

 private:
  void Byte(unsigned byte) { interpreter_.Append(L_, static_cast<char>(byte)); }

  // A byte that says what follows, and `size` bytes of a number, the highest first.
  void Head(unsigned byte, uint64_t value, int size) {
    char bytes[9] = {static_cast<char>(byte)};
    for (int i = 0; i < size; i++) {
      bytes[1 + i] = static_cast<char>(value >> (8 * (size - 1 - i)));
    }
    interpreter_.Append(L_, {bytes, static_cast<size_t>(1 + size)});
  }

  void EncodeString() {
    size_t size;
    const char* text = lua_tolstring(L_, -1, &size);
    if (size < 32) {
      Byte(0xa0 | static_cast<unsigned>(size));
    } else if (size <= 0xff) {
      Head(0xd9, size, 1);
    } else if (size <= 0xffff) {
      Head(0xda, size, 2);
    } else {
      Head(0xdb, size, 4);
    }
    interpreter_.Append(L_, {text, size});
  }

  void EncodeNumber(lua_Number number) {
    constexpr lua_Number kTwo63 = 9223372036854775808.0;
    if (number >= -kTwo63 && number < kTwo63 && number == std::floor(number)) {
      return EncodeInteger(static_cast<int64_t>(number));
    }
    // The shorter form, if nothing is lost.
    constexpr lua_Number kMostFloat = std::numeric_limits<float>::max();
    if (std::isinf(number) || (std::abs(number) <= kMostFloat &&
                               static_cast<lua_Number>(static_cast<float>(number)) == number)) {
      return Head(0xca, std::bit_cast<uint32_t>(static_cast<float>(number)), 4);
    }
    Head(0xcb, std::bit_cast<uint64_t>(number), 8);
  }

  void EncodeInteger(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    if (value >= 0) {
      if (value <= 0x7f) return Byte(static_cast<unsigned>(value));
      if (value <= 0xff) return Head(0xcc, bits, 1);
      if (value <= 0xffff) return Head(0xcd, bits, 2);
      if (value <= 0xffffffff) return Head(0xce, bits, 4);
      return Head(0xcf, bits, 8);
    }
    if (value >= -32) return Byte(static_cast<unsigned>(bits & 0xff));
    if (value >= std::numeric_limits<int8_t>::min()) return Head(0xd0, bits, 1);
    if (value >= std::numeric_limits<int16_t>::min()) return Head(0xd1, bits, 2);
    if (value >= std::numeric_limits<int32_t>::min()) return Head(0xd2, bits, 4);
    Head(0xd3, bits, 8);
  }

  // The number of entries of the table on the top; *is_array if their keys are 1 to that number.
  uint32_t CountEntries(bool* is_array) {
    lua_Number longest = 0;
    uint32_t entries = 0;
    *is_array = true;
    lua_pushnil(L_);
    while (lua_next(L_, -2)) {
      lua_pop(L_, 1);
      interpreter_.Spend(L_, 2);
      entries++;
      const lua_Number key = lua_type(L_, -1) == LUA_TNUMBER ? lua_tonumber(L_, -1) : 0;
      if (!(key >= 1) || key != std::floor(key)) *is_array = false;
      longest = std::max(longest, key);
    }
    if (longest != static_cast<lua_Number>(entries)) *is_array = false;
    return entries;
  }

  void EncodeTable(int depth) {
    ToRealTable(L_, lua_gettop(L_));
    bool is_array;
    const uint32_t entries = CountEntries(&is_array);
    if (is_array) {
      Length(entries, 0x90, 0xdc);
      for (uint32_t i = 1; i <= entries; i++) {
        lua_rawgeti(L_, -1, static_cast<int>(i));
        Encode(depth + 1);
      }
      return;
    }
    Length(entries, 0x80, 0xde);
    lua_pushnil(L_);
    while (lua_next(L_, -2)) {
      lua_pushvalue(L_, -2);
      Encode(depth + 1);  // the key
      Encode(depth + 1);  // the value
    }
  }

  void Length(uint32_t entries, unsigned shortest, unsigned next) {
    if (entries < 16) {
      Byte(shortest | entries);
    } else if (entries <= 0xffff) {
      Head(next, entries, 2);
    } else {
      Head(next + 1, entries, 4);
    }
  }

  lua_State* L_;
  Interpreter& interpreter_;
};

int MsgpackPack(lua_State* L) {
  const int arguments = lua_gettop(L);
  if (arguments == 0) return luaL_argerror(L, 0, "MessagePack pack needs input.");
  if (!lua_checkstack(L, arguments)) {
    return luaL_argerror(L, 0, "Too many arguments for MessagePack pack.");
  }
  Interpreter::Of(L).TakeBuffer();
  for (int i = 1; i <= arguments; i++) {
    lua_pushvalue(L, i);
    MsgpackEncoder(L).Encode(0);
  }
  Interpreter::Of(L).PushBuffer(L);
  return 1;
}

// --- Reading ---

class MsgpackDecoder {
 public:
  MsgpackDecoder(lua_State* L, const char* bytes, size_t size)
      : L_(L),
        interpreter_(Interpreter::Of(L)),
        at_(reinterpret_cast<const unsigned char*>(bytes)),
        left_(size) {}

  size_t left() const { return left_; }

  // Reads one value and leaves it on the top. Values that are not complete are on Lua's stack: the
  // table, and how many of its elements have been read and are missing; of a map also the key.
  void Decode() {
    const int base = lua_gettop(L_);
    Value();
    while (lua_gettop(L_) > base + 1) {
      Continue();
    }
  }

 private:
  // Kinds of open values, as they are on the stack.
  enum { kArray = 0, kMapKey = 1, kMapValue = 2 };

  // The value on the top is complete; below it is what it belongs to.
  void Continue() {
    interpreter_.Spend(L_, 10);
    const int kind = static_cast<int>(lua_tointeger(L_, -2));
    if (kind == kMapKey) {
      // Table, done, missing, kind, key: the value comes next.
      lua_pushinteger(L_, kMapValue);
      luaL_checkstack(L_, 8, "in function mp_decode_to_lua_hash");
      return Value();
    }
    if (kind == kMapValue) {
      // Table, done, missing, kind, key, kind, value.
      lua_remove(L_, -2);
      lua_rawset(L_, -6);
      return NextElement(kMapKey);
    }
    // Table, done, missing, kind, value.
    lua_rawseti(L_, -5, static_cast<int>(lua_tointeger(L_, -4)) + 1);
    NextElement(kArray);
  }

  // On the stack are the table, how much of it is done and missing, and its kind.
  void NextElement(int kind) {
    const lua_Integer done = lua_tointeger(L_, -3) + 1;
    const lua_Integer missing = lua_tointeger(L_, -2) - 1;
    lua_pop(L_, 3);
    if (missing == 0) return;
    PushOpen(done, missing, kind);
    Value();
  }

  void PushOpen(lua_Integer done, lua_Integer missing, int kind) {
    lua_pushinteger(L_, done);
    lua_pushinteger(L_, missing);
    lua_pushinteger(L_, kind);
  }

  // Reads a value. Goes down into tables until one without parts is on the top.
  void Value() {
    while (true) {
      interpreter_.Spend(L_, 10);
      const unsigned head = *Take(1);
      if (head <= 0x7f) return PushInteger(head);
      if (head >= 0xe0) return PushInteger(static_cast<int64_t>(head) - 0x100);
      if (head >= 0xa0 && head <= 0xbf) return PushText(head & 0x1f);
      if (head <= 0x9f || head == 0xdc || head == 0xdd || head == 0xde || head == 0xdf) {
        const bool array = head == 0xdc || head == 0xdd || (head >= 0x90 && head <= 0x9f);
        const uint64_t entries = head <= 0x9f ? head & 0xf : Number(head & 1 ? 4 : 2);
        luaL_checkstack(
            L_, 8,
            array ? "in function mp_decode_to_lua_array" : "in function mp_decode_to_lua_hash");
        lua_newtable(L_);
        if (entries == 0) return;
        PushOpen(0, static_cast<lua_Integer>(entries), array ? kArray : kMapKey);
        continue;
      }
      switch (head) {
        case 0xc0:
          return lua_pushnil(L_);
        case 0xc2:
        case 0xc3:
          return lua_pushboolean(L_, head == 0xc3);
        case 0xca:
          return lua_pushnumber(L_, std::bit_cast<float>(static_cast<uint32_t>(Number(4))));
        case 0xcb:
          return lua_pushnumber(L_, std::bit_cast<double>(Number(8)));
        case 0xcc:
        case 0xcd:
        case 0xce:
          return lua_pushnumber(L_, static_cast<lua_Number>(Number(1 << (head - 0xcc))));
        case 0xd0:
          return PushInteger(static_cast<int8_t>(Number(1)));
        case 0xd1:
          return PushInteger(static_cast<int16_t>(Number(2)));
        case 0xd2:
          return PushInteger(static_cast<int32_t>(Number(4)));
        case 0xcf:  // as in Redis, which knows only signed numbers of this size
        case 0xd3:
          return PushInteger(static_cast<int64_t>(Number(8)));
        case 0xd9:
          return PushText(Number(1));
        case 0xda:
          return PushText(Number(2));
        case 0xdb:
          return PushText(Number(4));
        default:
          luaL_error(L_, "Bad data format in input.");
      }
    }
  }

  const unsigned char* Take(uint64_t size) {
    if (size > left_) luaL_error(L_, "Missing bytes in input.");
    const unsigned char* taken = at_;
    at_ += size;
    left_ -= size;
    return taken;
  }

  uint64_t Number(uint64_t size) {
    const unsigned char* bytes = Take(size);
    uint64_t value = 0;
    for (uint64_t i = 0; i < size; i++) {
      value = value << 8 | bytes[i];
    }
    return value;
  }

  void PushInteger(int64_t value) { lua_pushnumber(L_, static_cast<lua_Number>(value)); }

  void PushText(uint64_t size) {
    const unsigned char* bytes = Take(size);
    interpreter_.SpendBytes(L_, size);
    lua_pushlstring(L_, reinterpret_cast<const char*>(bytes), size);
  }

  lua_State* L_;
  Interpreter& interpreter_;
  const unsigned char* at_;
  size_t left_;
};

// Reads `limit` values at most (0: all) from `offset` on; with a limit, the offset of what follows
// is the first result, -1 at the end.
int UnpackMsgpack(lua_State* L, lua_Integer limit, lua_Integer offset) {
  size_t size;
  const char* bytes = luaL_checklstring(L, 1, &size);
  const bool all = limit == 0 && offset == 0;
  if (offset < 0 || limit < 0) {
    return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (static_cast<uint64_t>(offset) > size) {
    return luaL_error(L, "Start offset %d greater than input length %d.", static_cast<int>(offset),
                      static_cast<int>(size));
  }
  if (limit == 0) limit = std::numeric_limits<lua_Integer>::max();
  lua_settop(L, 1);
  MsgpackDecoder decoder(L, bytes + offset, size - static_cast<size_t>(offset));
  int results = 0;
  for (; decoder.left() > 0 && results < limit; results++) {
    luaL_checkstack(L, 2,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    decoder.Decode();
  }
  if (all) return results;
  const size_t next = size - decoder.left();
  lua_pushinteger(L, decoder.left() == 0 ? -1 : static_cast<lua_Integer>(next));
  lua_insert(L, 2);
  return results + 1;
}

int MsgpackUnpack(lua_State* L) {
  return UnpackMsgpack(L, 0, 0);
}

int MsgpackUnpackOne(lua_State* L) {
  return UnpackMsgpack(L, 1, luaL_optinteger(L, 2, 0));
}

int MsgpackUnpackLimit(lua_State* L) {
  const lua_Integer limit = luaL_checkinteger(L, 2);
  return UnpackMsgpack(L, limit, luaL_optinteger(L, 3, 0));
}

}  // namespace

void PushMsgpackLibrary(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {{"pack", MsgpackPack},
                                     {"unpack", MsgpackUnpack},
                                     {"unpack_one", MsgpackUnpackOne},
                                     {"unpack_limit", MsgpackUnpackLimit}};
  lua_newtable(L);
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
  constexpr const char* kTexts[][2] = {{"_NAME", "cmsgpack"},
                                       {"_VERSION", "lua-cmsgpack 0.4.0"},
                                       {"_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"},
                                       {"_DESCRIPTION", "MessagePack C implementation for Lua"}};
  for (const auto& text : kTexts) {
    lua_pushstring(L, text[1]);
    lua_setfield(L, -2, text[0]);
  }
}

}  // namespace runnel
