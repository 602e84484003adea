#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/sorted_set/arguments.h"
#include "commands/sorted_set/changes.h"
#include "commands/sorted_set/commands.h"
#include "commands/sorted_set/replies.h"

namespace runnel::commands {
namespace {

// Which members, and in which order.
struct RangeQuery {
  enum By { kByRank, kByScore, kByLex };
  By by = kByRank;
  bool reverse = false;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: none
  int64_t first = 0;   // by rank
  int64_t last = 0;
  ScoreRange scores;
  LexRange lex;
};

// What the name of a command says about the range; what it leaves open is said by options.
struct RangeForm {
  std::optional<RangeQuery::By> by = std::nullopt;
  std::optional<bool> reverse = std::nullopt;
  bool stores = false;  // there are no scores in the reply
};

bool ReadRangeOptions(Context& context, size_t first, RangeForm form, RangeQuery* query) {
  for (size_t i = first; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (!form.stores && Is(option, "WITHSCORES")) {
      query->with_scores = true;
    } else if (Is(option, "LIMIT") && i + 2 < context.argc()) {
      if (!ReadInteger(context, context.arg(i + 1), &query->offset)) return false;
      if (!ReadInteger(context, context.arg(i + 2), &query->limit)) return false;
      i += 2;
    } else if (!form.reverse && Is(option, "REV")) {
      form.reverse = true;
    } else if (!form.by && Is(option, "BYSCORE")) {
      form.by = RangeQuery::kByScore;
    } else if (!form.by && Is(option, "BYLEX")) {
      form.by = RangeQuery::kByLex;
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  query->by = form.by.value_or(RangeQuery::kByRank);
  query->reverse = form.reverse.value_or(false);
  return true;
}

// Reads the two bounds from argument `first` on, and the options after them.
bool ReadRangeQuery(Context& context, size_t first, const RangeForm& form, RangeQuery* query) {
  if (!ReadRangeOptions(context, first + 2, form, query)) return false;
  if (query->by == RangeQuery::kByRank && query->limit != -1) {
    return Fail(context,
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                "BYLEX");
  }
  if (query->by == RangeQuery::kByLex && query->with_scores) {
    return Fail(context, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  }
  std::string_view min = context.arg(first);
  std::string_view max = context.arg(first + 1);
  if (query->by == RangeQuery::kByRank) {
    return ReadRanks(context, min, max, &query->first, &query->last);
  }
  // From the end backwards, the larger one comes first.
  if (query->reverse) std::swap(min, max);
  return query->by == RangeQuery::kByScore ? ReadScoreRange(context, min, max, &query->scores)
                                           : ReadLexRange(context, min, max, &query->lex);
}

// Leaves out the members before the offset and those after the limit.
RankRange Limited(const RangeQuery& query, RankRange range) {
  if (query.offset < 0) return {};
  const uint64_t skipped = std::min(static_cast<uint64_t>(query.offset), range.size());
  const uint64_t left = range.size() - skipped;
  const uint64_t taken =
      query.limit < 0 ? left : std::min(static_cast<uint64_t>(query.limit), left);
  const uint64_t begin = query.reverse ? range.end - skipped - taken : range.begin + skipped;
  return {begin, begin + taken};
}

RankRange FindQueried(const SortedSet& set, const RangeQuery& query) {
  switch (query.by) {
    case RangeQuery::kByRank: {
      const RankRange range = RanksWithin(set.size(), query.first, query.last);
      if (!query.reverse) return range;
      return {set.size() - range.end, set.size() - range.begin};
    }
    case RangeQuery::kByScore:
      return Limited(query, set.Find(query.scores.min, query.scores.max));
    case RangeQuery::kByLex:
      return Limited(query, set.Find(query.lex.min, query.lex.max));
  }
  return {};
}

// Visits the members of the range in the order of the query: visit(member, score).
template <class Visit>
void VisitRange(const SortedSet& set, RankRange range, bool reverse, Visit visit) {
  if (range.size() == 0) return;
  SortedSet::Iterator at = set.Seek(reverse ? range.end - 1 : range.begin);
  for (uint64_t left = range.size(); left > 0; left--) {
    visit(at.member(), at.score());
    reverse ? at.Previous() : at.Next();
  }
}

void ReplyRange(Context& context, const RangeForm& form) {
  RangeQuery query;
  if (!ReadRangeQuery(context, 2, form, &query)) return;
  const SortedSet* set;
  if (!context.Read(context.Key(1), &set)) return;
  if (set == nullptr) return context.reply().Array(0);
  const RankRange range = FindQueried(*set, query);
  BeginMembers(context.reply(), range.size(), query.with_scores);
  VisitRange(*set, range, query.reverse, [&](std::string_view member, double score) {
    WriteMember(context.reply(), member, score, query.with_scores);
  });
}

// Removes what `find(set)` finds.
template <class FindRange>
void RemoveFound(Context& context, std::string_view event, FindRange find) {
  const KeyRef key = context.Key(1);
  const SortedSet* set;
  if (!context.ReadForWrite(key, &set)) return;
  const RankRange range = set == nullptr ? RankRange() : find(*set);
  if (range.size() == 0) return context.reply().Integer(0);
  RangeRemoval removal;
  if (!removal.Plan(context, *set, range)) return;
  removal.Apply(context, key, event);
  context.reply().Integer(static_cast<int64_t>(range.size()));
}

}  // namespace

void ZRange(Context& context) {
  ReplyRange(context, {});
}
void ZRevRange(Context& context) {
  ReplyRange(context, {RangeQuery::kByRank, true});
}
void ZRangeByScore(Context& context) {
  ReplyRange(context, {RangeQuery::kByScore, false});
}
void ZRevRangeByScore(Context& context) {
  ReplyRange(context, {RangeQuery::kByScore, true});
}
void ZRangeByLex(Context& context) {
  ReplyRange(context, {RangeQuery::kByLex, false});
}
void ZRevRangeByLex(Context& context) {
  ReplyRange(context, {RangeQuery::kByLex, true});
}

void ZRangeStore(Context& context) {
  RangeQuery query;
  if (!ReadRangeQuery(context, 3, {.stores = true}, &query)) return;
  const SortedSet* set;
  if (!context.Read(context.Key(2), &set)) return;
  std::vector<ScoredMember> members;
  if (set != nullptr) {
    const RankRange range = FindQueried(*set, query);
    members.reserve(range.size());
    // Always in ascending order: so they are added fastest.
    VisitRange(*set, range, false, [&](std::string_view member, double score) {
      members.push_back({score, member});
    });
  }
  StoreSorted(context, context.Key(1), members, context.arg(1) == context.arg(2), "zrangestore");
}

void ZRemRangeByRank(Context& context) {
  int64_t first;
  int64_t last;
  if (!ReadRanks(context, context.arg(2), context.arg(3), &first, &last)) return;
  RemoveFound(context, "zremrangebyrank",
              [&](const SortedSet& set) { return RanksWithin(set.size(), first, last); });
}

void ZRemRangeByScore(Context& context) {
  ScoreRange range;
  if (!ReadScoreRange(context, context.arg(2), context.arg(3), &range)) return;
  RemoveFound(context, "zremrangebyscore",
              [&](const SortedSet& set) { return set.Find(range.min, range.max); });
}

void ZRemRangeByLex(Context& context) {
  LexRange range;
  if (!ReadLexRange(context, context.arg(2), context.arg(3), &range)) return;
  RemoveFound(context, "zremrangebylex",
              [&](const SortedSet& set) { return set.Find(range.min, range.max); });
}

}  // namespace runnel::commands
