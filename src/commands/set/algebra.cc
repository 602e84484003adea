#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/set/commands.h"
#include "commands/string_row.h"
#include "data/set/set.h"
#include "effects/set_effects.h"

namespace runnel::commands {
namespace {

using SetList = std::vector<const runnel::Set*>;
using SetSpan = std::span<const runnel::Set* const>;

// The sets at `count` keys from argument `first` on; nullptr for a key that is not there. Writes
// the error and returns false if one is of another type.
bool ReadSets(Context& context, size_t first, size_t count, SetList* sets) {
  sets->resize(count);
  for (size_t i = 0; i < count; i++) {
    if (!context.Read(context.Key(first + i), &(*sets)[i])) return false;
  }
  return true;
}

// Leaves out missing sets, and those that are named twice: they change no result but the time that
// it takes. Then sorts by size.
enum class SizeOrder { kSmallestFirst, kLargestFirst };
void TidySets(SetList* sets, SizeOrder order) {
  std::sort(sets->begin(), sets->end(), std::less<>());
  sets->erase(std::unique(sets->begin(), sets->end()), sets->end());
  std::erase(*sets, nullptr);
  std::stable_sort(sets->begin(), sets->end(), [order](const runnel::Set* a, const runnel::Set* b) {
    return order == SizeOrder::kSmallestFirst ? a->size() < b->size() : a->size() > b->size();
  });
}

// Gives the members that are in all sets to `visit` until that returns false. REQUIRES: there is a
// set. The views are valid during the call, here and below.
template <class Visit>
void ForEachCommon(SetSpan sets, Visit visit) {
  for (runnel::Set::Iterator it = sets[0]->begin(); it.Valid(); it.Next()) {
    const std::string_view member = it.member();
    const bool in_all = std::all_of(sets.begin() + 1, sets.end(),
                                    [&](const runnel::Set* set) { return set->Contains(member); });
    if (in_all && !visit(member)) return;
  }
}

// Gives the members of all sets to `visit`, each once. The first set is best the largest: only what
// the others have beside it takes memory, and what only the last has takes none.
template <class Visit>
void ForEachOfAny(SetSpan sets, Visit visit) {
  if (sets.empty()) return;
  sets[0]->ForEach(visit);
  runnel::Set met;
  for (size_t i = 1; i < sets.size(); i++) {
    const bool last = i + 1 == sets.size();
    sets[i]->ForEach([&](std::string_view member) {
      if (sets[0]->Contains(member)) return;
      if (last ? !met.Contains(member) : met.Add(member)) visit(member);
    });
  }
}

// Gives the members of the first set that are in none of the others to `visit`. Looks for each of
// them in the others, or for those of the others in a copy of the first, whichever are fewer steps.
template <class Visit>
void ForEachOnlyIn(const runnel::Set& first, SetSpan others, Visit visit) {
  uint64_t all = first.size();
  for (const runnel::Set* set : others) {
    all += set->size();
  }
  if (first.size() * others.size() <= all) {
    first.ForEach([&](std::string_view member) {
      const bool in_any = std::any_of(others.begin(), others.end(), [&](const runnel::Set* set) {
        return set->Contains(member);
      });
      if (!in_any) visit(member);
    });
    return;
  }
  const std::unique_ptr<Object> copy = first.Clone();
  runnel::Set& rest = static_cast<runnel::Set&>(*copy);
  for (const runnel::Set* set : others) {
    if (rest.empty()) return;
    set->ForEach([&](std::string_view member) { rest.Remove(member); });
  }
  rest.ForEach(visit);
}

// Gives the members of a result to `visit`. Each function reads the keys from argument `first` on,
// and returns false with an error written if one is of another type.
template <class Visit>
bool VisitInter(Context& context, size_t first, size_t count, Visit visit) {
  SetList sets;
  if (!ReadSets(context, first, count, &sets)) return false;
  if (std::find(sets.begin(), sets.end(), nullptr) != sets.end()) return true;
  TidySets(&sets, SizeOrder::kSmallestFirst);
  ForEachCommon(sets, visit);
  return true;
}

template <class Visit>
bool VisitUnion(Context& context, size_t first, size_t count, Visit visit) {
  SetList sets;
  if (!ReadSets(context, first, count, &sets)) return false;
  TidySets(&sets, SizeOrder::kLargestFirst);
  ForEachOfAny(sets, visit);
  return true;
}

template <class Visit>
bool VisitDiff(Context& context, size_t first, size_t count, Visit visit) {
  SetList sets;
  if (!ReadSets(context, first, count, &sets)) return false;
  const runnel::Set* const minuend = sets[0];
  sets.erase(sets.begin());
  const bool is_empty =
      minuend == nullptr || std::find(sets.begin(), sets.end(), minuend) != sets.end();
  if (is_empty) return true;
  // The larger a set is, the likelier it has the member.
  TidySets(&sets, SizeOrder::kLargestFirst);
  ForEachOnlyIn(*minuend, sets, visit);
  return true;
}

// A reply of members whose number is known only at the end.
class MembersReply {
 public:
  void Add(std::string_view member) {
    writer_.Bulk(member);
    count_++;
  }
  void Send(ReplyWriter& reply) {
    reply.Set(count_);
    reply.rope().Append(std::move(members_));
  }

 private:
  Rope members_;
  ReplyWriter writer_{&members_};
  size_t count_ = 0;
};

// Puts the members at the key that is the first argument, in the place of what was there, and
// replies how many they are.
void StoreMembers(Context& context, const StringRow& members, std::string_view event) {
  if (context.FailIfTooManyChanges(members.EffectBytes())) return;
  const KeyRef target = context.Key(1);
  const bool existed = context.Peek(target) != nullptr;
  if (existed) context.Apply(KeyRemove{target}, members.empty() ? 1 : 0);
  if (members.empty()) {
    if (existed) NotifyDeleted(context, target);
    return context.reply().Integer(0);
  }
  members.ForEachPart([&](std::span<const std::string_view> part) {
    context.Apply(SetAdd{target, part}, 0);
  });
  context.CountElements(1);
  // Counts as an access to the new key.
  (void)context.FindForWrite(target);
  if (!existed) NotifyNew(context, target);
  context.Notify(kNotifySet, event, target);
  context.reply().Integer(static_cast<int64_t>(members.size()));
}

}  // namespace

void SInter(Context& context) {
  MembersReply result;
  const auto add = [&](std::string_view member) {
    result.Add(member);
    return true;
  };
  if (VisitInter(context, 1, context.argc() - 1, add)) result.Send(context.reply());
}

void SUnion(Context& context) {
  MembersReply result;
  const auto add = [&](std::string_view member) { result.Add(member); };
  if (VisitUnion(context, 1, context.argc() - 1, add)) result.Send(context.reply());
}

void SDiff(Context& context) {
  MembersReply result;
  const auto add = [&](std::string_view member) { result.Add(member); };
  if (VisitDiff(context, 1, context.argc() - 1, add)) result.Send(context.reply());
}

void SInterStore(Context& context) {
  StringRow result;
  const auto add = [&](std::string_view member) {
    result.Add(member);
    return true;
  };
  if (!VisitInter(context, 2, context.argc() - 2, add)) return;
  StoreMembers(context, result, "sinterstore");
}

void SUnionStore(Context& context) {
  StringRow result;
  const auto add = [&](std::string_view member) { result.Add(member); };
  if (!VisitUnion(context, 2, context.argc() - 2, add)) return;
  StoreMembers(context, result, "sunionstore");
}

void SDiffStore(Context& context) {
  StringRow result;
  const auto add = [&](std::string_view member) { result.Add(member); };
  if (!VisitDiff(context, 2, context.argc() - 2, add)) return;
  StoreMembers(context, result, "sdiffstore");
}

void SInterCard(Context& context) {
  int64_t keys;
  if (!ReadInteger(context, context.arg(1), &keys, "ERR numkeys should be greater than 0", 1)) {
    return;
  }
  const size_t most = context.argc() - 2;
  if (static_cast<uint64_t>(keys) > most) {
    return context.reply().Error("ERR Number of keys can't be greater than number of args");
  }
  const size_t count = static_cast<size_t>(keys);
  int64_t limit = 0;
  for (size_t i = 2 + count; i < context.argc(); i += 2) {
    if (!Is(context.arg(i), "LIMIT") || i + 1 == context.argc()) {
      return context.reply().Error(kSyntaxError);
    }
    if (!ReadInteger(context, context.arg(i + 1), &limit, "ERR LIMIT can't be negative", 0)) return;
  }
  int64_t common = 0;
  const auto add = [&](std::string_view) { return ++common != limit; };
  if (VisitInter(context, 2, count, add)) context.reply().Integer(common);
}

}  // namespace runnel::commands
