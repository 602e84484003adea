#pragma once

#include <cstdint>
#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace runnel {

// Whether the processor's time stamp counter runs at one rate at all times and on all cores, by its
// own word (the flag of an "invariant TSC").
extern const bool kCounterIsSteady;

// A clock for durations that is read in a few nanoseconds, so that every command can be timed: the
// processor's time stamp counter, or the steady clock if the counter is not steady.
inline uint64_t ReadCycles() {
#if defined(__x86_64__)
  if (kCounterIsSteady) return __rdtsc();
#endif
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

// From one reading to a later one. 0 if the counter has gone back, as it may when a virtual machine
// moves to another host.
inline uint64_t CyclesBetween(uint64_t before, uint64_t after) {
  return after > before ? after - before : 0;
}

// How long one cycle is, measured against the steady clock since the process began; the first call
// takes a fraction of a millisecond, and the figure becomes more exact with time.
double NanosPerCycle();

}  // namespace runnel
