#pragma once

#include <cstdint>

#include "utils/bench_histogram.h"
#include "utils/bench_settings.h"

namespace runnel::bench {

struct GroupsResult {
  uint64_t entries = 0;
  uint64_t deliveries = 0;  // entries times groups; each was acknowledged
  double seconds = 0;       // from the first XADD to the last acknowledgement
  uint64_t server_cpu_ns = 0;
  uint64_t own_cpu_ns = 0;
  // From when an XADD was sent (with a fixed rate: was due) to when a consumer had read the entry.
  Histogram latency;
};

// Producers add entries to one stream; in every group consumers block on it, and acknowledge what
// they got together with asking for more. Uses --producers, --groups, --consumers, --pipeline (of a
// producer), --rate (of entries); speaks RESP2 or RESP3.
GroupsResult RunGroups(const Settings& settings);

// The same with the topic: producers add records with keys, members of topic groups commit.
GroupsResult RunGroupsTopic(const Settings& settings);

}  // namespace runnel::bench
