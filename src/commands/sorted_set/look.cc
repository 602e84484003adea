#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include "base/glob.h"
#include "base/numbers.h"
#include "base/random.h"
#include "commands/repeats.h"
#include "commands/sorted_set/arguments.h"
#include "commands/sorted_set/commands.h"
#include "commands/sorted_set/replies.h"

namespace runnel::commands {
namespace {

// Counts what `find(set)` finds.
template <class FindRange>
void ReplyCount(Context& context, FindRange find) {
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  context.reply().Integer(set == nullptr ? 0 : static_cast<int64_t>(find(*set).size()));
}

void ReplyRank(Context& context, bool reverse) {
  const size_t argc = context.argc();
  if (argc > 4) {
    return context.reply().Error(reverse ? "ERR wrong number of arguments for 'zrevrank' command"
                                         : "ERR wrong number of arguments for 'zrank' command");
  }
  const bool with_score = argc == 4;
  if (with_score && !Is(context.arg(3), "WITHSCORE")) return context.reply().Error(kSyntaxError);
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  const std::optional<uint64_t> rank = set == nullptr ? std::nullopt : set->Rank(context.arg(2));
  if (!rank) return with_score ? context.reply().NullArray() : context.reply().Null();
  if (with_score) context.reply().Array(2);
  context.reply().Integer(static_cast<int64_t>(reverse ? set->size() - 1 - *rank : *rank));
  if (with_score) WriteScore(context.reply(), *set->Score(context.arg(2)));
}

// `count` different ranks below `size`, in ascending order. REQUIRES: count <= size.
std::vector<uint64_t> DrawRanks(Random& random, uint64_t count, uint64_t size) {
  // Each step draws from one more rank than the one before. A rank that was drawn before stands for
  // the one that has come in, which cannot have been.
  absl::flat_hash_set<uint64_t> drawn;
  drawn.reserve(count);
  for (uint64_t last = size - count; last < size; last++) {
    if (!drawn.insert(random.Below(last + 1)).second) drawn.insert(last);
  }
  std::vector<uint64_t> ranks(drawn.begin(), drawn.end());
  std::sort(ranks.begin(), ranks.end());
  return ranks;
}

// So many members, each drawn from all of them.
void ReplyDraws(Context& context, const SortedSet& set, uint64_t count, bool with_scores) {
  RepeatBound bound(context);
  if (!bound.Allows(count)) return;
  BeginMembers(context.reply(), count, with_scores);
  for (; count > 0; count--) {
    const SortedSet::Iterator at = set.Random(context.random().Next());
    WriteMember(context.reply(), at.member(), at.score(), with_scores);
    if (!bound.Holds()) return;
  }
}

struct MemberScan {
  int64_t count = 10;
  std::string_view pattern = "*";
};

bool ReadMemberScan(Context& context, MemberScan* scan) {
  for (size_t i = 3; i < context.argc(); i += 2) {
    if (i + 1 == context.argc()) return Fail(context, kSyntaxError);
    const std::string_view value = context.arg(i + 1);
    if (Is(context.arg(i), "COUNT")) {
      if (!ReadInteger(context, value, &scan->count)) return false;
      if (scan->count < 1) return Fail(context, kSyntaxError);
    } else if (Is(context.arg(i), "MATCH")) {
      scan->pattern = value;
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  return true;
}

}  // namespace

void ZScore(Context& context) {
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  const std::optional<double> score = set == nullptr ? std::nullopt : set->Score(context.arg(2));
  score ? WriteScore(context.reply(), *score) : context.reply().Null();
}

void ZMScore(Context& context) {
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  const std::span<const std::string_view> members = context.args().subspan(2);
  context.reply().Array(members.size());
  for (const std::string_view member : members) {
    const std::optional<double> score = set == nullptr ? std::nullopt : set->Score(member);
    score ? WriteScore(context.reply(), *score) : context.reply().Null();
  }
}

void ZCard(Context& context) {
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  context.reply().Integer(set == nullptr ? 0 : static_cast<int64_t>(set->size()));
}

void ZCount(Context& context) {
  ScoreRange range;
  if (!ReadScoreRange(context, context.arg(2), context.arg(3), &range)) return;
  ReplyCount(context, [&](const SortedSet& set) { return set.Find(range.min, range.max); });
}

void ZLexCount(Context& context) {
  LexRange range;
  if (!ReadLexRange(context, context.arg(2), context.arg(3), &range)) return;
  ReplyCount(context, [&](const SortedSet& set) { return set.Find(range.min, range.max); });
}

void ZRank(Context& context) {
  ReplyRank(context, false);
}
void ZRevRank(Context& context) {
  ReplyRank(context, true);
}

void ZRandMember(Context& context) {
  const size_t argc = context.argc();
  int64_t count = 0;
  bool with_scores = false;
  if (argc > 2) {
    if (!ReadDrawCount(context, context.arg(2), &count)) return;
    with_scores = argc == 4 && Is(context.arg(3), "WITHSCORES");
    if (argc > 4 || (argc == 4 && !with_scores)) return context.reply().Error(kSyntaxError);
    if (with_scores && !CheckPairCount(context, count)) return;
  }
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  if (argc == 2) {
    if (set == nullptr) return context.reply().Null();
    return context.reply().Bulk(set->Random(context.random().Next()).member());
  }
  if (set == nullptr || count == 0) return context.reply().Array(0);
  if (count < 0) return ReplyDraws(context, *set, static_cast<uint64_t>(-count), with_scores);

  const uint64_t drawn = std::min(static_cast<uint64_t>(count), uint64_t{set->size()});
  BeginMembers(context.reply(), drawn, with_scores);
  // Half of the members, or more, are met in a row; a few are sought one by one.
  const std::vector<uint64_t> ranks = drawn == set->size()
                                          ? std::vector<uint64_t>()
                                          : DrawRanks(context.random(), drawn, set->size());
  SortedSet::Iterator at = set->Seek(0);
  for (uint64_t i = 0; i < drawn; i++) {
    const uint64_t rank = ranks.empty() ? i : ranks[i];
    constexpr uint64_t kNear = 8;
    if (rank - at.rank() > kNear) at = set->Seek(rank);
    while (at.rank() < rank)
      at.Next();
    WriteMember(context.reply(), at.member(), at.score(), with_scores);
  }
}

void ZScan(Context& context) {
  const std::optional<uint64_t> start = ParseDigits(context.arg(2));
  if (!start) return context.reply().Error("ERR invalid cursor");
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  MemberScan scan;
  // As in Redis, options are looked at only if there is a set.
  if (set != nullptr && !ReadMemberScan(context, &scan)) return;

  std::vector<std::pair<std::string_view, double>> found;
  uint64_t cursor = *start;
  if (set != nullptr) {
    // A table that has shrunk has many empty buckets.
    const uint64_t count = static_cast<uint64_t>(scan.count);
    uint64_t buckets_left = count > UINT64_MAX / 10 ? UINT64_MAX : 10 * count;
    uint64_t visited = 0;
    do {
      cursor = set->Scan(cursor, [&](std::string_view member, double score) {
        visited++;
        if (scan.pattern == "*" || GlobMatch(scan.pattern, member))
          found.push_back({member, score});
      });
    } while (cursor != 0 && visited < count && --buckets_left > 0);
  } else {
    cursor = 0;
  }
  context.reply().Array(2);
  context.reply().BulkInteger(static_cast<int64_t>(cursor));
  context.reply().Array(2 * found.size());
  // As in Redis, whose small form holds whole numbers as such: they have all their digits.
  const bool small =
      set != nullptr && set->EncodingUnder(context.options().encoding_limits) == "listpack";
  constexpr double kMostWhole = 0x1p62;
  for (const auto& [member, score] : found) {
    context.reply().Bulk(member);
    // A bulk in RESP3, too.
    if (small && std::abs(score) <= kMostWhole && score == std::trunc(score)) {
      context.reply().BulkInteger(static_cast<int64_t>(score));
    } else {
      context.reply().Bulk(FormatScore(score));
    }
  }
}

}  // namespace runnel::commands
