#pragma once

// For tests: the whole content of a keyspace as one comparable value.

#include <map>
#include <string>
#include <utility>

#include "data/keyspace.h"

namespace runnel {

// What a key holds, in a form that is equal exactly if type, value and expiry are.
struct KeyContent {
  ObjectType type;
  int64_t expire_at_ms;
  std::string payload;

  bool operator==(const KeyContent&) const = default;
};

using KeyspaceContent = std::map<std::pair<uint32_t, std::string>, KeyContent>;

inline KeyspaceContent ContentOf(const Keyspace& keyspace) {
  KeyspaceContent content;
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    keyspace.table(db).ForEach([&](const Entry* entry) {
      std::string payload;
      entry->value().Serialize(&payload);
      content.insert({{db, std::string(entry->name())},
                      {entry->type(), entry->expire_at_ms(), std::move(payload)}});
    });
  }
  return content;
}

}  // namespace runnel
