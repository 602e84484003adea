#include "commands/topic/partitioner.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <random>
#include <string>

namespace runnel {
namespace {

// What Kafka's own tests expect of its murmur2 (org.apache.kafka.common.utils.UtilsTest).
TEST(PartitionerTest, Murmur2IsThatOfKafkasJavaClient) {
  EXPECT_EQ(static_cast<int32_t>(KafkaMurmur2("21")), -973932308);
  EXPECT_EQ(static_cast<int32_t>(KafkaMurmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<int32_t>(KafkaMurmur2("abc")), 479470107);
}

TEST(PartitionerTest, ChoosesWhatLibrdkafkaChooses) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; i++) {
    std::string key(random() % 40, '\0');
    for (char& byte : key) {
      byte = static_cast<char>(random());
    }
    const auto partitions = static_cast<int32_t>(1 + random() % 10'000);
    const auto count = static_cast<uint32_t>(partitions);
    EXPECT_EQ(PartitionOfKey(Partitioner::kMurmur2, key, count),
              static_cast<uint32_t>(rd_kafka_msg_partitioner_murmur2(
                  nullptr, key.data(), key.size(), partitions, nullptr, nullptr)));
    EXPECT_EQ(PartitionOfKey(Partitioner::kCrc32, key, count),
              static_cast<uint32_t>(rd_kafka_msg_partitioner_consistent(
                  nullptr, key.data(), key.size(), partitions, nullptr, nullptr)));
  }
}

}  // namespace
}  // namespace runnel
