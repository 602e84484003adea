#include "commands/key_positions.h"

#include "gtest/gtest.h"

namespace runnel {
namespace {

constexpr KeySpec kOne[] = {{}};
constexpr KeySpec kPairs[] = {{.last = -1, .step = 2}};
constexpr KeySpec kAllButLast[] = {{.last = -2}};
constexpr KeySpec kTwoSpecs[] = {{.first = 1}, {.first = 2}};
constexpr KeySpec kOneAndRest[] = {{.first = 1}, {.first = 2, .last = -1}};
constexpr KeySpec kTwoOfOneSpec[] = {{.last = 1}};
constexpr KeySpec kCounted[] = {{.find = KeySpec::kKeyNum, .first = 1}};
constexpr KeySpec kCountedSecond[] = {{.find = KeySpec::kKeyNum, .first = 2}};
constexpr KeySpec kStreams[] = {{.find = KeySpec::kKeyword, .first = 4}};
constexpr KeySpec kOneAndCounted[] = {{.first = 1}, {.find = KeySpec::kKeyNum, .first = 2}};

constexpr KeySpec kSorted[] = {
    {}, {.find = KeySpec::kUnknown}, {.find = KeySpec::kSortTarget, .first = 2}};

using Args = std::vector<std::string_view>;

// The keys, separated by blanks; "none" if the arguments do not fit.
std::string Keys(std::span<const KeySpec> keys, const Args& args) {
  const auto found = FindKeys(CommandSpec{.keys = keys}, args);
  if (!found) return "none";
  std::string text;
  for (const KeyPosition& key : *found) {
    text += (text.empty() ? "" : " ") + std::string(args[key.index]);
  }
  return text;
}

TEST(FindKeysTest, Range) {
  EXPECT_EQ(Keys({}, {"ping", "a"}), "");
  EXPECT_EQ(Keys(kOne, {"get", "a"}), "a");
  EXPECT_EQ(Keys(kOne, {"get"}), "none");
  EXPECT_EQ(Keys(kPairs, {"mset", "a", "1", "b", "2"}), "a b");
  EXPECT_EQ(Keys(kPairs, {"mset", "a", "1", "b"}), "a b");
  EXPECT_EQ(Keys(kAllButLast, {"blpop", "a", "b", "0"}), "a b");
  EXPECT_EQ(Keys(kAllButLast, {"blpop", "0"}), "none");
  EXPECT_EQ(Keys(kTwoOfOneSpec, {"lcs", "a", "b", "len"}), "a b");
  EXPECT_EQ(Keys(kTwoOfOneSpec, {"lcs", "a"}), "none");
}

TEST(FindKeysTest, SeveralSpecifications) {
  const Args args = {"copy", "a", "b", "replace"};
  const CommandSpec spec{.keys = kTwoSpecs};
  const auto found = FindKeys(spec, args);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].index, 1u);
  EXPECT_EQ((*found)[0].spec, &kTwoSpecs[0]);
  EXPECT_EQ((*found)[1].index, 2u);
  EXPECT_EQ((*found)[1].spec, &kTwoSpecs[1]);
  EXPECT_EQ(Keys(kOneAndCounted, {"zunionstore", "a", "2", "b", "c"}), "a b c");
}

// The last STORE counts, and words that are arguments of other options do not.
TEST(FindKeysTest, TargetOfSort) {
  EXPECT_EQ(Keys(kSorted, {"sort", "a"}), "a");
  EXPECT_EQ(Keys(kSorted, {"sort"}), "none");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "alpha", "store", "b"}), "a b");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "STORE", "b", "store", "c", "desc"}), "a c");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "store"}), "a");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "by", "store", "get", "store", "asc"}), "a");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "limit", "store", "b", "store", "c"}), "a c");
  EXPECT_EQ(Keys(kSorted, {"sort", "a", "store", "store", "get", "x"}), "a store");
}

TEST(FindKeysTest, Counted) {
  EXPECT_EQ(Keys(kCounted, {"lmpop", "2", "a", "b", "left"}), "a b");
  EXPECT_EQ(Keys(kCounted, {"lmpop", "3", "a", "b", "left"}), "a b left");
  EXPECT_EQ(Keys(kCountedSecond, {"blmpop", "0", "1", "a", "left"}), "a");
  for (const char* count : {"0", "-1", "4", "9223372036854775807", "x", ""}) {
    EXPECT_EQ(Keys(kCounted, {"lmpop", count, "a", "b", "left"}), "none") << count;
  }
  EXPECT_EQ(Keys(kCounted, {"lmpop"}), "none");
}

TEST(FindKeysTest, Keyword) {
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "g", "c", "streams", "a", "b", "1", "2"}),
            "a b");
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "streams", "c", "STREAMS", "a", "1"}), "a");
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "g", "c", "streams", "a", "b", "1"}), "a");
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "g", "c", "streams", "a"}), "none");
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "g", "c", "streams"}), "none");
  EXPECT_EQ(Keys(kStreams, {"xreadgroup", "group", "streams", "a", "1"}), "none");
}

// As redis-server 7.0.15 has them: GET, MSET, BLPOP, COPY, SUNIONSTORE, LCS, LMPOP, ZUNIONSTORE.
TEST(FindKeyRangeTest, IsRedisThreeNumbers) {
  const struct {
    std::span<const KeySpec> keys;
    KeyRange range;
    bool movable;
  } cases[] = {
      {{}, {0, 0, 0}, false},
      {kOne, {1, 1, 1}, false},
      {kPairs, {1, -1, 2}, false},
      {kAllButLast, {1, -2, 1}, false},
      {kTwoSpecs, {1, 2, 1}, false},
      {kOneAndRest, {1, -1, 1}, false},
      {kTwoOfOneSpec, {1, 2, 1}, false},
      {kCounted, {0, 0, 0}, true},
      {kStreams, {0, 0, 0}, true},
      {kOneAndCounted, {1, 1, 1}, true},
  };
  for (const auto& [keys, expected, movable] : cases) {
    const CommandSpec spec{.keys = keys};
    const KeyRange range = FindKeyRange(spec);
    EXPECT_EQ(range.first, expected.first);
    EXPECT_EQ(range.last, expected.last);
    EXPECT_EQ(range.step, expected.step);
    EXPECT_EQ(HasMovableKeys(spec), movable);
  }
}

}  // namespace
}  // namespace runnel
