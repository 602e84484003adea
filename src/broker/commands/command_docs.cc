#include "broker/commands/command_docs.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/glob.h"
#include "base/text.h"
#include "broker/commands/acl_categories.h"
#include "broker/commands/command_syntax.h"
#include "commands/errors.h"
#include "commands/key_positions.h"

namespace runnel {
namespace {

struct FlagName {
  uint32_t flag;
  std::string_view name;
};

// The flags that Redis tells clients: kMayReplicate and those that are only ours are not among
// them.
constexpr FlagName kFlagNames[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kNoMandatoryKeys, "no_mandatory_keys"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

constexpr FlagName kUseNames[] = {
    {KeySpec::kUseAccess, "access"},
    {KeySpec::kUseUpdate, "update"},
    {KeySpec::kUseInsert, "insert"},
    {KeySpec::kUseDelete, "delete"},
};

std::vector<std::string_view> NamesOf(std::span<const FlagName> known, uint32_t flags) {
  std::vector<std::string_view> names;
  for (const FlagName& flag : known) {
    if (flags & flag.flag) names.push_back(flag.name);
  }
  return names;
}

void WriteSet(ReplyWriter& reply, std::span<const std::string_view> names,
              std::string_view prefix = {}) {
  reply.Set(names.size());
  for (const std::string_view name : names) {
    reply.Simple(std::string(prefix).append(name));
  }
}

// --- COMMAND INFO -------------------------------------------------------------------------------

std::vector<std::string_view> AccessNames(const KeySpec& spec) {
  if (spec.not_key) return {"not_key"};
  constexpr std::string_view kAccess[] = {"RO", "RW", "OW", "RM"};
  std::vector<std::string_view> names = NamesOf(kUseNames, spec.use);
  names.insert(names.begin(), kAccess[spec.access]);
  return names;
}

using Numbers = std::initializer_list<std::pair<std::string_view, int>>;

void WriteNumbers(ReplyWriter& reply, Numbers numbers) {
  for (const auto& [name, number] : numbers) {
    reply.Bulk(name);
    reply.Integer(number);
  }
}

void WriteSearch(ReplyWriter& reply, std::string_view type, size_t fields) {
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk(type);
  reply.Bulk("spec");
  reply.Map(fields);
}

void WriteKeySpec(ReplyWriter& reply, const KeySpec& spec) {
  reply.Map(3);
  reply.Bulk("flags");
  std::vector<std::string_view> names = AccessNames(spec);
  // COMMAND GETKEYSANDFLAGS does not tell: there the call has told which access it is.
  if (spec.variable_flags) names.push_back("variable_flags");
  WriteSet(reply, names);
  reply.Bulk("begin_search");
  if (spec.find == KeySpec::kUnknown || spec.find == KeySpec::kSortTarget) {
    WriteSearch(reply, "unknown", 0);
  } else if (spec.find == KeySpec::kKeyword || spec.find == KeySpec::kAllAfter) {
    WriteSearch(reply, "keyword", 2);
    reply.Bulk("keyword");
    reply.Bulk(spec.keyword);
    WriteNumbers(reply, {{"startfrom", spec.first}});
  } else {
    WriteSearch(reply, "index", 1);
    WriteNumbers(reply, {{"index", spec.first}});
  }
  reply.Bulk("find_keys");
  switch (spec.find) {
    case KeySpec::kRange:
      WriteSearch(reply, "range", 3);
      return WriteNumbers(reply, {{"lastkey", spec.last}, {"keystep", spec.step}, {"limit", 0}});
    case KeySpec::kKeyword:
      WriteSearch(reply, "range", 3);
      return WriteNumbers(reply, {{"lastkey", -1}, {"keystep", 1}, {"limit", 2}});
    case KeySpec::kAllAfter:
      WriteSearch(reply, "range", 3);
      return WriteNumbers(reply, {{"lastkey", -1}, {"keystep", 1}, {"limit", 0}});
    case KeySpec::kKeyNum:
      WriteSearch(reply, "keynum", 3);
      return WriteNumbers(reply, {{"keynumidx", 0}, {"firstkey", 1}, {"keystep", 1}});
    case KeySpec::kUnknown:
    case KeySpec::kSortTarget:
      return WriteSearch(reply, "unknown", 0);
  }
}

void WriteInfo(ReplyWriter& reply, const Command& command) {
  const CommandSpec& spec = *command.spec;
  uint32_t flags = spec.flags;
  if (HasMovableKeys(spec)) flags |= kMovableKeys;
  const KeyRange range = FindKeyRange(spec);
  reply.Array(10);
  reply.Bulk(command.full_name);
  reply.Integer(spec.arity);
  WriteSet(reply, NamesOf(kFlagNames, flags));
  reply.Integer(range.first);
  reply.Integer(range.last);
  reply.Integer(range.step);
  WriteSet(reply, AclCategoriesOf(spec), "@");
  reply.Set(0);  // tips for cluster clients
  reply.Set(spec.keys.size());
  for (const KeySpec& key_spec : spec.keys) {
    WriteKeySpec(reply, key_spec);
  }
  // An array of subcommands, but where there are none an empty set.
  if (command.subcommands.empty()) return reply.Set(0);
  reply.Array(command.subcommands.size());
  for (const auto& subcommand : command.subcommands) {
    WriteInfo(reply, *subcommand);
  }
}

// --- COMMAND DOCS -------------------------------------------------------------------------------

void WriteText(ReplyWriter& reply, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  reply.Bulk(name);
  reply.Bulk(text);
}

// `keys` counts the key arguments seen so far: the n-th belongs to the n-th key specification.
void WriteArguments(ReplyWriter& reply, std::span<const CommandArgument> arguments,
                    const CommandSpec& spec, size_t* keys) {
  reply.Array(arguments.size());
  for (const CommandArgument& argument : arguments) {
    std::vector<std::string_view> flags;
    if (argument.optional) flags.push_back("optional");
    if (argument.multiple) flags.push_back("multiple");
    if (argument.multiple_token) flags.push_back("multiple_token");
    const bool is_key = argument.type == "key" && !spec.keys.empty();
    reply.Map(2 + is_key + !argument.token.empty() + !flags.empty() + !argument.parts.empty());
    WriteText(reply, "name", argument.name);
    WriteText(reply, "type", argument.type);
    if (is_key) {
      reply.Bulk("key_spec_index");
      reply.Integer(static_cast<int64_t>(std::min((*keys)++, spec.keys.size() - 1)));
    }
    WriteText(reply, "token", argument.token);
    if (!flags.empty()) {
      reply.Bulk("flags");
      WriteSet(reply, flags);
    }
    if (!argument.parts.empty()) {
      reply.Bulk("arguments");
      WriteArguments(reply, argument.parts, spec, keys);
    }
  }
}

void WriteDocs(ReplyWriter& reply, const Command& command) {
  const CommandSpec& spec = *command.spec;
  const auto arguments = ParseCommandSyntax(spec.syntax);
  CHECK(arguments.ok());
  reply.Bulk(command.full_name);
  reply.Map(!spec.summary.empty() + !spec.since.empty() + !spec.group.empty() +
            !spec.complexity.empty() + !arguments->empty() + !command.subcommands.empty());
  WriteText(reply, "summary", spec.summary);
  WriteText(reply, "since", spec.since);
  WriteText(reply, "group", spec.group);
  WriteText(reply, "complexity", spec.complexity);
  if (!arguments->empty()) {
    reply.Bulk("arguments");
    size_t keys = 0;
    WriteArguments(reply, *arguments, spec, &keys);
  }
  if (!command.subcommands.empty()) {
    reply.Bulk("subcommands");
    reply.Map(command.subcommands.size());
    for (const auto& subcommand : command.subcommands) {
      WriteDocs(reply, *subcommand);
    }
  }
}

// The names of those commands that `matches` takes, subcommands included.
template <class Matches>
void WriteNames(ReplyWriter& reply, const CommandTable& table, Matches matches) {
  std::vector<std::string_view> names;
  for (const auto& command : table.commands()) {
    if (matches(*command)) names.push_back(command->full_name);
    for (const auto& subcommand : command->subcommands) {
      if (matches(*subcommand)) names.push_back(subcommand->full_name);
    }
  }
  reply.Array(names.size());
  for (const std::string_view name : names) {
    reply.Bulk(name);
  }
}

// The command that a call names with its first words; nullptr if there is none.
const Command* FindCalled(const CommandTable& table, std::span<const std::string_view> args) {
  const Command* command = table.Find(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() == 1) return command;
  return CommandTable::FindSubcommand(*command, args[1]);
}

}  // namespace

void WriteCommandInfo(ReplyWriter& reply, const CommandTable& table, CommandNames names) {
  if (names.empty()) {
    reply.Array(table.commands().size());
    for (const auto& command : table.commands()) {
      WriteInfo(reply, *command);
    }
    return;
  }
  reply.Array(names.size());
  for (const std::string_view name : names) {
    const Command* command = table.FindFull(name);
    command == nullptr ? reply.Null() : WriteInfo(reply, *command);
  }
}

void WriteCommandDocs(ReplyWriter& reply, const CommandTable& table, CommandNames names) {
  if (names.empty()) {
    reply.Map(table.commands().size());
    for (const auto& command : table.commands()) {
      WriteDocs(reply, *command);
    }
    return;
  }
  std::vector<const Command*> found;
  for (const std::string_view name : names) {
    const Command* command = table.FindFull(name);
    if (command != nullptr) found.push_back(command);
  }
  reply.Map(found.size());
  for (const Command* command : found) {
    WriteDocs(reply, *command);
  }
}

void WriteCommandCount(ReplyWriter& reply, const CommandTable& table) {
  reply.Integer(static_cast<int64_t>(table.commands().size()));
}

void WriteCommandList(ReplyWriter& reply, const CommandTable& table,
                      std::span<const std::string_view> arguments) {
  if (arguments.empty()) {
    return WriteNames(reply, table, [](const Command&) { return true; });
  }
  if (arguments.size() != 3 || !EqualsIgnoreCase(arguments[0], "FILTERBY")) {
    return reply.Error(kSyntaxError);
  }
  const std::string_view value = arguments[2];
  if (EqualsIgnoreCase(arguments[1], "PATTERN")) {
    return WriteNames(reply, table, [&](const Command& command) {
      return GlobMatch(value, command.full_name, true);
    });
  }
  if (EqualsIgnoreCase(arguments[1], "ACLCAT")) {
    return WriteNames(reply, table, [&](const Command& command) {
      return IsInAclCategory(*command.spec, value);
    });
  }
  // There are no modules, so none of their commands.
  if (EqualsIgnoreCase(arguments[1], "MODULE")) return reply.Array(0);
  reply.Error(kSyntaxError);
}

void WriteCommandKeys(ReplyWriter& reply, const CommandTable& table,
                      std::span<const std::string_view> args, bool with_flags) {
  const Command* command = FindCalled(table, args);
  if (command == nullptr) return reply.Error("ERR Invalid command specified");
  const CommandSpec& spec = *command->spec;
  if (spec.keys.empty() || spec.keys[0].not_key) {
    return reply.Error("ERR The command has no key arguments");
  }
  const auto count = static_cast<int>(args.size());
  if (spec.arity > 0 ? count != spec.arity : count < -spec.arity) {
    return reply.Error("ERR Invalid number of arguments specified for command");
  }
  const std::optional<std::vector<KeyPosition>> keys = FindKeys(spec, args);
  // EVAL may have none, and then Redis does not look whether the arguments are right.
  if (!keys && (spec.flags & kNoMandatoryKeys) != 0) return reply.Array(0);
  if (!keys) return reply.Error("ERR Invalid arguments specified for command");
  reply.Array(keys->size());
  for (const KeyPosition& key : *keys) {
    if (with_flags) reply.Array(2);
    reply.Bulk(args[key.index]);
    if (with_flags) WriteSet(reply, AccessNames(*key.spec));
  }
}

}  // namespace runnel
