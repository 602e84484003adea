#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/compat/script.h"
#include "tests/support/reply.h"

namespace runnel::compat {

// One rule of a difference: what it does to a comparison. README.md lists the verbs.
struct Rule {
  std::string verb;
  Argv command;                     // the rule is for commands that start with these words
  std::vector<std::string> values;  // field names, a number, or the two patterns of `reply`
};

// Something in which our server differs from the oracle on purpose.
struct Difference {
  std::string name;
  std::string reason;
  std::vector<Rule> rules;
};

// The list of all differences on purpose, differences.txt: the only place where one can be excused.
class Differences {
 public:
  // Parses the file's text. On a mistake *error tells where, and the result is empty.
  static std::optional<Differences> Parse(std::string_view text, std::string* error);

  const std::vector<Difference>& all() const { return all_; }
  const Difference* Find(std::string_view name) const;

  // The names of the differences with a rule of this verb.
  std::vector<std::string> NamesWith(std::string_view verb) const;

  // In a random run the rules with "in-random" hold too.
  void set_random(bool on) { random_ = on; }

  // Whether the two servers answered `command` alike, as far as the rules demand.
  bool Same(const Argv& command, const test::Reply& ours, const test::Reply& theirs) const;

 private:
  test::Reply Normalised(const Argv& command, test::Reply reply) const;

  std::vector<Difference> all_;
  bool random_ = false;
};

}  // namespace runnel::compat
