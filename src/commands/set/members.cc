#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "base/numbers.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/set/commands.h"
#include "data/set/set.h"
#include "effects/set_effects.h"

// In this folder runnel::Set is the value; commands::Set is the command SET.

namespace runnel::commands {
namespace {

using MemberSpan = std::span<const std::string_view>;

// Those of the members that are in the set, or that are not. `found` has room for them: where all
// are meant, as they nearly always are, nothing is copied.
MemberSpan SelectMembers(const runnel::Set& set, MemberSpan members, bool in_set,
                         std::vector<std::string_view>* found) {
  size_t first_other = 0;
  while (first_other < members.size() && set.Contains(members[first_other]) == in_set) {
    first_other++;
  }
  if (first_other == members.size()) return members;
  const auto other = members.begin() + static_cast<ptrdiff_t>(first_other);
  found->assign(members.begin(), other);
  std::copy_if(other + 1, members.end(), std::back_inserter(*found),
               [&](std::string_view member) { return set.Contains(member) == in_set; });
  return *found;
}

// How many members the set at the key has now.
size_t SizeOfSet(const Context& context, const KeyRef& key) {
  const KeyEntry* const entry = context.keyspace().Find(key);
  return entry == nullptr ? 0 : entry->As<runnel::Set>()->size();
}

struct SetScanOptions {
  int64_t count = 10;
  std::string_view pattern = "*";
};

bool ReadSetScanOptions(Context& context, SetScanOptions* options) {
  for (size_t i = 3; i < context.argc(); i += 2) {
    const std::string_view option = context.arg(i);
    const bool has_value = i + 1 < context.argc();
    if (has_value && Is(option, "COUNT")) {
      if (!ReadInteger(context, context.arg(i + 1), &options->count)) return false;
      if (options->count >= 1) continue;
    } else if (has_value && Is(option, "MATCH")) {
      options->pattern = context.arg(i + 1);
      continue;
    }
    return Fail(context, kSyntaxError);
  }
  return true;
}

}  // namespace

void SAdd(Context& context) {
  const KeyRef key = context.Key(1);
  const runnel::Set* set;
  if (!context.ReadForWrite(key, &set)) return;
  const bool created = set == nullptr;
  const size_t before = created ? 0 : set->size();
  std::vector<std::string_view> found;
  MemberSpan members = context.args().subspan(2);
  if (!created) members = SelectMembers(*set, members, false, &found);
  if (members.empty()) return context.reply().Integer(0);
  // One that is named twice is added once: how many are new is known only afterwards.
  context.Apply(SetAdd{key, members}, 0);
  const size_t added = SizeOfSet(context, key) - before;
  context.CountElements(added);
  if (created) NotifyNew(context, key);
  context.Notify(kNotifySet, "sadd", key);
  context.reply().Integer(static_cast<int64_t>(added));
}

void SRem(Context& context) {
  const KeyRef key = context.Key(1);
  const runnel::Set* set;
  if (!context.ReadForWrite(key, &set)) return;
  if (set == nullptr) return context.reply().Integer(0);
  const size_t before = set->size();
  std::vector<std::string_view> found;
  const MemberSpan members = SelectMembers(*set, context.args().subspan(2), true, &found);
  if (members.empty()) return context.reply().Integer(0);
  context.Apply(SetRemove{key, members}, 0);
  const size_t after = SizeOfSet(context, key);
  context.CountElements(before - after);
  context.Notify(kNotifySet, "srem", key);
  if (after == 0) NotifyDeleted(context, key);
  context.reply().Integer(static_cast<int64_t>(before - after));
}

void SMove(Context& context) {
  const KeyRef from = context.Key(1);
  const KeyRef to = context.Key(2);
  const MemberSpan member = context.args().subspan(3, 1);
  const KeyEntry* const source = context.FindForWrite(from);
  const KeyEntry* const target = context.FindForWrite(to);
  if (source == nullptr) return context.reply().Integer(0);
  const runnel::Set* const set = source->As<runnel::Set>();
  if (set == nullptr) return context.reply().Error(kWrongType);
  const runnel::Set* const target_set = target == nullptr ? nullptr : target->As<runnel::Set>();
  if (target != nullptr && target_set == nullptr) return context.reply().Error(kWrongType);
  if (!set->Contains(member[0])) return context.reply().Integer(0);
  if (source == target) return context.reply().Integer(1);
  const bool emptied = set->size() == 1;
  const bool is_new = target_set == nullptr || !target_set->Contains(member[0]);
  context.Apply(SetRemove{from, member});
  context.Notify(kNotifySet, "srem", from);
  if (emptied) NotifyDeleted(context, from);
  if (is_new) {
    context.Apply(SetAdd{to, member});
    if (target == nullptr) NotifyNew(context, to);
    context.Notify(kNotifySet, "sadd", to);
  }
  context.reply().Integer(1);
}

void SIsMember(Context& context) {
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  context.reply().Integer(set != nullptr && set->Contains(context.arg(2)) ? 1 : 0);
}

void SMIsMember(Context& context) {
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  context.reply().Array(context.argc() - 2);
  for (const std::string_view member : context.args().subspan(2)) {
    context.reply().Integer(set != nullptr && set->Contains(member) ? 1 : 0);
  }
}

void SCard(Context& context) {
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  context.reply().Integer(set == nullptr ? 0 : static_cast<int64_t>(set->size()));
}

void SMembers(Context& context) {
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  ReplyWriter& reply = context.reply();
  reply.Set(set == nullptr ? 0 : set->size());
  if (set != nullptr) set->ForEach([&](std::string_view member) { reply.Bulk(member); });
}

void SScan(Context& context) {
  const std::optional<uint64_t> start = ParseDigits(context.arg(2));
  if (!start) return context.reply().Error("ERR invalid cursor");
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  SetScanOptions options;
  // As in Redis, nobody looks at the options if there is no such key.
  if (set != nullptr && !ReadSetScanOptions(context, &options)) return;

  // The number of the members that match is known only at the end.
  Rope members;
  ReplyWriter writer(&members);
  size_t matching = 0;
  uint64_t visited = 0;
  const uint64_t count = static_cast<uint64_t>(options.count);
  // A set that has shrunk has many empty buckets; the reply may stay short then, but comes in time.
  uint64_t buckets_left = count > UINT64_MAX / 10 ? UINT64_MAX : 10 * count;
  uint64_t cursor = *start;
  if (set == nullptr) {
    cursor = 0;
  } else {
    do {
      cursor = set->Scan(cursor, [&](std::string_view member) {
        visited++;
        if (options.pattern != "*" && !GlobMatch(options.pattern, member)) return;
        writer.Bulk(member);
        matching++;
      });
    } while (cursor != 0 && visited < count && --buckets_left > 0);
  }
  context.reply().Array(2);
  context.reply().BulkInteger(static_cast<int64_t>(cursor));
  context.reply().Array(matching);
  context.reply().rope().Append(std::move(members));
}

}  // namespace runnel::commands
