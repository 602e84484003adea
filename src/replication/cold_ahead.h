#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/position.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "data/missing_extents.h"

namespace runnel::replication {

// Brings into memory what the next frames of a journal will look at that is on the disk, so that
// applying them does not wait. (A consumer that is behind by more than fits in memory makes each
// follower read what its leader has read.)
class ColdAhead {
 public:
  // Both outlive it; without a store everything is in memory.
  ColdAhead(ColdStore* cold, const Keyspace& keyspace) : cold_(cold), keyspace_(keyspace) {}
  ~ColdAhead();
  ColdAhead(const ColdAhead&) = delete;
  ColdAhead& operator=(const ColdAhead&) = delete;

  // Whether the first of these frames, which begins at `from`, can be applied now without waiting
  // for the disk, as far as that can be foreseen. If not, the reader of the store reads what it
  // will look at, with what those after it will look at that end at `to` at most, and the loop has
  // a turn when that is done.
  //
  // True also if the first frame would need more in memory than `cold-read-limit` lets a command
  // have, and has that; or if what it needs cannot be read. REQUIRES: there is a frame.
  bool Ready(const std::deque<std::string>& frames, Position from, Position to);
  // Everything before this is applied: what was read for that may go.
  void NoteApplied(Position position);

 private:
  void Ask(const MissingExtents& missing, uint64_t most, ColdExtents* asked);

  ColdStore* const cold_;
  const Keyspace& keyspace_;
  bool reading_ = false;
  // What was asked for, and is pinned until all frames up to this position are applied.
  Position asked_to_ = 0;
  std::unique_ptr<ColdStore::Pins> pins_ = std::make_unique<ColdStore::Pins>();
  absl::flat_hash_set<const ColdExtent*> asked_;
  uint64_t asked_bytes_ = 0;
};

}  // namespace runnel::replication
