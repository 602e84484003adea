#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "commands/command.h"

namespace runnel {

// All categories of the ACL that Redis 7 knows, without @, in the order of ACL CAT. Those of types
// that are not served have no commands.
std::span<const std::string_view> AclCategories();

// The categories of a command, without @: those that it names and those that follow from its flags.
std::vector<std::string_view> AclCategoriesOf(const CommandSpec& spec);

// `category` in any case, without @.
bool IsInAclCategory(const CommandSpec& spec, std::string_view category);

}  // namespace runnel
