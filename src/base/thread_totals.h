#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace runnel {

// The sum of counters of threads. Each thread writes only to its own counters. When a thread ends,
// its counts stay in the sum. All functions may be called on any thread.
class ThreadTotals {
 public:
  // The running totals of one thread: what was added and what was removed. Other threads read them
  // while it counts.
  struct Counters {
    const uint64_t* gained;
    const uint64_t* lost;
  };

  // The counters stay readable until they are removed.
  void Add(const Counters& counters);
  // They no longer count, and are not read any more when this returns.
  void Remove(const Counters& counters);

  // Everything added less everything removed; may be below zero while threads count.
  int64_t Sum() const;

 private:
  static int64_t ValueOf(const Counters& counters);

  mutable std::mutex mutex_;
  std::vector<Counters> threads_;
  int64_t finished_ = 0;  // of the counters that were removed
};

}  // namespace runnel
