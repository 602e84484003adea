#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "base/text.h"
#include "broker/commands/broker_families.h"
#include "broker/commands/function_dump.h"
#include "broker/commands/help.h"
#include "broker/commands/script_arguments.h"
#include "broker/execution.h"
#include "broker/functions.h"
#include "broker/script_run.h"
#include "broker/turn_clock.h"
#include "fmt/format.h"
#include "script/script_flags.h"

namespace runnel {
namespace {

using Policy = Functions::Addition::Policy;

void ReplyError(Context& context, std::string_view message) {
  context.reply().Error(fmt::format("ERR {}", message));
}

// What Redis says of a subcommand that it looks at only after it was called.
void FailOnArguments(Context& context) {
  ReplyError(
      context,
      fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try FUNCTION HELP.",
                  context.arg(1)));
}

template <bool kReadOnlyScript>
void Fcall(Context& context) {
  // As for EVAL.
  if (context.only_looks()) return context.reply().Null();
  Execution& execution = Execution::Of(context);
  TellMonitors(execution);
  const Functions::Found found = execution.parts().functions.Find(context.arg(1));
  if (found.function == nullptr) return context.reply().Error(found.error);
  const std::optional<ScriptArguments> arguments =
      ReadScriptArguments(context, "ERR Bad number of keys provided");
  if (!arguments) return;
  ScriptRun(execution, found.function->flags, kReadOnlyScript)
      .Run(*found.function, arguments->keys, arguments->args);
}

void FunctionLoad(Context& context) {
  const size_t code = context.argc() - 1;
  Policy policy = Policy::kAppend;
  for (size_t i = 2; i < code; i++) {
    if (!EqualsIgnoreCase(context.arg(i), "replace")) {
      return ReplyError(context, fmt::format("Unknown option given: {}", context.arg(i)));
    }
    policy = Policy::kReplace;
  }
  // Redis asks for the name before it compiles.
  const Result<std::string> name = FunctionLibraries::NameOf(context.arg(code));
  if (!name.ok()) return ReplyError(context, name.message());
  if (policy == Policy::kAppend && context.keyspace().functions().Find(*name) != nullptr) {
    return ReplyError(context, fmt::format("Library '{}' already exists", *name));
  }
  Functions::Addition addition(Execution::Of(context).parts().functions);
  Status status = addition.Compile(context.arg(code));
  if (status.ok()) status = addition.Check(policy);
  if (!status.ok()) return ReplyError(context, status.message());
  if (addition.Commit(context, policy)) context.reply().Bulk(*name);
}

void FunctionDelete(Context& context) {
  if (context.keyspace().functions().Find(context.arg(2)) == nullptr) {
    return ReplyError(context, "Library not found");
  }
  Execution::Of(context).parts().functions.Remove(context, context.arg(2));
  context.reply().Ok();
}

// What is removed is freed later in both modes.
void FunctionFlush(Context& context) {
  if (context.argc() > 3) return FailOnArguments(context);
  if (context.argc() == 3 && !EqualsIgnoreCase(context.arg(2), "sync") &&
      !EqualsIgnoreCase(context.arg(2), "async")) {
    return ReplyError(context, "FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  if (!context.keyspace().functions().empty()) {
    Execution::Of(context).parts().functions.RemoveAll(context);
  }
  context.reply().Ok();
}

void FunctionDump(Context& context) {
  const FunctionCatalog& functions = context.keyspace().functions();
  const size_t limit = context.options().max_bulk_bytes;
  if (DumpBytes(functions) > limit) {
    return ReplyError(
        context, fmt::format("the dump would have more than {} bytes (proto-max-bulk-len)", limit));
  }
  context.reply().Bulk(DumpFunctions(functions));
}

void FunctionRestore(Context& context) {
  if (context.argc() > 4) return FailOnArguments(context);
  Policy policy = Policy::kAppend;
  if (context.argc() == 4) {
    const std::string_view word = context.arg(3);
    if (EqualsIgnoreCase(word, "replace")) {
      policy = Policy::kReplace;
    } else if (EqualsIgnoreCase(word, "flush")) {
      policy = Policy::kFlush;
    } else if (!EqualsIgnoreCase(word, "append")) {
      return ReplyError(
          context, "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    }
  }
  Result<FunctionDumpReader> dump =
      FunctionDumpReader::Open(context.arg(2), Functions::kMostLibraryBytes);
  if (!dump.ok()) return ReplyError(context, dump.message());
  Functions::Addition addition(Execution::Of(context).parts().functions);
  // One text at a time: a small dump may have many large ones.
  while (!dump->done()) {
    const Result<std::string> text = dump->Next();
    if (!text.ok()) return ReplyError(context, text.message());
    const Status compiled = addition.Compile(*text);
    if (!compiled.ok()) return ReplyError(context, compiled.message());
  }
  const Status status = addition.Check(policy);
  if (!status.ok()) return ReplyError(context, status.message());
  if (addition.Commit(context, policy)) context.reply().Ok();
}

void ReplyFunction(const StoredFunction& function, ReplyWriter& reply) {
  reply.Map(3);
  reply.Bulk("name");
  reply.Bulk(function.name);
  reply.Bulk("description");
  function.description ? reply.Bulk(*function.description) : reply.Null();
  reply.Bulk("flags");
  std::vector<std::string_view> flags;
  for (const ScriptFlagName& flag : kScriptFlagNames) {
    if ((function.flags & flag.flag) != 0) flags.push_back(flag.name);
  }
  reply.Set(flags.size());
  for (const std::string_view flag : flags) {
    reply.Simple(flag);
  }
}

void FunctionList(Context& context) {
  std::optional<std::string_view> pattern;
  bool with_code = false;
  for (size_t i = 2; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (!with_code && EqualsIgnoreCase(option, "withcode")) {
      with_code = true;
    } else if (!pattern && EqualsIgnoreCase(option, "libraryname")) {
      if (++i == context.argc()) return ReplyError(context, "library name argument was not given");
      pattern = context.arg(i);
    } else {
      return ReplyError(context, fmt::format("Unknown argument {}", option));
    }
  }
  std::vector<const StoredLibrary*> libraries;
  for (const auto& [name, entry] : context.keyspace().functions().entries()) {
    if (!pattern || GlobMatch(*pattern, name, true)) libraries.push_back(entry.library.get());
  }
  ReplyWriter& reply = context.reply();
  reply.Array(libraries.size());
  for (const StoredLibrary* const library : libraries) {
    reply.Map(with_code ? 4 : 3);
    reply.Bulk("library_name");
    reply.Bulk(library->name);
    reply.Bulk("engine");
    reply.Bulk("LUA");
    reply.Bulk("functions");
    reply.Array(library->functions.size());
    for (const StoredFunction& function : library->functions) {
      ReplyFunction(function, reply);
    }
    if (!with_code) continue;
    reply.Bulk("library_code");
    reply.Bulk(library->code);
  }
}

void FunctionStats(Context& context) {
  const Parts& parts = Execution::Of(context).parts();
  const RunningScript* const running = parts.scripts.running();
  // As in Redis.
  if (running != nullptr && !running->is_function) {
    return context.reply().Error(parts.scripts.BusyError());
  }
  const FunctionCatalog& functions = context.keyspace().functions();
  ReplyWriter& reply = context.reply();
  reply.Map(2);
  reply.Bulk("running_script");
  if (running == nullptr) {
    reply.Null();
  } else {
    reply.Map(3);
    reply.Bulk("name");
    reply.Bulk(running->name);
    reply.Bulk("command");
    reply.Array(running->command.size());
    for (const std::string_view word : running->command) {
      reply.Bulk(word);
    }
    reply.Bulk("duration_ms");
    reply.Integer((parts.clock.clock().SteadyMicros() - running->began_us) / 1000);
  }
  reply.Bulk("engines");
  reply.Map(1);
  reply.Bulk("LUA");
  reply.Map(2);
  reply.Bulk("libraries_count");
  reply.Integer(static_cast<int64_t>(functions.size()));
  reply.Bulk("functions_count");
  reply.Integer(static_cast<int64_t>(functions.function_count()));
}

void FunctionKill(Context& context) {
  const Status asked = Execution::Of(context).parts().scripts.Kill(true);
  asked.ok() ? context.reply().Ok() : context.reply().Error(asked.message());
}

constexpr CommandSpec kFunctionSubcommands[] = {
    {.name = "delete",
     .run = FunctionDelete,
     .arity = 3,
     .flags = kWrite | kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(F + log(N)) for F functions of the library and N libraries",
     .summary = "Removes a library with its functions",
     .syntax = "library-name"},
    {.name = "dump",
     .run = FunctionDump,
     .arity = 2,
     .flags = kNoScript | kShowsState,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) for N bytes of all libraries",
     .summary = "Returns all libraries as bytes for FUNCTION RESTORE",
     .syntax = ""},
    {.name = "flush",
     .run = FunctionFlush,
     .arity = -2,
     .flags = kWrite | kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) for N functions",
     .summary = "Removes all libraries",
     .syntax = "[<ASYNC|SYNC>]"},
    {.name = "kill",
     .run = FunctionKill,
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Ends the function that runs, if it has changed nothing",
     .syntax = ""},
    {.name = "list",
     .run = FunctionList,
     .arity = -2,
     .flags = kNoScript | kShowsState,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) for N functions",
     .summary = "Lists the libraries and their functions",
     .syntax = "[LIBRARYNAME library-name-pattern] [WITHCODE]"},
    {.name = "load",
     .run = FunctionLoad,
     .arity = -3,
     .flags = kWrite | kDenyOom | kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) for N bytes of the library, and what it does when it is loaded",
     .summary = "Makes a library of functions from its text",
     .syntax = "[REPLACE] function-code"},
    {.name = "restore",
     .run = FunctionRestore,
     .arity = -3,
     .flags = kWrite | kDenyOom | kNoScript,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) for N bytes of the libraries, and what they do when they are loaded",
     .summary = "Makes libraries from bytes that FUNCTION DUMP gave",
     .syntax = "serialized-value [<FLUSH|APPEND|REPLACE>]"},
    {.name = "stats",
     .run = FunctionStats,
     .arity = 2,
     .flags = kNoScript | kAllowBusy | kShowsState,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells which function runs, and how many libraries and functions there are",
     .syntax = ""},
    {.name = "help",
     .run = ReplyHelp,
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = kAclScripting,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands",
     .syntax = ""},
};

constexpr CommandSpec kFunctionCommands[] = {
    {.name = "fcall",
     .run = Fcall<false>,
     .arity = -3,
     .flags = kScriptFlags | kMayReplicate | kShowsState,
     .categories = kAclScripting,
     .keys = kScriptKeys,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "That of the function",
     .summary = "Calls a function of a library",
     .syntax = "function numkeys [key ...] [arg ...]"},
    {.name = "fcall_ro",
     .run = Fcall<true>,
     .arity = -3,
     .flags = kScriptFlags | kReadOnly,
     .categories = kAclScripting,
     .keys = kReadOnlyScriptKeys,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "That of the function",
     .summary = "Calls a function of a library that changes nothing",
     .syntax = "function numkeys [key ...] [arg ...]"},
    {.name = "function",
     .arity = -2,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on the subcommand",
     .summary = "Commands about libraries of functions",
     .subcommands = kFunctionSubcommands},
};

}  // namespace

std::span<const CommandSpec> FunctionCommands() {
  return kFunctionCommands;
}

}  // namespace runnel
