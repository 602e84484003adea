#include "base/cycle_clock.h"

#include <ctime>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace runnel {
namespace {

bool IsCounterSteady() {
#if defined(__x86_64__)
  constexpr unsigned kPowerManagement = 0x80000007;
  constexpr unsigned kInvariantTsc = 1u << 8;  // in edx
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(kPowerManagement, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx & kInvariantTsc) != 0;
#else
  return false;
#endif
}

int64_t SteadyNanos() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

}  // namespace

// Before the first reading below.
const bool kCounterIsSteady = IsCounterSteady();

namespace {

const int64_t kStartNanos = SteadyNanos();
const uint64_t kStartCycles = ReadCycles();
constexpr int64_t kLeastNanos = 200 * 1000;

}  // namespace

double NanosPerCycle() {
  int64_t nanos;
  do {
    nanos = SteadyNanos() - kStartNanos;
  } while (nanos < kLeastNanos);
  const uint64_t cycles = CyclesBetween(kStartCycles, ReadCycles());
  return cycles == 0 ? 1.0 : static_cast<double>(nanos) / static_cast<double>(cycles);
}

}  // namespace runnel
