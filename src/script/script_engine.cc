#include "script/script_engine.h"

#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/text.h"
#include "script/lib_redis.h"
#include "script/libraries.h"
#include "script/sha1.h"
#include "script/shebang.h"

namespace runnel {
namespace {

// Arguments of more bytes are not kept until the next run.
constexpr size_t kKeptArguments = 64 * 1024;
// Lua's compiler goes through all earlier conditions of a chain at each further one.
constexpr int64_t kMaxCompileMicros = 5'000'000;
// It matters for long texts only.
constexpr size_t kShortText = 32 * 1024;

void PushArguments(lua_State* L, std::span<const std::string_view> values) {
  lua_createtable(L, static_cast<int>(values.size()), 0);
  for (size_t i = 0; i < values.size(); i++) {
    lua_pushlstring(L, values[i].data(), values[i].size());
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
}

size_t TotalBytes(std::span<const std::string_view> values) {
  size_t bytes = 0;
  for (const std::string_view value : values) {
    bytes += value.size();
  }
  return bytes;
}

// Reads the words after "#!lua".
Status ReadScriptFlags(std::string_view line, uint32_t* flags) {
  const std::optional<std::vector<std::string>> words = SplitWords(line);
  if (!words || words->empty()) return Status::Error("Invalid engine in script shebang");
  if (words->front() != "#!lua") {
    return Status::Error("Unexpected engine in script shebang: " + words->front());
  }
  for (size_t i = 1; i < words->size(); i++) {
    std::string_view word = (*words)[i];
    constexpr std::string_view kFlags = "flags=";
    if (!word.starts_with(kFlags)) {
      return Status::Error("Unknown lua shebang option: " + (*words)[i]);
    }
    word.remove_prefix(kFlags.size());
    if (word.empty()) continue;
    for (size_t at = 0; at <= word.size();) {
      const std::string_view name = word.substr(at, word.find(',', at) - at);
      at += name.size() + 1;
      const std::optional<ScriptFlag> flag = FindScriptFlag(name);
      if (!flag) {
        return Status::Error("Unexpected flag in script shebang: " + std::string(name));
      }
      *flags |= *flag;
    }
  }
  return Status();
}

}  // namespace

struct ScriptEngine::Activity {
  ScriptEngine& engine;
  std::span<const std::string_view> keys;
  std::span<const std::string_view> args;
  ReplyWriter& reply;
  std::string_view name;  // of the script, for errors
  const Script* script = nullptr;
  const ScriptFunction* function = nullptr;
};

ScriptEngine::ScriptEngine(size_t memory_max, SteadyClock clock)
    : interpreter_(memory_max, std::move(clock)),
      sandbox_(interpreter_),
      libraries_(interpreter_, sandbox_) {
  lua_State* L = interpreter_.lua();
  lua_newtable(L);
  table_ = luaL_ref(L, LUA_REGISTRYINDEX);
  interpreter_.FillSlots(NoteFailure, Enter, CompileUnderLua);
}

ScriptEngine::~ScriptEngine() = default;

Result<const Script*> ScriptEngine::Compile(std::string_view text, Keep keep) {
  CHECK(!running());
  std::string sha = Sha1Hex(text);
  const auto known = scripts_.find(sha);
  if (known != scripts_.end()) {
    Script* script = known->second.get();
    if (script->linked()) {
      script->Unlink();
      if (keep == Keep::kAlways) {
        eval_script_count_--;
        eval_text_bytes_ -= script->text_bytes;
      } else {
        eval_scripts_.PushBack(*script);
      }
    }
    return script;
  }
  auto script = std::make_unique<Script>();
  script->flags = kScriptCompatible;
  std::string_view body = text;
  if (text.starts_with("#!")) {
    const std::optional<Shebang> shebang = SplitShebang(text);
    if (!shebang) return Status::Error("Invalid script shebang");
    script->flags = 0;
    const Status status = ReadScriptFlags(shebang->line, &script->flags);
    if (!status.ok()) return status;
    body = shebang->body;
  }
  const Status loaded = LoadText(body, &script->place);
  if (!loaded.ok()) return loaded;
  script->sha = sha;
  script->text_bytes = text.size();
  Script* added = script.get();
  scripts_.emplace(std::move(sha), std::move(script));
  if (keep == Keep::kWhileUsed) {
    eval_scripts_.PushBack(*added);
    eval_text_bytes_ += text.size();
    if (++eval_script_count_ > kMaxEvalScripts) EvictOldest();
  }
  return added;
}

// Compiles the text and keeps the function at *place of the table.
Status ScriptEngine::LoadText(std::string_view body, int* place) {
  lua_State* L = interpreter_.lua();
  if (interpreter_.CollectIfFull()) MakeRoom(nullptr);
  WorkBudget budget;
  if (body.size() > kShortText) budget.end_us = interpreter_.now_us() + kMaxCompileMicros;
  const auto compile = [&] {
    interpreter_.Begin(nullptr, &budget);
    const int status = interpreter_.Compile(body, "@user_script");
    interpreter_.End();
    return status;
  };
  int status = compile();
  if (status == LUA_ERRMEM) {
    interpreter_.ResetStack();
    interpreter_.CollectAll();
    MakeRoom(nullptr);
    status = compile();
  }
  if (status != 0) {
    const char* const text = lua_tostring(L, -1);
    const std::string message = text == nullptr ? "it takes too long" : text;
    interpreter_.ResetStack();
    if (status == LUA_ERRMEM) interpreter_.CollectAll();
    return Status::Error("Error compiling script (new function): " + message);
  }
  sandbox_.SetGlobalsOfFunction(L, Sandbox::Globals::kScripts);
  lua_rawgeti(L, LUA_REGISTRYINDEX, table_);
  lua_insert(L, -2);
  *place = luaL_ref(L, -2);
  interpreter_.ResetStack();
  return Status();
}

// What is kept takes more than half of the memory, so that what runs may fail for the lack of it.
// The scripts of EVAL that were not used for the longest time go, but for `kept`: what one of them
// takes is not known, so half of them at a time. They stay if it must be others (of SCRIPT LOAD, or
// libraries) that have the memory.
void ScriptEngine::MakeRoom(const Script* kept) {
  // What a script takes in relation to its text, at most.
  constexpr size_t kMostGrowth = 32;
  while (interpreter_.more_than_half_full() &&
         eval_text_bytes_ * kMostGrowth > interpreter_.memory_max() / 8) {
    const uint64_t before = evicted_scripts_;
    for (size_t left = (eval_script_count_ + 1) / 2; left > 0; left--) {
      if (eval_scripts_.front() == kept) break;
      EvictOldest();
    }
    if (evicted_scripts_ == before) return;
    interpreter_.CollectAll();
  }
}

void ScriptEngine::EvictOldest() {
  Script* script = eval_scripts_.PopFront();
  lua_State* L = interpreter_.lua();
  lua_rawgeti(L, LUA_REGISTRYINDEX, table_);
  luaL_unref(L, -1, script->place);
  interpreter_.ResetStack();
  eval_script_count_--;
  eval_text_bytes_ -= script->text_bytes;
  evicted_scripts_++;
  const std::string sha = std::move(script->sha);
  scripts_.erase(sha);
}

const Script* ScriptEngine::Find(std::string_view sha) {
  auto found = scripts_.find(sha);
  if (found == scripts_.end()) found = scripts_.find(LowerCase(sha));
  if (found == scripts_.end()) return nullptr;
  Script* script = found->second.get();
  if (script->linked()) {
    script->Unlink();
    eval_scripts_.PushBack(*script);
  }
  return script;
}

bool ScriptEngine::Knows(std::string_view sha) const {
  return scripts_.contains(LowerCase(sha));
}

std::optional<uint32_t> ScriptEngine::FlagsOf(std::string_view sha) const {
  auto found = scripts_.find(sha);
  if (found == scripts_.end()) found = scripts_.find(LowerCase(sha));
  if (found == scripts_.end()) return std::nullopt;
  return found->second->flags;
}

std::optional<uint32_t> ScriptEngine::FlagsInText(std::string_view text) {
  if (!text.starts_with("#!")) return kScriptCompatible;
  const std::optional<Shebang> shebang = SplitShebang(text);
  uint32_t flags = 0;
  if (!shebang || !ReadScriptFlags(shebang->line, &flags).ok()) return std::nullopt;
  return flags;
}

void ScriptEngine::Flush() {
  CHECK(!running());
  scripts_.clear();
  eval_script_count_ = 0;
  eval_text_bytes_ = 0;
  lua_State* L = interpreter_.lua();
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, table_);
}

// Under Lua: runs what the activity says and writes its reply.
int ScriptEngine::Enter(lua_State* L) {
  auto& activity = *static_cast<Activity*>(lua_touserdata(L, 1));
  ScriptEngine& engine = activity.engine;
  lua_settop(L, 0);
  int arguments = 0;
  if (activity.function != nullptr) {
    engine.libraries_.PushFunction(L, *activity.function);
    PushArguments(L, activity.keys);
    PushArguments(L, activity.args);
    arguments = 2;
  } else {
    PushArguments(L, activity.keys);
    PushArguments(L, activity.args);
    engine.sandbox_.SetArguments(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, engine.table_);
    lua_rawgeti(L, -1, activity.script->place);
  }
  lua_call(L, arguments, 1);
  engine.builder_.Write(L, engine.interpreter_.protocol, engine.interpreter_.memory_max(),
                        activity.reply);
  return 0;
}

ScriptResult ScriptEngine::Run(const Script& script, std::span<const std::string_view> keys,
                               std::span<const std::string_view> args, ScriptHost& host,
                               ReplyWriter& reply) {
  Activity activity{*this, keys, args, reply, script.sha, &script, nullptr};
  const ScriptResult result = Perform(activity, host);
  if (TotalBytes(keys) + TotalBytes(args) > kKeptArguments) {
    sandbox_.ForgetArguments(interpreter_.lua());
  }
  return result;
}

ScriptResult ScriptEngine::Call(const ScriptFunction& function,
                                std::span<const std::string_view> keys,
                                std::span<const std::string_view> args, ScriptHost& host,
                                ReplyWriter& reply) {
  Activity activity{*this, keys, args, reply, function.name, nullptr, &function};
  return Perform(activity, host);
}

ScriptResult ScriptEngine::Perform(Activity& activity, ScriptHost& host) {
  lua_State* L = interpreter_.lua();
  if (interpreter_.CollectIfFull()) MakeRoom(activity.script);
  const Random48 random = interpreter_.random;
  interpreter_.Begin(&host);
  interpreter_.in_function = activity.function != nullptr;
  sandbox_.UseGlobals(
      L, activity.function != nullptr ? Sandbox::Globals::kFunctions : Sandbox::Globals::kScripts);
  const size_t reply_begin = activity.reply.rope().size();
  lua_pushvalue(L, Interpreter::kEnterSlot);
  lua_pushlightuserdata(L, &activity);
  const int status = lua_pcall(L, 1, 0, Interpreter::kErrorHandlerSlot);
  const ScriptEnding ending = interpreter_.ending();
  interpreter_.ResetStack();
  interpreter_.End();
  // What it has filled the memory with is not for the next one to find.
  if (status == LUA_ERRMEM) interpreter_.CollectAll();
  if (status == 0) return {ScriptResult::kReplied, builder_.counted_errors()};
  // It may have failed in the middle of its reply.
  activity.reply.rope().Truncate(reply_begin);
  if (ending == ScriptEnding::kNotNow) {
    // The run that follows gets the same numbers.
    interpreter_.random = random;
    return {ScriptResult::kNotNow, 0};
  }
  WriteFailure(activity, status, activity.reply);
  return {ending == ScriptEnding::kKilled ? ScriptResult::kKilled : ScriptResult::kFailed,
          interpreter_.failure.counted ? 1u : 0u};
}

void ScriptEngine::WriteFailure(const Activity& activity, int status, ReplyWriter& reply) {
  const ScriptFailure& failure = interpreter_.failure;
  std::string text;
  if (interpreter_.ending() == ScriptEnding::kKilled) {
    text = kScriptKilled;
  } else if (failure.noted && status == LUA_ERRRUN) {
    text = failure.message;
  } else {
    // The handler was not called: there was no room for it.
    text.append("ERR Error running script ").append(activity.name);
    text.append(status == LUA_ERRMEM ? ", not enough memory" : ", error in error handling");
    return reply.Error(text);
  }
  if (failure.located) {
    text.append(" script: ").append(activity.name).append(", on ").append(failure.source);
    text.append(":").append(std::to_string(failure.line)).append(".");
  }
  reply.Error(text);
}

}  // namespace runnel
