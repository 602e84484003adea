#include "base/glob.h"

#include "base/text.h"

namespace runnel {
namespace {

char Fold(char c, bool ignore_case) {
  return ignore_case ? ToLower(c) : c;
}

// Matches `c` against the class that begins after '[' at pattern[*at]; moves *at past the class.
bool MatchClass(std::string_view pattern, size_t* at, char c, bool ignore_case) {
  size_t i = *at;
  const bool negated = i < pattern.size() && pattern[i] == '^';
  if (negated) i++;
  c = Fold(c, ignore_case);
  bool found = false;
  while (i < pattern.size() && pattern[i] != ']') {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      i++;
      found |= Fold(pattern[i], ignore_case) == c;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      unsigned char low = static_cast<unsigned char>(Fold(pattern[i], ignore_case));
      unsigned char high = static_cast<unsigned char>(Fold(pattern[i + 2], ignore_case));
      if (low > high) std::swap(low, high);
      const auto byte = static_cast<unsigned char>(c);
      found |= low <= byte && byte <= high;
      i += 2;
    } else {
      found |= Fold(pattern[i], ignore_case) == c;
    }
    i++;
  }
  *at = i < pattern.size() ? i + 1 : i;
  return found != negated;
}

}  // namespace

// Walks both sides once; at a mismatch it returns to the last star and lets that take one byte
// more. Earlier stars need never be tried again, so the work is bounded by pattern times text.
bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (text.empty()) return pattern.empty();
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the place after the last star
  size_t star_text = 0;                  // where the text went on from there
  while (true) {
    if (p < pattern.size() && pattern[p] == '*') {
      while (p < pattern.size() && pattern[p] == '*')
        p++;
      if (p == pattern.size()) return true;
      star = p;
      star_text = t;
      continue;
    }
    if (t == text.size()) return p == pattern.size();
    bool matched = false;
    if (p < pattern.size()) {
      if (pattern[p] == '?') {
        p++;
        matched = true;
      } else if (pattern[p] == '[') {
        size_t next = p + 1;
        matched = MatchClass(pattern, &next, text[t], ignore_case);
        p = next;
      } else {
        if (pattern[p] == '\\' && p + 1 < pattern.size()) p++;
        matched = Fold(pattern[p], ignore_case) == Fold(text[t], ignore_case);
        p++;
      }
    }
    if (matched) {
      t++;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star;
    t = ++star_text;
  }
}

}  // namespace runnel
