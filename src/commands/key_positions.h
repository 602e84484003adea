#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "commands/command.h"

namespace runnel {

// An argument of a call that is a key.
struct KeyPosition {
  size_t index = 0;
  const KeySpec* spec = nullptr;  // what is done to it
};

// The keys among the arguments of a call, in the order of the command's key specifications. args[0]
// is the command's name; for a subcommand, args[1] is its name. Nothing if the arguments cannot
// belong to the command: a number of keys that is no number or more than the arguments, or no
// word after which its keys stand. The arguments are not checked otherwise.
std::optional<std::vector<KeyPosition>> FindKeys(const CommandSpec& spec,
                                                 std::span<const std::string_view> args);

// The keys as three numbers, as Redis gave them before it had key specifications: the keys of all
// consecutive kRange specifications. 0, 0, 0 if there are none. A negative `last` counts from the
// last argument, which is -1.
struct KeyRange {
  int first = 0;
  int last = 0;
  int step = 0;
};
KeyRange FindKeyRange(const CommandSpec& spec);

// True if some keys can be found only by looking at the arguments, so that the range does not
// include all of them.
bool HasMovableKeys(const CommandSpec& spec);

}  // namespace runnel
