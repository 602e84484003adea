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

// Keys under WATCH. A change of a watched key breaks the transactions of all sessions that watch
// it. A call takes constant time for each key and each watching session that it concerns.
class Watches {
 public:
  bool empty() const { return keys_.empty(); }
  // The number of watched keys.
  size_t keys() const { return keys_.size(); }

  // Does nothing if the session already watches the key. `exists`: whether the key exists now.
  void Add(Session& session, uint32_t db, std::string_view name, bool exists);
  // Forgets all keys that the session watches, and whether one has changed.
  void Unwatch(Session& session);

  void OnKeyChange(uint32_t db, std::string_view name);
  // All keys of the database are about to be removed; they still exist.
  void OnFlush(uint32_t db, const Keyspace& keyspace);
  // The databases have changed places: keys that are in either of them now mean something else.
  void OnSwap(uint32_t a, uint32_t b, const Keyspace& keyspace);

 private:
  using Pair = std::pair<const WatchedKey*, const Session*>;

  static void Break(const WatchedKey& key);

  absl::flat_hash_set<std::unique_ptr<WatchedKey>, KeyNameHash, KeyNameEqual> keys_;
  absl::flat_hash_set<Pair> pairs_;  // so that no session watches a key twice
};

}  // namespace runnel
