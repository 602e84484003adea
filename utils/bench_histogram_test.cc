#include "utils/bench_histogram.h"

#include <gtest/gtest.h>

namespace runnel::bench {
namespace {

TEST(HistogramTest, EmptyAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.Mean(), 0);
  EXPECT_EQ(histogram.Percentile(99), 0u);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 1000; ++value)
    histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(50), 500u);
  EXPECT_EQ(histogram.Percentile(99), 990u);
  EXPECT_EQ(histogram.Percentile(99.9), 999u);
  EXPECT_EQ(histogram.Percentile(100), 1000u);
  EXPECT_EQ(histogram.Percentile(0.0001), 1u);
  EXPECT_EQ(histogram.Mean(), 500.5);
}

// Every power of two, its neighbours and the middle between: never too low, at most 0.1 % too high.
TEST(HistogramTest, LargeValuesAreWithinATenthOfAPercent) {
  for (int bit = 11; bit < 42; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    for (uint64_t value : {power - 1, power, power + 1, power + power / 2, 2 * power - 1}) {
      Histogram histogram;
      histogram.Record(value);
      histogram.Record(Histogram::kLimit);  // so that the cap by max() does not hide the edge
      const uint64_t answer = histogram.Percentile(50);
      EXPECT_GE(answer, value);
      EXPECT_LE(answer - value, value / 1024) << value;
    }
  }
}

TEST(HistogramTest, ValuesPastTheLimitKeepTheirMaximum) {
  Histogram histogram;
  histogram.Record(7);
  histogram.Record(Histogram::kLimit * 100);
  EXPECT_EQ(histogram.Percentile(50), 7u);
  EXPECT_EQ(histogram.Percentile(100), Histogram::kLimit * 100);
  EXPECT_EQ(histogram.max(), Histogram::kLimit * 100);
}

TEST(HistogramTest, TimesCountsAsSoManyRecords) {
  Histogram histogram;
  histogram.Record(10, 99);
  histogram.Record(20);
  EXPECT_EQ(histogram.count(), 100u);
  EXPECT_EQ(histogram.Percentile(99), 10u);
  EXPECT_EQ(histogram.Percentile(99.5), 20u);
}

TEST(HistogramTest, AddIsTheSameAsRecordingInOne) {
  Histogram one;
  Histogram left;
  Histogram right;
  for (uint64_t value = 1; value < 10'000'000; value = value * 3 + 1) {
    one.Record(value);
    (value % 2 == 0 ? left : right).Record(value);
  }
  left.Add(right);
  EXPECT_EQ(left.count(), one.count());
  EXPECT_EQ(left.max(), one.max());
  EXPECT_EQ(left.Mean(), one.Mean());
  for (double percent : {1.0, 25.0, 50.0, 75.0, 99.0, 100.0}) {
    EXPECT_EQ(left.Percentile(percent), one.Percentile(percent));
  }
}

}  // namespace
}  // namespace runnel::bench
