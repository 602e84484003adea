#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "commands/topic_group/arguments.h"
#include "commands/topic_group/commands.h"
#include "commands/topic_group/engine.h"
#include "commands/topic_group/options.h"
#include "effects/topic_group_effects.h"
#include "fmt/format.h"

namespace runnel::commands {

void TGroupCreate(Context& context) {
  NamedGroup named;
  if (!ReadGroupName(context, 2, &named)) return;
  TopicGroupOptions options;
  if (!ReadGroupOptions(context, 3, true, &options)) return;
  if (named.group != nullptr) {
    return context.reply().Error(fmt::format("BUSYGROUP Topic group '{}' exists", named.name));
  }
  context.Apply(TopicGroupCreate{named.key, options});
  const TopicGroup& group = *context.keyspace().Find(named.key)->As<TopicGroup>();
  context.topic_groups().NoteMade(named.key, group, context.steady_ms());
  context.reply().Ok();
}

void TGroupAlter(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  const TopicGroupOptions before = named.group->options();
  TopicGroupOptions options = before;
  if (!ReadGroupOptions(context, 3, false, &options)) return;
  if (options != before) {
    context.Apply(TopicGroupConfigure{named.key, options});
    context.topic_groups().NoteAltered(named.key, *named.group, before.assignor != options.assignor,
                                       context.steady_ms());
  }
  context.reply().Ok();
}

void TGroupDelete(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  const bool force = context.argc() == 4 && Is(context.arg(3), "FORCE");
  if (context.argc() > 3 && !force) return context.reply().Error(kSyntaxError);
  const size_t members = named.group->members().size();
  if (members > 0 && !force) {
    return context.reply().Error(fmt::format(
        "ERR topic group '{}' has {} members: FORCE deletes it all the same", named.name, members));
  }
  context.Apply(KeyRemove{named.key});
  context.reply().Ok();
}

void TGroupHeartbeat(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  const GroupMember* member = named.group->FindMember(context.arg(3));
  if (member == nullptr) {
    return context.reply().Error(
        fmt::format("ERR no member '{}' in topic group '{}'", context.arg(3), named.name));
  }
  if (!context.only_looks()) {
    context.topic_groups().SeeHeartbeat(*member, context.steady_ms(), context.now_ms());
  }
  context.reply().Ok();
}

void TGroupLeave(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  std::vector<std::string_view> members;
  for (size_t i = 3; i < context.argc(); i++) {
    if (named.group->FindMember(context.arg(i)) != nullptr) members.push_back(context.arg(i));
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  if (!members.empty()) {
    CommandGroupChanges changes(context);
    context.topic_groups().Leave(named.key, *named.group, members, changes);
  }
  context.reply().Integer(static_cast<int64_t>(members.size()));
}

namespace {

// Where TGROUP RESET goes: to a position, or a number of records on or back.
struct ResetTarget {
  TopicPosition position;
  std::optional<uint64_t> forward;
  std::optional<uint64_t> back;

  uint64_t OffsetFrom(uint64_t committed, const Stream& stream) const {
    if (!forward && !back) return position.OffsetIn(stream);
    const uint64_t first = stream.first_offset();
    const uint64_t next = stream.next_offset();
    const uint64_t from = std::clamp(committed, first, next);
    if (forward) return from + std::min(*forward, next - from);
    return from - std::min(*back, from - first);
  }
};

bool ReadResetTarget(Context& context, std::string_view text, ResetTarget* target) {
  if (text.starts_with('+') || text.starts_with('-')) {
    (text[0] == '+' ? target->forward : target->back) = ParseDigits(text.substr(1));
    if (target->forward || target->back) return true;
  }
  return ReadPosition(context, text, &target->position);
}

struct ResetOffset {
  uint32_t number = 0;
  uint64_t before = 0;
  uint64_t after = 0;
};

}  // namespace

void TGroupReset(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  TopicPart part;
  if (!ReadTopicPart(context, context.arg(3), &part)) return;
  const bool dry_run = context.argc() == 7 && Is(context.arg(6), "DRYRUN");
  if (!Is(context.arg(4), "TO") || (context.argc() > 6 && !dry_run)) {
    return context.reply().Error(kSyntaxError);
  }
  ResetTarget target;
  if (!ReadResetTarget(context, context.arg(5), &target)) return;
  const std::string_view topic = part.key.name;
  const uint32_t first = part.partition.value_or(0);
  const uint32_t end = part.partition ? first + 1 : part.topic->partitions();
  std::vector<TopicToSee> to_see;
  std::vector<ResetOffset> resets;
  std::vector<uint64_t> offsets;
  for (uint32_t number = first; number < end; number++) {
    const PartitionName name(topic, number);
    CommittedPart committed;
    if (!ReadCommittedPart(context, named, name, &to_see, &committed)) return;
    const Stream& stream = *committed.part.stream;
    const uint64_t after = target.OffsetFrom(committed.committed, stream);
    if (!CheckOffset(context, name, stream, after)) return;
    resets.push_back({number, committed.committed, after});
    offsets.insert(offsets.end(), {number, after});
  }
  if (!dry_run) {
    See(context, named.key, to_see);
    context.Apply(TopicGroupReset{named.key, topic, offsets}, resets.size());
    for (const ResetOffset& reset : resets) {
      context.topic_groups().NoteReset(named.key, *named.group, *named.group->FindTopic(topic),
                                       reset.number, context.now_ms());
    }
    // A partition that was leaving has nothing in flight now.
    if (!named.group->members().empty()) {
      context.topic_groups().RebalanceSoon(named.key, *named.group, context.steady_ms());
    }
  }
  context.reply().Array(resets.size());
  for (const ResetOffset& reset : resets) {
    context.reply().Array(3);
    context.reply().Bulk(PartitionName(topic, reset.number));
    context.reply().Integer(static_cast<int64_t>(reset.before));
    context.reply().Integer(static_cast<int64_t>(reset.after));
  }
}

}  // namespace runnel::commands
