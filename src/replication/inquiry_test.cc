#include "replication/inquiry.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel::replication {
namespace {

TEST(LeaderClaimTest, ComesBack) {
  LeaderClaim claim;
  claim.node_id = "node";
  claim.journal_id = 0xabc;
  claim.epoch = uint64_t{7} << 32;
  claim.host = "::1";
  claim.leader_node = "other";
  claim.port = 6380;
  claim.end = 77;
  claim.trusted = false;
  const auto read = LeaderClaim::FromLine(claim.ToLine());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ToLine(), claim.ToLine());
  EXPECT_EQ(read->epoch, claim.epoch);
  EXPECT_EQ(read->host, "::1");
  EXPECT_EQ(read->leader_node, "other");
  EXPECT_FALSE(read->leads);
  EXPECT_EQ(read->end, 77u);
  EXPECT_FALSE(read->trusted);
  claim.leads = true;
  claim.host.clear();
  claim.port = 0;
  EXPECT_TRUE(LeaderClaim::FromLine(claim.ToLine())->leads);
}

TEST(LeaderClaimTest, WhatIsNoneIsRefused) {
  for (const char* line : {"", "PONG", "RUNNEL", "RUNNEL NODE n", "RUNNEL NODE n JOURNAL x",
                           "RUNNEL NODE n JOURNAL 1 EPOCH -1", "RUNNEL NODE n JOURNAL 1 END -1",
                           "RUNNEL NODE n JOURNAL 1 LEADER nowhere",
                           "RUNNEL NODE n JOURNAL 1 LEADER h:65536", "RUNNEL JOURNAL 1"}) {
    EXPECT_FALSE(LeaderClaim::FromLine(line)) << line;
  }
  // A later version may say more.
  EXPECT_TRUE(LeaderClaim::FromLine("RUNNEL NODE n JOURNAL 1 EPOCH 2 COLOUR blue"));
}

}  // namespace
}  // namespace runnel::replication
