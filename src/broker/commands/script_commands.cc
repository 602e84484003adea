#include <optional>
#include <string>

#include "base/text.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/help.h"
#include "broker/commands/script_arguments.h"
#include "broker/execution.h"
#include "broker/script_run.h"
#include "broker/scripts.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel {
namespace {

constexpr std::string_view kNoSuchScript = "NOSCRIPT No matching script. Please use EVAL.";
constexpr size_t kShaDigits = 40;

template <bool kReadOnlyScript>
void Eval(Context& context) {
  // What a script looks at is not known without running it, and it may ask for more than its
  // commands.
  if (context.only_looks()) return context.reply().Null();
  Execution& execution = Execution::Of(context);
  TellMonitors(execution);
  const std::optional<ScriptArguments> arguments = ReadScriptArguments(context);
  if (!arguments) return;
  const Result<const Script*> script =
      execution.parts().scripts.engine().Compile(context.arg(1), ScriptEngine::Keep::kWhileUsed);
  if (!script.ok()) return context.reply().Error(fmt::format("ERR {}", script.message()));
  ScriptRun(execution, (*script)->flags, kReadOnlyScript)
      .Run(**script, arguments->keys, arguments->args);
}

template <bool kReadOnlyScript>
void EvalSha(Context& context) {
  if (context.only_looks()) return context.reply().Null();
  Execution& execution = Execution::Of(context);
  TellMonitors(execution);
  if (context.arg(1).size() != kShaDigits) return context.reply().Error(kNoSuchScript);
  const std::optional<ScriptArguments> arguments = ReadScriptArguments(context);
  if (!arguments) return;
  const Script* const script = execution.parts().scripts.engine().Find(context.arg(1));
  if (script == nullptr) return context.reply().Error(kNoSuchScript);
  ScriptRun(execution, script->flags, kReadOnlyScript)
      .Run(*script, arguments->keys, arguments->args);
}

void ScriptLoad(Context& context) {
  const Result<const Script*> script = Execution::Of(context).parts().scripts.engine().Compile(
      context.arg(2), ScriptEngine::Keep::kAlways);
  if (!script.ok()) return context.reply().Error(fmt::format("ERR {}", script.message()));
  context.reply().Bulk((*script)->sha);
}

void ScriptExists(Context& context) {
  const ScriptEngine* const engine = Execution::Of(context).parts().scripts.known();
  context.reply().Array(context.argc() - 2);
  for (const std::string_view sha : context.args().subspan(2)) {
    context.reply().Integer(engine != nullptr && engine->Knows(sha) ? 1 : 0);
  }
}

// What is forgotten is freed later in both modes.
void ScriptFlush(Context& context) {
  const bool mode_is_right =
      context.argc() == 2 || (context.argc() == 3 && (EqualsIgnoreCase(context.arg(2), "sync") ||
                                                      EqualsIgnoreCase(context.arg(2), "async")));
  if (!mode_is_right) {
    return context.reply().Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  Scripts& scripts = Execution::Of(context).parts().scripts;
  if (scripts.known() != nullptr) {
    scripts.engine().Flush();
    scripts.NoteRun();
  }
  context.reply().Ok();
}

void ScriptKill(Context& context) {
  const Status asked = Execution::Of(context).parts().scripts.Kill(false);
  asked.ok() ? context.reply().Ok() : context.reply().Error(asked.message());
}

void ScriptDebug(Context& context) {
  if (EqualsIgnoreCase(context.arg(2), "no")) return context.reply().Ok();
  if (EqualsIgnoreCase(context.arg(2), "yes") || EqualsIgnoreCase(context.arg(2), "sync")) {
    return context.reply().Error("ERR The debugger of scripts is not available");
  }
  context.reply().Error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

constexpr CommandSpec kScriptSubcommands[] = {
    {.name = "debug",
     .run = ScriptDebug,
     .arity = 3,
     .flags = kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Turns the debugger of scripts off; there is none",
     .syntax = "<YES|SYNC|NO>"},
    {.name = "exists",
     .run = ScriptExists,
     .arity = -3,
     .flags = kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(1) for each script",
     .summary = "Tells which of these scripts are known",
     .syntax = "sha1 ..."},
    {.name = "flush",
     .run = ScriptFlush,
     .arity = -2,
     .flags = kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) for N known scripts",
     .summary = "Forgets all scripts",
     .syntax = "[<ASYNC|SYNC>]"},
    {.name = "kill",
     .run = ScriptKill,
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Ends the script that runs, if it has changed nothing",
     .syntax = ""},
    {.name = "load",
     .run = ScriptLoad,
     .arity = 3,
     .flags = kNoScript | kStale,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) for N bytes of the script",
     .summary = "Keeps a script for EVALSHA and tells its SHA-1",
     .syntax = "script"},
    {.name = "help",
     .run = ReplyHelp,
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands",
     .syntax = ""},
};

constexpr CommandSpec kScriptCommands[] = {
    {.name = "eval",
     .run = Eval<false>,
     .arity = -3,
     .flags = kScriptFlags | kMayReplicate,
     .categories = kAclScripting,
     .keys = kScriptKeys,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "That of the script",
     .summary = "Runs a script",
     .syntax = "script numkeys [key ...] [arg ...]"},
    {.name = "evalsha",
     .run = EvalSha<false>,
     .arity = -3,
     .flags = kScriptFlags | kMayReplicate,
     .categories = kAclScripting,
     .keys = kScriptKeys,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "That of the script",
     .summary = "Runs a script that is known, by its SHA-1",
     .syntax = "sha1 numkeys [key ...] [arg ...]"},
    {.name = "eval_ro",
     .run = Eval<true>,
     .arity = -3,
     .flags = kScriptFlags | kReadOnly,
     .categories = kAclScripting,
     .keys = kReadOnlyScriptKeys,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "That of the script",
     .summary = "Runs a script that changes nothing",
     .syntax = "script numkeys [key ...] [arg ...]"},
    {.name = "evalsha_ro",
     .run = EvalSha<true>,
     .arity = -3,
     .flags = kScriptFlags | kReadOnly,
     .categories = kAclScripting,
     .keys = kReadOnlyScriptKeys,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "That of the script",
     .summary = "Runs a script that is known and changes nothing",
     .syntax = "sha1 numkeys [key ...] [arg ...]"},
    {.name = "script",
     .arity = -2,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "Depends on the subcommand",
     .summary = "Commands about the scripts that the server knows",
     .subcommands = kScriptSubcommands},
};

}  // namespace

std::span<const CommandSpec> ScriptCommands() {
  return kScriptCommands;
}

}  // namespace runnel
