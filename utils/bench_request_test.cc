#include "utils/bench_request.h"

#include <gtest/gtest.h>

#include <set>

namespace runnel::bench {
namespace {

TEST(RequestTest, EncodesWordsAsBulkStrings) {
  EXPECT_EQ(EncodeRequest({"SET", "k", ""}), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

TEST(RequestTest, ValueHasTheSizeAndNoPlaceForANumber) {
  EXPECT_EQ(MakeValue(0), "");
  EXPECT_EQ(MakeValue(1000).size(), 1000u);
  EXPECT_EQ(MakeValue(1000).find('#'), std::string::npos);
  EXPECT_EQ(MakeValue(100, 7), MakeValue(100, 7));
  EXPECT_NE(MakeValue(100, 7), MakeValue(100, 8));
}

TEST(NumbersTest, DividesStridesAndWraps) {
  EXPECT_EQ(Numbers{}.At(5), Numbers::kFirst + 5);
  EXPECT_EQ((Numbers{.first = 10, .modulo = 3}.At(5)), 12u);
  EXPECT_EQ((Numbers{.first = 10, .stride = 7, .modulo = 5}.At(2)), 14u);
  EXPECT_EQ((Numbers{.first = 0, .repeat = 64, .modulo = 2}.At(63)), 0u);
  EXPECT_EQ((Numbers{.first = 0, .repeat = 64, .modulo = 2}.At(64)), 1u);
}

TEST(NumbersTest, ScatteredNumbersAreAllOverTheRange) {
  const Numbers numbers{.first = 0, .modulo = 10, .scattered = true};
  std::set<uint64_t> found;
  uint64_t steps = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_LT(numbers.At(i), 10u);
    found.insert(numbers.At(i));
    if (numbers.At(i + 1) == (numbers.At(i) + 1) % 10) ++steps;
  }
  EXPECT_EQ(found.size(), 10u);
  EXPECT_LT(steps, 50u);
}

TEST(RequestBatchTest, EachRequestHasItsOwnNumber) {
  RequestBatch batch({{"GET", "k:###:x"}}, 3);
  EXPECT_EQ(batch.Take(0, 3, {.first = 99, .stride = 94468}),  // digits above the width are dropped
            EncodeRequest({"GET", "k:099:x"}) + EncodeRequest({"GET", "k:567:x"}) +
                EncodeRequest({"GET", "k:035:x"}));
  EXPECT_EQ(batch.Take(7, 1, {.first = 0}), EncodeRequest({"GET", "k:007:x"}));
}

TEST(RequestBatchTest, AllPlacesOfARequestHaveTheSameNumber) {
  RequestBatch batch({{"TADD", "key:####", "##", "#"}}, 2);
  EXPECT_EQ(batch.Take(0, 2, {.first = 1234}), EncodeRequest({"TADD", "key:1234", "34", "4"}) +
                                                   EncodeRequest({"TADD", "key:1235", "35", "5"}));
}

TEST(RequestBatchTest, KindsTakeTurnsFromWhereTheLastBatchEnded) {
  RequestBatch batch({{"LPUSH", "l", "##"}, {"RPOP", "l"}}, 2);
  const std::string push_2 = EncodeRequest({"LPUSH", "l", "02"});
  const std::string pop = EncodeRequest({"RPOP", "l"});
  EXPECT_EQ(batch.Take(2, 2, {.first = 0}), push_2 + pop);
  EXPECT_EQ(batch.Take(1, 2, {.first = 0}), pop + push_2);
  EXPECT_EQ(batch.Take(3, 1, {.first = 0}), pop);
}

}  // namespace
}  // namespace runnel::bench
