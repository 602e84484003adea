#include <bit>
#include <cstdint>

#include "script/libraries.h"

namespace runnel {
namespace {

// A number as 32 bits: rounded to the nearest integer, modulo 2^32. Adding 2^52 + 2^51 leaves just
// that in the lowest bits of a double.
uint32_t CheckBits(lua_State* L, int index) {
  constexpr double kShift = 6755399441055744.0;
  return static_cast<uint32_t>(std::bit_cast<uint64_t>(luaL_checknumber(L, index) + kShift));
}

int PushBits(lua_State* L, uint32_t bits) {
  lua_pushnumber(L, static_cast<lua_Number>(static_cast<int32_t>(bits)));
  return 1;
}

int BitToBit(lua_State* L) {
  return PushBits(L, CheckBits(L, 1));
}

int BitNot(lua_State* L) {
  return PushBits(L, ~CheckBits(L, 1));
}

int BitSwap(lua_State* L) {
  return PushBits(L, __builtin_bswap32(CheckBits(L, 1)));
}

template <class Operation>
int BitFold(lua_State* L, Operation operation) {
  uint32_t bits = CheckBits(L, 1);
  for (int i = lua_gettop(L); i > 1; i--) {
    bits = operation(bits, CheckBits(L, i));
  }
  return PushBits(L, bits);
}

int BitAnd(lua_State* L) {
  return BitFold(L, [](uint32_t a, uint32_t b) { return a & b; });
}

int BitOr(lua_State* L) {
  return BitFold(L, [](uint32_t a, uint32_t b) { return a | b; });
}

int BitXor(lua_State* L) {
  return BitFold(L, [](uint32_t a, uint32_t b) { return a ^ b; });
}

// The lower five bits of the second argument say how far.
template <class Operation>
int BitShift(lua_State* L, Operation operation) {
  const uint32_t bits = CheckBits(L, 1);
  return PushBits(L, operation(bits, static_cast<int>(CheckBits(L, 2) & 31)));
}

int BitLeft(lua_State* L) {
  return BitShift(L, [](uint32_t bits, int n) { return bits << n; });
}

int BitRight(lua_State* L) {
  return BitShift(L, [](uint32_t bits, int n) { return bits >> n; });
}

int BitArithmeticRight(lua_State* L) {
  return BitShift(L, [](uint32_t bits, int n) {
    return static_cast<uint32_t>(static_cast<int32_t>(bits) >> n);
  });
}

int BitRotateLeft(lua_State* L) {
  return BitShift(L, [](uint32_t bits, int n) { return std::rotl(bits, n); });
}

int BitRotateRight(lua_State* L) {
  return BitShift(L, [](uint32_t bits, int n) { return std::rotr(bits, n); });
}

// The last n hexadecimal digits, in capitals if n is negative; at most, and without n, 8 of them.
int BitToHex(lua_State* L) {
  uint32_t bits = CheckBits(L, 1);
  int64_t n = lua_isnoneornil(L, 2) ? 8 : int64_t{static_cast<int32_t>(CheckBits(L, 2))};
  const char* digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
  if (n < 0) n = -n;
  constexpr int64_t kMost = 8;
  const auto count = static_cast<size_t>(n > kMost ? kMost : n);
  char text[kMost];
  for (size_t i = count; i > 0; i--) {
    text[i - 1] = digits[bits & 15];
    bits >>= 4;
  }
  lua_pushlstring(L, text, count);
  return 1;
}

}  // namespace

void PushBitLibrary(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"tobit", BitToBit},  {"bnot", BitNot},       {"band", BitAnd},
      {"bor", BitOr},       {"bxor", BitXor},       {"lshift", BitLeft},
      {"rshift", BitRight}, {"rol", BitRotateLeft}, {"ror", BitRotateRight},
      {"bswap", BitSwap},   {"tohex", BitToHex},    {"arshift", BitArithmeticRight}};
  lua_newtable(L);
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
}

}  // namespace runnel
