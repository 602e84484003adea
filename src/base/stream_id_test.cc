#include "base/stream_id.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace runnel {
namespace {

constexpr uint64_t kMaxPart = std::numeric_limits<uint64_t>::max();

TEST(StreamId, IsOrderedByTimeThenSequence) {
  EXPECT_LT((StreamId{1, 9}), (StreamId{2, 0}));
  EXPECT_LT((StreamId{2, 0}), (StreamId{2, 1}));
  EXPECT_EQ((StreamId{2, 1}), (StreamId{2, 1}));
  EXPECT_EQ(StreamId(), StreamId::Min());
  EXPECT_LT((StreamId{kMaxPart, kMaxPart - 1}), StreamId::Max());
}

TEST(StreamId, StepsOverTheEdgesOfTheSequence) {
  EXPECT_EQ((StreamId{1, 2}).Next(), (StreamId{1, 3}));
  EXPECT_EQ((StreamId{1, kMaxPart}).Next(), (StreamId{2, 0}));
  EXPECT_EQ(StreamId::Max().Next(), std::nullopt);
  EXPECT_EQ((StreamId{1, 2}).Previous(), (StreamId{1, 1}));
  EXPECT_EQ((StreamId{1, 0}).Previous(), (StreamId{0, kMaxPart}));
  EXPECT_EQ(StreamId::Min().Previous(), std::nullopt);
}

TEST(StreamId, WritesBothParts) {
  EXPECT_EQ(StreamId::Min().ToString(), "0-0");
  EXPECT_EQ((StreamId{1526919030474, 55}).ToString(), "1526919030474-55");
  EXPECT_EQ(StreamId::Max().ToString(), "18446744073709551615-18446744073709551615");
  EXPECT_EQ(StreamId::Max().ToString().size(), kMaxStreamIdText);
}

TEST(StreamId, WritesIdsThatFollowOneAnother) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  StreamIdWriter writer;
  for (const StreamId id : {StreamId{0, 0}, StreamId{9999, 1}, StreamId{10'000, 0},
                            StreamId{10'001, 0}, StreamId{19'999, 12}, StreamId{20'000, 0},
                            StreamId{1'732'171'234'567, 0}, StreamId{1'732'171'234'567, 1},
                            StreamId{1'732'171'234'567, 8}, StreamId{1'732'171'234'567, 9},
                            StreamId{1'732'171'234'567, 10}, StreamId{1'732'171'234'567, 11},
                            StreamId{1'732'171'234'567, 9}, StreamId{1'732'171'230'000, 10},
                            StreamId{1'732'171'234'568, 99}, StreamId{1'732'171'240'000, 1},
                            StreamId{3, 0}, StreamId{kMost - 1, 7}, StreamId{kMost, kMost}}) {
    EXPECT_EQ(writer.Text(id), id.ToString());
  }
}

TEST(StreamId, ReadsWithOrWithoutTheSequence) {
  EXPECT_EQ(ParseStreamId("5-7", 9), (StreamId{5, 7}));
  EXPECT_EQ(ParseStreamId("5", 9), (StreamId{5, 9}));
  EXPECT_EQ(ParseStreamId("5", kMaxPart), (StreamId{5, kMaxPart}));
  EXPECT_EQ(ParseStreamId("005-007", 0), (StreamId{5, 7}));
  EXPECT_EQ(ParseStreamId(StreamId::Max().ToString(), 0), StreamId::Max());
}

TEST(StreamId, RefusesAnythingElse) {
  for (const char* text : {"", "-", "5-", "-7", "5-7-9", "5--7", "+5-7", " 5-7", "5-7 ", "5-*", "*",
                           "$", "a-1", "1-a", "18446744073709551616-0", "0-18446744073709551616"}) {
    EXPECT_EQ(ParseStreamId(text, 0), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace runnel
