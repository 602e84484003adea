#include "resp/request_parser.h"

#include <cstring>
#include <limits>
#include <optional>
#include <utility>

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

const char* FindReturn(const char* from, const char* end) {
  return static_cast<const char*>(std::memchr(from, '\r', static_cast<size_t>(end - from)));
}

// Reads the line at `at`, after its first byte, in the form that nearly all of them have: one to
// three digits without leading zeros, and \r\n. Returns the place after the line; nullptr if it is
// something else, or too near to `end` to tell.
inline const char* ReadShortLine(const char* at, const char* end, size_t* number) {
  constexpr ptrdiff_t kLongest = 3 + 2;
  if (end - at < kLongest) return nullptr;
  const auto digit_at = [at](size_t i) {
    return static_cast<unsigned char>(at[i]) - unsigned{'0'};
  };
  const unsigned first = digit_at(0);
  if (first > 9) return nullptr;
  if (at[1] == '\r') {
    *number = first;
    return at + 3;
  }
  const unsigned second = digit_at(1);
  if (first == 0 || second > 9) return nullptr;
  if (at[2] == '\r') {
    *number = first * 10 + second;
    return at + 4;
  }
  const unsigned third = digit_at(2);
  if (third > 9 || at[3] != '\r') return nullptr;
  *number = (first * 10 + second) * 10 + third;
  return at + 5;
}

// The same for any line: *number is nothing if it holds none. Returns the place after the line;
// nullptr if it is not whole yet.
[[gnu::noinline]] const char* ReadLine(const char* at, const char* end,
                                       std::optional<int64_t>* number) {
  size_t small;
  if (const char* after = ReadShortLine(at, end, &small)) {
    *number = static_cast<int64_t>(small);
    return after;
  }
  const char* const line = FindReturn(at, end);
  if (line == nullptr || line + 2 > end) return nullptr;
  *number = ParseInteger({at, static_cast<size_t>(line - at)});
  return line + 2;
}

// Whether a line that is not whole yet need not be waited for.
bool IsTooLong(const char* at, const char* end) {
  return static_cast<size_t>(end - at) > kMaxLine && FindReturn(at, end) == nullptr;
}

// The address `by` bytes after this one (modulo its width). The result may lie in no object: it is
// only kept, until it is moved back.
const char* Moved(const char* address, uintptr_t by) {
  return reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(address) + by);
}

// Appends the byte that the escape after a backslash at line[*at] stands for.
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

RequestParser::Outcome RequestParser::ParseArray(std::string_view input,
                                                 const RequestLimits& limits) {
  const char* const begin = input.data();
  const char* const end = begin + input.size();
  if (!in_array_) {
    std::optional<int64_t> count;
    const char* const after = ReadLine(begin + 1, end, &count);
    if (after == nullptr) {
      if (IsTooLong(begin, end)) return Fail("too big mbulk count string");
      return More(input.size() + 1);
    }
    if (!count || *count > std::numeric_limits<int>::max()) {
      return Fail("invalid multibulk length");
    }
    if (!limits.authenticated && *count > static_cast<int64_t>(kMaxUnauthenticatedArguments)) {
      return Fail("unauthenticated multibulk length");
    }
    args_.clear();
    if (*count <= 0) {
      consumed_ += static_cast<size_t>(after - begin);
      return Outcome::kRequest;
    }
    in_array_ = true;
    arguments_left_ = static_cast<size_t>(*count);
    bulk_bytes_ = kNoBulk;
    at_ = static_cast<size_t>(after - begin);
    home_ = reinterpret_cast<uintptr_t>(begin);
  }
  // From here to where the views of this request count from. Nothing in most cases: the request
  // arrived in one piece, or its buffer has not moved.
  const uintptr_t shift = home_ - reinterpret_cast<uintptr_t>(begin);

  const char* at = begin + at_;
  size_t left = arguments_left_;
  const auto more = [&](size_t needed) {
    at_ = static_cast<size_t>(at - begin);
    arguments_left_ = left;
    return More(needed);
  };
  // The size of the next argument, if its line has been read.
  size_t size = std::exchange(bulk_bytes_, kNoBulk);
  for (; left > 0; left--, size = kNoBulk) {
    if (size == kNoBulk) {
      const char* after = nullptr;
      if (at < end && *at == '$') after = ReadShortLine(at + 1, end, &size);
      if (after == nullptr) [[unlikely]] {
        if (at < end && *at != '$') {
          return Fail(std::string("expected '$', got '") + *at + "'");
        }
        std::optional<int64_t> number;
        after = at == end ? nullptr : ReadLine(at + 1, end, &number);
        if (after == nullptr) {
          return IsTooLong(at, end) ? Fail("too big bulk count string") : more(input.size() + 1);
        }
        if (!number || *number < 0) return Fail("invalid bulk length");
        size = static_cast<size_t>(*number);
      }
      if (size > limits.max_bulk_bytes) return Fail("invalid bulk length");
      if (!limits.authenticated && size > kMaxUnauthenticatedBulk) {
        return Fail("unauthenticated bulk length");
      }
      at = after;
    }
    // Redis does not look at the two bytes after a bulk, and some clients rely on it.
    if (static_cast<size_t>(end - at) < size + 2) {
      bulk_bytes_ = size;
      return more(static_cast<size_t>(at - begin) + size + 2);
    }
    args_.emplace_back(Moved(at, shift), size);
    at += size + 2;
  }
  in_array_ = false;
  if (shift != 0) [[unlikely]] {
    for (std::string_view& arg : args_) {
      arg = {Moved(arg.data(), uintptr_t{0} - shift), arg.size()};
    }
  }
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

void RequestParser::FreeArguments() {
  std::vector<std::string_view>().swap(args_);
  std::string().swap(words_);
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
    while (i < line.size() && (IsSpace(line[i]) || line[i] == '\0'))
      i++;
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
