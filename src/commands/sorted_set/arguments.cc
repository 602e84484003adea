#include "commands/sorted_set/arguments.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/numbers.h"

namespace runnel::commands {
namespace {

// Longer texts are no numbers that anybody writes; strtod would read them all.
constexpr size_t kMostScoreText = 5 * 1024;

bool ParseScoreBound(std::string_view text, ScoreBound* bound) {
  bound->exclusive = text.starts_with('(');
  if (bound->exclusive) text.remove_prefix(1);
  // As for Redis, the text ends at a zero byte.
  text = text.substr(0, text.find('\0'));
  if (text.size() > kMostScoreText) return false;
  const std::string terminated(text);
  char* end = nullptr;
  bound->score = std::strtod(terminated.c_str(), &end);
  return *end == '\0' && !std::isnan(bound->score);
}

bool ParseLexBound(std::string_view text, LexBound* bound) {
  if (text == "-" || text == "+") {
    bound->kind = text == "-" ? LexBound::kLowest : LexBound::kHighest;
    return true;
  }
  if (!text.starts_with('[') && !text.starts_with('(')) return false;
  bound->kind = text[0] == '[' ? LexBound::kInclusive : LexBound::kExclusive;
  bound->member = text.substr(1);
  return true;
}

}  // namespace

bool ReadScore(Context& context, std::string_view text, double* score, std::string_view error) {
  // Whole numbers of so many digits are exact, and need no strtod.
  constexpr size_t kMostExact = 15;
  if (text.size() <= kMostExact) {
    if (const std::optional<int64_t> whole = ParseInteger(text)) {
      *score = static_cast<double>(*whole);
      return true;
    }
  }
  const std::optional<double> number = ParseDouble(text);
  if (!number) return Fail(context, error);
  *score = *number;
  return true;
}

bool ReadScoreRange(Context& context, std::string_view min, std::string_view max,
                    ScoreRange* range) {
  if (ParseScoreBound(min, &range->min) && ParseScoreBound(max, &range->max)) return true;
  return Fail(context, "ERR min or max is not a float");
}

bool ReadLexRange(Context& context, std::string_view min, std::string_view max, LexRange* range) {
  if (ParseLexBound(min, &range->min) && ParseLexBound(max, &range->max)) return true;
  return Fail(context, "ERR min or max not valid string range item");
}

bool ReadRanks(Context& context, std::string_view start, std::string_view stop, int64_t* first,
               int64_t* last) {
  return ReadInteger(context, start, first) && ReadInteger(context, stop, last);
}

RankRange RanksWithin(uint64_t size, int64_t first, int64_t last) {
  const int64_t count = static_cast<int64_t>(size);
  if (first < 0) first = first < -count ? 0 : first + count;
  if (last < 0) last = last < -count ? -1 : last + count;
  last = std::min(last, count - 1);
  if (first > last) return {};
  return {static_cast<uint64_t>(first), static_cast<uint64_t>(last) + 1};
}

}  // namespace runnel::commands
