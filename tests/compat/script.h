#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/resp_client.h"

namespace runnel::compat {

using test::Argv;

// "@name" or "@name(argument,argument)" before a command: how its step is run or compared. The
// names and what they do are listed in README.md.
struct Modifier {
  std::string name;
  std::vector<std::string> arguments;
};

// What our server is to answer where it differs from the oracle on purpose.
struct Expectation {
  char connection = 'a';  // whose replies
  int protocol = 0;       // 0: both; else only when the case runs in RESP2 or RESP3
  std::string text;       // as ToText writes it
};

// One line of a script: a command on one connection, or the end of the connection.
struct Step {
  char connection = 'a';
  Argv words;  // with {variables} not yet filled in
  std::vector<Modifier> modifiers;
  // Sent together with the next step, without waiting for the reply ("a>>").
  bool more = false;
  bool disconnect = false;
  // Belongs to the step before: a caller that shortens a script takes both or none.
  bool glued = false;
  std::vector<Expectation> expected;
  int line = 0;  // in the file; 0 if it comes from no file

  const Modifier* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
};

using Script = std::vector<Step>;

// Whether the script has commands that only our server knows, and that the oracle gets as others.
bool Mirrors(const Script& script);

// A titled script in a .case file.
struct Case {
  std::string file;
  std::string title;
  int line = 0;
  // The entry of differences.txt that accounts for the expectations. Empty: there are none.
  std::string reason;
  bool only_ours = false;  // the oracle does not know these commands at all
  int protocol = 0;        // 0: run in both
  Script steps;
};

// Parses the text of a .case file. On a mistake *error names file and line, and the result is
// empty.
std::vector<Case> ParseCases(const std::string& file, std::string_view text, std::string* error);

// The step, or the script, as ParseCases reads it.
std::string ToText(const Step& step);
std::string ToText(const Script& script);

}  // namespace runnel::compat
