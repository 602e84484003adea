// The table for its own sake: it decides every combination of facts, each once. What each row means
// on real files is in tests/sim/recovery_test.cc.

#include "journal/recovery_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::journal {
namespace {

constexpr Facts kAllFacts = (1 << kFactCount) - 1;

std::string Describe(Facts facts) {
  std::string text;
  for (int i = 0; i < kFactCount; i++) {
    text += (facts >> i & 1) != 0 ? '1' : '0';
  }
  return text;
}

std::vector<std::string> RowsFor(Facts facts) {
  std::vector<std::string> names;
  for (const RecoveryRow& row : RecoveryTable()) {
    if (Matches(row, facts)) names.emplace_back(row.name);
  }
  return names;
}

TEST(RecoveryTableTest, EveryPossibleCombinationHasExactlyOneRow) {
  int possible = 0;
  for (Facts facts = 0; facts <= kAllFacts; facts++) {
    if (!ArePossible(facts)) continue;
    possible++;
    const auto rows = RowsFor(facts);
    ASSERT_EQ(rows.size(), 1u) << Describe(facts) << ": "
                               << (rows.empty() ? "none" : rows[0] + ", " + rows[1]);
    EXPECT_EQ(FindRow(facts).name, rows[0]);
  }
  EXPECT_EQ(possible, 420);
}

TEST(RecoveryTableTest, EveryRowIsForSomethingPossible) {
  for (const RecoveryRow& row : RecoveryTable()) {
    bool used = false;
    for (Facts facts = 0; facts <= kAllFacts; facts++) {
      used |= ArePossible(facts) && Matches(row, facts);
    }
    EXPECT_TRUE(used) << row.name;
  }
}

TEST(RecoveryTableTest, EveryRowIsComplete) {
  std::set<std::string_view> names;
  for (const RecoveryRow& row : RecoveryTable()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    const std::string_view facts = row.facts;
    EXPECT_EQ(facts.size() - std::count(facts.begin(), facts.end(), ' '), size_t{kFactCount})
        << row.name;
    EXPECT_EQ(facts.find_first_not_of("01- "), std::string_view::npos) << row.name;
    EXPECT_GT(std::string_view(row.reason).size(), 20u) << row.name;
  }
}

// A person may only drop what belongs to this history of the log.
TEST(RecoveryTableTest, OnlyStopsMayBeCutAndOnlyWhenFramesAreNotWhole) {
  for (const RecoveryRow& row : RecoveryTable()) {
    if (row.may_be_cut) {
      EXPECT_EQ(row.decision, Decision::kStop) << row.name;
    }
    for (Facts facts = 0; facts <= kAllFacts; facts++) {
      if (!row.may_be_cut || !ArePossible(facts) || !Matches(row, facts)) continue;
      EXPECT_EQ(facts & (kChecksumHolds | kNewerVersion | kNextBeginsBefore), 0u) << row.name;
    }
  }
}

// The promises, said once more without the table.
TEST(RecoveryTableTest, NothingThatWasSyncedIsDropped) {
  for (Facts facts = 0; facts <= kAllFacts; facts++) {
    if (!ArePossible(facts)) continue;
    const Decision decision = FindRow(facts).decision;
    const auto holds = [facts](Facts fact) { return (facts & fact) != 0; };
    EXPECT_FALSE(decision == Decision::kCut && holds(kWasSynced)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kCut && holds(kEndedWell)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kCut && holds(kAllKept) && holds(kFrameLater))
        << Describe(facts);
    EXPECT_FALSE(decision == Decision::kEnd && holds(kWasSynced)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kEnd && holds(kFrameLater)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kEnd && !holds(kLastSegment)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kNextSegment && !holds(kNextBeginsHere)) << Describe(facts);
    EXPECT_FALSE(decision == Decision::kTakeFrame && !holds(kBaseFollows)) << Describe(facts);
    EXPECT_FALSE(decision != Decision::kStop && holds(kNewerVersion)) << Describe(facts);
    EXPECT_FALSE(decision != Decision::kStop && holds(kNextBeginsBefore)) << Describe(facts);
  }
}

}  // namespace
}  // namespace runnel::journal
