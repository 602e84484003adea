#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace runnel {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxUnsigned = std::numeric_limits<uint64_t>::max();

template <class T>
std::string Decimal(T value) {
  char buffer[kMaxDecimal];
  return std::string(buffer, WriteDecimal(buffer, value));
}

TEST(Numbers, WritesDecimals) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{99}, uint64_t{100}, kMaxUnsigned}) {
    EXPECT_EQ(Decimal(value), std::to_string(value));
  }
  for (const int64_t value :
       {kMin, kMin + 1, int64_t{-100}, int64_t{-10}, int64_t{-9}, int64_t{-1}, int64_t{0}, kMax}) {
    EXPECT_EQ(Decimal(value), std::to_string(value));
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; i++) {
    const uint64_t value = random() >> (random() % 64);
    EXPECT_EQ(Decimal(value), std::to_string(value));
    EXPECT_EQ(Decimal(static_cast<int64_t>(value)), std::to_string(static_cast<int64_t>(value)));
    EXPECT_EQ(ParseDigits(Decimal(value)), value);
    EXPECT_EQ(ParseInteger(Decimal(static_cast<int64_t>(value))), static_cast<int64_t>(value));
  }
}

TEST(Numbers, ParsesIntegersInTheirCanonicalFormOnly) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("-1"), -1);
  EXPECT_EQ(ParseInteger("9223372036854775807"), kMax);
  EXPECT_EQ(ParseInteger("-9223372036854775808"), kMin);
  for (const char* text :
       {"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "0x1", "1e3", "a", "--1",
        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "99999999999999999999", "-99999999999999999999"}) {
    EXPECT_EQ(ParseInteger(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseInteger(std::string_view("1\0", 2)), std::nullopt);
}

TEST(Numbers, ParsesDigits) {
  EXPECT_EQ(ParseDigits("0"), 0u);
  EXPECT_EQ(ParseDigits("0007"), 7u);
  EXPECT_EQ(ParseDigits("18446744073709551615"), kMaxUnsigned);
  EXPECT_EQ(ParseDigits(std::string(100, '0') + "18446744073709551615"), kMaxUnsigned);
  // Whatever the length, no byte beside the digits is taken for one.
  const std::string digits = "12345678901234567890";
  for (size_t size = 1; size <= 19; size++) {
    EXPECT_EQ(ParseDigits(digits.substr(0, size)), std::stoull(digits.substr(0, size)));
    for (size_t at = 0; at < size; at++) {
      for (const int byte : {0x00, 0x2f, 0x3a, 0x20, 0x2d, 0x49, 0x61, 0xb5, 0xff}) {
        std::string text = digits.substr(0, size);
        text[at] = static_cast<char>(byte);
        EXPECT_EQ(ParseDigits(text), std::nullopt) << text;
      }
    }
  }
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1a", "18446744073709551616",
                           "99999999999999999999", "/", ":"}) {
    EXPECT_EQ(ParseDigits(text), std::nullopt) << text;
  }
}

TEST(Numbers, ParsesFloatingPoint) {
  EXPECT_EQ(ParseDouble("3"), 3.0);
  EXPECT_EQ(ParseDouble("-0.5"), -0.5);
  EXPECT_EQ(ParseDouble("+1e3"), 1000.0);
  EXPECT_EQ(ParseDouble(".5"), 0.5);
  EXPECT_EQ(ParseDouble("5."), 5.0);
  EXPECT_EQ(ParseDouble("inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseDouble("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseDouble("4.9406564584124654e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(ParseLongDouble("0.1"), 0.1L);
  for (const char* text :
       {"", " 1", "1 ", "nan", "-nan", "1e", "1,5", "one", "1e999", "-1e999", "1e-999", "."}) {
    EXPECT_EQ(ParseDouble(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseLongDouble("1e9999"), std::nullopt);
  EXPECT_EQ(ParseLongDouble(std::string(5118, '0') + "1"), 1.0L);
  EXPECT_EQ(ParseLongDouble(std::string(5119, '0') + "1"), std::nullopt);
  EXPECT_EQ(ParseDouble(std::string_view("1\0", 2)), std::nullopt);
  EXPECT_EQ(ParseDouble(std::string(254, '0') + "1"), 1.0);
  EXPECT_EQ(ParseDouble(std::string(5119, '0') + "1"), std::nullopt) << "no number is so long";
}

TEST(Numbers, FormatsDoublesAsShortAsTheyReadBack) {
  EXPECT_EQ(FormatDouble(0), "0");
  EXPECT_EQ(FormatDouble(-0.0), "-0");
  EXPECT_EQ(FormatDouble(3), "3");
  EXPECT_EQ(FormatDouble(-17), "-17");
  EXPECT_EQ(FormatDouble(0.1), "0.1");
  EXPECT_EQ(FormatDouble(1e30), "1e+30");
  EXPECT_EQ(FormatDouble(999999999999999), "999999999999999");
  EXPECT_EQ(FormatDouble(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(FormatDouble(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(FormatDouble(std::nan("")), "nan");
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; i++) {
    const double value =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 150);
    EXPECT_EQ(ParseDouble(FormatDouble(value)), value);
  }
}

// As redis-server 7.0 answers ZSCORE.
TEST(Numbers, FormatsScores) {
  EXPECT_EQ(FormatScore(0), "0");
  EXPECT_EQ(FormatScore(-0.0), "-0");
  EXPECT_EQ(FormatScore(3), "3");
  EXPECT_EQ(FormatScore(0.1), "0.10000000000000001");
  EXPECT_EQ(FormatScore(0.25), "0.25");
  EXPECT_EQ(FormatScore(0.30000000000000004), "0.30000000000000004");
  EXPECT_EQ(FormatScore(1.5e-7), "1.4999999999999999e-07");
  EXPECT_EQ(FormatScore(123456789012345678), "1.2345678901234568e+17");
  EXPECT_EQ(FormatScore(1e16), "10000000000000000");
  EXPECT_EQ(FormatScore(1e17), "1e+17");
  EXPECT_EQ(FormatScore(1e30), "1e+30");
  EXPECT_EQ(FormatScore(5e-324), "4.9406564584124654e-324");
  EXPECT_EQ(FormatScore(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(Numbers, FormatsLongDoublesWithoutAnExponent) {
  EXPECT_EQ(FormatLongDouble(0), "0");
  EXPECT_EQ(FormatLongDouble(-0.0L), "0");
  EXPECT_EQ(FormatLongDouble(3), "3");
  EXPECT_EQ(FormatLongDouble(-10.5L), "-10.5");
  EXPECT_EQ(FormatLongDouble(0.1L + 0.2L), "0.3");
  EXPECT_EQ(FormatLongDouble(5e3L), "5000");
  EXPECT_EQ(FormatLongDouble(1e20L), "100000000000000000000");
  EXPECT_EQ(FormatLongDouble(1e-17L), "0.00000000000000001");
  EXPECT_EQ(FormatLongDouble(1e-18L), "0");
  EXPECT_EQ(FormatLongDouble(-1e-18L), "0");
  // The longest there is: 4933 digits.
  const std::string longest = FormatLongDouble(std::numeric_limits<long double>::max());
  EXPECT_EQ(ParseLongDouble(longest), std::numeric_limits<long double>::max());
  const std::string lowest = FormatLongDouble(std::numeric_limits<long double>::lowest());
  EXPECT_EQ(ParseLongDouble(lowest), std::numeric_limits<long double>::lowest());
  EXPECT_EQ(longest.size(), 4933u);
  EXPECT_EQ(longest.substr(0, 10), "1189731495");
}

TEST(Numbers, ParsesMemorySizes) {
  EXPECT_EQ(ParseMemorySize("0"), 0u);
  EXPECT_EQ(ParseMemorySize("100"), 100u);
  EXPECT_EQ(ParseMemorySize("100b"), 100u);
  EXPECT_EQ(ParseMemorySize("1k"), 1000u);
  EXPECT_EQ(ParseMemorySize("1KB"), 1024u);
  EXPECT_EQ(ParseMemorySize("3m"), 3000000u);
  EXPECT_EQ(ParseMemorySize("3Mb"), 3u << 20);
  EXPECT_EQ(ParseMemorySize("2g"), 2000000000u);
  EXPECT_EQ(ParseMemorySize("2gB"), uint64_t{2} << 30);
  EXPECT_EQ(ParseMemorySize("18446744073709551615"), kMaxUnsigned);
  for (const char* text :
       {"", "kb", "-1", "1 kb", "1.5gb", "1tb", "1kbb", "18446744073709551616", "17179869184gb"}) {
    EXPECT_EQ(ParseMemorySize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace runnel
