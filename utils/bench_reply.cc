#include "utils/bench_reply.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

// Longer than any line a server sends; what is longer is not RESP.
constexpr size_t kLongestLine = 64 * 1024;

int64_t Number(std::string_view digits) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  if (error != std::errc() || end != digits.end()) Fail("'{}' in a reply is no number", digits);
  return number;
}

bool IsBulkType(char type) {
  return type == '$' || type == '=' || type == '!';
}

}  // namespace

void ReplyCounts::Add(const ReplyCounts& other) {
  replies += other.replies;
  pushes += other.pushes;
  errors += other.errors;
  bulks += other.bulks;
  integers += other.integers;
}

const char* ReplyScanner::Scan(const char* begin, const char* end) {
  whole_ = false;
  const char* at = begin;
  while (at != end && !whole_) {
    if (body_left_ > 0) {
      const auto taken = std::min(body_left_, static_cast<uint64_t>(end - at));
      at += taken;
      body_left_ -= taken;
      if (body_left_ == 0) EndValue();
      continue;
    }
    const auto* newline =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
    if (newline == nullptr) {
      cut_line_.append(at, end);
      if (cut_line_.size() > kLongestLine) Fail("the server's reply is not RESP");
      return end;
    }
    if (cut_line_.empty()) {
      TakeHeader({at, static_cast<size_t>(newline + 1 - at)});
    } else {
      const std::string line = std::move(cut_line_) + std::string(at, newline + 1);
      cut_line_.clear();
      TakeHeader(line);
    }
    at = newline + 1;
  }
  return at;
}

// `line` includes its line end.
void ReplyScanner::TakeHeader(std::string_view line) {
  if (line.size() < 3 || line[line.size() - 2] != '\r') Fail("the server's reply is not RESP");
  const char type = line[0];
  const std::string_view rest = line.substr(1, line.size() - 3);
  const bool top = values_left_ == 0;
  if (top) {
    values_left_ = 1;
    push_ = type == '>';
  }
  switch (type) {
    case '$':
    case '=':
    case '!': {
      const int64_t length = Number(rest);
      if (length < 0) return EndValue();
      body_left_ = static_cast<uint64_t>(length) + 2;
      if (type == '!') {
        ++counts_.errors;
        if (first_error_.empty()) first_error_ = "a bulk error";
      } else {
        ++counts_.bulks;
      }
      return;
    }
    case '*':
    case '~':
    case '>':
      values_left_ += static_cast<uint64_t>(std::max<int64_t>(Number(rest), 0));
      return EndValue();
    case '%':
      values_left_ += 2 * static_cast<uint64_t>(Number(rest));
      return EndValue();
    case '|':  // an attribute stands before the value that it is about
      values_left_ += 2 * static_cast<uint64_t>(Number(rest));
      return;
    case ':':
      if (top) counts_.integers += Number(rest);
      return EndValue();
    case '-':
      ++counts_.errors;
      if (first_error_.empty()) first_error_ = rest;
      return EndValue();
    case '+':
    case '_':
    case ',':
    case '#':
    case '(':
      return EndValue();
    default:
      Fail("the server's reply is not RESP: it begins with '{}'", line.substr(0, 40));
  }
}

void ReplyScanner::EndValue() {
  if (--values_left_ > 0) return;
  whole_ = true;
  ++(push_ ? counts_.pushes : counts_.replies);
}

// The rest of the next header, which must be of one of the types.
std::string_view ReplyReader::Header(std::string_view types) {
  const size_t line = rest_.find("\r\n");
  if (line == std::string_view::npos || types.find(rest_[0]) == std::string_view::npos) {
    Fail("a reply has '{}' in place of one of '{}'", rest_.substr(0, 20), types);
  }
  const std::string_view header = rest_.substr(1, line - 1);
  rest_.remove_prefix(line + 2);
  return header;
}

size_t ReplyReader::Array() {
  const std::string_view header = Header("*_");
  return header.empty() ? 0 : static_cast<size_t>(std::max<int64_t>(Number(header), 0));
}

std::string_view ReplyReader::Bulk() {
  const auto size = static_cast<size_t>(Number(Header("$")));
  if (rest_.size() < size + 2) Fail("a reply is cut");
  const std::string_view bulk = rest_.substr(0, size);
  rest_.remove_prefix(size + 2);
  return bulk;
}

int64_t ReplyReader::Integer() {
  return Number(Header(":"));
}

void CollectBulks(std::string_view reply, std::vector<std::string_view>* out) {
  while (!reply.empty()) {
    const size_t line = reply.find("\r\n");
    const std::string_view header = reply.substr(0, line);
    reply.remove_prefix(line + 2);
    if (!IsBulkType(header[0])) continue;
    const int64_t length = Number(header.substr(1));
    if (length < 0) continue;
    out->push_back(reply.substr(0, static_cast<size_t>(length)));
    reply.remove_prefix(static_cast<size_t>(length) + 2);
  }
}

}  // namespace runnel::bench
