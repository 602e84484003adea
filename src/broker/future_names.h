#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/command.h"
#include "commands/context.h"
#include "data/keyspace.h"

namespace runnel {

// Maps names of keys as later commands of a transaction will see them to the names that the values
// have now: commands before them in the queue may rename and copy keys.
class FutureNames {
 public:
  explicit FutureNames(const Keyspace& keyspace);

  // Replaces the keys among the arguments of a command that will run in *db with their present
  // names, and sets *db to the database in which the values are now. The views are valid until the
  // next Give. Returns false if the values are in several databases, so that one command cannot
  // name them.
  bool ToNow(const CommandSpec& spec, uint32_t* db, std::vector<std::string_view>* args) const;
  // The command, with its own arguments, gives the value of its first key to its last key.
  void Give(const CommandSpec& spec, uint32_t db, std::span<const std::string_view> args,
            const WouldChange& change);

 private:
  using Name = std::pair<uint32_t, std::string>;
  // The present name; a name that no key has if there will be no value.
  Name Find(uint32_t db, std::string_view name) const;

  std::map<Name, Name> names_;
  std::string nobody_;  // no key has this name, in any database
};

}  // namespace runnel
