#include "journal/segment.h"

#include <gtest/gtest.h>

#include <limits>

namespace runnel::journal {
namespace {

TEST(SegmentTest, NamesAreTwentyDigits) {
  EXPECT_EQ(SegmentName(0), "00000000000000000000.log");
  EXPECT_EQ(SegmentName(4096), "00000000000000004096.log");
  EXPECT_EQ(SegmentName(std::numeric_limits<Position>::max()), "18446744073709551615.log");
  EXPECT_EQ(SegmentPath("dir", 1), "dir/00000000000000000001.log");
}

TEST(SegmentTest, NamesAreReadBack) {
  for (Position base :
       {Position{0}, Position{1}, Position{123456789}, std::numeric_limits<Position>::max()}) {
    EXPECT_EQ(ParseSegmentName(SegmentName(base)), base);
  }
}

TEST(SegmentTest, OtherNamesAreNotSegments) {
  for (const char* name :
       {"", ".log", "0.log", "0000000000000000000.log", "000000000000000000000.log",
        "0000000000000000000x.log", "+0000000000000000001.log", "-0000000000000000001.log",
        " 0000000000000000001.log", "18446744073709551616.log", "00000000000000000000.lo",
        "00000000000000000000.log~", "00000000000000000000.tmp"}) {
    EXPECT_EQ(ParseSegmentName(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace runnel::journal
