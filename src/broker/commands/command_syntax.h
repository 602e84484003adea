#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace runnel {

// An argument of a command as COMMAND DOCS describes it. Views point into the syntax that it was
// read from, or to literals.
struct CommandArgument {
  std::string name;
  // "string", "integer", "double", "key", "pattern", "unix-time"; "pure-token"; "oneof" and "block"
  // have parts.
  std::string_view type;
  // The word that stands before the argument, or is all of it (a pure-token). Empty if there is
  // none.
  std::string_view token;
  bool optional = false;
  bool multiple = false;        // may come several times
  bool multiple_token = false;  // each time with the token
  std::vector<CommandArgument> parts;
};

// Reads the small language of CommandSpec::syntax:
//
//   syntax := item...
//   item   := (word | TOKEN word | TOKEN | TOKEN group | group) ["..."]
//   group  := "[" choice "]" | "<" choice ">" | "(" choice ")"
//   choice := syntax { "|" syntax }
//   word   := lower-case name [":" type]
//
// [x] is optional, "..." says that the thing before it repeats. A token belongs to the word after
// it, or to the < or ( group after it if that has no token of its own; and to all of the words in
// `[TOKEN word word]`. Groups that hold one thing are that thing. A word without a type is a
// string, except for the few names that tell their type (see the table in the source). What has no
// name of its own is called by the names of its parts.
//
// Fails on a text that is not in this language: since all syntaxes are literals, that is a fault of
// the program.
Result<std::vector<CommandArgument>> ParseCommandSyntax(std::string_view syntax);

}  // namespace runnel
