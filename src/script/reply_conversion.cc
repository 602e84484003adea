#include "script/reply_conversion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/assert.h"
#include "base/numbers.h"
#include "script/interpreter.h"
#include "script/protection.h"

namespace runnel {
namespace {

// Replies of commands are not deeper; so reading them may be recursive.
constexpr int kMaxReplyDepth = 100;

class ReplyReader {
 public:
  ReplyReader(lua_State* L, std::string_view bytes) : L_(L), rest_(bytes) {}

  void Push(int depth) {
    if (depth > kMaxReplyDepth) luaL_error(L_, "the reply has too many levels");
    luaL_checkstack(L_, 6, "in a reply");
    const std::string_view line = TakeLine();
    const std::string_view text = line.substr(1);
    switch (line[0]) {
      case '+':
        PushTagged("ok", text);
        return;
      case '-':
        PushErrorTable(L_, text);
        lua_pushboolean(L_, 1);
        lua_setfield(L_, -2, "ignore_error_stats_update");
        return;
      case ':':
        lua_pushnumber(L_, static_cast<lua_Number>(Integer(text)));
        return;
      case '$': {
        const int64_t size = Integer(text);
        if (size < 0) return lua_pushboolean(L_, 0);
        const std::string_view bulk = TakeBulk(size);
        lua_pushlstring(L_, bulk.data(), bulk.size());
        return;
      }
      case '*':
        return PushArray(Integer(text), depth);
      case '_':
        lua_pushnil(L_);
        return;
      case '#':
        lua_pushboolean(L_, text == "t");
        return;
      case ',':
        lua_createtable(L_, 0, 1);
        lua_pushnumber(L_, ParseDouble(text).value_or(std::numeric_limits<double>::quiet_NaN()));
        lua_setfield(L_, -2, "double");
        return;
      case '(':
        PushTagged("big_number", text);
        return;
      case '=': {
        const std::string_view bulk = TakeBulk(Integer(text));
        constexpr size_t kFormat = 3;
        lua_createtable(L_, 0, 1);
        lua_createtable(L_, 0, 2);
        SetField("format", bulk.substr(0, kFormat));
        SetField("string", bulk.substr(kFormat + 1));
        lua_setfield(L_, -2, "verbatim_string");
        return;
      }
      case '%':
        return PushMap(Integer(text), depth);
      case '~':
        return PushSet(Integer(text), depth);
      default:
        luaL_error(L_, "the reply has a form that scripts do not know");
    }
  }

 private:
  std::string_view TakeLine() {
    const size_t end = rest_.find("\r\n");
    CHECK(end != rest_.npos && end > 0);
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 2);
    return line;
  }

  std::string_view TakeBulk(int64_t size) {
    CHECK(size >= 0 && static_cast<uint64_t>(size) + 2 <= rest_.size());
    const std::string_view bulk = rest_.substr(0, static_cast<size_t>(size));
    rest_.remove_prefix(static_cast<size_t>(size) + 2);
    return bulk;
  }

  static int64_t Integer(std::string_view text) {
    const std::optional<int64_t> value = ParseInteger(text);
    CHECK(value.has_value());
    return *value;
  }

  void SetField(const char* name, std::string_view text) {
    lua_pushlstring(L_, text.data(), text.size());
    lua_setfield(L_, -2, name);
  }

  void PushTagged(const char* name, std::string_view text) {
    lua_createtable(L_, 0, 1);
    SetField(name, text);
  }

  void PushArray(int64_t size, int depth) {
    if (size < 0) return lua_pushboolean(L_, 0);
    constexpr int64_t kMostAtOnce = 1 << 20;
    lua_createtable(L_, static_cast<int>(std::min(size, kMostAtOnce)), 0);
    for (int64_t i = 1; i <= size; i++) {
      Interpreter::Of(L_).Spend(L_, 5);
      Push(depth + 1);
      lua_rawseti(L_, -2, static_cast<int>(i));
    }
  }

  void PushMap(int64_t size, int depth) {
    lua_createtable(L_, 0, 1);
    lua_newtable(L_);
    for (int64_t i = 0; i < size; i++) {
      Interpreter::Of(L_).Spend(L_, 10);
      Push(depth + 1);
      Push(depth + 1);
      if (lua_isnil(L_, -2)) {
        lua_pop(L_, 2);
      } else {
        lua_rawset(L_, -3);
      }
    }
    lua_setfield(L_, -2, "map");
  }

  void PushSet(int64_t size, int depth) {
    lua_createtable(L_, 0, 1);
    lua_newtable(L_);
    for (int64_t i = 0; i < size; i++) {
      Interpreter::Of(L_).Spend(L_, 10);
      Push(depth + 1);
      if (lua_isnil(L_, -1)) {
        lua_pop(L_, 1);
      } else {
        lua_pushboolean(L_, 1);
        lua_rawset(L_, -3);
      }
    }
    lua_setfield(L_, -2, "set");
  }

  lua_State* L_;
  std::string_view rest_;
};

bool IsLineEnd(char c) {
  return c == '\r' || c == '\n';
}

std::string_view TrimLineEnds(std::string_view text) {
  while (!text.empty() && IsLineEnd(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

// The text without line ends, which are blanks then: it becomes a part of a line.
std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(line.begin(), line.end(), IsLineEnd, ' ');
  return line;
}

int64_t TruncateNumber(lua_Number number) {
  constexpr lua_Number kTwo63 = 9223372036854775808.0;
  // What no integer can hold becomes the smallest, as on the processors that Redis runs on.
  if (!(number >= -kTwo63 && number < kTwo63)) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(number);
}

}  // namespace

void PushReply(lua_State* L, std::string_view bytes) {
  ReplyReader(L, bytes).Push(0);
}

void PushErrorTable(lua_State* L, std::string_view text) {
  text = TrimLineEnds(text);
  const bool raw = text.starts_with('-');
  if (raw) text.remove_prefix(1);
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "ERR ");
  lua_pushlstring(L, text.data(), text.size());
  if (text.find(' ') == text.npos) {
    lua_concat(L, 2);
  } else {
    lua_remove(L, -2);
  }
  lua_setfield(L, -2, "err");
}

void ReplyBuilder::Write(lua_State* L, int protocol, size_t max_bytes, ReplyWriter& reply) {
  reply_ = &reply;
  protocol_ = protocol;
  counted_errors_ = 0;
  open_.clear();
  const size_t begin = reply.rope().size();
  Value(L);
  while (!open_.empty()) {
    Interpreter::Of(L).Spend(L, 10);
    if (reply.rope().size() - begin > max_bytes) luaL_error(L, "the reply is too large");
    Continue(L);
  }
}

void ReplyBuilder::Value(lua_State* L) {
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
      size_t size;
      const char* text = lua_tolstring(L, -1, &size);
      reply_->Bulk({text, size});
      break;
    }
    case LUA_TNUMBER:
      reply_->Integer(TruncateNumber(lua_tonumber(L, -1)));
      break;
    case LUA_TBOOLEAN:
      if (protocol_ == 3) {
        reply_->Bool(lua_toboolean(L, -1) != 0);
      } else if (lua_toboolean(L, -1)) {
        reply_->Integer(1);
      } else {
        reply_->Null();
      }
      break;
    case LUA_TTABLE:
      return Table(L);
    default:
      reply_->Null();
  }
  lua_pop(L, 1);
}

void ReplyBuilder::Table(lua_State* L) {
  if (!lua_checkstack(L, 8)) luaL_error(L, "reached lua stack limit");
  ToRealTable(L, lua_gettop(L));
  if (TaggedTable(L)) return;
  // The elements before the first nil.
  int64_t size = 0;
  while (true) {
    Interpreter::Of(L).Spend(L, 2);
    lua_rawgeti(L, -1, static_cast<int>(size + 1));
    const bool end = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (end) break;
    size++;
  }
  reply_->Array(static_cast<size_t>(size));
  open_.push_back({Open::kArray, 0, size});
}

// Writes the table on the top if one of its fields says what it means, and takes it away.
bool ReplyBuilder::TaggedTable(lua_State* L) {
  const auto field = [&](const char* name, int type) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (lua_type(L, -1) == type) return true;
    lua_pop(L, 1);
    return false;
  };
  const auto text = [&](int index) {
    size_t size;
    const char* bytes = lua_tolstring(L, index, &size);
    return std::string_view(bytes, size);
  };
  if (field("err", LUA_TSTRING)) {
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, -3);
    const bool counted = lua_toboolean(L, -1) != 0;
    reply_->Error(TrimLineEnds(text(-2)));
    if (counted) {
      counted_errors_++;
    } else if (ScriptHost* const host = Interpreter::Of(L).host()) {
      host->CountError(reply_->last_error_code());
    }
    lua_pop(L, 3);
    return true;
  }
  if (field("ok", LUA_TSTRING)) {
    reply_->Simple(OneLine(text(-1)));
    lua_pop(L, 2);
    return true;
  }
  if (field("double", LUA_TNUMBER)) {
    reply_->Double(lua_tonumber(L, -1));
    lua_pop(L, 2);
    return true;
  }
  if (field("map", LUA_TTABLE)) {
    OpenTable(L, Open::kMap);
    return true;
  }
  if (field("set", LUA_TTABLE)) {
    OpenTable(L, Open::kSet);
    return true;
  }
  if (field("big_number", LUA_TSTRING)) {
    const std::string number = OneLine(text(-1));
    if (reply_->protocol() == 3) {
      reply_->Raw("(" + number + "\r\n");
    } else {
      reply_->Bulk(number);
    }
    lua_pop(L, 2);
    return true;
  }
  if (field("verbatim_string", LUA_TTABLE)) {
    const bool has_string = field("string", LUA_TSTRING);
    const bool has_format = has_string && lua_gettop(L) > 0 && [&] {
      lua_pushliteral(L, "format");
      lua_rawget(L, -3);
      if (lua_type(L, -1) == LUA_TSTRING) return true;
      lua_pop(L, 1);
      return false;
    }();
    if (has_format) {
      const std::string_view content = text(-2);
      if (reply_->protocol() == 3) {
        constexpr size_t kFormat = 3;
        std::string format(text(-1).substr(0, kFormat));
        format.resize(kFormat, ' ');
        reply_->Raw("=" + std::to_string(content.size() + kFormat + 1) + "\r\n" + OneLine(format) +
                    ":");
        reply_->Raw(content);
        reply_->Raw("\r\n");
      } else {
        reply_->Bulk(content);
      }
      lua_pop(L, 4);
      return true;
    }
    lua_pop(L, has_string ? 2 : 1);
  }
  return false;
}

// On the top is the table whose entries are the reply; it takes the place of the one below it.
void ReplyBuilder::OpenTable(lua_State* L, Open::Kind kind) {
  lua_remove(L, -2);
  ToRealTable(L, lua_gettop(L));
  int64_t size = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    Interpreter::Of(L).Spend(L, 2);
    size++;
  }
  if (kind == Open::kMap) {
    reply_->Map(static_cast<size_t>(size));
  } else {
    reply_->Set(static_cast<size_t>(size));
  }
  lua_pushnil(L);
  open_.push_back({kind, 0, size});
}

void ReplyBuilder::Continue(lua_State* L) {
  Open& open = open_.back();
  switch (open.kind) {
    case Open::kArray:
      if (open.written == open.size) {
        lua_pop(L, 1);
        open_.pop_back();
        return;
      }
      open.written++;
      lua_rawgeti(L, -1, static_cast<int>(open.written));
      return Value(L);
    case Open::kMap:
    case Open::kSet:
      if (!lua_next(L, -2)) {
        lua_pop(L, 1);
        open_.pop_back();
        return;
      }
      if (open.kind == Open::kSet) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
      } else {
        open.kind = Open::kMapValue;
        lua_pushvalue(L, -2);
      }
      return Value(L);
    case Open::kMapValue:
      open.kind = Open::kMap;
      return Value(L);
  }
}

}  // namespace runnel
