#include "base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace runnel {
namespace {

TEST(Text, FoldsTheCaseOfAsciiLettersOnly) {
  EXPECT_EQ(LowerCase("@AZ[`az{\xc4"), "@az[`az{\xc4");
  EXPECT_EQ(UpperCase("@AZ[`az{\xe4"), "@AZ[`AZ{\xe4");
  for (int c = 0; c < 256; c++) {
    const char byte = static_cast<char>(c);
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    EXPECT_EQ(ToLower(byte) != ToUpper(byte), letter) << c;
    EXPECT_EQ(ToLower(ToUpper(byte)), ToLower(byte)) << c;
  }
}

TEST(Text, ComparesWithoutCase) {
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_TRUE(EqualsIgnoreCase("LPush", "lPUSH"));
  EXPECT_FALSE(EqualsIgnoreCase("lpush", "lpus"));
  EXPECT_FALSE(EqualsIgnoreCase("lpush", "rpush"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_TRUE(EqualsIgnoreCase(std::string_view("a\0B", 3), std::string_view("A\0b", 3)));
}

TEST(Text, KnowsTheSixBlanks) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  for (int c = 0; c < 256; c++) {
    const char byte = static_cast<char>(c);
    EXPECT_EQ(IsSpace(byte), kBlanks.find(byte) != std::string_view::npos) << c;
  }
}

TEST(Text, QuotesWhatDoesNotPrint) {
  EXPECT_EQ(Quote(""), R"("")");
  EXPECT_EQ(Quote("plain ~text"), R"("plain ~text")");
  EXPECT_EQ(Quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(Quote("\n\r\t\a\b"), R"("\n\r\t\a\b")");
  EXPECT_EQ(Quote(std::string_view("\0\x1f\x7f\xff", 4)), R"("\x00\x1f\x7f\xff")");
}

}  // namespace
}  // namespace runnel
