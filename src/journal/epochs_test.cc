#include "journal/epochs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace runnel::journal {
namespace {

using ::testing::HasSubstr;

EpochHistory HistoryOf(const std::vector<EpochHistory::Row>& rows) {
  EpochHistory history;
  for (const auto& row : rows) {
    history.Note(row.epoch, row.begin);
  }
  return history;
}

TEST(EpochHistoryTest, TheFirstFrameOfAnEpochIsNoted) {
  EpochHistory history;
  EXPECT_EQ(history.newest(), 0u);
  history.Note(0, 0);
  history.Note(5, 100);
  history.Note(5, 200);
  history.Note(9, 300);
  EXPECT_EQ(history, HistoryOf({{0, 0}, {5, 100}, {9, 300}}));
  EXPECT_EQ(history.newest(), 9u);
  EXPECT_EQ(history.EndOf(0, 1000), 100u);
  EXPECT_EQ(history.EndOf(9, 1000), 1000u);
  history.CutAt(300);
  EXPECT_EQ(history, HistoryOf({{0, 0}, {5, 100}}));
}

TEST(EpochHistoryTest, KeepsTheNewestRows) {
  EpochHistory history;
  for (uint64_t i = 0; i <= EpochHistory::kMostRows; i++) {
    history.Note(i, 10 * i);
  }
  EXPECT_EQ(history.rows().size(), EpochHistory::kMostRows);
  EXPECT_EQ(history.Find(0), nullptr);
  EXPECT_NE(history.Find(1), nullptr);
}

TEST(EpochHistoryTest, ComesBackAsItWasStored) {
  const EpochHistory history = HistoryOf({{0, 0}, {uint64_t{1} << 40, 77}, {UINT64_MAX, 1 << 20}});
  std::string bytes;
  Encoder out(&bytes);
  history.Encode(&out);
  Decoder in(bytes);
  EXPECT_EQ(EpochHistory::Load(&in), history);
  EXPECT_TRUE(in.ok() && in.done());
  for (size_t i = 0; i < bytes.size(); i++) {
    Decoder cut(std::string_view(bytes).substr(0, i));
    EpochHistory::Load(&cut);
    EXPECT_FALSE(cut.ok()) << i;
  }
}

TEST(EpochHistoryTest, RowsThatDoNotAscendAreRefused) {
  for (const auto& [epoch, begin] : {std::pair{3, 50}, std::pair{5, 60}, std::pair{6, 49}}) {
    std::string bytes;
    Encoder out(&bytes);
    out.Varint(2);
    out.Fixed(uint64_t{5});
    out.Varint(50);
    out.Fixed(static_cast<uint64_t>(epoch));
    out.Varint(static_cast<uint64_t>(begin));
    Decoder in(bytes);
    EpochHistory::Load(&in);
    EXPECT_FALSE(in.ok()) << epoch;
  }
}

TEST(EpochHistoryTest, EpochsOfServersThatBeginApartDiffer) {
  const Epoch first = NextEpoch(0, 0x11111111);
  EXPECT_EQ(first, 0x0000000111111111u);
  EXPECT_EQ(NextEpoch(first, 7), 0x0000000200000007u);
  EXPECT_GT(NextEpoch(first, 0), first);
}

TEST(FindPartingTest, ByTheGreatestCommonEpoch) {
  const EpochHistory old_leader = HistoryOf({{1, 0}, {2, 100}});
  const EpochHistory new_leader = HistoryOf({{1, 0}, {2, 100}, {3, 250}});
  // The old leader wrote on in epoch 2 after the new one had begun.
  EXPECT_EQ(*FindParting({old_leader, 300}, {new_leader, 400}), 250u);
  EXPECT_EQ(*FindParting({new_leader, 400}, {old_leader, 300}), 250u);
  // It had not written all of what the new one has of epoch 2.
  EXPECT_EQ(*FindParting({old_leader, 200}, {new_leader, 400}), 200u);
  // One that has never led follows.
  EXPECT_EQ(*FindParting({EpochHistory(), 0}, {new_leader, 400}), 0u);
}

TEST(FindPartingTest, WhatIsNotOneHistoryIsRefused) {
  const auto apart = FindParting({HistoryOf({{1, 0}}), 50}, {HistoryOf({{2, 0}}), 50});
  ASSERT_FALSE(apart.ok());
  EXPECT_THAT(apart.status().message(), HasSubstr("no epoch in common"));
  const auto shifted = FindParting({HistoryOf({{1, 0}, {2, 10}}), 50}, {HistoryOf({{2, 20}}), 50});
  ASSERT_FALSE(shifted.ok());
  EXPECT_THAT(shifted.status().message(), HasSubstr("begins at 10 in one journal and at 20"));
}

// Journals as vectors of epochs, one for each position: leaders append in turn, each after it took
// some part of what another one has. What FindParting says is where they first differ.
TEST(FindPartingTest, AgreesWithJournalsThatAreCompared) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; round++) {
    std::vector<std::vector<Epoch>> journals(3);
    const auto history_of = [&](const std::vector<Epoch>& journal) {
      EpochHistory history;
      for (size_t i = 0; i < journal.size(); i++) {
        history.Note(journal[i], i);
      }
      return history;
    };
    const auto parting = [&](const std::vector<Epoch>& a, const std::vector<Epoch>& b) {
      size_t at = 0;
      while (at < a.size() && at < b.size() && a[at] == b[at]) {
        at++;
      }
      return at;
    };
    journals[0].assign(1 + random() % 5, 1);
    Epoch newest = 1;
    size_t leader = 0;  // of the newest epoch
    for (int step = 0; step < 12; step++) {
      const size_t who = random() % 3;
      auto& mine = journals[who];
      if (random() % 2 == 0) {
        // Follows: cuts what differs, and takes a part of what the other has more.
        const auto& other = journals[random() % 3];
        const size_t same = parting(mine, other);
        if (same < other.size() && (mine.empty() || other.back() >= mine.back())) {
          mine.assign(other.begin(), other.begin() + same + 1 + random() % (other.size() - same));
          if (leader == who) leader = journals.size();
        }
      } else {
        if (random() % 2 == 0 || who != leader) newest++;
        leader = who;
        mine.insert(mine.end(), 1 + random() % 3, newest);
      }
    }
    for (const auto& a : journals) {
      for (const auto& b : journals) {
        const auto found = FindParting({history_of(a), a.size()}, {history_of(b), b.size()});
        const size_t same = parting(a, b);
        // Without a common epoch they have nothing in common.
        ASSERT_EQ(found.ok() ? *found : 0, same) << round;
      }
    }
  }
}

}  // namespace
}  // namespace runnel::journal
