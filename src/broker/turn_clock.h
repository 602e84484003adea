#pragma once

#include <cstdint>

#include "base/cycle_clock.h"
#include "env/clock.h"

namespace runnel {

// The time as all parts of the broker see it: read at the beginning of a turn and before the
// requests of one read, it stands still in between.
class TurnClock {
 public:
  // `clock` outlives it.
  explicit TurnClock(Clock& clock) : clock_(clock) { Update(); }

  // Reads the clocks.
  void Update() {
    now_us_ = clock_.UnixMicros();
    steady_ms_ = clock_.SteadyMicros() / 1000;
    cycles_ = ReadCycles();
  }

  // Unix and steady milliseconds, Unix microseconds.
  int64_t now_ms() const { return now_us_ / 1000; }
  int64_t now_us() const { return now_us_; }
  int64_t steady_ms() const { return steady_ms_; }

  // Cycles since the last call, or since Update.
  uint64_t TakeCycles() {
    const uint64_t before = cycles_;
    cycles_ = ReadCycles();
    return CyclesBetween(before, cycles_);
  }

  Clock& clock() { return clock_; }

 private:
  Clock& clock_;
  int64_t now_us_ = 0;
  int64_t steady_ms_ = 0;
  uint64_t cycles_ = 0;
};

}  // namespace runnel
