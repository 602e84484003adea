#include "commands/families.h"

namespace runnel {

std::span<const CommandSpec> SortedSetCommands() {
  return {};
}

}  // namespace runnel
