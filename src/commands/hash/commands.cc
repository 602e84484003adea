#include "commands/families.h"

namespace runnel {

std::span<const CommandSpec> HashCommands() {
  return {};
}

}  // namespace runnel
