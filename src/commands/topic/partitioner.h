#pragma once

#include <cstdint>
#include <string_view>

#include "data/topic/topic.h"

namespace runnel {

// The partition of a record by its key, as the usual clients of Kafka choose it, so that both agree
// about a key.

// Murmur2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2).
uint32_t KafkaMurmur2(std::string_view key);

// Below `partitions`. REQUIRES: partitions > 0.
uint32_t PartitionOfKey(Partitioner partitioner, std::string_view key, uint32_t partitions);

}  // namespace runnel
