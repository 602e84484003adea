#include "script/pattern.h"

#include <cctype>
#include <cstring>

namespace runnel {

PatternMatch::PatternMatch(lua_State* L, std::string_view subject, std::string_view pattern,
                           bool anchors)
    : L_(L),
      interpreter_(Interpreter::Of(L)),
      begin_(subject.data()),
      end_(subject.data() + subject.size()) {
  pattern = pattern.substr(0, pattern.find('\0'));
  anchored_ = anchors && pattern.starts_with('^');
  if (anchored_) pattern.remove_prefix(1);
  pattern_begin_ = pattern.data();
  pattern_end_ = pattern.data() + pattern.size();
}

const char* PatternMatch::Match(const char* at, const char* p) {
  if (++depth_ > kMaxDepth) luaL_error(L_, "pattern too complex");
  const char* end = MatchItems(at, p);
  depth_--;
  return end;
}

// Goes on along the pattern as long as there is only one way. Where there are several, each is
// tried by Match.
const char* PatternMatch::MatchItems(const char* at, const char* p) {
  while (p != pattern_end_) {
    Step();
    if (*p == '(') {
      const bool position = p + 1 != pattern_end_ && p[1] == ')';
      return position ? OpenCapture(at, p + 2, kPosition) : OpenCapture(at, p + 1, kOpen);
    }
    if (*p == ')') return CloseCapture(at, p + 1);
    if (*p == '$' && p + 1 == pattern_end_) return at == end_ ? at : nullptr;
    if (*p == '%' && p + 1 != pattern_end_) {
      if (p[1] == 'b') {
        at = MatchBalanced(at, p + 2);
        if (at == nullptr) return nullptr;
        p += 4;
        continue;
      }
      if (p[1] == 'f') {
        p += 2;
        if (p == pattern_end_ || *p != '[') {
          luaL_error(L_, "missing " LUA_QL("[") " after " LUA_QL("%%f") " in pattern");
        }
        const char* item_end = ItemEnd(p);
        const char before = at == begin_ ? '\0' : at[-1];
        const char after = at == end_ ? '\0' : *at;
        if (MatchesSet(static_cast<unsigned char>(before), p, item_end - 1) ||
            !MatchesSet(static_cast<unsigned char>(after), p, item_end - 1)) {
          return nullptr;
        }
        p = item_end;
        continue;
      }
      if (std::isdigit(static_cast<unsigned char>(p[1]))) {
        at = MatchCaptured(at, p[1]);
        if (at == nullptr) return nullptr;
        p += 2;
        continue;
      }
    }
    const char* item_end = ItemEnd(p);
    const char repeat = item_end == pattern_end_ ? '\0' : *item_end;
    if (repeat == '*') return MatchMost(at, p, item_end);
    if (repeat == '-') return MatchFewest(at, p, item_end);
    const bool matches = at != end_ && MatchesItem(static_cast<unsigned char>(*at), p, item_end);
    if (repeat == '+') return matches ? MatchMost(at + 1, p, item_end) : nullptr;
    if (repeat == '?') {
      if (matches) {
        const char* end = Match(at + 1, item_end + 1);
        if (end != nullptr) return end;
      }
      p = item_end + 1;
      continue;
    }
    if (!matches) return nullptr;
    at++;
    p = item_end;
  }
  return at;
}

const char* PatternMatch::MatchMost(const char* at, const char* p, const char* item_end) {
  const char* last = at;
  while (last != end_ && MatchesItem(static_cast<unsigned char>(*last), p, item_end)) {
    Step();
    last++;
  }
  while (true) {
    const char* end = Match(last, item_end + 1);
    if (end != nullptr) return end;
    if (last == at) return nullptr;
    last--;
  }
}

const char* PatternMatch::MatchFewest(const char* at, const char* p, const char* item_end) {
  while (true) {
    const char* end = Match(at, item_end + 1);
    if (end != nullptr) return end;
    if (at == end_ || !MatchesItem(static_cast<unsigned char>(*at), p, item_end)) return nullptr;
    at++;
  }
}

// `p` is at the two characters after %b.
const char* PatternMatch::MatchBalanced(const char* at, const char* p) {
  if (pattern_end_ - p < 2) luaL_error(L_, "unbalanced pattern");
  if (at == end_ || *at != p[0]) return nullptr;
  size_t open = 1;
  while (++at != end_) {
    Step();
    if (*at == p[1]) {
      if (--open == 0) return at + 1;
    } else if (*at == p[0]) {
      open++;
    }
  }
  return nullptr;
}

const char* PatternMatch::OpenCapture(const char* at, const char* p, ptrdiff_t size) {
  if (captures_ >= kMaxCaptures) luaL_error(L_, "too many captures");
  capture_[captures_] = {at, size};
  captures_++;
  const char* end = Match(at, p);
  if (end == nullptr) captures_--;
  return end;
}

const char* PatternMatch::CloseCapture(const char* at, const char* p) {
  int index = captures_ - 1;
  while (index >= 0 && capture_[index].size != kOpen) {
    index--;
  }
  if (index < 0) luaL_error(L_, "invalid pattern capture");
  capture_[index].size = at - capture_[index].begin;
  const char* end = Match(at, p);
  if (end == nullptr) capture_[index].size = kOpen;
  return end;
}

const char* PatternMatch::MatchCaptured(const char* at, char digit) {
  const int index = digit - '1';
  if (index < 0 || index >= captures_ || capture_[index].size == kOpen) {
    luaL_error(L_, "invalid capture index");
  }
  // The capture of a position has no text.
  if (capture_[index].size < 0) return nullptr;
  const auto size = static_cast<size_t>(capture_[index].size);
  if (static_cast<size_t>(end_ - at) < size) return nullptr;
  interpreter_.SpendBytes(L_, size);
  return std::memcmp(capture_[index].begin, at, size) == 0 ? at + size : nullptr;
}

const char* PatternMatch::ItemEnd(const char* p) {
  if (*p == '%') {
    if (p + 1 == pattern_end_) {
      luaL_error(L_, "malformed pattern (ends with " LUA_QL("%%") ")");
    }
    return p + 2;
  }
  if (*p != '[') return p + 1;
  p++;
  if (p != pattern_end_ && *p == '^') p++;
  // A ] at the first place stands for itself.
  do {
    if (p == pattern_end_) luaL_error(L_, "malformed pattern (missing " LUA_QL("]") ")");
    const bool escape = *p++ == '%';
    if (escape && p != pattern_end_) p++;
  } while (p == pattern_end_ || *p != ']');
  return p + 1;
}

bool PatternMatch::MatchesItem(unsigned char c, const char* p, const char* item_end) const {
  switch (*p) {
    case '.':
      return true;
    case '%':
      return MatchesClass(c, static_cast<unsigned char>(p[1]));
    case '[':
      return MatchesSet(c, p, item_end - 1);
    default:
      return static_cast<unsigned char>(*p) == c;
  }
}

bool PatternMatch::MatchesClass(unsigned char c, unsigned char name) {
  bool in;
  switch (std::tolower(name)) {
    case 'a':
      in = std::isalpha(c) != 0;
      break;
    case 'c':
      in = std::iscntrl(c) != 0;
      break;
    case 'd':
      in = std::isdigit(c) != 0;
      break;
    case 'l':
      in = std::islower(c) != 0;
      break;
    case 'p':
      in = std::ispunct(c) != 0;
      break;
    case 's':
      in = std::isspace(c) != 0;
      break;
    case 'u':
      in = std::isupper(c) != 0;
      break;
    case 'w':
      in = std::isalnum(c) != 0;
      break;
    case 'x':
      in = std::isxdigit(c) != 0;
      break;
    case 'z':
      in = c == 0;
      break;
    default:
      return name == c;
  }
  return std::isupper(name) ? !in : in;
}

bool PatternMatch::MatchesSet(unsigned char c, const char* p, const char* last) {
  p++;
  const bool inverted = *p == '^';
  if (inverted) p++;
  while (p < last) {
    if (*p == '%') {
      if (MatchesClass(c, static_cast<unsigned char>(p[1]))) return !inverted;
      p += 2;
    } else if (last - p > 2 && p[1] == '-') {
      if (static_cast<unsigned char>(p[0]) <= c && c <= static_cast<unsigned char>(p[2])) {
        return !inverted;
      }
      p += 3;
    } else {
      if (static_cast<unsigned char>(*p) == c) return !inverted;
      p++;
    }
  }
  return inverted;
}

void PatternMatch::PushCapture(int index, const char* from, const char* to) {
  if (index >= captures_) {
    if (index != 0) luaL_error(L_, "invalid capture index");
    lua_pushlstring(L_, from, static_cast<size_t>(to - from));
    return;
  }
  const Capture& capture = capture_[index];
  if (capture.size == kOpen) luaL_error(L_, "unfinished capture");
  if (capture.size == kPosition) {
    lua_pushinteger(L_, capture.begin - begin_ + 1);
    return;
  }
  interpreter_.SpendBytes(L_, static_cast<size_t>(capture.size));
  lua_pushlstring(L_, capture.begin, static_cast<size_t>(capture.size));
}

int PatternMatch::PushCaptures(const char* from, const char* to, bool whole) {
  const int count = captures_ == 0 && whole ? 1 : captures_;
  luaL_checkstack(L_, count, "too many captures");
  for (int i = 0; i < count; i++) {
    PushCapture(i, from, to);
  }
  return count;
}

}  // namespace runnel
