#pragma once

#include <span>

#include "commands/command.h"

namespace runnel {

// The commands about the process and its configuration. The host of their broker must be a
// ServerHost.
std::span<const CommandSpec> ServerCommands();

}  // namespace runnel
