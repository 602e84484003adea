#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>

#include "base/numbers.h"
#include "commands/topic_group/arguments.h"
#include "commands/topic_group/commands.h"
#include "commands/topic_group/engine.h"
#include "commands/topic_group/open_records.h"
#include "effects/topic_group_effects.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// What one TCOMMIT moves: for each partition that it names, the offset to be committed.
using CommitPlan = absl::btree_map<std::pair<std::string_view, uint32_t>, uint64_t>;

bool ReadCommit(Context& context, const NamedGroup& named, size_t i,
                std::vector<TopicToSee>* to_see, CommitPlan* plan) {
  CommittedPart part;
  if (!ReadCommittedPart(context, named, context.arg(i), to_see, &part)) return false;
  if (!CheckEpoch(context, named, part, context.arg(i + 1))) return false;
  TopicPosition position;
  if (!ReadPosition(context, context.arg(i + 2), &position)) return false;
  const Stream& stream = *part.part.stream;
  const uint64_t offset = position.OffsetIn(stream);
  if (offset > stream.next_offset())
    return CheckOffset(context, part.part.key.name, stream, offset);
  if (offset <= part.committed) return true;
  uint64_t& planned = (*plan)[{part.part.of.key.name, part.part.number}];
  planned = std::max(planned, offset);
  return true;
}

// Within a transaction, a commit that moves nothing is one that was made before: the transaction is
// refused.
bool FailIfRepeated(Context& context, const NamedGroup& named, bool moves) {
  if (moves || !context.only_looks()) return false;
  context.reply().Error(fmt::format("DUPLICATE All that {} names is done already in group '{}'",
                                    context.arg(0), named.name));
  return true;
}

// What is done in a partition has changed.
void AfterCommit(Context& context, const NamedGroup& named, std::string_view topic,
                 uint32_t number) {
  CommandGroupChanges changes(context);
  context.topic_groups().Refresh(named.key, *named.group, *named.group->FindTopic(topic), number,
                                 changes);
}

}  // namespace

void TCommit(Context& context) {
  if (context.argc() % 3 != 2) {
    return context.reply().Error(
        "ERR for each partition an epoch and a position must be specified");
  }
  NamedGroup named;
  if (!ReadGroup(context, 1, &named)) return;
  std::vector<TopicToSee> to_see;
  CommitPlan plan;
  for (size_t i = 2; i < context.argc(); i += 3) {
    if (!ReadCommit(context, named, i, &to_see, &plan)) return;
  }
  if (FailIfRepeated(context, named, !plan.empty())) return;
  if (plan.empty()) return context.reply().Integer(0);
  See(context, named.key, to_see);
  std::vector<uint64_t> offsets;
  for (auto it = plan.begin(); it != plan.end();) {
    const std::string_view topic = it->first.first;
    offsets.clear();
    for (; it != plan.end() && it->first.first == topic; ++it) {
      offsets.push_back(it->first.second);
      offsets.push_back(it->second);
    }
    context.Apply(TopicGroupCommit{named.key, topic, offsets}, offsets.size() / 2);
  }
  for (const auto& [place, offset] : plan) {
    AfterCommit(context, named, place.first, place.second);
  }
  context.reply().Integer(static_cast<int64_t>(plan.size()));
}

void TAck(Context& context) {
  // More ranges than members that work in order ever leave open.
  constexpr size_t kMostRangesInAll = 100'000;
  NamedGroup named;
  if (!ReadGroup(context, 1, &named)) return;
  std::vector<TopicToSee> to_see;
  CommittedPart part;
  if (!ReadCommittedPart(context, named, context.arg(2), &to_see, &part)) return;
  if (!CheckEpoch(context, named, part, context.arg(3))) return;
  const Stream& stream = *part.part.stream;
  const OffsetRanges* done = part.known == nullptr ? nullptr : part.known->acknowledged.get();
  std::vector<uint64_t> offsets;
  for (size_t i = 4; i < context.argc(); i++) {
    const std::string_view text = context.arg(i);
    TopicPosition after;
    if (text.find('-') == std::string_view::npos) {
      return context.reply().Error(fmt::format("ERR '{}' is no ID of a record", text));
    }
    if (!ReadPosition(context, text, &after)) return;
    if (after.value > stream.next_offset()) {
      return context.reply().Error(
          fmt::format("OFFSETRANGE '{}' has no record of offset {}: the next one gets offset {}",
                      part.part.key.name, after.value - 1, stream.next_offset()));
    }
    const uint64_t offset = after.value - 1;
    if (offset < part.committed || (done != nullptr && done->Contains(offset))) continue;
    offsets.push_back(offset);
  }
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
  if (FailIfRepeated(context, named, !offsets.empty())) return;
  if (offsets.empty()) return context.reply().Integer(0);
  const size_t ranges = done == nullptr ? 0 : done->size();
  if (ranges + offsets.size() > kMostRangesInAll) {
    return context.reply().Error(
        fmt::format("ERR '{}' has {} separate ranges of acknowledged records in group '{}'",
                    part.part.key.name, ranges, named.name));
  }
  uint64_t committed = part.committed;
  if (stream.is_compacted()) committed = FirstOpen(stream, committed, done, offsets);
  See(context, named.key, to_see);
  const std::string_view topic = part.part.of.key.name;
  const uint32_t number = part.part.number;
  const size_t count = offsets.size();
  if (committed > part.committed) {
    const uint64_t commit[] = {number, committed};
    context.Apply(TopicGroupCommit{named.key, topic, commit});
    std::erase_if(offsets, [committed](uint64_t offset) { return offset < committed; });
  }
  if (!offsets.empty()) {
    context.Apply(TopicGroupAcknowledge{named.key, topic, number, offsets}, offsets.size());
  }
  AfterCommit(context, named, topic, number);
  context.reply().Integer(static_cast<int64_t>(count));
}

}  // namespace runnel::commands
