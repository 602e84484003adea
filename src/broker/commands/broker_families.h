#pragma once

#include <span>

#include "commands/command.h"

namespace runnel {

// The commands about connections and the broker itself. Their handlers use Execution::Of(context).
std::span<const CommandSpec> ConnectionCommands();
std::span<const CommandSpec> ClientCommands();
std::span<const CommandSpec> PubSubCommands();
std::span<const CommandSpec> TransactionCommands();
std::span<const CommandSpec> ScriptCommands();
std::span<const CommandSpec> FunctionCommands();
std::span<const CommandSpec> IntrospectionCommands();

}  // namespace runnel
