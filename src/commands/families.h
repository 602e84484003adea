#pragma once

#include <span>

#include "commands/command.h"

namespace runnel {

// The commands of each family in this folder. The broker's table takes them together with those of
// higher layers; a new family adds its line here and in broker/broker.cc.
std::span<const CommandSpec> KeyspaceCommands();
std::span<const CommandSpec> StringCommands();
std::span<const CommandSpec> ListCommands();
std::span<const CommandSpec> StreamCommands();
std::span<const CommandSpec> GroupCommands();
std::span<const CommandSpec> TopicCommands();
std::span<const CommandSpec> TopicGroupCommands();
std::span<const CommandSpec> HashCommands();
std::span<const CommandSpec> SetCommands();
std::span<const CommandSpec> SortedSetCommands();

}  // namespace runnel
