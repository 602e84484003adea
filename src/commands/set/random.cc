#include <algorithm>
#include <string>

#include <absl/container/flat_hash_set.h>

#include "base/random.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/repeats.h"
#include "commands/set/commands.h"
#include "commands/string_row.h"
#include "data/set/int_set.h"
#include "data/set/set.h"
#include "effects/set_effects.h"

namespace runnel::commands {
namespace {

// Gives `count` different members to `visit`; each choice of that many has the same probability.
// Takes time and memory for `count` members, and for those of an IntSet. REQUIRES: count <=
// set.size(). The views are valid during the call.
template <class Visit>
void SampleMembers(Random& dice, const runnel::Set& set, uint64_t count, Visit visit) {
  if (set.size() <= IntSet::kMost || count > set.size() / 2) {
    // Each member is taken with the probability that as many more are wanted among those left.
    uint64_t left = set.size();
    for (runnel::Set::Iterator it = set.begin(); count > 0; it.Next()) {
      if (dice.Below(left--) >= count) continue;
      visit(it.member());
      count--;
    }
    return;
  }
  // At most every second draw meets a member that was drawn before. So large a set is a table,
  // whose views stay valid.
  absl::flat_hash_set<std::string_view> drawn;
  drawn.reserve(count);
  runnel::Set::Buffer buffer;
  while (drawn.size() < count) {
    const std::string_view member = set.Random(dice.Next(), &buffer);
    if (drawn.insert(member).second) visit(member);
  }
}

void PopOneMember(Context& context) {
  const KeyRef key = context.Key(1);
  const runnel::Set* set;
  if (!context.ReadForWrite(key, &set)) return;
  if (set == nullptr) return context.reply().Null();
  runnel::Set::Buffer buffer;
  // A copy: the set must not be given its own bytes.
  const std::string popped(set->Random(context.random().Next(), &buffer));
  const std::string_view member = popped;
  const bool emptied = set->size() == 1;
  context.Apply(SetRemove{key, {&member, 1}});
  context.Notify(kNotifySet, "spop", key);
  if (emptied) NotifyDeleted(context, key);
  context.reply().Bulk(member);
}

// Takes all members away, and the key with them.
void PopAllMembers(Context& context, const KeyRef& key, const runnel::Set& set) {
  ReplyWriter& reply = context.reply();
  const size_t size = set.size();
  reply.Set(size);
  set.ForEach([&](std::string_view member) { reply.Bulk(member); });
  context.Apply(KeyRemove{key}, size);
  context.Notify(kNotifySet, "spop", key);
  NotifyDeleted(context, key);
}

void PopSomeMembers(Context& context, const KeyRef& key, const runnel::Set& set, uint64_t count) {
  StringRow popped;
  SampleMembers(context.random(), set, count, [&](std::string_view member) { popped.Add(member); });
  if (context.FailIfTooManyChanges(popped.EffectBytes())) return;
  ReplyWriter& reply = context.reply();
  reply.Set(count);
  popped.ForEachPart([&](std::span<const std::string_view> members) {
    for (const std::string_view member : members) {
      reply.Bulk(member);
    }
    context.Apply(SetRemove{key, members}, members.size());
  });
  context.Notify(kNotifySet, "spop", key);
}

// SRANDMEMBER with a negative count draws from the whole set each time.
void DrawMembers(Context& context, const runnel::Set& set, uint64_t draws) {
  RepeatBound bound(context);
  if (!bound.Allows(draws)) return;
  context.reply().Array(draws);
  runnel::Set::Buffer buffer;
  for (; draws > 0; draws--) {
    context.reply().Bulk(set.Random(context.random().Next(), &buffer));
    if (!bound.Holds()) return;
  }
}

}  // namespace

void SPop(Context& context) {
  if (context.argc() == 2) return PopOneMember(context);
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  int64_t count;
  if (!ReadInteger(context, context.arg(2), &count, kNotPositive, 0)) return;
  const KeyRef key = context.Key(1);
  const runnel::Set* set;
  if (!context.ReadForWrite(key, &set)) return;
  if (set == nullptr || count == 0) return context.reply().Set(0);
  if (static_cast<uint64_t>(count) >= set->size()) return PopAllMembers(context, key, *set);
  PopSomeMembers(context, key, *set, static_cast<uint64_t>(count));
}

void SRandMember(Context& context) {
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  const bool has_count = context.argc() == 3;
  int64_t count = 1;
  if (has_count && !ReadDrawCount(context, context.arg(2), &count)) return;
  const runnel::Set* set;
  if (!context.Read(context.Key(1), &set)) return;
  ReplyWriter& reply = context.reply();
  if (set == nullptr) return has_count ? reply.Array(0) : reply.Null();
  if (!has_count) {
    runnel::Set::Buffer buffer;
    return reply.Bulk(set->Random(context.random().Next(), &buffer));
  }
  if (count < 0) return DrawMembers(context, *set, static_cast<uint64_t>(-count));
  const uint64_t wanted = std::min<uint64_t>(static_cast<uint64_t>(count), set->size());
  reply.Array(wanted);
  SampleMembers(context.random(), *set, wanted,
                [&](std::string_view member) { reply.Bulk(member); });
}

}  // namespace runnel::commands
