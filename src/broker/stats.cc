#include "broker/stats.h"

#include <algorithm>

namespace runnel {

void Stats::CountError(std::string_view code) {
  total_error_replies++;
  auto found = errors.find(code);
  if (found == errors.end()) {
    const bool may_add = errors.size() < kMostErrorCodes;
    found = errors.try_emplace(std::string(may_add ? code : kOtherErrors), 0).first;
  }
  found->second++;
}

void RecentPeak::Note(size_t value, int64_t now_s) {
  Second& second = seconds_[static_cast<size_t>(now_s) % seconds_.size()];
  if (second.time_s != now_s) second = {now_s, 0};
  second.most = std::max(second.most, value);
}

size_t RecentPeak::Most(int64_t now_s) const {
  size_t most = 0;
  for (const Second& second : seconds_) {
    const bool recent = now_s - second.time_s < static_cast<int64_t>(seconds_.size());
    if (recent) most = std::max(most, second.most);
  }
  return most;
}

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
