#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/topic/key_index.h"
#include "data/topic/names.h"
#include "data/topic/tombstones.h"

namespace runnel {

// What a partition that keeps the newest record of each key knows of its keys: the offset of the
// newest record, and which of these records are tombstones. It does not remove records; it says
// which ones have to go. Offsets ascend, and so do times.
class Compaction {
 public:
  static constexpr uint64_t kNone = KeyIndex::kNone;
  // A tombstone goes this long after it was appended; 0: never.
  Compaction(const TopicId& topic, uint64_t tombstone_ms)
      : topic_(topic), tombstone_ms_(tombstone_ms) {}
  // Shares most of its memory (KeyIndex::Clone).
  std::unique_ptr<Compaction> Clone() const;

  // Keys, those included whose record retention has removed lately.
  size_t keys() const { return index_.size(); }
  // The time from which on PlanTombstones says something; INT64_MAX: never.
  int64_t DueMs() const;
  // All tombstones below this offset are too old; 0: none. At most kMostTombstones.
  static constexpr size_t kMostTombstones = 1000;
  uint64_t PlanTombstones(int64_t now_ms) const;
  size_t MemoryBytes() const;
  size_t FreeEffort() const { return 1 + index_.buckets(); }

  // What an append looks at lies in no cache: it is fetched in two steps, while the caller does
  // something else. The first one is for a command that is going to append a record with this key,
  // and may be left out; the second one, directly before, gives the hash for Append.
  void Expect(std::string_view key) const;
  RecordKeyHash Fetch(std::string_view key) const;

  // --- Changes ---

  void set_tombstone_ms(uint64_t ms) { tombstone_ms_ = ms; }
  // A record was appended whose key has this hash; `tombstone`: it has no field. Returns the offset
  // of the record that it replaces, or kNone. `floor` is the partition's first offset.
  uint64_t Append(StreamId id, const RecordKeyHash& key, bool tombstone, uint64_t floor);
  // The first tombstone below `offset` is no longer there; returns its offset, or kNone if there
  // is no such tombstone.
  uint64_t TakeTombstone(uint64_t offset);
  // Retention or a trim has removed the records below `floor`; `empty`: there is no other one.
  void Trim(uint64_t floor, bool empty);

  // Appends what Load reads. Load returns nullptr if the bytes are damaged.
  void Serialize(Encoder* out, uint64_t floor) const;
  static std::unique_ptr<Compaction> Load(Decoder* in, uint64_t floor, uint64_t next_offset);

 private:
  // A long key costs more to keep than to hash again.
  static constexpr size_t kMostExpected = 256;

  TopicId topic_;
  uint64_t tombstone_ms_;
  // The key of the last Expect, and its hash. Not durable state.
  mutable std::string expected_;
  mutable RecordKeyHash expected_hash_;
  KeyIndex index_;
  Tombstones tombstones_;
};

}  // namespace runnel
