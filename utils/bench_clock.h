#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>

namespace runnel::bench {

// Monotonic nanoseconds; the origin is arbitrary but the same for all processes of the machine.
uint64_t NowNs();

// CPU time (user and system, all threads) that this process has used, in nanoseconds.
uint64_t OwnCpuNs();

// The CPU time of another process of this machine. The kernel counts it in nanoseconds, so it is
// exact for short runs too, unlike the clock ticks of /proc/PID/stat.
class ProcessCpu {
 public:
  // `pid` 0 stands for an unknown process: known() is false and Ns() is always 0.
  explicit ProcessCpu(pid_t pid);

  bool known() const { return known_; }
  uint64_t Ns() const;

  // Returns once the process has been nearly idle for a moment, so that what it still does for the
  // set-up (freeing memory, resizing tables) is not charged to the measurement. Gives up waiting
  // after a few seconds; an unknown process is taken as idle.
  void WaitUntilIdle() const;

 private:
  bool known_ = false;
  clockid_t clock_ = 0;
};

// Resident memory of a process in bytes, 0 if it is unknown.
uint64_t ResidentBytes(pid_t pid);

}  // namespace runnel::bench
