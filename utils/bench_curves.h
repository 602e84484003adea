#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "utils/bench_settings.h"

namespace runnel::bench {

// What one operation costs the server while something else is large.
struct CurvePoint {
  std::string operation;
  uint64_t size = 0;  // how large: entries, blocked clients, groups
  uint64_t requests = 0;
  double seconds = 0;
  uint64_t server_cpu_ns = 0;
};

struct Curve {
  const char* name;
  const char* summary;
  const char* size_name;
  // Calls `take` with each point as soon as it is measured, by size.
  void (*run)(const Settings& settings, const std::function<void(const CurvePoint&)>& take);
};

const std::vector<Curve>& Curves();

}  // namespace runnel::bench
