#include <algorithm>
#include <string>

#include "commands/key_events.h"
#include "commands/sorted_set/arguments.h"
#include "commands/sorted_set/changes.h"
#include "commands/sorted_set/commands.h"
#include "commands/sorted_set/replies.h"

namespace runnel::commands {
namespace {

// Which members go first.
enum class ScoreEnd { kMin, kMax };

std::string_view PopEvent(ScoreEnd end) {
  return end == ScoreEnd::kMin ? "zpopmin" : "zpopmax";
}

// Takes one member; it and its score are the next two items of the reply. The set is not good any
// more afterwards.
void PopScored(Context& context, const KeyRef& key, const SortedSet& set, ScoreEnd end) {
  const bool emptied = set.size() == 1;
  const SortedSet::Iterator at = set.Seek(end == ScoreEnd::kMin ? 0 : set.size() - 1);
  context.reply().Bulk(at.member());
  WriteScore(context.reply(), at.score());
  // The effect must not point into the set.
  const std::string member(at.member());
  const std::string_view members[] = {member};
  context.Apply(SortedSetRemove{key, members});
  context.Notify(kNotifyZset, PopEvent(end), key);
  if (emptied) NotifyDeleted(context, key);
}

enum class PopReply {
  kFlat,    // members and scores in one array
  kPaired,  // each member in an array with its score
  kNamed,   // the same, and before them the name of the key
};

// Takes `count` members, or all, and writes them in the order in which they were taken. REQUIRES:
// count > 0.
void PopManyScored(Context& context, const KeyRef& key, const SortedSet& set, ScoreEnd end,
                   uint64_t count, PopReply form) {
  const uint64_t size = set.size();
  count = std::min(count, size);
  const RankRange range =
      end == ScoreEnd::kMin ? RankRange{0, count} : RankRange{size - count, size};
  RangeRemoval removal;
  if (!removal.Plan(context, set, range)) return;
  ReplyWriter& reply = context.reply();
  if (form == PopReply::kNamed) {
    reply.Array(2);
    reply.Bulk(key.name);
  }
  reply.Array(form == PopReply::kFlat ? 2 * count : count);
  SortedSet::Iterator at = set.Seek(end == ScoreEnd::kMin ? 0 : size - 1);
  for (uint64_t i = 0; i < count; i++) {
    if (form != PopReply::kFlat) reply.Array(2);
    reply.Bulk(at.member());
    WriteScore(reply, at.score());
    end == ScoreEnd::kMin ? at.Next() : at.Previous();
  }
  removal.Apply(context, key, PopEvent(end));
}

// ZPOPMIN and ZPOPMAX.
void PopFromOne(Context& context, ScoreEnd end) {
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  const bool has_count = context.argc() == 3;
  int64_t count = 1;
  if (has_count && !ReadInteger(context, context.arg(2), &count, kNotPositive, 0)) return;
  const KeyRef key = context.Key(1);
  const SortedSet* set;
  if (!context.ReadForWrite(key, &set)) return;
  if (set == nullptr || count == 0) return context.reply().Array(0);
  if (count == 1 && (!has_count || context.reply().protocol() != 3)) {
    context.reply().Array(2);
    return PopScored(context, key, *set, end);
  }
  const bool paired = has_count && context.reply().protocol() == 3;
  PopManyScored(context, key, *set, end, static_cast<uint64_t>(count),
                paired ? PopReply::kPaired : PopReply::kFlat);
}

// Blocks on the keys named by `count` arguments from `first` on, or, where the command may not
// block, answers as after the deadline.
void WaitForSortedSet(Context& context, size_t first, size_t count, int64_t deadline_ms) {
  if (!context.may_block()) return context.reply().NullArray();
  Wait wait;
  wait.kind = WaitKind::kSortedSet;
  wait.keys.reserve(count);
  for (size_t i = first; i < first + count; i++) {
    wait.keys.push_back(context.Key(i));
  }
  wait.deadline_ms = deadline_ms;
  context.Block(std::move(wait));
}

// BZPOPMIN and BZPOPMAX: one member of the first sorted set that there is.
void BlockingPopScored(Context& context, ScoreEnd end) {
  const size_t last = context.argc() - 1;
  int64_t deadline_ms;
  if (!ReadTimeoutSeconds(context, context.arg(last), &deadline_ms)) return;
  for (size_t i = 1; i < last; i++) {
    const KeyRef key = context.Key(i);
    const SortedSet* set;
    if (!context.ReadForWrite(key, &set)) return;
    if (set == nullptr) continue;
    context.reply().Array(3);
    context.reply().Bulk(key.name);
    return PopScored(context, key, *set, end);
  }
  WaitForSortedSet(context, 1, last - 1, deadline_ms);
}

// What follows the timeout of BZMPOP: numkeys key [key ...] MIN|MAX [COUNT count].
struct MultiPopScored {
  size_t first_key;
  size_t keys;
  ScoreEnd end;
  int64_t count = 1;
};

// Reads the arguments from `first` on.
bool ReadMultiPopScored(Context& context, size_t first, MultiPopScored* pop) {
  int64_t keys;
  if (!ReadInteger(context, context.arg(first), &keys, "ERR numkeys should be greater than 0", 1)) {
    return false;
  }
  const size_t argc = context.argc();
  if (static_cast<uint64_t>(keys) >= argc - first - 1) return Fail(context, kSyntaxError);
  pop->first_key = first + 1;
  pop->keys = static_cast<size_t>(keys);
  size_t at = pop->first_key + pop->keys;
  const bool min = Is(context.arg(at), "MIN");
  if (!min && !Is(context.arg(at), "MAX")) return Fail(context, kSyntaxError);
  pop->end = min ? ScoreEnd::kMin : ScoreEnd::kMax;
  bool has_count = false;
  while (++at < argc) {
    if (has_count || !Is(context.arg(at), "COUNT") || at + 1 == argc) {
      return Fail(context, kSyntaxError);
    }
    has_count = true;
    if (!ReadInteger(context, context.arg(++at), &pop->count, "ERR count should be greater than 0",
                     1)) {
      return false;
    }
  }
  return true;
}

// Takes members of the first of the sorted sets that there is. Returns false if there is none; true
// if there is a reply.
bool PopFirstScored(Context& context, const MultiPopScored& pop) {
  for (size_t i = 0; i < pop.keys; i++) {
    const KeyRef key = context.Key(pop.first_key + i);
    const SortedSet* set;
    if (!context.ReadForWrite(key, &set)) return true;
    if (set == nullptr) continue;
    PopManyScored(context, key, *set, pop.end, static_cast<uint64_t>(pop.count), PopReply::kNamed);
    return true;
  }
  return false;
}

}  // namespace

void ZPopMin(Context& context) {
  PopFromOne(context, ScoreEnd::kMin);
}
void ZPopMax(Context& context) {
  PopFromOne(context, ScoreEnd::kMax);
}

void ZMPop(Context& context) {
  MultiPopScored pop;
  if (!ReadMultiPopScored(context, 1, &pop)) return;
  if (!PopFirstScored(context, pop)) context.reply().NullArray();
}

void BZPopMin(Context& context) {
  BlockingPopScored(context, ScoreEnd::kMin);
}
void BZPopMax(Context& context) {
  BlockingPopScored(context, ScoreEnd::kMax);
}

void BZMPop(Context& context) {
  MultiPopScored pop;
  int64_t deadline_ms;
  // Unlike BLMPOP, Redis looks at the timeout last.
  if (!ReadMultiPopScored(context, 2, &pop)) return;
  if (!ReadTimeoutSeconds(context, context.arg(1), &deadline_ms)) return;
  if (!PopFirstScored(context, pop))
    WaitForSortedSet(context, pop.first_key, pop.keys, deadline_ms);
}

}  // namespace runnel::commands
