#include "data/set/set.h"

#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "data/cold_testing.h"
#include "data/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

std::unique_ptr<Set> CopyOf(const Set& set) {
  return std::unique_ptr<Set>(static_cast<Set*>(set.Clone().release()));
}

std::string PayloadOf(const Object& object) {
  std::string payload;
  object.Serialize(&payload);
  return payload;
}

TEST(IntSet, KeepsMembersOfAnyWidthInOrder) {
  IntSet set;
  std::set<int64_t> model;
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const int64_t member :
       {int64_t{0}, int64_t{-1}, int64_t{32767}, int64_t{-32768}, int64_t{32768}, int64_t{-32769},
        int64_t{2147483647}, int64_t{-2147483648}, int64_t{2147483648}, kMin, kMax}) {
    EXPECT_FALSE(set.Contains(member));
    EXPECT_TRUE(set.Add(member));
    EXPECT_FALSE(set.Add(member));
    model.insert(member);
    size_t i = 0;
    for (const int64_t expected : model) {
      EXPECT_EQ(set.At(i++), expected);
      EXPECT_TRUE(set.Contains(expected));
    }
    EXPECT_EQ(set.size(), model.size());
  }
  EXPECT_FALSE(set.Remove(5));
  for (const int64_t member : model) {
    EXPECT_TRUE(set.Remove(member));
    EXPECT_FALSE(set.Contains(member));
  }
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.MemoryBytes(), 0u);
}

TEST(IntSet, SmallIntegersTakeTwoBytes) {
  IntSet set;
  for (int64_t i = 0; i < 500; i++) {
    set.Add(i);
  }
  EXPECT_LE(set.MemoryBytes(), 2u * 500 * 5 / 4 + 16);
  for (int64_t i = 0; i < 490; i++) {
    set.Remove(i);
  }
  EXPECT_LE(set.MemoryBytes(), 64u);
  for (int64_t i = 490; i < 500; i++) {
    EXPECT_TRUE(set.Contains(i));
  }
}

// Only the form that a number has when it is printed is a number.
TEST(Set, TellsNumbersFromOtherMembers) {
  Set set;
  EXPECT_TRUE(set.Add("1"));
  EXPECT_TRUE(set.Add("-1"));
  EXPECT_TRUE(set.Add("9223372036854775807"));
  EXPECT_EQ(set.encoding(), "intset");
  EXPECT_FALSE(set.Contains("01"));
  EXPECT_FALSE(set.Contains("-0"));
  EXPECT_FALSE(set.Contains("9223372036854775808"));
  EXPECT_FALSE(set.Remove("+1"));
  EXPECT_TRUE(set.Add("01"));
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.size(), 4u);
  for (const char* member : {"1", "-1", "9223372036854775807", "01"}) {
    EXPECT_TRUE(set.Contains(member)) << member;
    EXPECT_FALSE(set.Add(member)) << member;
  }
}

TEST(Set, EncodingFollowsTheLimits) {
  Set set;
  for (int i = 0; i < 512; i++) {
    set.Add(std::to_string(i));
    ASSERT_EQ(set.encoding(), "intset");
  }
  EXPECT_FALSE(set.Add("511"));
  EXPECT_EQ(set.encoding(), "intset");
  set.Add("512");
  EXPECT_EQ(set.encoding(), "hashtable");
  set.Remove("512");
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.EncodingUnder({.set_max_intset_entries = 513}), "intset");
  Set few;
  few.Add("1");
  few.Add("a");
  few.Remove("a");
  EXPECT_EQ(few.encoding(), "hashtable");
  EXPECT_EQ(few.EncodingUnder({.set_max_listpack_entries = 128}), "listpack");
  EXPECT_EQ(LoadAs<Set>(PayloadOf(few))->encoding(), "intset");
}

TEST(Set, ThereIsOnePayload) {
  Set integers;
  Set others;
  others.Add("x");
  for (int i = 0; i < 600; i++) {
    integers.Add(std::to_string(i));
    others.Add(std::to_string(599 - i));
  }
  others.Remove("x");
  for (int i = 500; i < 600; i++) {
    others.Remove(std::to_string(i));
  }
  Set small;
  for (int i = 0; i < 500; i++) {
    small.Add(std::to_string(i));
  }
  // One is an IntSet, the other a table.
  EXPECT_EQ(PayloadOf(small), PayloadOf(others));
  EXPECT_EQ(PayloadOf(*LoadAs<Set>(PayloadOf(integers))), PayloadOf(integers));
  std::string stored;
  Encoder out(&stored);
  integers.EncodeStored(&out);
  FakeColdSource source;
  Decoder in(stored);
  EXPECT_EQ(PayloadOf(*Set::LoadStored(&in, source)), PayloadOf(integers));
}

TEST(Set, LoadTakesNoOtherPayload) {
  Set set;
  set.Add("a");
  set.Add("b");
  const std::string none(1, '\0');
  const bool a_first = PayloadOf(set) ==
                       "\x01\x02\x01"
                       "a\x01"
                       "b";
  ASSERT_TRUE(a_first || PayloadOf(set) ==
                             "\x01\x02\x01"
                             "b\x01"
                             "a");
  for (const std::string& bad : {
           std::string(),
           "\x01" + none,  // empty
           std::string("\x02\x01\x01"
                       "a"),  // version
           std::string(a_first ? "\x01\x02\x01"
                                 "b\x01"
                                 "a"
                               : "\x01\x02\x01"
                                 "a\x01"
                                 "b"),  // order
           std::string("\x01\x02\x01"
                       "a\x01"
                       "a"),  // twice
           std::string("\x01\x02\x01"
                       "a"),  // one is missing
           "\x01\x81" + none +
               "\x01"
               "a",                      // longer varint
           "\x01\x01\x81" + none + "a",  // likewise
       }) {
    EXPECT_EQ(LoadAs<Set>(bad), nullptr) << testing::PrintToString(bad);
  }
}

class SetModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  struct Pair {
    std::unique_ptr<Set> set = std::make_unique<Set>();
    std::set<std::string> model;
  };
  size_t Below(size_t bound) { return random_() % bound; }

  static void Check(const Pair& pair) {
    ASSERT_EQ(pair.set->size(), pair.model.size());
    ASSERT_EQ(pair.set->empty(), pair.model.empty());
    std::set<std::string> seen;
    pair.set->ForEach([&](std::string_view member) { seen.emplace(member); });
    ASSERT_EQ(seen, pair.model);
    size_t walked = 0;
    for (Set::Iterator at = pair.set->begin(); at.Valid(); at.Next()) {
      walked += pair.model.contains(std::string(at.member()));
    }
    ASSERT_EQ(walked, seen.size());
    seen.clear();
    uint64_t cursor = 0;
    do {
      cursor = pair.set->Scan(cursor, [&](std::string_view member) { seen.emplace(member); });
    } while (cursor != 0);
    ASSERT_EQ(seen, pair.model);
    if (pair.model.empty()) return;
    const std::unique_ptr<Object> loaded = LoadAs<Set>(PayloadOf(*pair.set));
    ASSERT_NE(loaded, nullptr);
    ASSERT_EQ(PayloadOf(*loaded), PayloadOf(*pair.set));
  }

  std::mt19937_64 random_{GetParam()};
};

TEST_P(SetModelTest, DoesWhatASetDoes) {
  std::vector<Pair> pairs(3);
  size_t members = 10;
  bool integers = true;
  for (int i = 0; i < 40'000; i++) {
    if (i % 2048 == 0) {
      members = size_t{10} << Below(9);
      integers = Below(2) == 0;
    }
    Pair& pair = pairs[Below(pairs.size())];
    if (Below(500) == 0) pair = {};
    std::string member = std::to_string(static_cast<int64_t>(Below(members)) - 5);
    if (!integers && Below(2) == 0) member += "m";
    const bool is_there = pair.model.contains(member);
    ASSERT_EQ(pair.set->Contains(member), is_there);
    const size_t kind = Below(100);
    if (kind < 60) {
      ASSERT_EQ(pair.set->Add(member), !is_there);
      pair.model.insert(member);
    } else if (kind < 90) {
      ASSERT_EQ(pair.set->Remove(member), is_there);
      pair.model.erase(member);
    } else if (kind < 98) {
      Set::Buffer buffer;
      if (pair.model.empty()) continue;
      ASSERT_TRUE(pair.model.contains(std::string(pair.set->Random(random_(), &buffer))));
    } else if (Below(10) == 0) {
      Pair copy{CopyOf(*pair.set), pair.model};
      pairs[Below(pairs.size())] = std::move(copy);
    }
    if (i % 1000 == 999) {
      for (const Pair& each : pairs) {
        Check(each);
      }
    }
    if (HasFailure()) FAIL() << "after operation " << i << " of seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SetModelTest, testing::Range(1u, 9u));

TEST(Set, RandomIntegersAreFair) {
  Set set;
  for (int i = 0; i < 50; i++) {
    set.Add(std::to_string(i * 1000));
  }
  std::mt19937_64 random(3);
  std::map<std::string, int> drawn;
  Set::Buffer buffer;
  for (int i = 0; i < 10'000; i++) {
    drawn[std::string(set.Random(random(), &buffer))]++;
  }
  EXPECT_EQ(drawn.size(), 50u);
  for (const auto& [member, count] : drawn) {
    EXPECT_GT(count, 100) << member;
    EXPECT_LT(count, 300) << member;
  }
}

}  // namespace
}  // namespace runnel
