#pragma once

#include <vector>

#include "utils/bench_control.h"
#include "utils/bench_load.h"
#include "utils/bench_settings.h"

namespace runnel::bench {

// A case that is one request sent many times.
struct Case {
  const char* name;
  const char* summary;
  uint64_t usual_requests;  // about a second of work for redis-server on one core
  // Brings the server, which has none of the tool's keys, into the state that `requests` requests
  // need to find, and tells what to send.
  Workload (*prepare)(const Settings& settings, uint64_t requests, Control* control);
  bool only_named = false;  // not every server can answer it
};

// In the order in which they are listed and run.
const std::vector<Case>& Cases();

// Sets up, measures and deletes the keys again.
LoadResult RunCase(const Case& a_case, const Settings& settings);

// The same for runnel-floor, which takes nothing but requests of its one size.
LoadResult RunFloor(const Settings& settings);

}  // namespace runnel::bench
