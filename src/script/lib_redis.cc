#include "script/lib_redis.h"

#include <sys/uio.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/numbers.h"
#include "base/version.h"
#include "script/function_load.h"
#include "script/interpreter.h"
#include "script/libraries.h"
#include "script/protection.h"
#include "script/reply_conversion.h"
#include "script/sha1.h"

namespace runnel {
namespace {

// kRedisVersion as one number: a byte for each part.
constexpr int RedisVersionNumber() {
  int number = 0;
  int part = 0;
  for (const char c : std::string_view(kRedisVersion)) {
    if (c == '.') {
      number = number << 8 | part;
      part = 0;
    } else {
      part = part * 10 + (c - '0');
    }
  }
  return number << 8 | part;
}

// Bytes that the text of a number takes at most.
constexpr size_t kNumberRoom = 32;

size_t WriteNumber(char* out, lua_Number number) {
  constexpr lua_Number kExact = 1e15;
  if (number == std::trunc(number) && std::abs(number) < kExact &&
      !(number == 0 && std::signbit(number))) {
    return static_cast<size_t>(WriteDecimal(out, static_cast<int64_t>(number)) - out);
  }
  return static_cast<size_t>(std::snprintf(out, kNumberRoom, "%.17g", number));
}

// Fills CallBuffers::args with the arguments. Returns what is wrong with them, nullptr if nothing.
const char* TakeArguments(lua_State* L, Interpreter& interpreter) {
  const int count = lua_gettop(L);
  if (count == 0) return "Please specify at least one argument for this redis lib call";
  CallBuffers& calls = interpreter.calls;
  calls.args.clear();
  bool numbers = false;
  for (int i = 1; i <= count; i++) {
    const int type = lua_type(L, i);
    if (type == LUA_TSTRING) {
      size_t size;
      const char* text = lua_tolstring(L, i, &size);
      calls.args.emplace_back(text, size);
      continue;
    }
    if (type != LUA_TNUMBER) return "Lua redis lib command arguments must be strings or integers";
    if (!numbers) calls.numbers.resize(static_cast<size_t>(count) * kNumberRoom);
    numbers = true;
    char* out = calls.numbers.data() + static_cast<size_t>(i - 1) * kNumberRoom;
    calls.args.emplace_back(out, WriteNumber(out, lua_tonumber(L, i)));
  }
  return nullptr;
}

std::string_view FlatReply(CallBuffers& calls) {
  iovec piece;
  if (calls.rope.Gather(calls.rope.size(), &piece, 1) == 1 && piece.iov_len == calls.rope.size()) {
    return {static_cast<const char*>(piece.iov_base), piece.iov_len};
  }
  calls.flat = calls.rope.ToString();
  return calls.flat;
}

// Pushes {err="ERR " .. text}.
void PushRedisError(lua_State* L, const char* text) {
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "ERR ");
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_setfield(L, -2, "err");
}

int CallCommand(lua_State* L, bool raise) {
  Interpreter& interpreter = Interpreter::Of(L);
  const char* wrong = TakeArguments(L, interpreter);
  if (wrong == nullptr && interpreter.host() == nullptr) {
    wrong = "redis.call/pcall can only be called inside a script invocation";
  }
  if (wrong != nullptr) {
    PushRedisError(L, wrong);
    return raise ? lua_error(L) : 1;
  }
  CallBuffers& calls = interpreter.calls;
  // A command may take long, and is one instruction.
  constexpr size_t kWorkOfCall = 1000;
  interpreter.Spend(L, kWorkOfCall);
  calls.rope.Clear();
  calls.reply.set_protocol(interpreter.protocol);
  if (interpreter.host()->Call(calls.args, calls.reply) == ScriptHost::Answer::kNotNow) {
    return interpreter.EndRun(L, ScriptEnding::kNotNow);
  }
  const std::string_view reply = FlatReply(calls);
  interpreter.SpendBytes(L, reply.size());
  lua_settop(L, 0);
  PushReply(L, reply);
  return raise && reply.starts_with('-') ? lua_error(L) : 1;
}

int RedisCall(lua_State* L) {
  return CallCommand(L, true);
}

int RedisPcall(lua_State* L) {
  return CallCommand(L, false);
}

// The one argument as a reply of this kind.
int MakeReply(lua_State* L, const char* field) {
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
    PushErrorTable(L, "ERR wrong number or type of arguments");
    return 1;
  }
  size_t size;
  const char* text = lua_tolstring(L, 1, &size);
  if (field == nullptr) {
    PushErrorTable(L, {text, size});
  } else {
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, field);
  }
  return 1;
}

int RedisErrorReply(lua_State* L) {
  return MakeReply(L, nullptr);
}

int RedisStatusReply(lua_State* L) {
  return MakeReply(L, "ok");
}

int RedisSha1Hex(lua_State* L) {
  if (lua_gettop(L) != 1) return RaiseRedisError(L, "wrong number of arguments");
  size_t size = 0;
  const char* text = lua_tolstring(L, 1, &size);
  Interpreter::Of(L).Spend(L, size / 4);
  std::array<char, 40> digits;
  WriteSha1Hex({text, size}, &digits);
  lua_pushlstring(L, digits.data(), digits.size());
  return 1;
}

int RedisLog(lua_State* L) {
  const int count = lua_gettop(L);
  if (count < 2) return RaiseRedisError(L, "redis.log() requires two arguments or more.");
  if (!lua_isnumber(L, 1)) {
    return RaiseRedisError(L, "First argument must be a number (log level).");
  }
  const lua_Number level = lua_tonumber(L, 1);
  if (!(level >= 0 && level <= 3)) return RaiseRedisError(L, "Invalid debug level.");
  Interpreter& interpreter = Interpreter::Of(L);
  std::string& line = interpreter.TakeBuffer();
  for (int i = 2; i <= count; i++) {
    if (!lua_isstring(L, i)) continue;
    size_t size;
    const char* text = lua_tolstring(L, i, &size);
    if (!line.empty()) interpreter.Append(L, ' ');
    interpreter.Append(L, {text, size});
  }
  if (interpreter.host() != nullptr) {
    interpreter.host()->Log(static_cast<ScriptLogLevel>(static_cast<int>(level)), line);
  } else {
    // A library that is loaded: nobody has asked for it who would have a place for it.
    constexpr LogLevel kLevels[] = {LogLevel::kDebug, LogLevel::kVerbose, LogLevel::kNotice,
                                    LogLevel::kWarning};
    LogLine(kLevels[static_cast<int>(level)], "{}", fmt::make_format_args(line));
  }
  return 0;
}

int RedisSetResp(lua_State* L) {
  if (lua_gettop(L) != 1) return RaiseRedisError(L, "redis.setresp() requires one argument.");
  const lua_Number protocol = lua_tonumber(L, 1);
  if (protocol != 2 && protocol != 3) return RaiseRedisError(L, "RESP version must be 2 or 3.");
  Interpreter::Of(L).protocol = static_cast<int>(protocol);
  return 0;
}

constexpr int kReplAof = 1;
constexpr int kReplReplica = 2;
constexpr int kReplAll = kReplAof | kReplReplica;

// Effects are journalled, not scripts: there is nothing to choose.
int RedisSetRepl(lua_State* L) {
  if (lua_gettop(L) != 1) return RaiseRedisError(L, "redis.set_repl() requires two arguments.");
  const lua_Number flags = lua_tonumber(L, 1);
  if (!(flags >= 0 && flags <= kReplAll)) {
    return RaiseRedisError(
        L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  return 0;
}

int RedisReplicateCommands(lua_State* L) {
  lua_pushboolean(L, 1);
  return 1;
}

// There is no debugger.
int RedisBreakpoint(lua_State* L) {
  lua_pushboolean(L, 0);
  return 1;
}

int RedisDebug(lua_State*) {
  return 0;
}

int RedisAclCheckCmd(lua_State* L) {
  Interpreter& interpreter = Interpreter::Of(L);
  const char* wrong = TakeArguments(L, interpreter);
  if (wrong != nullptr) return RaiseRedisError(L, wrong);
  if (interpreter.host() == nullptr) {
    return RaiseRedisError(L, "redis.acl_check_cmd can only be called inside a script invocation");
  }
  const ScriptHost::Access access = interpreter.host()->CheckAccess(interpreter.calls.args);
  if (access == ScriptHost::Access::kNoSuchCommand) {
    return RaiseRedisError(L, "Invalid command passed to redis.acl_check_cmd()");
  }
  lua_pushboolean(L, access == ScriptHost::Access::kAllowed);
  return 1;
}

int MissingName(lua_State* L) {
  if (!lua_isstring(L, 2)) {
    return luaL_error(L, "Second argument to luaProtectedTableError must be a string or number");
  }
  return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                    lua_tostring(L, 2));
}

void SetFields(lua_State* L, std::initializer_list<luaL_Reg> functions) {
  for (const luaL_Reg& function : functions) {
    lua_pushcfunction(L, function.func);
    lua_setfield(L, -2, function.name);
  }
}

void SetNumber(lua_State* L, const char* name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

// Bytes of a message that are told: it is kept outside of the bound on memory.
constexpr size_t kMostMessage = 64 * 1024;

// Appends the text of a value that is no table, as tostring gives it.
void DescribeError(lua_State* L, std::string* message) {
  switch (lua_type(L, 1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER: {
      size_t size;
      const char* text = lua_tolstring(L, 1, &size);
      message->append(std::string_view(text, size).substr(0, kMostMessage));
      return;
    }
    case LUA_TBOOLEAN:
      message->append(lua_toboolean(L, 1) ? "true" : "false");
      return;
    default:
      message->append(luaL_typename(L, 1));
  }
}

// The activation that an error is told of, as Redis does it: the function that has raised it, or if
// that is one in C, the one that has called it. (Functions that stand between table.sort and its
// comparison do not count.) False if there is none. Called by the handler of errors.
bool FindPlaceOfError(lua_State* L, lua_Debug* activation) {
  int level = 1;
  if (!lua_getstack(L, level, activation)) return false;
  lua_getinfo(L, "Sf", activation);
  if (IsSortHelper(lua_tocfunction(L, -1))) level++;
  lua_pop(L, 1);
  if (activation->what[0] == 'C') level++;
  return lua_getstack(L, level, activation) && lua_getinfo(L, "Sl", activation);
}

}  // namespace

int RaiseRedisError(lua_State* L, const char* text) {
  PushRedisError(L, text);
  return lua_error(L);
}

int NoteFailure(lua_State* L) {
  Interpreter& interpreter = Interpreter::Of(L);
  if (interpreter.ending() == ScriptEnding::kNotNow) return 1;
  ScriptFailure& failure = interpreter.failure;
  lua_settop(L, 1);
  lua_Debug activation;
  failure.located = FindPlaceOfError(L, &activation);
  if (failure.located) {
    // The name of a chunk that the script has compiled may be its whole text.
    constexpr size_t kMostSource = 1000;
    failure.source.assign(std::string_view(activation.source).substr(0, kMostSource));
    failure.line = activation.currentline;
  }
  failure.counted = false;
  failure.noted = true;
  if (interpreter.ending() == ScriptEnding::kKilled) return 1;
  if (lua_type(L, 1) != LUA_TTABLE) {
    failure.message = "ERR ";
    DescribeError(L, &failure.message);
    return 1;
  }
  failure.message = "ERR unknown error";
  if (IsStandIn(L, 1)) return 1;
  lua_pushliteral(L, "ignore_error_stats_update");
  lua_rawget(L, 1);
  failure.counted = lua_toboolean(L, -1) != 0;
  lua_pushliteral(L, "err");
  lua_rawget(L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t size;
    const char* text = lua_tolstring(L, -1, &size);
    failure.message.assign(std::string_view(text, size).substr(0, kMostMessage));
  }
  lua_settop(L, 1);
  return 1;
}

void PushRedisLibrary(lua_State* L, RedisLibrary kind) {
  lua_newtable(L);
  SetFields(L, {{"log", RedisLog}});
  SetNumber(L, "LOG_DEBUG", static_cast<int>(ScriptLogLevel::kDebug));
  SetNumber(L, "LOG_VERBOSE", static_cast<int>(ScriptLogLevel::kVerbose));
  SetNumber(L, "LOG_NOTICE", static_cast<int>(ScriptLogLevel::kNotice));
  SetNumber(L, "LOG_WARNING", static_cast<int>(ScriptLogLevel::kWarning));
  lua_pushstring(L, kRedisVersion);
  lua_setfield(L, -2, "REDIS_VERSION");
  SetNumber(L, "REDIS_VERSION_NUM", RedisVersionNumber());
  if (kind == RedisLibrary::kLoading) {
    SetFields(L, {{"register_function", RegisterFunction}});
    // A name that is missing here is an error.
    PushMissingNameMetatable(L);
    lua_setmetatable(L, -2);
    return;
  }
  SetFields(L, {{"call", RedisCall},
                {"pcall", RedisPcall},
                {"error_reply", RedisErrorReply},
                {"status_reply", RedisStatusReply},
                {"sha1hex", RedisSha1Hex},
                {"setresp", RedisSetResp},
                {"set_repl", RedisSetRepl},
                {"acl_check_cmd", RedisAclCheckCmd}});
  SetNumber(L, "REPL_NONE", 0);
  SetNumber(L, "REPL_AOF", kReplAof);
  SetNumber(L, "REPL_SLAVE", kReplReplica);
  SetNumber(L, "REPL_REPLICA", kReplReplica);
  SetNumber(L, "REPL_ALL", kReplAll);
  if (kind == RedisLibrary::kFunctions) return;
  SetFields(L, {{"replicate_commands", RedisReplicateCommands},
                {"breakpoint", RedisBreakpoint},
                {"debug", RedisDebug}});
}

void PushMissingNameMetatable(lua_State* L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, MissingName);
  lua_setfield(L, -2, "__index");
}

}  // namespace runnel
