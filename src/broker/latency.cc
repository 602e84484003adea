#include "broker/latency.h"

#include <algorithm>

namespace runnel {

void LatencyMonitor::Add(std::string_view event, int64_t time_s, int64_t latency_ms,
                         int64_t threshold_ms) {
  if (threshold_ms <= 0 || latency_ms < threshold_ms) return;
  Event& history = events_[std::string(event)];
  history.max_ms = std::max(history.max_ms, latency_ms);
  if (!history.samples.empty() && history.samples.back().time_s == time_s) {
    int64_t& last = history.samples.back().latency_ms;
    last = std::max(last, latency_ms);
    return;
  }
  if (history.samples.size() == kMaxSamples) history.samples.erase(history.samples.begin());
  history.samples.push_back({time_s, latency_ms});
}

size_t LatencyMonitor::Reset(std::string_view event) {
  if (event.empty()) {
    const size_t count = events_.size();
    events_.clear();
    return count;
  }
  const auto it = events_.find(event);
  if (it == events_.end()) return 0;
  events_.erase(it);
  return 1;
}

}  // namespace runnel
