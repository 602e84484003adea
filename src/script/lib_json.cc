#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/numbers.h"
#include "script/interpreter.h"
#include "script/libraries.h"
#include "script/protection.h"

// cjson: the interface of lua-cjson 2.1, as Redis has it. Nothing here is recursive: the values
// that are open are on Lua's stack, and how they are open is in what lies between them there.

namespace runnel {
namespace {

// Slots of Lua's stack that an open value takes, with room for what is looked at.
constexpr int kSlotsPerLevel = 8;

// --- Writing ---

class JsonEncoder {
 public:
  explicit JsonEncoder(lua_State* L)
      : L_(L), interpreter_(Interpreter::Of(L)), options_(interpreter_.json) {}

  // Takes the value on the top.
  void Encode() {
    interpreter_.TakeBuffer();
    const int base = lua_gettop(L_) - 1;
    EncodeValue();
    while (lua_gettop(L_) > base) {
      Continue();
    }
  }

 private:
  // An open array is three slots: the table, its length, the place of the last element that was
  // written. An open object is two slots and a mark: the table, false, the last key.
  void Continue() {
    interpreter_.Spend(L_, 10);
    if (lua_type(L_, -2) == LUA_TBOOLEAN) {
      ContinueObject();
    } else {
      ContinueArray();
    }
  }

  void ContinueArray() {
    const auto length = lua_tointeger(L_, -2);
    const auto place = lua_tointeger(L_, -1);
    if (place == length) {
      interpreter_.Append(L_, ']');
      return Close();
    }
    if (place > 0) interpreter_.Append(L_, ',');
    lua_pop(L_, 1);
    lua_pushinteger(L_, place + 1);
    lua_rawgeti(L_, -3, static_cast<int>(place + 1));
    EncodeValue();
  }

  void ContinueObject() {
    const bool first = lua_isnil(L_, -1);
    if (!lua_next(L_, -3)) {
      interpreter_.Append(L_, '}');
      // lua_next has taken the key.
      lua_pushnil(L_);
      return Close();
    }
    if (!first) interpreter_.Append(L_, ',');
    switch (lua_type(L_, -2)) {
      case LUA_TNUMBER:
        interpreter_.Append(L_, '"');
        EncodeNumber(lua_tonumber(L_, -2));
        interpreter_.Append(L_, '"');
        break;
      case LUA_TSTRING:
        EncodeString(-2);
        break;
      default:
        Fail(-2, "table key must be a number or string");
    }
    interpreter_.Append(L_, ':');
    EncodeValue();
  }

  void Close() {
    lua_pop(L_, 3);
    depth_--;
  }

  // Writes the value on the top and takes it away; a table is opened instead.
  void EncodeValue() {
    switch (lua_type(L_, -1)) {
      case LUA_TSTRING:
        EncodeString(-1);
        break;
      case LUA_TNUMBER:
        EncodeNumber(lua_tonumber(L_, -1));
        break;
      case LUA_TBOOLEAN:
        interpreter_.Append(L_, lua_toboolean(L_, -1) ? "true" : "false");
        break;
      case LUA_TTABLE:
        return Open();
      case LUA_TNIL:
        interpreter_.Append(L_, "null");
        break;
      case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L_, -1) == nullptr) {
          interpreter_.Append(L_, "null");
          break;
        }
        [[fallthrough]];
      default:
        Fail(-1, "type not supported");
    }
    lua_pop(L_, 1);
  }

  void Open() {
    depth_++;
    if (depth_ > options_.encode_max_depth || !lua_checkstack(L_, kSlotsPerLevel)) {
      luaL_error(L_, "Cannot serialise, excessive nesting (%d)", depth_);
    }
    ToRealTable(L_, lua_gettop(L_));
    const int length = ArrayLength();
    if (length > 0) {
      interpreter_.Append(L_, '[');
      lua_pushinteger(L_, length);
      lua_pushinteger(L_, 0);
    } else {
      interpreter_.Append(L_, '{');
      lua_pushboolean(L_, 0);
      lua_pushnil(L_);
    }
  }

  // The length of the table on the top as an array; at most 0 if it is an object.
  int ArrayLength() {
    double longest = 0;
    int elements = 0;
    lua_pushnil(L_);
    while (lua_next(L_, -2)) {
      lua_pop(L_, 1);
      const lua_Number key = lua_type(L_, -1) == LUA_TNUMBER ? lua_tonumber(L_, -1) : 0;
      if (!(key >= 1) || key != std::floor(key)) {
        lua_pop(L_, 1);
        return -1;
      }
      longest = std::max<double>(longest, key);
      elements++;
      interpreter_.Spend(L_, 2);
    }
    if (longest > std::numeric_limits<int>::max()) return -1;
    if (options_.sparse_ratio > 0 && longest > options_.sparse_safe &&
        longest > static_cast<double>(elements) * options_.sparse_ratio) {
      if (!options_.sparse_to_object) Fail(-1, "excessively sparse array");
      return -1;
    }
    return static_cast<int>(longest);
  }

  void EncodeNumber(lua_Number number) {
    if (!std::isfinite(number) && options_.encode_invalid != JsonOptions::kAccept) {
      if (options_.encode_invalid == JsonOptions::kAsNull) {
        return interpreter_.Append(L_, "null");
      }
      Fail("number", "must not be NaN or Inf");
    }
    if (std::isnan(number)) return interpreter_.Append(L_, "nan");
    // What printf would write for nearly all numbers, which takes it long.
    constexpr lua_Number kMostDigits = 1e14;
    if (options_.precision == 14 && number == std::trunc(number) &&
        std::abs(number) < kMostDigits && !(number == 0 && std::signbit(number))) {
      char digits[kMaxDecimal];
      const char* end = WriteDecimal(digits, static_cast<int64_t>(number));
      return interpreter_.Append(L_, {digits, static_cast<size_t>(end - digits)});
    }
    char text[32];
    const int size = std::snprintf(text, sizeof(text), "%.*g", options_.precision, number);
    interpreter_.Append(L_, {text, static_cast<size_t>(size)});
  }

  void EncodeString(int index) {
    size_t size;
    const char* text = lua_tolstring(L_, index, &size);
    interpreter_.Append(L_, '"');
    const char* const end = text + size;
    while (text != end) {
      const char* plain = text;
      while (plain != end && kEscapes[static_cast<unsigned char>(*plain)] == 0) {
        plain++;
      }
      interpreter_.Append(L_, {text, static_cast<size_t>(plain - text)});
      if (plain == end) break;
      const auto c = static_cast<unsigned char>(*plain);
      if (kEscapes[c] == 'u') {
        constexpr std::string_view kDigits = "0123456789abcdef";
        const char escape[] = {'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]};
        interpreter_.Append(L_, {escape, sizeof(escape)});
      } else {
        const char escape[] = {'\\', kEscapes[c]};
        interpreter_.Append(L_, {escape, sizeof(escape)});
      }
      text = plain + 1;
    }
    interpreter_.Append(L_, '"');
  }

  void Fail(int index, const char* reason) { Fail(luaL_typename(L_, index), reason); }
  void Fail(const char* type, const char* reason) {
    luaL_error(L_, "Cannot serialise %s: %s", type, reason);
  }

  // The letter after the backslash; 0: no escape.
  static constexpr std::array<char, 256> kEscapes = [] {
    std::array<char, 256> escapes{};
    for (int c = 0; c < 32; c++) {
      escapes[c] = 'u';
    }
    escapes[127] = 'u';
    escapes['\b'] = 'b';
    escapes['\t'] = 't';
    escapes['\n'] = 'n';
    escapes['\f'] = 'f';
    escapes['\r'] = 'r';
    escapes['"'] = '"';
    escapes['\\'] = '\\';
    escapes['/'] = '/';
    return escapes;
  }();

  lua_State* L_;
  Interpreter& interpreter_;
  const JsonOptions& options_;
  int depth_ = 0;
};

int JsonEncode(lua_State* L) {
  luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
  JsonEncoder(L).Encode();
  Interpreter::Of(L).PushBuffer(L);
  return 1;
}

// --- Reading ---

class JsonDecoder {
 public:
  JsonDecoder(lua_State* L, const char* text, size_t size)
      : L_(L),
        interpreter_(Interpreter::Of(L)),
        options_(interpreter_.json),
        begin_(text),
        at_(text),
        end_(text + size) {}

  // Leaves the value on the top.
  void Decode() {
    const int base = lua_gettop(L_);
    Next();
    Value();
    while (lua_gettop(L_) > base + 1) {
      Continue();
    }
    Next();
    if (token_ != kEnd) Fail("the end");
  }

 private:
  enum Token {
    kObjectBegin,
    kObjectEnd,
    kArrayBegin,
    kArrayEnd,
    kString,
    kNumber,
    kBoolean,
    kNull,
    kColon,
    kComma,
    kEnd,
    kWrong,
  };
  static constexpr const char* kTokenNames[] = {
      "T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER",
      "T_BOOLEAN",   "T_NULL",    "T_COLON",     "T_COMMA",   "T_END"};

  // On the stack, an open array is the table and the place of its last element, and an open object
  // is the table and the key of its last value. The value comes after these.
  void Continue() {
    interpreter_.Spend(L_, 10);
    // The value that is ready belongs to the table three slots below.
    const bool array = lua_type(L_, -2) == LUA_TNUMBER;
    if (array) {
      const auto place = static_cast<int>(lua_tointeger(L_, -2));
      lua_rawseti(L_, -3, place);
      Next();
      if (token_ == kArrayEnd) return Close();
      if (token_ != kComma) Fail("comma or array end");
      lua_pop(L_, 1);
      lua_pushinteger(L_, place + 1);
      Next();
      return Value();
    }
    lua_rawset(L_, -3);
    Next();
    if (token_ == kObjectEnd) {
      depth_--;
      return;
    }
    if (token_ != kComma) Fail("comma or object end");
    Next();
    Key();
  }

  // The end of an array: only the table is left.
  void Close() {
    lua_pop(L_, 1);
    depth_--;
  }

  // Reads the key whose first token is there, the colon, and the first token of the value.
  void Key() {
    if (token_ != kString) Fail("object key string");
    PushString();
    Next();
    if (token_ != kColon) Fail("colon");
    Next();
    Value();
  }

  // Makes a value of the token that is there, or opens one. Ends when a value without parts is on
  // the top; so it goes down into the first elements.
  void Value() {
    while (true) {
      switch (token_) {
        case kString:
          return PushString();
        case kNumber:
          lua_pushnumber(L_, number_);
          return;
        case kBoolean:
          lua_pushboolean(L_, boolean_);
          return;
        case kNull:
          lua_pushlightuserdata(L_, nullptr);
          return;
        case kObjectBegin:
          Descend();
          lua_newtable(L_);
          Next();
          if (token_ == kObjectEnd) {
            depth_--;
            return;
          }
          if (token_ != kString) Fail("object key string");
          PushString();
          Next();
          if (token_ != kColon) Fail("colon");
          Next();
          break;
        case kArrayBegin:
          Descend();
          lua_newtable(L_);
          Next();
          if (token_ == kArrayEnd) {
            depth_--;
            return;
          }
          lua_pushinteger(L_, 1);
          break;
        default:
          Fail("value");
      }
    }
  }

  void Descend() {
    depth_++;
    if (depth_ > options_.decode_max_depth || !lua_checkstack(L_, kSlotsPerLevel)) {
      luaL_error(L_, "Found too many nested data structures (%d) at character %d", depth_,
                 static_cast<int>(at_ - begin_));
    }
  }

  void Next() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) {
      interpreter_.Spend(L_, 1);
      at_++;
    }
    interpreter_.Spend(L_, 3);
    token_at_ = at_;
    // A zero byte is the end, too.
    if (at_ == end_ || *at_ == '\0') {
      token_ = kEnd;
      return;
    }
    switch (*at_) {
      case '{':
        return Take(kObjectBegin, 1);
      case '}':
        return Take(kObjectEnd, 1);
      case '[':
        return Take(kArrayBegin, 1);
      case ']':
        return Take(kArrayEnd, 1);
      case ':':
        return Take(kColon, 1);
      case ',':
        return Take(kComma, 1);
      case '"':
        return ScanString();
      default:
        if (StartsWith("null")) return Take(kNull, 4);
        if (StartsWith("true")) {
          boolean_ = true;
          return Take(kBoolean, 4);
        }
        if (StartsWith("false")) {
          boolean_ = false;
          return Take(kBoolean, 5);
        }
        ScanNumber();
    }
  }

  void Take(Token token, size_t size) {
    token_ = token;
    at_ += size;
  }

  bool StartsWith(std::string_view word) const {
    return static_cast<size_t>(end_ - at_) >= word.size() &&
           std::memcmp(at_, word.data(), word.size()) == 0;
  }

  void Wrong(const char* why, const char* where) {
    token_ = kWrong;
    wrong_ = why;
    token_at_ = where;
  }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  // Whether a number begins here, also one that strict JSON does not have.
  bool ScansAsNumber() const {
    const char* p = at_;
    if (*p == '-' || *p == '+') return true;
    if (IsDigit(*p)) return true;
    const auto begins = [&](std::string_view word) {
      if (static_cast<size_t>(end_ - p) < word.size()) return false;
      return std::equal(word.begin(), word.end(), p,
                        [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
    };
    return begins("inf") || begins("nan");
  }

  // What strict JSON does not have: hexadecimal, infinities, not-a-number, leading zeros.
  bool IsInvalidNumber() const {
    const char* p = at_;
    if (p != end_ && *p == '+') return true;
    if (p != end_ && *p == '-') p++;
    if (p == end_) return false;
    if (*p == '0') return p + 1 != end_ && (IsDigit(p[1]) || p[1] == 'x' || p[1] == 'X');
    return !IsDigit(*p);
  }

  // Reads an integer of a few digits, as nearly all numbers are. False if it is something else.
  bool ScanShortInteger() {
    constexpr int kMostDigits = 15;
    const char* p = at_;
    const bool negative = *p == '-';
    if (negative) p++;
    int64_t value = 0;
    int digits = 0;
    for (; p != end_ && IsDigit(*p) && digits < kMostDigits; p++, digits++) {
      value = value * 10 + (*p - '0');
    }
    // A zero at the beginning may be the begin of other things, or have a sign.
    if (digits == 0 || at_[negative ? 1 : 0] == '0') return false;
    constexpr std::string_view kEnds = ",]} \t\r\n";
    if (p != end_ && kEnds.find(*p) == kEnds.npos) return false;
    number_ = static_cast<lua_Number>(negative ? -value : value);
    token_ = kNumber;
    at_ = p;
    return true;
  }

  void ScanNumber() {
    if (ScanShortInteger()) return;
    if (!ScansAsNumber()) return Wrong("invalid token", at_);
    if (options_.decode_invalid == JsonOptions::kRefuse && IsInvalidNumber()) {
      return Wrong("invalid number", at_);
    }
    // Lua ends its strings with a zero, so the conversion ends there at the latest.
    char* after;
    number_ = std::strtod(at_, &after);
    if (after == at_) return Wrong("invalid number", at_);
    interpreter_.Spend(L_, static_cast<size_t>(after - at_));
    token_ = kNumber;
    at_ = after;
  }

  static int HexValue(char c) {
    if (IsDigit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }

  // The four digits after \u; -1 if they are not there.
  int UnicodeEscape(const char* p) const {
    if (end_ - p < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    int value = 0;
    for (int i = 2; i < 6; i++) {
      const int digit = HexValue(p[i]);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  // Appends the character of the escape at p; returns the place after it, nullptr if it is none.
  const char* AppendUnicode(const char* p) {
    int code = UnicodeEscape(p);
    if (code < 0) return nullptr;
    p += 6;
    if ((code & 0xf800) == 0xd800) {
      // The upper half of a pair, which the lower half must follow.
      if ((code & 0x0400) != 0) return nullptr;
      const int lower = UnicodeEscape(p);
      if (lower < 0 || (lower & 0xfc00) != 0xdc00) return nullptr;
      code = 0x10000 + ((code & 0x3ff) << 10) + (lower & 0x3ff);
      p += 6;
    }
    char utf8[4];
    size_t size = 0;
    const auto add = [&](int byte) { utf8[size++] = static_cast<char>(byte); };
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xc0 | (code >> 6));
      add(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      add(0xe0 | (code >> 12));
      add(0x80 | ((code >> 6) & 0x3f));
      add(0x80 | (code & 0x3f));
    } else {
      add(0xf0 | (code >> 18));
      add(0x80 | ((code >> 12) & 0x3f));
      add(0x80 | ((code >> 6) & 0x3f));
      add(0x80 | (code & 0x3f));
    }
    interpreter_.Append(L_, {utf8, size});
    return p;
  }

  // Whether what follows in a string is not just a character of it.
  bool EndsPlainText(const char* p) const {
    return p == end_ || *p == '"' || *p == '\\' || *p == '\0';
  }

  void ScanString() {
    const char* p = at_ + 1;
    string_ = p;
    while (!EndsPlainText(p)) {
      p++;
    }
    interpreter_.Spend(L_, static_cast<size_t>(p - at_) / 4);
    string_size_ = static_cast<size_t>(p - string_);
    escaped_ = p != end_ && *p == '\\';
    if (escaped_) {
      interpreter_.TakeBuffer();
      interpreter_.Append(L_, {string_, string_size_});
    }
    while (p != end_ && *p != '"' && *p != '\0') {
      if (*p != '\\') {
        const char* plain = p;
        while (!EndsPlainText(p)) {
          p++;
        }
        interpreter_.Append(L_, {plain, static_cast<size_t>(p - plain)});
        continue;
      }
      const char letter = p + 1 == end_ ? '\0' : p[1];
      if (letter == 'u') {
        const char* after = AppendUnicode(p);
        if (after == nullptr) return Wrong("invalid unicode escape code", p);
        p = after;
        continue;
      }
      constexpr std::string_view kLetters = "\"\\/bfnrt";
      constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
      const size_t which = kLetters.find(letter);
      if (letter == '\0' || which == kLetters.npos) return Wrong("invalid escape code", p);
      interpreter_.Append(L_, kMeanings[which]);
      p += 2;
    }
    if (p == end_ || *p == '\0') return Wrong("unexpected end of string", p);
    token_ = kString;
    at_ = p + 1;
  }

  void PushString() {
    if (escaped_) {
      interpreter_.PushBuffer(L_);
    } else {
      lua_pushlstring(L_, string_, string_size_);
    }
  }

  void Fail(const char* expected) {
    luaL_error(L_, "Expected %s but found %s at character %d", expected,
               token_ == kWrong ? wrong_ : kTokenNames[token_],
               static_cast<int>(token_at_ - begin_) + 1);
  }

  lua_State* L_;
  Interpreter& interpreter_;
  const JsonOptions& options_;
  const char* begin_;
  const char* at_;
  const char* end_;
  const char* token_at_ = nullptr;
  Token token_ = kEnd;
  const char* wrong_ = nullptr;
  lua_Number number_ = 0;
  bool boolean_ = false;
  // The text of a string without escapes; else it is in the buffer.
  const char* string_ = nullptr;
  size_t string_size_ = 0;
  bool escaped_ = false;
  int depth_ = 0;
};

int JsonDecode(lua_State* L) {
  luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
  size_t size;
  const char* text = luaL_checklstring(L, 1, &size);
  if (size >= 2 && (text[0] == '\0' || text[1] == '\0')) {
    return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
  }
  JsonDecoder(L, text, size).Decode();
  return 1;
}

// --- Options ---

// Reads a number between the bounds into *option, if there is one, and pushes the option.
int JsonIntegerOption(lua_State* L, int index, int* option, int least, int most) {
  if (!lua_isnoneornil(L, index)) {
    const lua_Integer value = luaL_checkinteger(L, index);
    if (value < least || value > most) {
      const char* message = lua_pushfstring(L, "expected integer between %d and %d", least, most);
      luaL_argerror(L, index, message);
    }
    *option = static_cast<int>(value);
  }
  lua_pushinteger(L, *option);
  return 1;
}

int JsonBooleanOption(lua_State* L, int index, bool* option) {
  if (!lua_isnoneornil(L, index)) {
    static const char* const kWords[] = {"off", "on", nullptr};
    *option = lua_isboolean(L, index) ? lua_toboolean(L, index) != 0
                                      : luaL_checkoption(L, index, nullptr, kWords) == 1;
  }
  lua_pushboolean(L, *option);
  return 1;
}

int JsonInvalidNumbersOption(lua_State* L, JsonOptions::InvalidNumbers* option,
                             const char* const* words) {
  if (!lua_isnoneornil(L, 1)) {
    *option =
        lua_isboolean(L, 1)
            ? (lua_toboolean(L, 1) ? JsonOptions::kAccept : JsonOptions::kRefuse)
            : static_cast<JsonOptions::InvalidNumbers>(luaL_checkoption(L, 1, nullptr, words));
  }
  if (*option == JsonOptions::kAsNull) {
    lua_pushliteral(L, "null");
  } else {
    lua_pushboolean(L, *option == JsonOptions::kAccept);
  }
  return 1;
}

JsonOptions& JsonOptionsOf(lua_State* L, int most_arguments) {
  luaL_argcheck(L, lua_gettop(L) <= most_arguments, most_arguments + 1, "found too many arguments");
  return Interpreter::Of(L).json;
}

constexpr int kMostInt = std::numeric_limits<int>::max();

int JsonEncodeSparseArray(lua_State* L) {
  JsonOptions& options = JsonOptionsOf(L, 3);
  lua_settop(L, 3);
  JsonBooleanOption(L, 1, &options.sparse_to_object);
  JsonIntegerOption(L, 2, &options.sparse_ratio, 0, kMostInt);
  JsonIntegerOption(L, 3, &options.sparse_safe, 0, kMostInt);
  return 3;
}

int JsonEncodeMaxDepth(lua_State* L) {
  return JsonIntegerOption(L, 1, &JsonOptionsOf(L, 1).encode_max_depth, 1, kMostInt);
}

int JsonDecodeMaxDepth(lua_State* L) {
  return JsonIntegerOption(L, 1, &JsonOptionsOf(L, 1).decode_max_depth, 1, kMostInt);
}

int JsonEncodeNumberPrecision(lua_State* L) {
  return JsonIntegerOption(L, 1, &JsonOptionsOf(L, 1).precision, 1, 14);
}

int JsonEncodeKeepBuffer(lua_State* L) {
  return JsonBooleanOption(L, 1, &JsonOptionsOf(L, 1).keep_buffer);
}

int JsonEncodeInvalidNumbers(lua_State* L) {
  static const char* const kWords[] = {"off", "on", "null", nullptr};
  return JsonInvalidNumbersOption(L, &JsonOptionsOf(L, 1).encode_invalid, kWords);
}

int JsonDecodeInvalidNumbers(lua_State* L) {
  static const char* const kWords[] = {"off", "on", nullptr};
  return JsonInvalidNumbersOption(L, &JsonOptionsOf(L, 1).decode_invalid, kWords);
}

// A library of its own, for scripts that keep their options apart; they have the same options here.
int JsonNew(lua_State* L) {
  PushJsonLibrary(L);
  return 1;
}

}  // namespace

void PushJsonLibrary(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {{"encode", JsonEncode},
                                     {"decode", JsonDecode},
                                     {"encode_sparse_array", JsonEncodeSparseArray},
                                     {"encode_max_depth", JsonEncodeMaxDepth},
                                     {"decode_max_depth", JsonDecodeMaxDepth},
                                     {"encode_number_precision", JsonEncodeNumberPrecision},
                                     {"encode_keep_buffer", JsonEncodeKeepBuffer},
                                     {"encode_invalid_numbers", JsonEncodeInvalidNumbers},
                                     {"decode_invalid_numbers", JsonDecodeInvalidNumbers},
                                     {"new", JsonNew}};
  lua_newtable(L);
  for (const luaL_Reg& function : kFunctions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
  lua_pushlightuserdata(L, nullptr);
  lua_setfield(L, -2, "null");
  lua_pushliteral(L, "cjson");
  lua_setfield(L, -2, "_NAME");
  lua_pushliteral(L, "2.1.0");
  lua_setfield(L, -2, "_VERSION");
}

}  // namespace runnel
