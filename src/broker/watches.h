#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "broker/key_name.h"
#include "broker/session.h"
#include "broker/watch.h"
#include "data/keyspace.h"

namespace runnel {

// Keys under WATCH. A change of a watched key breaks the transactions of all who watch it. Each
// call costs constant time for each key and each watcher that it concerns.
class Watches {
 public:
  bool empty() const { return keys_.empty(); }
  // Keys that somebody watches.
  size_t keys() const { return keys_.size(); }

  // Does nothing if the session watches the key already. `exists`: whether there is such a key now.
  void Add(Session& session, uint32_t db, std::string_view name, bool exists);
  // Forgets all that the session watches, and that something has changed.
  void Unwatch(Session& session);

  void OnKeyChange(uint32_t db, std::string_view name);
  // All keys of the database, which are still there, are about to go.
  void OnFlush(uint32_t db, const Keyspace& keyspace);
  // The databases have changed places: keys that are in either of them now mean something else.
  void OnSwap(uint32_t a, uint32_t b, const Keyspace& keyspace);

 private:
  using Pair = std::pair<const WatchedKey*, const Session*>;

  static void Break(const WatchedKey& key);

  absl::flat_hash_set<std::unique_ptr<WatchedKey>, KeyNameHash, KeyNameEqual> keys_;
  absl::flat_hash_set<Pair> pairs_;  // who watches what, so that nobody watches a key twice
};

}  // namespace runnel
