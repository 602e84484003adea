#include "base/thread_totals.h"

namespace runnel {

void ThreadTotals::Add(const Counters& counters) {
  const std::lock_guard lock(mutex_);
  threads_.push_back(counters);
}

void ThreadTotals::Remove(const Counters& counters) {
  const std::lock_guard lock(mutex_);
  for (Counters& other : threads_) {
    if (other.gained != counters.gained) continue;
    finished_ += ValueOf(counters);
    other = threads_.back();
    threads_.pop_back();
    return;
  }
}

int64_t ThreadTotals::Sum() const {
  const std::lock_guard lock(mutex_);
  int64_t sum = finished_;
  for (const Counters& counters : threads_) {
    sum += ValueOf(counters);
  }
  return sum;
}

int64_t ThreadTotals::ValueOf(const Counters& counters) {
  return static_cast<int64_t>(__atomic_load_n(counters.gained, __ATOMIC_RELAXED) -
                              __atomic_load_n(counters.lost, __ATOMIC_RELAXED));
}

}  // namespace runnel
