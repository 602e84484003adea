#include "utils/bench_clock.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

uint64_t ReadClock(clockid_t clock) {
  timespec time;
  if (clock_gettime(clock, &time) != 0) Fail("a clock cannot be read; has the server ended?");
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

uint64_t NowNs() {
  return ReadClock(CLOCK_MONOTONIC);
}

uint64_t OwnCpuNs() {
  return ReadClock(CLOCK_PROCESS_CPUTIME_ID);
}

ProcessCpu::ProcessCpu(pid_t pid) {
  if (pid == 0) return;
  if (clock_getcpuclockid(pid, &clock_) != 0) Fail("process {} has no CPU clock", pid);
  known_ = true;
}

uint64_t ProcessCpu::Ns() const {
  return known_ ? ReadClock(clock_) : 0;
}

void ProcessCpu::WaitUntilIdle() const {
  constexpr uint64_t kWindowNs = 20'000'000;
  constexpr uint64_t kIdleNs = kWindowNs / 20;
  constexpr int kMostWindows = 250;
  if (!known_) return;
  uint64_t before = Ns();
  for (int window = 0; window < kMostWindows; ++window) {
    usleep(kWindowNs / 1000);
    const uint64_t after = Ns();
    if (after - before < kIdleNs) return;
    before = after;
  }
}

uint64_t ResidentBytes(pid_t pid) {
  if (pid == 0) return 0;
  std::FILE* file = std::fopen(fmt::format("/proc/{}/statm", pid).c_str(), "r");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace runnel::bench
