#include "commands/topic_group/arguments.h"

#include <algorithm>

#include "base/numbers.h"
#include "commands/topic_group/engine.h"
#include "effects/topic_group_effects.h"
#include "fmt/format.h"

namespace runnel::commands {

bool ReadGroupName(Context& context, size_t i, NamedGroup* named) {
  named->name = context.arg(i);
  if (!CheckShortName(context, "group name", named->name)) return false;
  named->key_name = TopicGroupKey(named->name);
  named->key = KeyRef(CompanionOf(context.db()), named->key_name);
  const KeyEntry* entry = context.keyspace().Find(named->key);
  named->group = entry == nullptr ? nullptr : entry->As<TopicGroup>();
  return true;
}

bool FailNoGroup(Context& context, std::string_view group) {
  return Fail(context, fmt::format("NOGROUP No such topic group '{}'", group));
}

bool ReadGroup(Context& context, size_t i, NamedGroup* named) {
  if (!ReadGroupName(context, i, named)) return false;
  return named->group != nullptr || FailNoGroup(context, named->name);
}

bool ReadStart(Context& context, std::string_view text, TopicGroupOptions* options) {
  if (Is(text, "EARLIEST")) {
    options->start = GroupStart::kEarliest;
    return true;
  }
  if (Is(text, "LATEST")) {
    options->start = GroupStart::kLatest;
    return true;
  }
  if (text.starts_with('@')) {
    if (const std::optional<uint64_t> ms = ParseDigits(text.substr(1))) {
      options->start = GroupStart::kTime;
      options->start_ms = *ms;
      return true;
    }
  }
  return Fail(context, fmt::format("ERR FROM must be EARLIEST, LATEST, or @ and Unix milliseconds, "
                                   "not '{}'",
                                   text));
}

TopicToSee PlanToSee(Context& context, const TopicGroup* group, const TopicGroupOptions& options,
                     std::string_view topic, uint32_t partitions) {
  TopicToSee plan{std::string(topic), {}};
  const GroupTopic* known = group == nullptr ? nullptr : group->FindTopic(topic);
  if (known != nullptr) {
    // Partitions that were added later are read from their beginning.
    const size_t more = std::max<size_t>(partitions, known->partitions.size());
    plan.starts.assign(more - known->partitions.size(), 0);
    return plan;
  }
  TopicPosition position;
  switch (options.start) {
    case GroupStart::kEarliest:
      position.kind = TopicPosition::Kind::kEarliest;
      break;
    case GroupStart::kLatest:
      position.kind = TopicPosition::Kind::kLatest;
      break;
    case GroupStart::kTime:
      position = {TopicPosition::Kind::kTime, options.start_ms};
      break;
  }
  plan.starts.reserve(partitions);
  for (uint32_t number = 0; number < partitions; number++) {
    const Stream* stream = FindStreamOf(context.keyspace(), context.db(), topic, number);
    plan.starts.push_back(stream == nullptr ? 0 : position.OffsetIn(*stream));
  }
  return plan;
}

bool ReadCommittedPart(Context& context, const NamedGroup& named, std::string_view text,
                       std::vector<TopicToSee>* to_see, CommittedPart* read) {
  if (!ReadPartition(context, text, &read->part)) return false;
  const std::string_view topic = read->part.of.key.name;
  read->known = named.group->FindPartition(topic, read->part.number);
  if (read->known != nullptr) {
    read->epoch = read->known->epoch;
    read->committed = read->known->committed;
    return true;
  }
  const auto is_topic = [topic](const TopicToSee& plan) { return plan.topic == topic; };
  auto it = std::find_if(to_see->begin(), to_see->end(), is_topic);
  if (it == to_see->end()) {
    to_see->push_back(PlanToSee(context, named.group, named.group->options(), topic,
                                read->part.of.topic->partitions()));
    it = to_see->end() - 1;
  }
  // The plan is about the last partitions of the topic.
  const size_t from_end = read->part.of.topic->partitions() - read->part.number;
  read->committed = it->starts[it->starts.size() - from_end];
  return true;
}

bool CheckEpoch(Context& context, const NamedGroup& named, const CommittedPart& part,
                std::string_view text) {
  const std::optional<uint64_t> epoch = ParseDigits(text);
  if (!epoch) return Fail(context, fmt::format("ERR an epoch is a number, not '{}'", text));
  if (*epoch == part.epoch) return true;
  if (!context.only_looks()) {
    named.group->live().fenced++;
    context.topic_groups().stats().fenced++;
  }
  return Fail(context, fmt::format("FENCED '{}' is at epoch {} in group '{}', not {}",
                                   part.part.key.name, part.epoch, named.name, *epoch));
}

void See(Context& context, const KeyRef& group, const std::vector<TopicToSee>& to_see) {
  for (const TopicToSee& plan : to_see) {
    if (!plan.starts.empty()) context.Apply(TopicGroupSee{group, plan.topic, plan.starts}, 0);
  }
}

}  // namespace runnel::commands
