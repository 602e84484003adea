#include "replication/cluster_record.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace runnel::replication {
namespace {

ClusterRecord ARecord() {
  ClusterRecord record;
  record.version = 3;
  record.journal_id = 0x0102;
  record.epoch = uint64_t{5} << 32;
  record.leader = "a";
  record.members = {{"a", "", 6379, true}, {"b", "h", 6380, false}};
  return record;
}

TEST(ClusterRecordTest, ComesBack) {
  const ClusterRecord record = ARecord();
  EXPECT_EQ(ClusterRecord::Decode(record.Encode()), record);
  EXPECT_EQ(ClusterRecord::Decode(ClusterRecord().Encode()), ClusterRecord());
  EXPECT_EQ(record.in_sync(), 1u);
  EXPECT_EQ(record.Find("b")->port, 6380);
  EXPECT_EQ(record.Find("c"), nullptr);
}

// Servers of two versions must read each other: these bytes never change.
TEST(ClusterRecordTest, Bytes) {
  const std::string bytes = ARecord().Encode();
  const std::string covered(
      "runnel-cluster 1\n\x03\x02\x01\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\x01"
      "a"
      "\x02\x01"
      "a\0\xeb\x31\x01\x01"
      "b\x01h\xec\x31\0",
      50);
  EXPECT_EQ(bytes.substr(0, bytes.size() - 8), covered);
}

TEST(ClusterRecordTest, DamageIsFound) {
  const std::string bytes = ARecord().Encode();
  for (size_t i = 0; i < bytes.size(); i++) {
    EXPECT_FALSE(ClusterRecord::Decode(bytes.substr(0, i))) << i;
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(ClusterRecord::Decode(changed)) << i;
  }
}

TEST(ClusterRecordTest, OneNodeTwiceIsRefused) {
  ClusterRecord record = ARecord();
  record.members[1].node_id = "a";
  EXPECT_FALSE(ClusterRecord::Decode(record.Encode()));
}

}  // namespace
}  // namespace runnel::replication
