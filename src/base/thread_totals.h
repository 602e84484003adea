#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace runnel {

// The sum of what threads count, each in memory of its own that nobody else writes to. Threads come
// and go; what they counted stays in the sum. All calls may come from any thread.
class ThreadTotals {
 public:
  // Running totals that one thread keeps: what it gained and what it lost. They are read while it
  // goes on counting.
  struct Counters {
    const uint64_t* gained;
    const uint64_t* lost;
  };

  // The counters stay readable until they are removed.
  void Add(const Counters& counters);
  // They count no further, and are not read any more when this returns.
  void Remove(const Counters& counters);

  // What all have gained less what all have lost, possibly below zero while they count.
  int64_t Sum() const;

 private:
  static int64_t ValueOf(const Counters& counters);

  mutable std::mutex mutex_;
  std::vector<Counters> threads_;
  int64_t finished_ = 0;  // of those that were removed
};

}  // namespace runnel
