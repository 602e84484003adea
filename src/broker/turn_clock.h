#pragma once

#include <cstdint>
#include <utility>

#include "base/cycle_clock.h"
#include "env/clock.h"

namespace runnel {

// The time as all parts of the broker see it. The clocks are read at the beginning of a turn and
// before the requests of one read; in between the time stands still.
class TurnClock {
 public:
  // `clock` outlives it.
  explicit TurnClock(Clock& clock) : clock_(clock) {
    Update();
    turn_began_ = 0;
  }

  // Reads the clocks.
  void Update() {
    now_us_ = clock_.UnixMicros();
    steady_ms_ = clock_.SteadyMicros() / 1000;
    cycles_ = Cycles();
    if (turn_began_ == 0) turn_began_ = cycles_;
  }

  // Unix and steady milliseconds, Unix microseconds.
  int64_t now_ms() const { return now_us_ / 1000; }
  int64_t now_us() const { return now_us_; }
  int64_t steady_ms() const { return steady_ms_; }
  // The Unix time is another one for a while: for a script that runs again.
  void set_now_us(int64_t now_us) { now_us_ = now_us; }

  // Cycles since the last call, or since Update.
  uint64_t TakeCycles() {
    const uint64_t before = cycles_;
    cycles_ = Cycles();
    return CyclesBetween(before, cycles_);
  }

  // A turn begins with the first Update in it, or here if there was none.
  void BeginTurn() {
    if (turn_began_ == 0) turn_began_ = ReadCycles();
  }
  // The turn is over. Returns how many cycles it took.
  uint64_t EndTurn() { return CyclesBetween(std::exchange(turn_began_, 0), ReadCycles()); }

  Clock& clock() { return clock_; }

  // For tests: cycles are what stands there, which outlives this.
  void CountCyclesBy(const uint64_t* count) { cycles_by_ = count; }

 private:
  uint64_t Cycles() const { return cycles_by_ == nullptr ? ReadCycles() : *cycles_by_; }

  Clock& clock_;
  int64_t now_us_ = 0;
  int64_t steady_ms_ = 0;
  const uint64_t* cycles_by_ = nullptr;
  uint64_t cycles_ = 0;
  uint64_t turn_began_ = 0;  // 0: no turn has begun
};

}  // namespace runnel
