#include "base/glob.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace runnel {
namespace {

struct Case {
  const char* pattern;
  const char* text;
  bool matches;
};

TEST(Glob, Matches) {
  constexpr Case kCases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"abc", "abc", true},
      {"abc", "abd", false},
      {"abc", "ab", false},
      {"abc", "abcd", false},
      {"*", "", false},
      {"*", "anything", true},
      {"**", "", false},
      {"a*", "abc", true},
      {"*c", "abc", true},
      {"a*c", "ac", true},
      {"a*c", "abcbc", true},
      {"a*c", "abcb", false},
      {"*ab*cd*", "xxabyycdzz", true},
      {"*ab*cd*", "xxcdyyabzz", false},
      {"*aab", "aaaab", true},
      {"?", "", false},
      {"?", "a", true},
      {"??", "a", false},
      {"*?", "", false},
      {"*?", "a", true},
      {"news.*", "news.art", true},
      {"h[ae]llo", "hello", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-b]llo", "hbllo", true},
      {"h[a-b]llo", "hcllo", false},
      {"h[b-a]llo", "hallo", true},
      {"[a-cx-z]", "y", true},
      {"[a-cx-z]", "m", false},
      {"[^a-c]", "b", false},
      {"[a-]", "a", true},  // a range up to ']', in a class that does not end
      {"[a-]", "-", false},
      {"[-a]", "-", true},
      {"[\\]]", "]", true},
      {"[\\-x]", "-", true},
      {"[]", "a", false},
      {"[^]", "a", true},
      {"[]a]", "]", false},
      {"[", "[", false},
      {"[a", "a", true},
      {"[a", "b", false},
      {"[^a", "b", true},
      {"[a-", "-", true},
      {"[a-z", "m", true},
      {"x[", "x", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\a", "a", true},
      {"\\", "\\", true},
      {"\\\\", "\\", true},
      {"a\\", "a\\", true},
      {"*\\?", "what?", true},
      {"*\\?", "what", false},
      {"[\\", "\\", true},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(GlobMatch(c.pattern, c.text), c.matches) << c.pattern << " on " << c.text;
  }
}

TEST(Glob, IgnoresCaseWhenAsked) {
  EXPECT_FALSE(GlobMatch("MaxMemory", "maxmemory"));
  EXPECT_TRUE(GlobMatch("MaxMemory", "mAXmemory", true));
  EXPECT_TRUE(GlobMatch("max[A-M]emory*", "maxmEMORY-policy", true));
  EXPECT_TRUE(GlobMatch("[\\X]", "x", true));
  EXPECT_FALSE(GlobMatch("[^x]", "X", true));
}

TEST(Glob, WorksOnAnyBytes) {
  EXPECT_TRUE(GlobMatch(std::string_view("a\0*", 3), std::string_view("a\0b", 3)));
  EXPECT_FALSE(GlobMatch(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
  EXPECT_TRUE(GlobMatch("[\x80-\xff]", "\xc3"));
  EXPECT_FALSE(GlobMatch("[\x01-\x7f]", "\xc3"));
}

// The obvious matcher, which tries every length for every star.
bool Match(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return Match(pattern.substr(1), text) || (!text.empty() && Match(pattern, text.substr(1)));
  }
  if (text.empty()) return false;
  if (pattern[0] != '?' && pattern[0] != text[0]) return false;
  return Match(pattern.substr(1), text.substr(1));
}

TEST(Glob, TakesBackNoMoreThanItMust) {
  std::mt19937 random(1);
  int matches = 0;
  for (int i = 0; i < 100000; i++) {
    std::string pattern;
    std::string text;
    for (size_t n = random() % 9; n > 0; n--) {
      pattern += "ab**?"[random() % 5];
    }
    for (size_t n = random() % 9; n > 0; n--) {
      text += "ab"[random() % 2];
    }
    const bool expected = text.empty() ? pattern.empty() : Match(pattern, text);
    matches += expected;
    ASSERT_EQ(GlobMatch(pattern, text), expected) << pattern << " on " << text;
  }
  EXPECT_GT(matches, 10000);
}

// A matcher that tries earlier stars again would not end before the sun does.
TEST(Glob, ManyStarsEnd) {
  std::string pattern;
  for (int i = 0; i < 100; i++) {
    pattern += "a*";
  }
  EXPECT_FALSE(GlobMatch(pattern + "b", std::string(10000, 'a')));
  EXPECT_TRUE(GlobMatch(pattern + "b", std::string(10000, 'a') + 'b'));
}

}  // namespace
}  // namespace runnel
