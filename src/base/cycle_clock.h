#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <ctime>
#endif

namespace runnel {

// A clock for durations that is read in a few nanoseconds, so that every command can be timed: the
// processor's time stamp counter, or the steady clock where there is none that we know.
inline uint64_t ReadCycles() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
#endif
}

// How long one cycle is, measured against the steady clock since the process began; the first call
// takes a fraction of a millisecond, and the figure gets better with time.
double NanosPerCycle();

}  // namespace runnel
