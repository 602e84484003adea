#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "utils/bench_connection.h"
#include "utils/bench_histogram.h"
#include "utils/bench_reply.h"
#include "utils/bench_request.h"

namespace runnel::bench {

// What the replies of a workload must add up to if the server did the work: a GET that misses or
// an XACK of nothing is fast, and must not pass for the real thing.
struct Expected {
  uint64_t bulks_per_reply = 0;
  int64_t integer_per_reply = 0;
  bool integers_count_up = false;  // the replies are 1, 2, ... in whatever order, as LPUSH answers

  // Empty if `counts` are those of `requests` requests, else what is wrong.
  std::string Mismatch(const ReplyCounts& counts, uint64_t requests) const;
};

// One request sent many times, or several in turn, and the subscribers meanwhile.
struct Workload {
  std::vector<Words> requests;
  Numbers numbers = {};
  std::optional<Expected> expected = std::nullopt;  // unset: any reply but an error will do
  int subscribers = 0;       // connections that must get one message per request on kChannel
  size_t message_bytes = 0;  // of one message on the wire
  bool silent = false;       // no request but these may be sent, not even when connecting
  // What each connection sends before the clock starts.
  Words greeting = {};
  // If set, what the connection with this number sends, instead of `requests`: its requests have
  // numbers of their own.
  std::function<std::vector<Words>(int connection)> own_requests = nullptr;
};

// How a workload is applied.
struct LoadPlan {
  Endpoint endpoint;
  std::string name;  // for the progress line
  int connections = 50;
  int pipeline = 1;  // requests that a connection sends at once; the next when all are answered
  int threads = 1;
  uint64_t requests = 0;
  double seconds = 0;    // stop sending after so long, 0: after all requests only
  double rate = 0;       // requests per second over all connections, 0: as fast as answers come
  pid_t server_pid = 0;  // 0 if it is not a process of this machine
  bool progress = false;
};

struct LoadResult {
  uint64_t requests = 0;
  double seconds = 0;  // from the first request to the last reply and message
  uint64_t server_cpu_ns = 0;
  uint64_t own_cpu_ns = 0;
  ReplyCounts counts;
  std::string first_error;
  // From when a request was sent to when its reply was read. With a fixed rate: from when it was
  // due, so that a server that falls behind cannot slow down the clock that it is measured with.
  Histogram latency;
};

// From now on SIGINT ends the run that is going on as if its time were over: nothing more is sent,
// and its result counts. The second one ends the process.
void EndRunOnInterrupt();
// Whether it has come.
bool Interrupted();

// Runs the workload; connections are made before the clock starts. Ends the process if the server
// fails, hangs or does not answer as expected.
LoadResult RunLoad(const LoadPlan& plan, const Workload& workload);

// Brings a server into a state: the same without any measurement.
// With one connection the requests are executed in the order of their numbers.
void Fill(const Endpoint& endpoint, const Words& request, const Numbers& numbers, uint64_t requests,
          int connections, int pipeline);

}  // namespace runnel::bench
