#include "commands/families.h"

namespace runnel {

std::span<const CommandSpec> SetCommands() {
  return {};
}

}  // namespace runnel
