#pragma once

#include <string_view>

#include <lua.hpp>

#include "script/interpreter.h"

namespace runnel {

// Lua's patterns (manual of Lua 5.1, 5.4.1). Lua's own matcher cannot be stopped while it tries one
// way after the other, and its stack grows with the pattern; this one counts its steps as work of
// the run, and its depth is bounded. Owns nothing: errors are raised in Lua's way.
class PatternMatch {
 public:
  // The texts are on Lua's stack. Like Lua, it reads the pattern up to its first zero byte.
  // `anchors`: whether a ^ at its beginning is one; else it is a character.
  PatternMatch(lua_State* L, std::string_view subject, std::string_view pattern,
               bool anchors = true);

  // Whether the pattern begins with ^, which is then taken away.
  bool anchored() const { return anchored_; }
  const char* subject_begin() const { return begin_; }
  const char* subject_end() const { return end_; }

  // The end of the match that begins at `at`; nullptr if there is none.
  const char* MatchAt(const char* at) {
    captures_ = 0;
    depth_ = 0;
    return Match(at, pattern_begin_);
  }

  // After a match from `from` to `to`: pushes all captures, or the whole match if there is none and
  // `whole` is set. Returns their number.
  int PushCaptures(const char* from, const char* to, bool whole);
  // Pushes one capture, counted from 0.
  void PushCapture(int index, const char* from, const char* to);

 private:
  static constexpr int kMaxCaptures = 32;
  // Each item of the pattern that can be tried in several ways takes one level.
  static constexpr int kMaxDepth = 4000;
  static constexpr ptrdiff_t kOpen = -1;      // a capture that has no end yet
  static constexpr ptrdiff_t kPosition = -2;  // a capture of a position

  struct Capture {
    const char* begin;
    ptrdiff_t size;
  };

  const char* Match(const char* at, const char* p);
  const char* MatchItems(const char* at, const char* p);
  const char* MatchMost(const char* at, const char* p, const char* item_end);
  const char* MatchFewest(const char* at, const char* p, const char* item_end);
  const char* MatchBalanced(const char* at, const char* p);
  const char* OpenCapture(const char* at, const char* p, ptrdiff_t size);
  const char* CloseCapture(const char* at, const char* p);
  const char* MatchCaptured(const char* at, char digit);
  // The end of the item (one class of characters) that begins at p.
  const char* ItemEnd(const char* p);
  bool MatchesItem(unsigned char c, const char* p, const char* item_end) const;
  static bool MatchesClass(unsigned char c, unsigned char name);
  // `p` is at [, `last` at its ].
  static bool MatchesSet(unsigned char c, const char* p, const char* last);
  void Step() { interpreter_.Spend(L_, 1); }

  lua_State* L_;
  Interpreter& interpreter_;
  const char* begin_;
  const char* end_;
  const char* pattern_begin_;
  const char* pattern_end_;
  bool anchored_ = false;
  int captures_ = 0;
  int depth_ = 0;
  Capture capture_[kMaxCaptures];
};

}  // namespace runnel
