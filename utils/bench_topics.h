#pragma once

#include <vector>

#include "utils/bench_cases.h"
#include "utils/bench_curves.h"
#include "utils/bench_memory.h"

namespace runnel::bench {

// Cases of all kinds for servers that have topics. Their topic has `--partitions` partitions; keys
// have 16 bytes and are spread over the partitions by their hashes.
const std::vector<Case>& TopicCases();
const std::vector<MemoryCase>& TopicMemoryCases();
const std::vector<Curve>& TopicCurves();

// Appends so many records with keys to the topic.
void FillTopic(const Settings& settings, uint64_t records);

}  // namespace runnel::bench
