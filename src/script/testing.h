#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resp/reply_writer.h"
#include "resp/rope.h"
#include "script/script_engine.h"

namespace runnel {

// A host for tests and fuzzing: a few commands with the replies that Redis gives.
class TestScriptHost final : public ScriptHost {
 public:
  Answer Call(std::span<const std::string_view> args, ReplyWriter& reply) noexcept override {
    calls++;
    if (not_now_at_call == calls) return Answer::kNotNow;
    const std::string_view name = args[0];
    if (name == "get" && args.size() == 2) {
      const auto found = values.find(args[1]);
      if (found == values.end()) {
        reply.Null();
      } else {
        reply.Bulk(found->second);
      }
    } else if (name == "set" && args.size() == 3) {
      values.insert_or_assign(std::string(args[1]), std::string(args[2]));
      reply.Ok();
    } else if (name == "get" || name == "set") {
      reply.Error("ERR Wrong number of args calling Redis command from script");
    } else if (name == "lpush") {
      reply.Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    } else if (name == "reply" && raw_replies && args.size() == 2) {
      reply.Raw(args[1]);
    } else if (name == "echo" && args.size() == 2) {
      reply.Bulk(args[1]);
    } else if (name == "ping") {
      reply.Simple("PONG");
    } else if (name == "protocol") {
      reply.Integer(reply.protocol());
    } else if (name == "hgetall") {
      reply.Map(1);
      reply.Bulk("a");
      reply.Bulk("1");
    } else if (name == "smembers") {
      reply.Set(2);
      reply.Bulk("a");
      reply.Bulk("b");
    } else if (name == "zscore") {
      reply.Double(1.5);
    } else {
      reply.Error("ERR Unknown Redis command called from script");
    }
    return Answer::kDone;
  }
  bool MayGoOn() noexcept override { return ++looks < most_looks; }
  void Log(ScriptLogLevel level, std::string_view text) noexcept override {
    log.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(text));
  }
  void CountError(std::string_view code) noexcept override { errors.emplace_back(code); }
  Access CheckAccess(std::span<const std::string_view> args) noexcept override {
    if (args[0] == "nope") return Access::kNoSuchCommand;
    return args[0] == "flushall" ? Access::kDenied : Access::kAllowed;
  }

  std::map<std::string, std::string, std::less<>> values;
  std::vector<std::string> log;
  std::vector<std::string> errors;  // codes of those that the host was told of
  bool raw_replies = false;         // the command reply answers with its argument, which is a reply
  int calls = 0;
  int not_now_at_call = 0;  // counted from 1
  int looks = 0;
  int most_looks = 1'000'000'000;
};

// Runs scripts one after the other.
class ScriptRunner {
 public:
  explicit ScriptRunner(size_t memory_max = 256 << 20, SteadyClock clock = SystemSteadyMicros)
      : engine(memory_max, std::move(clock)) {}

  // The reply as bytes. In errors the script's SHA-1 is "SHA".
  std::string Run(std::string_view text, std::vector<std::string_view> keys = {},
                  std::vector<std::string_view> args = {}) {
    Result<const Script*> script = engine.Compile(text, ScriptEngine::Keep::kWhileUsed);
    if (!script.ok()) return "-ERR " + script.message() + "\r\n";
    Rope rope;
    ReplyWriter reply(&rope);
    reply.set_protocol(protocol);
    result = engine.Run(**script, keys, args, host, reply);
    return Named(rope.ToString(), (*script)->sha);
  }

  std::string Load(std::string_view code, bool replace = false) {
    const auto library = engine.libraries().Load(code, replace);
    return library.ok() ? (*library)->name : library.message();
  }

  std::string Call(std::string_view name, std::vector<std::string_view> keys = {},
                   std::vector<std::string_view> args = {}) {
    const ScriptFunction* function = engine.libraries().Find(name);
    if (function == nullptr) return "no such function";
    Rope rope;
    ReplyWriter reply(&rope);
    reply.set_protocol(protocol);
    result = engine.Call(*function, keys, args, host, reply);
    return rope.ToString();
  }

  ScriptEngine engine;
  TestScriptHost host;
  ScriptResult result;
  int protocol = 2;

 private:
  static std::string Named(std::string reply, const std::string& sha) {
    const size_t at = reply.find(sha);
    if (at != std::string::npos && reply.starts_with('-')) reply.replace(at, sha.size(), "SHA");
    return reply;
  }
};

}  // namespace runnel
