#pragma once

#include <cstdint>

namespace runnel {

// How long a stream keeps its entries (XCFGSET). What is beyond a bound goes from the old end on,
// also when nobody writes; entries on the disk go by whole runs, once all of a run are beyond it.
struct Retention {
  uint64_t ms = 0;       // by the time in the ID; 0: for ever
  uint64_t bytes = 0;    // of the blocks that hold them; whole blocks go, never the newest; 0: any
  uint64_t entries = 0;  // 0: any number
  // An entry goes when it was delivered to every group and acknowledged by each; as long as there
  // is no group, it stays.
  bool delete_on_ack = false;

  bool bounded() const { return ms != 0 || bytes != 0 || entries != 0; }
  bool operator==(const Retention&) const = default;
};

inline constexpr Retention kKeepAll{};

}  // namespace runnel
