#include "env/clock.h"

#include <ctime>

namespace runnel {
namespace {

int64_t Micros(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1000000 + time.tv_nsec / 1000;
}

class RealClock final : public Clock {
 public:
  int64_t UnixMicros() const override { return Micros(CLOCK_REALTIME); }
  int64_t SteadyMicros() const override { return Micros(CLOCK_MONOTONIC); }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace runnel
