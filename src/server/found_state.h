#pragma once

#include <cstdint>
#include <vector>

#include "base/position.h"
#include "journal/epochs.h"

namespace runnel {

// What the server found in its directory when it started.
struct FoundState {
  Position position = 0;  // of the state that was loaded; the journal may go on
  // If it does, beyond this no frame of it has records.
  Position data_end = 0;
  uint64_t epoch = 0;
  journal::EpochHistory epochs;  // of the journal before `snapshot_position`
  // Of the snapshot that this began with; where the journal began if there was none.
  Position snapshot_position = 0;
  // What that snapshot held, uncompressed; 0 without one.
  uint64_t snapshot_raw_bytes = 0;
  // Snapshots that can be used: that one and older ones, the oldest first.
  std::vector<Position> snapshots;
};

}  // namespace runnel
