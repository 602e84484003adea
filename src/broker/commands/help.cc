#include "broker/commands/help.h"

#include <string>

#include "base/text.h"
#include "broker/command_table.h"
#include "broker/execution.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// The arguments as a person reads them: a type is for COMMAND DOCS.
std::string WithoutTypes(std::string_view syntax) {
  std::string text;
  bool in_type = false;
  for (const char c : syntax) {
    const bool is_word = c == '-' || (c >= 'a' && c <= 'z');
    in_type = c == ':' || (in_type && is_word);
    if (!in_type) text += c;
  }
  return text;
}

}  // namespace

void ReplyHelp(Context& context) {
  const Command& help = Execution::Of(context).command();
  const Command& parent = *help.parent;
  ReplyWriter& reply = context.reply();
  reply.Array(1 + 2 * parent.subcommands.size());
  reply.Simple(fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                           UpperCase(parent.spec->name)));
  const auto describe = [&](const CommandSpec& spec) {
    const std::string arguments = WithoutTypes(spec.syntax);
    reply.Simple(
        fmt::format("{}{}{}", UpperCase(spec.name), arguments.empty() ? "" : " ", arguments));
    reply.Simple(fmt::format("    {}.", spec.summary));
  };
  for (const auto& subcommand : parent.subcommands) {
    if (subcommand.get() != &help) describe(*subcommand->spec);
  }
  describe(*help.spec);
}

void ReplyWrongSubcommand(Context& context) {
  const Command& parent = *Execution::Of(context).command().parent;
  context.reply().Error(
      fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
                  context.arg(1).substr(0, 128), UpperCase(parent.spec->name)));
}

}  // namespace runnel
