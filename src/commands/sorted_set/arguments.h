#pragma once

#include <cstdint>
#include <string_view>

#include "commands/arguments.h"
#include "data/sorted_set/sorted_set.h"

// Arguments of sorted-set commands. As in commands/arguments.h, each function writes the error
// reply and returns false if the argument is wrong.

namespace runnel::commands {

// A score that is given to a member, or a weight: what strtod reads, wholly; not NaN.
[[nodiscard]] bool ReadScore(Context& context, std::string_view text, double* score,
                             std::string_view error = kNotAFloat);

struct ScoreRange {
  ScoreBound min;
  ScoreBound max;
};
// Scores, each maybe with ( before it, which leaves members with this score out. Redis is less
// strict here than where a score is given: blanks may stand before the number, an empty text is 0,
// and a number that is too large is infinite.
[[nodiscard]] bool ReadScoreRange(Context& context, std::string_view min, std::string_view max,
                                  ScoreRange* range);

struct LexRange {
  LexBound min;
  LexBound max;
};
// Members with [ or ( before them, or - and + for what is beyond all members. The bounds are views
// into the texts.
[[nodiscard]] bool ReadLexRange(Context& context, std::string_view min, std::string_view max,
                                LexRange* range);

// Ranks from `start` to `stop`, both included; negative ones count from the end.
[[nodiscard]] bool ReadRanks(Context& context, std::string_view start, std::string_view stop,
                             int64_t* first, int64_t* last);
// The same as ranks of a set of this size.
RankRange RanksWithin(uint64_t size, int64_t first, int64_t last);

}  // namespace runnel::commands
