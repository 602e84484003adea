#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "utils/bench_connection.h"
#include "utils/bench_load.h"

namespace runnel::bench {

// The options of the tool. The comments of LoadPlan tell what its fields of the same names mean.
struct Settings {
  Endpoint endpoint;
  int connections = 50;
  int pipeline = 1;
  int threads = 1;
  uint64_t requests = 0;  // 0: what each case finds long enough, times `scale`
  double scale = 1;
  double seconds = 0;
  double rate = 0;
  pid_t server_pid = 0;
  bool progress = false;
  size_t value_size = 100;
  bool keep = false;     // leave the tool's keys as they are, before and after a case of requests
  int subscribers = 10;  // of the case `publish`
  int producers = 4;     // of the case `groups`
  int groups = 2;
  int consumers = 2;                   // in each group
  int keys = 1000;                     // streams of the cases `xadd-streams` and `catchup`
  int count = 100;                     // entries of a read (cases `consume` and `catchup`)
  int partitions = 12;                 // of the topic of all cases on topics
  uint64_t most_entries = 10'000'000;  // where `curve-entries` ends
  int most_blocked = 10'000;           // where `curve-blocked` ends

  LoadPlan Plan(const std::string& name, uint64_t plan_requests) const;
  // How many requests (or items) a case does that finds `usual` long enough.
  uint64_t Requests(uint64_t usual) const;
};

}  // namespace runnel::bench
