#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// Events that took longer than a threshold ("command", "fast-command", "eventloop"): for
// each the last samples, at most one a second, as LATENCY shows them.
class LatencyMonitor {
 public:
  struct Sample {
    int64_t time_s;  // Unix seconds
    int64_t latency_ms;
  };
  struct Event {
    std::vector<Sample> samples;  // oldest first, at most kMaxSamples
    int64_t max_ms = 0;
  };
  static constexpr size_t kMaxSamples = 160;

  // Takes the sample if it reaches the threshold (milliseconds; 0 turns the monitor off).
  void Add(std::string_view event, int64_t time_s, int64_t latency_ms, int64_t threshold_ms);
  // Forgets one event, or (empty name) all. Returns how many were forgotten.
  size_t Reset(std::string_view event);

  const std::map<std::string, Event, std::less<>>& events() const { return events_; }

 private:
  std::map<std::string, Event, std::less<>> events_;
};

}  // namespace runnel
