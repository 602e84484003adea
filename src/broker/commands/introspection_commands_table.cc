#include <algorithm>
#include <vector>

#include "base/text.h"
#include "broker/command_table.h"
#include "broker/commands/acl_categories.h"
#include "broker/commands/command_docs.h"
#include "broker/commands/help.h"
#include "broker/commands/introspection_commands.h"
#include "broker/execution.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

const CommandTable& TableOf(Context& context) {
  return Execution::Of(context).parts().commands;
}

}  // namespace

void CommandAll(Context& context) {
  WriteCommandInfo(context.reply(), TableOf(context), {});
}

void CommandInfo(Context& context) {
  WriteCommandInfo(context.reply(), TableOf(context), context.args().subspan(2));
}

void CommandCount(Context& context) {
  WriteCommandCount(context.reply(), TableOf(context));
}

void CommandDocs(Context& context) {
  WriteCommandDocs(context.reply(), TableOf(context), context.args().subspan(2));
}

void CommandList(Context& context) {
  WriteCommandList(context.reply(), TableOf(context), context.args().subspan(2));
}

void CommandGetKeys(Context& context) {
  WriteCommandKeys(context.reply(), TableOf(context), context.args().subspan(2), false);
}

void CommandGetKeysAndFlags(Context& context) {
  WriteCommandKeys(context.reply(), TableOf(context), context.args().subspan(2), true);
}

void AclCat(Context& context) {
  if (context.argc() > 3) return ReplyWrongSubcommand(context);
  std::vector<std::string_view> names;
  if (context.argc() == 2) {
    names.assign(AclCategories().begin(), AclCategories().end());
  } else {
    const std::string_view category = context.arg(2);
    const auto is_category = [&](std::string_view name) {
      return EqualsIgnoreCase(name, category);
    };
    if (std::none_of(AclCategories().begin(), AclCategories().end(), is_category)) {
      return context.reply().Error(fmt::format("ERR Unknown category '{}'", category));
    }
    for (const auto& command : TableOf(context).commands()) {
      if (IsInAclCategory(*command->spec, category)) names.push_back(command->full_name);
      for (const auto& subcommand : command->subcommands) {
        if (IsInAclCategory(*subcommand->spec, category)) names.push_back(subcommand->full_name);
      }
    }
  }
  context.reply().Array(names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
  }
}

}  // namespace runnel::commands
