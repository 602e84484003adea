#include "commands/sorted_set/changes.h"

#include <cstring>

#include "commands/key_events.h"
#include "commands/string_row.h"

namespace runnel::commands {
namespace {

// An upper bound for the bytes of a member in an effect, beside its own: a score and a length.
constexpr uint64_t kMostScoredHead = 9 + 5;

}  // namespace

std::string_view MemberCopies::Keep(std::string_view member) {
  constexpr size_t kBlock = 64 * 1024;
  if (member.empty()) return {};
  if (member.size() > left_) {
    // A long one has a block of its own, and what is left of the last block is used on.
    const bool own = member.size() > kBlock / 8;
    auto& block = blocks_.emplace_back(new char[own ? member.size() : kBlock]);
    if (own) {
      std::memcpy(block.get(), member.data(), member.size());
      return {block.get(), member.size()};
    }
    at_ = block.get();
    left_ = kBlock;
  }
  char* const copy = at_;
  std::memcpy(copy, member.data(), member.size());
  at_ += member.size();
  left_ -= member.size();
  return {copy, member.size()};
}

bool RangeRemoval::Plan(Context& context, const SortedSet& set, RankRange range) {
  count_ = range.size();
  emptied_ = count_ == set.size();
  // Then the effect is that the key goes, which names no member.
  if (emptied_) return true;
  uint64_t bytes = 0;
  members_.reserve(count_);
  for (SortedSet::Iterator at = set.Seek(range.begin); members_.size() < count_; at.Next()) {
    members_.push_back(copies_.Keep(at.member()));
    bytes += at.member().size() + kMostScoredHead;
  }
  return !context.FailIfTooManyChanges(bytes);
}

void RangeRemoval::Apply(Context& context, const KeyRef& key, std::string_view event) {
  if (emptied_) {
    context.Apply(KeyRemove{key}, count_);
  } else {
    VisitParts(
        std::span<const std::string_view>(members_), [](std::string_view m) { return m.size(); },
        [&](std::span<const std::string_view> part) {
          context.Apply(SortedSetRemove{key, part}, part.size());
        });
  }
  context.Notify(kNotifyZset, event, key);
  if (emptied_) NotifyDeleted(context, key);
}

void StoreSorted(Context& context, const KeyRef& to, std::span<ScoredMember> members, bool own,
                 std::string_view event) {
  const bool existed = context.FindForWrite(to) != nullptr;
  if (members.empty()) {
    if (existed) {
      context.Apply(KeyRemove{to});
      NotifyDeleted(context, to);
    }
    return context.reply().Integer(0);
  }
  uint64_t bytes = 0;
  for (const ScoredMember& member : members) {
    bytes += member.member.size() + kMostScoredHead;
  }
  if (context.FailIfTooManyChanges(bytes)) return;
  MemberCopies copies;
  if (existed) {
    if (own) {
      for (ScoredMember& member : members) {
        member.member = copies.Keep(member.member);
      }
    }
    context.Apply(KeyRemove{to}, 0);
  }
  VisitParts(
      std::span<const ScoredMember>(members), [](const ScoredMember& m) { return m.member.size(); },
      [&](std::span<const ScoredMember> part) {
        context.Apply(SortedSetAdd{to, part}, 0);
      });
  context.CountElements(1);
  if (!existed) NotifyNew(context, to);
  context.Notify(kNotifyZset, event, to);
  context.reply().Integer(static_cast<int64_t>(members.size()));
}

}  // namespace runnel::commands
