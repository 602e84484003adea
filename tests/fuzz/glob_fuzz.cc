// The matcher against one that is written straight down from the rules, in exponential time.
//
// Input: options (1 byte), the length of the pattern (1 byte), the pattern, the text.

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/glob.h"
#include "base/text.h"

namespace {

// More stars, or a longer text, would take the reference too long.
constexpr size_t kMaxPattern = 40;
constexpr size_t kMaxText = 24;
constexpr auto kMaxStars = 5;

using Bytes = std::bitset<256>;

size_t Index(char c) {
  return static_cast<unsigned char>(c);
}

// The bytes that the element at the front of the pattern (no star) takes; cuts it off.
Bytes TakeElement(std::string_view* pattern, bool ignore_case) {
  Bytes bytes;
  const auto add = [&](char c) { bytes.set(Index(ignore_case ? runnel::ToLower(c) : c)); };
  const char c = pattern->front();
  pattern->remove_prefix(1);
  if (c == '?') return bytes.set();
  if (c == '\\' && !pattern->empty()) {
    add(pattern->front());
    pattern->remove_prefix(1);
    return bytes;
  }
  if (c != '[') {
    add(c);
    return bytes;
  }

  const bool negated = pattern->starts_with('^');
  if (negated) pattern->remove_prefix(1);
  while (!pattern->empty() && !pattern->starts_with(']')) {
    if (pattern->front() == '\\' && pattern->size() >= 2) {
      add((*pattern)[1]);
      pattern->remove_prefix(2);
    } else if (pattern->size() >= 3 && (*pattern)[1] == '-') {
      const auto fold = [&](char end) { return ignore_case ? runnel::ToLower(end) : end; };
      const size_t a = Index(fold((*pattern)[0]));
      const size_t b = Index(fold((*pattern)[2]));
      for (size_t i = std::min(a, b); i <= std::max(a, b); i++) {
        bytes.set(i);
      }
      pattern->remove_prefix(3);
    } else {
      add(pattern->front());
      pattern->remove_prefix(1);
    }
  }
  if (!pattern->empty()) pattern->remove_prefix(1);
  return negated ? ~bytes : bytes;
}

bool Matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    for (size_t taken = 0; taken <= text.size(); taken++) {
      if (Matches(pattern.substr(1), text.substr(taken), ignore_case)) return true;
    }
    return false;
  }
  if (text.empty()) return false;
  const Bytes bytes = TakeElement(&pattern, ignore_case);
  const char c = ignore_case ? runnel::ToLower(text.front()) : text.front();
  return bytes.test(Index(c)) && Matches(pattern, text.substr(1), ignore_case);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool ignore_case = (data[0] & 1) != 0;
  const std::string_view all(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string_view pattern = all.substr(0, std::min<size_t>(data[1], all.size()));
  const std::string_view text = all.substr(pattern.size());
  const bool matched = runnel::GlobMatch(pattern, text, ignore_case);
  if (pattern.size() > kMaxPattern || text.size() > kMaxText ||
      std::count(pattern.begin(), pattern.end(), '*') > kMaxStars) {
    return 0;
  }
  CHECK(matched == (text.empty() ? pattern.empty() : Matches(pattern, text, ignore_case)));
  return 0;
}
