#include "broker/stats.h"

namespace runnel {

void Rate::Sample(uint64_t count, int64_t steady_ms) {
  if (last_ms_ != 0 && steady_ms > last_ms_ && count >= last_count_) {
    samples_[next_] =
        static_cast<double>(count - last_count_) * 1000 / static_cast<double>(steady_ms - last_ms_);
    next_ = (next_ + 1) % kSamples;
  }
  last_count_ = count;
  last_ms_ = steady_ms;
}

double Rate::per_second() const {
  double sum = 0;
  for (const double sample : samples_) {
    sum += sample;
  }
  return sum / kSamples;
}

}  // namespace runnel
