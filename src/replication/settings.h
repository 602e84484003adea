#pragma once

#include <cstddef>
#include <cstdint>

namespace runnel::replication {

// The sizes and times that both sides go by. Each may change at any time.
struct ReplicationSettings {
  size_t tail_bytes = size_t{16} << 20;
  size_t window_bytes = size_t{8} << 20;
  // Journal that is kept for a follower that has gone: so much at most, and for so long.
  uint64_t backlog_bytes = uint64_t{1} << 30;
  int64_t backlog_ttl_ms = 3'600'000;
  // Journal that is kept for one that is connected.
  uint64_t hold_max_bytes = uint64_t{16} << 30;
  int64_t timeout_ms = 60'000;
  // Bytes a second that a leader reads of files for all followers together; 0 for no bound.
  uint64_t sync_rate = 0;
  // Published messages that a leader keeps for all followers until they are sent, and those that a
  // follower keeps until what was changed before them is applied.
  size_t published_bytes = size_t{32} << 20;

  // A member of the in-sync set that says nothing for so long has left it; one whose connection is
  // gone leaves after a third of that.
  int64_t silence_max_ms = 1500;
  // One that is behind for so long leaves the set.
  int64_t lag_max_ms = 10'000;
  // The high watermark moves only while the set has so many members, the leader included.
  uint32_t min_insync = 1;

  bool operator==(const ReplicationSettings&) const = default;
};

}  // namespace runnel::replication
