#pragma once

#include <cstdint>

#include "utils/bench_histogram.h"
#include "utils/bench_settings.h"

namespace runnel::bench {

// What consumers took that ask for more as soon as they have an answer.
struct ConsumeResult {
  uint64_t requests = 0;  // reads and acknowledgements
  uint64_t entries = 0;
  uint64_t payload_bytes = 0;  // of the entries' values
  double seconds = 0;
  uint64_t server_cpu_ns = 0;
  uint64_t own_cpu_ns = 0;
  Histogram latency;  // from when a read was sent to when its reply was there
};

// Consumers of one group take a stream that is there from its beginning to its end and acknowledge
// all: each answers XREADGROUP with XACK and the next XREADGROUP, and has `--pipeline` reads
// under way. Uses --connections (consumers), --count (entries of a read), --requests (entries).
ConsumeResult RunConsume(const Settings& settings);

// Consumers without a group read the `--keys` streams of the case `xadd-streams`, which must be
// there, from their beginning, each one stream (with fewer connections: the first streams) with
// XREAD COUNT `--count`, until they find nothing more, or `--seconds` are over. Others may append
// meanwhile. Changes nothing on the server.
ConsumeResult RunCatchUp(const Settings& settings);

// The same as RunConsume for the topic, whose records are spread over its partitions: each member
// of a topic group answers TREADGROUP with TCOMMIT and the next TREADGROUP.
ConsumeResult RunConsumeTopic(const Settings& settings);

// Members of a topic group take what the case `tadd-key` has left in the topic, until they find
// nothing more, or `--seconds` are over, and commit it. Others may append meanwhile.
ConsumeResult RunCatchUpTopic(const Settings& settings);

}  // namespace runnel::bench
