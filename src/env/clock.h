#pragma once

#include <cstdint>

namespace runnel {

// The clocks of the machine. Replaced in simulations.
class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds of the Unix clock, which may be set back.
  virtual int64_t UnixMicros() const = 0;
  // Microseconds of a clock that only goes forward; its zero means nothing.
  virtual int64_t SteadyMicros() const = 0;
};

// The process's own.
Clock& SystemClock();

}  // namespace runnel
