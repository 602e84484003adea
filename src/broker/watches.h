#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/session.h"
#include "data/keyspace.h"

namespace runnel {

// Keys under WATCH. A change of a watched key breaks the transactions of all who watch it.
class Watches {
 public:
  bool empty() const { return watchers_.empty(); }
  // Keys that somebody watches.
  size_t keys() const { return watchers_.size(); }

  void Watch(Session& session, uint32_t db, std::string_view name);
  // Forgets all that the session watches, and that something has changed.
  void Unwatch(Session& session);

  void OnKeyChange(uint32_t db, std::string_view name);
  // All keys of the database, which are still there, are about to go.
  void OnFlush(uint32_t db, const Keyspace& keyspace);
  // The databases have changed places: keys that are in either of them now mean something else.
  void OnSwap(uint32_t a, uint32_t b, const Keyspace& keyspace);

 private:
  using Key = std::pair<uint32_t, std::string>;

  static void Break(const std::vector<Session*>& sessions);

  absl::flat_hash_map<Key, std::vector<Session*>> watchers_;
};

}  // namespace runnel
