#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <limits>

#include "script/interpreter.h"
#include "script/libraries.h"

// struct: numbers and texts in the layout of C structures. A format is a row of options:
//   > < = byte order big, little, (refused, as in Redis)   ! or !n  alignment of numbers
//   b B h H l L T i I in In  integers of 1, 2, 8, 8 and 4 bytes, or of n
//   f d  floating point      s  text that ends with a zero
//   cn   n bytes of text     c0 all of it; when reading, as many as the number before says
//   x    a zero byte         blank  nothing

namespace runnel {
namespace {

constexpr size_t kMaxIntegerSize = 32;
constexpr size_t kMaxAlignment = 8;

struct FormatReader {
  lua_State* L;
  const char* at;
  const char* end;
  bool little = true;
  size_t alignment = 1;

  FormatReader(lua_State* state, int index) : L(state) {
    size_t size;
    at = luaL_checklstring(L, index, &size);
    // As in C, a zero byte ends it.
    end = at + std::strlen(at);
  }

  bool done() const { return at == end; }
  char Next() { return *at++; }

  // The number in decimal that follows, or `otherwise`.
  size_t Number(size_t otherwise) {
    if (done() || *at < '0' || *at > '9') return otherwise;
    int64_t value = 0;
    while (!done() && *at >= '0' && *at <= '9') {
      value = value * 10 + (*at++ - '0');
      if (value > std::numeric_limits<int>::max()) luaL_error(L, "integral size overflow");
    }
    return static_cast<size_t>(value);
  }

  // The size of what the option takes; reads the number that belongs to it.
  size_t Size(char option) {
    switch (option) {
      case 'b':
      case 'B':
      case 'x':
        return 1;
      case 'h':
      case 'H':
        return 2;
      case 'l':
      case 'L':
      case 'T':
      case 'd':
        return 8;
      case 'f':
        return 4;
      case 'c':
        return Number(1);
      case 'i':
      case 'I': {
        const size_t size = Number(sizeof(int));
        if (size > kMaxIntegerSize) {
          luaL_error(L, "integral size %d is larger than limit of %d", static_cast<int>(size),
                     static_cast<int>(kMaxIntegerSize));
        }
        return size;
      }
      default:
        return 0;
    }
  }

  // How many bytes are left free before this option at `offset`.
  size_t Padding(size_t size, char option, size_t offset) const {
    if (size == 0 || option == 'c' || option == 's') return 0;
    const size_t unit = std::min(size, alignment);
    if (unit == 0) return 0;
    // Sizes that are no power of two get what this gives for them, as in Redis.
    return (unit - (offset & (unit - 1))) & (unit - 1);
  }

  // Options that take nothing.
  void Control(char option) {
    switch (option) {
      case ' ':
        return;
      case '>':
        little = false;
        return;
      case '<':
        little = true;
        return;
      case '!': {
        const size_t wanted = Number(kMaxAlignment);
        if (wanted == 0 || !std::has_single_bit(wanted)) {
          // An alignment of nothing is none.
          if (wanted != 0) {
            luaL_error(L, "alignment %d is not a power of 2", static_cast<int>(wanted));
          }
        }
        alignment = wanted;
        return;
      }
      default: {
        const char text[] = {option, '\0'};
        luaL_argerror(L, 1, lua_pushfstring(L, "invalid format option '%s'", text));
      }
    }
  }
};

uint64_t StructInteger(lua_Number number) {
  constexpr lua_Number kTwo63 = 9223372036854775808.0;
  // What no 64 bits can hold is not defined in C either.
  if (!(number > -kTwo63 - 1 && number < 2 * kTwo63)) return uint64_t{1} << 63;
  if (number < 0) return static_cast<uint64_t>(static_cast<int64_t>(number));
  return static_cast<uint64_t>(number);
}

template <class T>
void AppendFloat(lua_State* L, Interpreter& interpreter, T value, bool little) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  if (little != (std::endian::native == std::endian::little))
    std::reverse(bytes, bytes + sizeof(T));
  interpreter.Append(L, {bytes, sizeof(T)});
}

int StructPack(lua_State* L) {
  FormatReader format(L, 1);
  Interpreter& interpreter = Interpreter::Of(L);
  std::string& out = interpreter.TakeBuffer();
  // As in Redis, the first argument that is missing is nil.
  lua_pushnil(L);
  int argument = 2;
  while (!format.done()) {
    interpreter.Spend(L, 2);
    const char option = format.Next();
    size_t size = format.Size(option);
    for (size_t i = format.Padding(size, option, out.size()); i > 0; i--) {
      interpreter.Append(L, '\0');
    }
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I': {
        const uint64_t value = StructInteger(luaL_checknumber(L, argument++));
        char bytes[kMaxIntegerSize];
        for (size_t i = 0; i < size; i++) {
          const auto byte = static_cast<char>(i < 8 ? value >> (8 * i) : 0);
          bytes[format.little ? i : size - 1 - i] = byte;
        }
        interpreter.Append(L, {bytes, size});
        break;
      }
      case 'x':
        interpreter.Append(L, '\0');
        break;
      case 'f':
        AppendFloat(L, interpreter, static_cast<float>(luaL_checknumber(L, argument++)),
                    format.little);
        break;
      case 'd':
        AppendFloat(L, interpreter, luaL_checknumber(L, argument++), format.little);
        break;
      case 'c':
      case 's': {
        size_t length;
        const char* text = luaL_checklstring(L, argument++, &length);
        if (size == 0) size = length;
        luaL_argcheck(L, length >= size, argument, "string too short");
        interpreter.Append(L, {text, size});
        if (option == 's') interpreter.Append(L, '\0');
        break;
      }
      default:
        format.Control(option);
    }
  }
  interpreter.PushBuffer(L);
  return 1;
}

lua_Number ReadStructInteger(const char* bytes, size_t size, bool little, bool is_signed) {
  uint64_t value = 0;
  for (size_t i = 0; i < std::min<size_t>(size, 8); i++) {
    const auto byte = static_cast<unsigned char>(bytes[little ? i : size - 1 - i]);
    value |= uint64_t{byte} << (8 * i);
  }
  if (!is_signed) return static_cast<lua_Number>(value);
  if (size > 0 && size < 8) {
    const uint64_t sign = uint64_t{1} << (8 * size - 1);
    value = (value ^ sign) - sign;
  }
  return static_cast<lua_Number>(static_cast<int64_t>(value));
}

template <class T>
lua_Number ReadFloat(const char* from, bool little) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, from, sizeof(T));
  if (little != (std::endian::native == std::endian::little))
    std::reverse(bytes, bytes + sizeof(T));
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return static_cast<lua_Number>(value);
}

int StructUnpack(lua_State* L) {
  FormatReader format(L, 1);
  size_t length;
  const char* data = luaL_checklstring(L, 2, &length);
  const lua_Integer start = luaL_optinteger(L, 3, 1);
  luaL_argcheck(L, start != 0, 3, "offset must be 1 or greater");
  // A place after the end, or as in Redis a negative one, is too far for the first option.
  constexpr lua_Integer kFar = lua_Integer{1} << 50;
  size_t at = static_cast<size_t>(start < 0 ? kFar : std::min(start, kFar)) - 1;
  Interpreter& interpreter = Interpreter::Of(L);
  lua_settop(L, 2);
  int results = 0;
  while (!format.done()) {
    interpreter.Spend(L, 2);
    const char option = format.Next();
    size_t size = format.Size(option);
    at += format.Padding(size, option, at);
    const auto check = [&](size_t wanted) {
      luaL_argcheck(L, at <= length && wanted <= length - at, 2, "data string too short");
    };
    check(size);
    luaL_checkstack(L, 2, "too many results");
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I': {
        const bool is_signed = option >= 'a';
        lua_pushnumber(L, ReadStructInteger(data + at, size, format.little, is_signed));
        results++;
        break;
      }
      case 'x':
        break;
      case 'f':
        lua_pushnumber(L, ReadFloat<float>(data + at, format.little));
        results++;
        break;
      case 'd':
        lua_pushnumber(L, ReadFloat<double>(data + at, format.little));
        results++;
        break;
      case 'c':
        if (size == 0) {
          if (results == 0 || !lua_isnumber(L, -1)) {
            luaL_error(L, "format 'c0' needs a previous size");
          }
          const lua_Number wanted = lua_tonumber(L, -1);
          lua_pop(L, 1);
          results--;
          luaL_argcheck(L, wanted >= 0 && wanted <= static_cast<lua_Number>(length), 2,
                        "data string too short");
          size = static_cast<size_t>(wanted);
          check(size);
        }
        interpreter.SpendBytes(L, size);
        lua_pushlstring(L, data + at, size);
        results++;
        break;
      case 's': {
        const void* zero = std::memchr(data + at, '\0', length - at);
        if (zero == nullptr) luaL_error(L, "unfinished string in data");
        const auto text = static_cast<size_t>(static_cast<const char*>(zero) - (data + at));
        lua_pushlstring(L, data + at, text);
        results++;
        size = text + 1;
        break;
      }
      default:
        format.Control(option);
    }
    at += size;
  }
  lua_pushinteger(L, static_cast<lua_Integer>(at + 1));
  return results + 1;
}

int StructSize(lua_State* L) {
  FormatReader format(L, 1);
  size_t total = 0;
  while (!format.done()) {
    Interpreter::Of(L).Spend(L, 2);
    const char option = format.Next();
    const size_t size = format.Size(option);
    total += format.Padding(size, option, total);
    if (option == 's') luaL_argerror(L, 1, "option 's' has no fixed size");
    if (option == 'c' && size == 0) luaL_argerror(L, 1, "option 'c0' has no fixed size");
    if (!std::isalnum(static_cast<unsigned char>(option))) format.Control(option);
    total += size;
  }
  lua_pushnumber(L, static_cast<lua_Number>(total));
  return 1;
}

}  // namespace

void PushStructLibrary(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"pack", StructPack}, {"unpack", StructUnpack}, {"size", StructSize}};
  lua_newtable(L);
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
}

}  // namespace runnel
