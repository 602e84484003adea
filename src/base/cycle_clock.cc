#include "base/cycle_clock.h"

#include <ctime>

namespace runnel {
namespace {

int64_t SteadyNanos() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

const int64_t kStartNanos = SteadyNanos();
const uint64_t kStartCycles = ReadCycles();
constexpr int64_t kLeastNanos = 200 * 1000;

}  // namespace

double NanosPerCycle() {
  int64_t nanos;
  do {
    nanos = SteadyNanos() - kStartNanos;
  } while (nanos < kLeastNanos);
  const uint64_t cycles = ReadCycles() - kStartCycles;
  return cycles == 0 ? 1.0 : static_cast<double>(nanos) / static_cast<double>(cycles);
}

}  // namespace runnel
