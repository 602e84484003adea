#include "data/sorted_set/sorted_set.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "data/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using Change = SortedSet::Change;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::unique_ptr<SortedSet> CopyOf(const SortedSet& set) {
  return std::unique_ptr<SortedSet>(static_cast<SortedSet*>(set.Clone().release()));
}

std::vector<std::string> Members(const SortedSet& set, RankRange range) {
  std::vector<std::string> members;
  for (SortedSet::Iterator at = set.Seek(range.begin); at.Valid() && at.rank() < range.end;
       at.Next()) {
    members.emplace_back(at.member());
  }
  return members;
}

TEST(SortedSet, EmptySetHasNothing) {
  SortedSet set;
  EXPECT_EQ(set.size(), 0u);
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.Score("a").has_value());
  EXPECT_FALSE(set.Rank("a").has_value());
  EXPECT_FALSE(set.Remove("a"));
  EXPECT_FALSE(set.Seek(0).Valid());
  EXPECT_EQ(set.Find(ScoreBound{-kInf}, ScoreBound{kInf}).size(), 0u);
  EXPECT_EQ(set.Find(LexBound{LexBound::kLowest, ""}, LexBound{LexBound::kHighest, ""}).size(), 0u);
  EXPECT_EQ(set.Scan(0, [](std::string_view, double) { FAIL(); }), 0u);
}

TEST(SortedSet, OrdersByScoreAndThenByBytes) {
  SortedSet set;
  EXPECT_EQ(set.Set("b", 1), Change::kAdded);
  EXPECT_EQ(set.Set("a", 1), Change::kAdded);
  EXPECT_EQ(set.Set("\xff", -kInf), Change::kAdded);
  EXPECT_EQ(set.Set("", 1), Change::kAdded);
  EXPECT_EQ(set.Set("z", kInf), Change::kAdded);
  EXPECT_EQ(set.Set("aa", 1), Change::kAdded);
  EXPECT_THAT(Members(set, {0, 6}), ElementsAre("\xff", "", "a", "aa", "b", "z"));
  EXPECT_EQ(set.Set("a", 1), Change::kNone);
  EXPECT_EQ(set.Set("a", 2), Change::kMoved);
  EXPECT_THAT(Members(set, {0, 6}), ElementsAre("\xff", "", "aa", "b", "a", "z"));
  EXPECT_EQ(set.Rank("a"), 4u);
  EXPECT_EQ(set.Score("\xff"), -kInf);
}

TEST(SortedSet, MinusZeroIsZero) {
  SortedSet set;
  set.Set("a", -0.0);
  EXPECT_FALSE(std::signbit(*set.Score("a")));
  EXPECT_EQ(set.Set("a", 0.0), Change::kNone);
  EXPECT_EQ(set.Set("a", -0.0), Change::kNone);
}

// They take two bytes, four or eight in a node, as the widest of them needs.
TEST(SortedSet, ScoresOfAnyWidthStayAsTheyAre) {
  const std::vector<double> scores = {
      0,          1,           -1,   32767, -32768, 32768, -32769,  2147483647, -2147483648,
      2147483648, -2147483649, 1e15, 0.5,   -kInf,  kInf,  1.7e308, 5e-324};
  for (size_t first = 0; first < scores.size(); first++) {
    SortedSet set;
    std::vector<double> expected;
    for (size_t i = 0; i < scores.size(); i++) {
      const double score = scores[(first + i) % scores.size()];
      set.Set(std::to_string(i), score);
      expected.push_back(score);
      for (size_t k = 0; k <= i; k++) {
        ASSERT_EQ(set.Score(std::to_string(k)), expected[k]);
      }
    }
    // In place, too.
    set.Set("3", 0.25);
    EXPECT_EQ(set.Score("3"), 0.25);
  }
  SortedSet moved;
  for (int i = 0; i < 3; i++) {
    moved.Set(std::to_string(i), i * 100'000);
  }
  EXPECT_EQ(moved.Set("1", 100'000.5), Change::kMoved);
  EXPECT_EQ(moved.Score("1"), 100'000.5);
  EXPECT_EQ(moved.Score("2"), 200'000);
}

TEST(SortedSet, FindsRangesOfScores) {
  SortedSet set;
  for (int i = 1; i <= 9; i++) {
    set.Set(std::to_string(i), i / 3);  // 1 2 | 3 4 5 | 6 7 8 | 9
  }
  const auto find = [&](ScoreBound min, ScoreBound max) {
    const RankRange range = set.Find(min, max);
    return std::pair(range.begin, range.end);
  };
  EXPECT_EQ(find({1}, {2}), std::pair(uint64_t{2}, uint64_t{8}));
  EXPECT_EQ(find({1, true}, {2}), std::pair(uint64_t{5}, uint64_t{8}));
  EXPECT_EQ(find({1}, {2, true}), std::pair(uint64_t{2}, uint64_t{5}));
  EXPECT_EQ(find({-kInf}, {kInf}), std::pair(uint64_t{0}, uint64_t{9}));
  EXPECT_EQ(find({2}, {1}).first, find({2}, {1}).second);
  EXPECT_EQ(find({1, true}, {1}).first, find({1, true}, {1}).second);
  EXPECT_EQ(find({4}, {5}), std::pair(uint64_t{9}, uint64_t{9}));
}

TEST(SortedSet, FindsRangesOfMembers) {
  SortedSet set;
  for (const char* member : {"a", "b", "bb", "c", "d"}) {
    set.Set(member, 0);
  }
  const LexBound lowest{LexBound::kLowest, ""};
  const LexBound highest{LexBound::kHighest, ""};
  const LexBound from_b{LexBound::kInclusive, "b"};
  const LexBound after_b{LexBound::kExclusive, "b"};
  const LexBound c{LexBound::kInclusive, "c"};
  const LexBound before_c{LexBound::kExclusive, "c"};
  EXPECT_THAT(Members(set, set.Find(lowest, highest)), ElementsAre("a", "b", "bb", "c", "d"));
  EXPECT_THAT(Members(set, set.Find(from_b, c)), ElementsAre("b", "bb", "c"));
  EXPECT_THAT(Members(set, set.Find(after_b, before_c)), ElementsAre("bb"));
  EXPECT_THAT(Members(set, set.Find(c, from_b)), ElementsAre());
  EXPECT_THAT(Members(set, set.Find(highest, lowest)), ElementsAre());
  EXPECT_THAT(Members(set, set.Find(after_b, highest)), ElementsAre("bb", "c", "d"));
}

// The names that Redis 7.0 reports, which does not return to the small form.
TEST(SortedSet, EncodingFollowsTheLimits) {
  SortedSet set;
  for (int i = 0; i < 128; i++) {
    set.Set(std::to_string(i), i);
    ASSERT_EQ(set.encoding(), "listpack");
  }
  set.Set("one more", 0);
  EXPECT_EQ(set.encoding(), "skiplist");
  set.Remove("one more");
  EXPECT_EQ(set.encoding(), "skiplist");
  EXPECT_EQ(set.Clone()->encoding(), "skiplist");
  EXPECT_EQ(set.EncodingUnder({.zset_max_listpack_entries = 129}), "listpack");
  SortedSet wide;
  wide.Set(std::string(64, 'm'), 0);
  EXPECT_EQ(wide.encoding(), "listpack");
  wide.Set(std::string(65, 'm'), 0);
  EXPECT_EQ(wide.encoding(), "skiplist");
}

TEST(SortedSet, ThereIsOnePayload) {
  SortedSet set;
  set.Set("b", 2);
  set.Set("a", 1.5);
  std::string payload;
  set.Serialize(&payload);
  const std::string score_a("\0\0\0\0\0\0\xf8\x3f", 8);
  const std::string score_b("\0\0\0\0\0\0\0\x40", 8);
  EXPECT_EQ(payload,
            "\x01\x02\x01"
            "a" +
                score_a +
                "\x01"
                "b" +
                score_b);
  EXPECT_NE(LoadAs<SortedSet>(payload), nullptr);
  const std::string minus_zero("\0\0\0\0\0\0\0\x80", 8);
  const std::string nan("\0\0\0\0\0\0\xf8\x7f", 8);
  for (const std::string& bad : {
           std::string(), std::string("\x01\x00", 2),  // empty
           "\x02\x01\x01"
           "a" +
               score_a,  // another version
           "\x01\x02\x01"
           "b" +
               score_b +
               "\x01"
               "a" +
               score_a,  // another order
           "\x01\x02\x01"
           "a" +
               score_a +
               "\x01"
               "a" +
               score_a,  // a pair twice
           "\x01\x02\x01"
           "a" +
               score_a +
               "\x01"
               "a" +
               score_b,  // a member twice
           "\x01\x01\x01"
           "a" +
               minus_zero,  // not a score of ours
           "\x01\x01\x01"
           "a" +
               nan,                                                // no score
           "\x01\x01\x81" + std::string(1, '\0') + "a" + score_a,  // a longer varint
           "\x01\x81" + std::string(1, '\0') +
               "\x01"
               "a" +
               score_a,  // likewise
           "\x01\x02\x01"
           "a" +
               score_a,  // a member is missing
           "\x01\x01\x01"
           "a" +
               score_a.substr(1),  // half a score
       }) {
    EXPECT_EQ(LoadAs<SortedSet>(bad), nullptr) << testing::PrintToString(bad);
  }
}

// Sets and what they must hold. Some are copies of others.
class SortedSetModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  struct Pair {
    std::unique_ptr<SortedSet> set = std::make_unique<SortedSet>();
    std::map<std::string, double> scores;
    std::set<std::pair<double, std::string>> order;
  };

  size_t Below(size_t bound) { return random_() % bound; }

  std::string AnyMember() {
    const size_t number = Below(members_);
    std::string member = "m" + std::to_string(number);
    if (profile_ == 0) return member;
    if (profile_ == 1) return member + std::string(49 - 8 + number % 8, 'x');
    return number % 3 == 0 ? member + std::string(300, 'y') : member;
  }
  double AnyScore() {
    switch (scores_) {
      case 0:
        return 7;
      case 1:
        return static_cast<double>(Below(5));
      case 2:
        return Below(20) == 0 ? (Below(2) == 0 ? kInf : -kInf)
                              : static_cast<double>(Below(1'000'000)) / 8 - 50'000;
      case 3:
        return time_++;
      default:
        return -time_++;
    }
  }

  static void SetInModel(Pair* pair, const std::string& member, double score) {
    const auto found = pair->scores.find(member);
    if (found != pair->scores.end()) pair->order.erase({found->second, member});
    pair->scores[member] = score;
    pair->order.insert({score, member});
  }
  static bool RemoveFromModel(Pair* pair, const std::string& member) {
    const auto found = pair->scores.find(member);
    if (found == pair->scores.end()) return false;
    pair->order.erase({found->second, member});
    pair->scores.erase(found);
    return true;
  }

  void Step(Pair* pair) {
    const size_t kind = Below(1000);
    const size_t adds = trend_ > 0 ? 700 : trend_ < 0 ? 300 : 450;
    if (kind < adds) {
      const std::string member = AnyMember();
      const auto found = pair->scores.find(member);
      double score = AnyScore();
      // Now and then a small change, which may leave it between its neighbours.
      if (found != pair->scores.end() && Below(2) == 0) score = found->second + 0.25;
      const Change expected = found == pair->scores.end() ? Change::kAdded
                              : found->second == score    ? Change::kNone
                                                          : Change::kMoved;
      ASSERT_EQ(pair->set->Set(member, score), expected);
      SetInModel(pair, member, score);
    } else if (kind < 900) {
      std::string member = AnyMember();
      const auto found = pair->scores.lower_bound(member);
      if (found != pair->scores.end() && kind % 8 != 0) member = found->first;
      ASSERT_EQ(pair->set->Remove(member), RemoveFromModel(pair, member));
    } else if (kind < 980) {
      Look(*pair);
    } else if (kind < 990) {
      RemoveSome(pair);
    } else {
      Pair& other = pairs_[Below(pairs_.size())];
      if (&other == pair) return;
      Check(other);
      other.set = CopyOf(*pair->set);
      other.scores = pair->scores;
      other.order = pair->order;
    }
  }

  void Look(const Pair& pair) {
    const std::string member = AnyMember();
    const auto found = pair.scores.find(member);
    const std::optional<double> score = pair.set->Score(member);
    ASSERT_EQ(score.has_value(), found != pair.scores.end());
    if (score) {
      ASSERT_EQ(*score, found->second);
      const uint64_t rank = *pair.set->Rank(member);
      ASSERT_EQ(pair.set->Seek(rank).member(), member);
      ASSERT_EQ(rank, static_cast<uint64_t>(std::distance(
                          pair.order.begin(), pair.order.find({found->second, member}))));
    } else {
      ASSERT_FALSE(pair.set->Rank(member).has_value());
    }
    const ScoreBound min{AnyScore(), Below(2) == 0};
    const ScoreBound max{AnyScore(), Below(2) == 0};
    uint64_t within = 0;
    uint64_t before = 0;
    for (const auto& [s, m] : pair.order) {
      const bool is_before = min.exclusive ? s <= min.score : s < min.score;
      before += is_before;
      within += !is_before && (max.exclusive ? s < max.score : s <= max.score);
    }
    const RankRange range = pair.set->Find(min, max);
    ASSERT_EQ(range.begin, before);
    ASSERT_EQ(range.size(), within);
  }

  void RemoveSome(Pair* pair) {
    const uint64_t begin = Below(pair->scores.size() + 1);
    const uint64_t most = pair->scores.size() - begin;
    const uint64_t count = std::min<uint64_t>(most, Below(4) == 0 ? Below(2000) : Below(10));
    std::vector<std::string> expected;
    auto at = std::next(pair->order.begin(), static_cast<std::ptrdiff_t>(begin));
    for (uint64_t i = 0; i < count; i++, ++at) {
      expected.push_back(at->second);
    }
    for (const std::string& member : expected) {
      RemoveFromModel(pair, member);
    }
    std::vector<std::string> gone;
    pair->set->RemoveRange({begin, begin + count},
                           [&](std::string_view member) { gone.emplace_back(member); });
    ASSERT_EQ(gone, expected);
  }

  static void Check(const Pair& pair) {
    ASSERT_EQ(pair.set->size(), pair.scores.size());
    ASSERT_EQ(pair.set->empty(), pair.scores.empty());
    SortedSet::Iterator at = pair.set->Seek(0);
    for (const auto& [score, member] : pair.order) {
      ASSERT_TRUE(at.Valid());
      ASSERT_EQ(at.member(), member);
      ASSERT_EQ(at.score(), score);
      ASSERT_EQ(pair.set->Score(member), score);
      at.Next();
    }
    ASSERT_FALSE(at.Valid());
    if (pair.scores.empty()) return;
    at = pair.set->Seek(pair.set->size() - 1);
    for (auto it = pair.order.rbegin(); it != pair.order.rend(); ++it, at.Previous()) {
      ASSERT_TRUE(at.Valid());
      ASSERT_EQ(at.member(), it->second);
    }
    ASSERT_FALSE(at.Valid());
    std::map<std::string, double> seen;
    uint64_t cursor = 0;
    do {
      cursor = pair.set->Scan(
          cursor, [&](std::string_view member, double score) { seen.emplace(member, score); });
    } while (cursor != 0);
    ASSERT_EQ(seen, pair.scores);
    std::string payload;
    pair.set->Serialize(&payload);
    const std::unique_ptr<Object> loaded = LoadAs<SortedSet>(payload);
    ASSERT_NE(loaded, nullptr);
    std::string again;
    loaded->Serialize(&again);
    ASSERT_EQ(again, payload);
    // Nodes are half full at least, on the whole; a table bucket has 8 members.
    ASSERT_LE(pair.set->FreeEffort(), 8 + pair.set->size());
  }

  std::mt19937_64 random_{GetParam()};
  std::vector<Pair> pairs_ = std::vector<Pair>(3);
  size_t profile_ = 0;
  size_t scores_ = 0;
  size_t members_ = 10;
  double time_ = 1;
  int trend_ = 0;
};

TEST_P(SortedSetModelTest, DoesWhatAMapAndASetDo) {
  for (int i = 0; i < 60'000; i++) {
    if (i % 4096 == 0) {
      profile_ = random_() % 3;
      scores_ = random_() % 5;
      trend_ = static_cast<int>(random_() % 3) - 1;
      const size_t members[] = {10, 100, 3000, 20'000};
      members_ = members[random_() % 4];
    }
    Step(&pairs_[Below(pairs_.size())]);
    if (i % 4096 == 4095) {
      for (const Pair& pair : pairs_) {
        Check(pair);
      }
    }
    if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SortedSetModelTest, testing::Range(1u, 13u));

// A large set is filled in each order, and emptied from each side.
TEST(SortedSet, GrowsAndShrinksInAnyOrder) {
  constexpr int kCount = 50'000;
  for (const int order : {0, 1, 2}) {
    SortedSet set;
    std::mt19937 random(5);
    for (int i = 0; i < kCount; i++) {
      const int score = order == 0 ? i : order == 1 ? -i : static_cast<int>(random() % kCount);
      set.Set("member:" + std::to_string(i), score);
    }
    ASSERT_EQ(set.size(), static_cast<size_t>(kCount));
    const size_t memory = set.MemoryBytes(0);
#ifndef RUNNEL_SANITIZE
    // A member takes 12 bytes, its score 8, each of them twice; and 5 bytes beside them.
    EXPECT_LT(memory, size_t{kCount} * 45 * 14 / 10) << order;
#endif
    EXPECT_NEAR(static_cast<double>(set.MemoryBytes(100)), static_cast<double>(memory),
                static_cast<double>(memory) / 5);
    const std::unique_ptr<SortedSet> copy = CopyOf(set);
    double last = -1e9;
    while (set.size() > 10) {
      const uint64_t rank = random() % 3 == 0 ? 0 : set.size() - 1;
      const std::string member(set.Seek(rank).member());
      ASSERT_TRUE(set.Remove(member));
    }
    EXPECT_LT(set.MemoryBytes(0), 4096u);
    EXPECT_LE(set.FreeEffort(), 8u);
    for (SortedSet::Iterator at = copy->Seek(0); at.Valid(); at.Next()) {
      ASSERT_GE(at.score(), last);
      last = at.score();
    }
    copy->RemoveRange({1, copy->size() - 1});
    EXPECT_EQ(copy->size(), 2u);
    copy->RemoveRange({0, 2});
    EXPECT_TRUE(copy->empty());
    EXPECT_TRUE(set.Score(set.Seek(0).member()).has_value());
  }
}

// Another thread reads a copy while the set goes on changing.
TEST(SortedSet, CopyGoesToAnotherThread) {
  SortedSet set;
  std::vector<std::string> expected;
  for (int i = 0; i < 20'000; i++) {
    const std::string number = std::to_string(100'000 + i);
    expected.push_back(i % 5 == 0 ? number + std::string(60, 'x') : number);
    set.Set(expected.back(), i);
  }
  std::unique_ptr<SortedSet> copy = CopyOf(set);
  std::vector<std::string> seen;
  std::thread reader([&] {
    seen = Members(*copy, {0, copy->size()});
    copy = nullptr;
  });
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; i++) {
    const std::string& member = expected[random() % expected.size()];
    i % 3 == 0 ? static_cast<void>(set.Remove(member))
               : static_cast<void>(set.Set(member, static_cast<double>(random() % 30'000)));
  }
  reader.join();
  EXPECT_EQ(seen, expected);
}

TEST(SortedSet, RandomReachesAll) {
  SortedSet set;
  for (int i = 0; i < 100; i++) {
    set.Set(std::to_string(i), i % 7);
  }
  std::mt19937_64 random(3);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 20'000; i++) {
    drawn[std::string(set.Random(random()).member())]++;
  }
  EXPECT_EQ(drawn.size(), 100u);
  for (const auto& [member, count] : drawn) {
    EXPECT_GT(count, 100) << member;
    EXPECT_LT(count, 300) << member;
  }
}

}  // namespace
}  // namespace runnel
