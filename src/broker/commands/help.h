#pragma once

#include "commands/context.h"

namespace runnel {

// What every HELP subcommand answers: the subcommands beside it, each with its arguments and its
// summary, read off the command table.
void ReplyHelp(Context& context);

// The error of a subcommand that was given arguments that it does not take.
void ReplyWrongSubcommand(Context& context);

}  // namespace runnel
