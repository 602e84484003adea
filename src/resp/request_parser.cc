#include "resp/request_parser.h"

#include <cstring>
#include <limits>
#include <optional>

#include "base/numbers.h"
#include "base/text.h"

namespace runnel {
namespace {

// Longest inline request, and longest "*123" or "$123" line.
constexpr size_t kMaxLine = 64 * 1024;
constexpr size_t kMaxUnauthenticatedArguments = 10;
constexpr size_t kMaxUnauthenticatedBulk = 16384;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads the number of a line that ends with \r (or, as Redis has it, any two bytes) at `end`. The short and plain case, which
// is nearly every one, does not go through the general parser.
std::optional<int64_t> LineNumber(const char* begin, const char* end) {
  const size_t size = static_cast<size_t>(end - begin);
  if (size == 1 && *begin >= '0' && *begin <= '9') return *begin - '0';
  if (size == 2 && begin[0] >= '1' && begin[0] <= '9' && begin[1] >= '0' && begin[1] <= '9') {
    return (begin[0] - '0') * 10 + (begin[1] - '0');
  }
  return ParseInteger({begin, size});
}

// The place of the next \r; nearly all lines are shorter than what setting up memchr would cost.
const char* FindReturn(const char* from, const char* end) {
  const char* near = end - from > 8 ? from + 8 : end;
  for (const char* p = from; p < near; p++) {
    if (*p == '\r') return p;
  }
  if (near == end) return nullptr;
  return static_cast<const char*>(std::memchr(near, '\r', static_cast<size_t>(end - near)));
}

// Appends the byte that the escape behind a backslash at line[*at] stands for.
void Unescape(std::string_view line, size_t* at, std::string* word) {
  const char c = line[*at];
  if (c == 'x' && *at + 2 < line.size() && HexValue(line[*at + 1]) >= 0 &&
      HexValue(line[*at + 2]) >= 0) {
    word->push_back(static_cast<char>(HexValue(line[*at + 1]) * 16 + HexValue(line[*at + 2])));
    *at += 2;
    return;
  }
  constexpr std::string_view kLetters = "nrtba";
  constexpr std::string_view kBytes = "\n\r\t\b\a";
  const size_t known = kLetters.find(c);
  word->push_back(known == std::string_view::npos ? c : kBytes[known]);
}

}  // namespace

RequestParser::Outcome RequestParser::Parse(std::string_view input, const RequestLimits& limits) {
  consumed_ = 0;
  if (in_array_) return ParseArray(input, limits);
  while (!input.empty()) {
    const size_t before = consumed_;
    const Outcome outcome = input[0] == '*' ? ParseArray(input, limits) : ParseInline(input);
    if (outcome != Outcome::kRequest || !args_.empty()) return outcome;
    input.remove_prefix(consumed_ - before);
  }
  return More(1);
}

RequestParser::Outcome RequestParser::ParseArray(std::string_view input, const RequestLimits& limits) {
  const char* const begin = input.data();
  const char* const end = begin + input.size();
  if (!in_array_) {
    const char* line = FindReturn(begin, end);
    if (line == nullptr || line + 2 > end) {
      if (line == nullptr && input.size() > kMaxLine) return Fail("too big mbulk count string");
      return More(input.size() + 1);
    }
    const std::optional<int64_t> count = LineNumber(begin + 1, line);
    if (!count || *count > std::numeric_limits<int>::max()) {
      return Fail("invalid multibulk length");
    }
    if (!limits.authenticated && *count > static_cast<int64_t>(kMaxUnauthenticatedArguments)) {
      return Fail("unauthenticated multibulk length");
    }
    args_.clear();
    if (*count <= 0) {
      consumed_ += static_cast<size_t>(line + 2 - begin);
      return Outcome::kRequest;
    }
    in_array_ = true;
    arguments_left_ = static_cast<size_t>(*count);
    bulk_bytes_ = kNoBulk;
    at_ = static_cast<size_t>(line + 2 - begin);
  } else if (begin != base_) {
    for (std::string_view& arg : args_) {
      arg = {begin + (arg.data() - base_), arg.size()};
    }
  }
  base_ = begin;

  const char* at = begin + at_;
  while (arguments_left_ > 0) {
    if (bulk_bytes_ == kNoBulk) {
      if (at < end && *at != '$') {
        return Fail(std::string("expected '$', got '") + *at + "'");
      }
      const char* line = at == end ? nullptr : FindReturn(at, end);
      if (line == nullptr || line + 2 > end) {
        if (line == nullptr && static_cast<size_t>(end - at) > kMaxLine) {
          return Fail("too big bulk count string");
        }
        at_ = static_cast<size_t>(at - begin);
        return More(input.size() + 1);
      }
      const std::optional<int64_t> size = LineNumber(at + 1, line);
      if (!size || *size < 0 || *size > static_cast<int64_t>(limits.max_bulk_bytes)) {
        return Fail("invalid bulk length");
      }
      if (!limits.authenticated && *size > static_cast<int64_t>(kMaxUnauthenticatedBulk)) {
        return Fail("unauthenticated bulk length");
      }
      bulk_bytes_ = static_cast<size_t>(*size);
      at = line + 2;
    }
    // Redis does not look at the two bytes behind a bulk, and some clients rely on it.
    if (static_cast<size_t>(end - at) < bulk_bytes_ + 2) {
      at_ = static_cast<size_t>(at - begin);
      return More(at_ + bulk_bytes_ + 2);
    }
    args_.emplace_back(at, bulk_bytes_);
    at += bulk_bytes_ + 2;
    bulk_bytes_ = kNoBulk;
    arguments_left_--;
  }
  in_array_ = false;
  consumed_ += static_cast<size_t>(at - begin);
  return Outcome::kRequest;
}

RequestParser::Outcome RequestParser::ParseInline(std::string_view input) {
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    if (input.size() > kMaxLine) return Fail("too big inline request");
    return More(input.size() + 1);
  }
  std::string_view line = input.substr(0, newline);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::vector<std::string> words;
  if (!SplitWords(line, &words)) return Fail("unbalanced quotes in request");
  words_.clear();
  for (const std::string& word : words) {
    words_ += word;
  }
  args_.clear();
  size_t at = 0;
  for (const std::string& word : words) {
    args_.push_back(std::string_view(words_).substr(at, word.size()));
    at += word.size();
  }
  consumed_ += newline + 1;
  return Outcome::kRequest;
}

RequestParser::Outcome RequestParser::More(size_t needed) {
  needed_ = needed;
  return Outcome::kMore;
}

RequestParser::Outcome RequestParser::Fail(std::string error) {
  error_ = std::move(error);
  return Outcome::kError;
}

bool SplitWords(std::string_view line, std::vector<std::string>* words) {
  words->clear();
  size_t i = 0;
  while (true) {
    while (i < line.size() && (IsSpace(line[i]) || line[i] == '\0')) i++;
    if (i == line.size()) return true;
    std::string& word = words->emplace_back();
    while (i < line.size() && !IsSpace(line[i]) && line[i] != '\0') {
      const char quote = line[i];
      if (quote != '"' && quote != '\'') {
        word.push_back(line[i++]);
        continue;
      }
      i++;
      while (i < line.size() && line[i] != quote) {
        if (line[i] == '\\' && i + 1 < line.size()) {
          if (quote == '"') {
            i++;
            Unescape(line, &i, &word);
          } else if (line[i + 1] == '\'') {
            i++;
            word.push_back('\'');
          } else {
            word.push_back('\\');
          }
        } else {
          word.push_back(line[i]);
        }
        i++;
      }
      if (i == line.size()) return false;
      i++;
      if (i < line.size() && !IsSpace(line[i])) return false;
    }
  }
}

}  // namespace runnel
