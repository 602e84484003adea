#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/container/btree_set.h"
#include "data/key_entry.h"
#include "data/key_table.h"
#include "data/stream/hot_blocks.h"

namespace runnel {

// One database: its keys with their values, and which of them need work as time passes.
// Owned by the keyspace, and used by it alone, until it is flushed.
class Database {
 public:
  // Its blocks count in `hot`, which outlives it, or which it leaves (HotBlocks::Leave).
  explicit Database(HotBlocks* hot) : hot_blocks_(hot) {}
  // Frees all keys and values, in time proportional to their number. A flushed database may be
  // destroyed on any thread.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Keys.
  size_t size() const { return table_.size(); }

  struct ByName {
    using is_transparent = void;
    bool operator()(const KeyEntry* a, const KeyEntry* b) const { return a->name() < b->name(); }
    bool operator()(const KeyEntry* a, std::string_view b) const { return a->name() < b; }
    bool operator()(std::string_view a, const KeyEntry* b) const { return a < b->name(); }
  };
  using Listed = absl::btree_set<KeyEntry*, ByName>;

 private:
  friend class Keyspace;

  HotBlocks hot_blocks_;
  KeyTable table_;
  absl::btree_set<std::pair<int64_t, KeyEntry*>> expiries_;
  __int128 expiry_sum_ = 0;
  // Streams by the time at which retention has to look at them (Stream::noted_due), and streams
  // that have something to sweep.
  absl::btree_set<std::pair<int64_t, KeyEntry*>> due_;
  absl::btree_set<KeyEntry*> unswept_;
  // Hashes of which any field has an expiry, by Hash::NextExpiry.
  absl::btree_set<std::pair<int64_t, KeyEntry*>> field_expiries_;
  // Keys of types that are listed by name (Keyspace::Listed).
  Listed listed_;
  // Of the running capture: the number that the database had when it began, and how far the walk
  // over the table has come.
  uint32_t captured_as_ = 0;
  uint64_t cursor_ = 0;
  bool walked_ = false;
};

}  // namespace runnel
