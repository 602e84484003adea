#pragma once

#include <cstdint>

namespace runnel {

// How long a stream keeps its entries (XCFGSET). Entries beyond a bound are removed from the old
// end, also when no client writes. Entries on the disk are removed in whole runs, when a whole run
// is beyond the bound.
struct Retention {
  uint64_t ms = 0;       // by the time in the ID; 0: no bound
  uint64_t bytes = 0;    // of their blocks; whole blocks are removed, never the newest; 0: no bound
  uint64_t entries = 0;  // 0: no bound
  // An entry is removed when every group has received and acknowledged it. As long as there is no
  // group, it stays.
  bool delete_on_ack = false;

  bool bounded() const { return ms != 0 || bytes != 0 || entries != 0; }
  bool operator==(const Retention&) const = default;
};

inline constexpr Retention kKeepAll{};

}  // namespace runnel
