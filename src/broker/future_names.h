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

// Under which names values lie now that commands of a transaction will find under other names,
// because commands before them in its queue rename and copy keys.
class FutureNames {
 public:
  explicit FutureNames(const Keyspace& keyspace);

  // Puts the names of now in the place of the keys among the arguments of a command that will run
  // in *db, and makes *db the database in which they lie. The views are good until the next Give.
  // Returns false if that cannot be said in one command: the values lie in several databases.
  bool ToNow(const CommandSpec& spec, uint32_t* db, std::vector<std::string_view>* args) const;
  // The command, with its own arguments, gives the value of its first key to its last one.
  void Give(const CommandSpec& spec, uint32_t db, std::span<const std::string_view> args,
            const WouldChange& change);

 private:
  using Name = std::pair<uint32_t, std::string>;
  // The name of now; one that no key has if there will be no value.
  Name Find(uint32_t db, std::string_view name) const;

  std::map<Name, Name> names_;
  std::string nobody_;  // no key has this name, in no database
};

}  // namespace runnel
