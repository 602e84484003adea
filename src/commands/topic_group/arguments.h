#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/context.h"
#include "commands/topic/arguments.h"
#include "data/topic/group.h"

// Reading the arguments that commands on topic groups share. As in commands/arguments.h, a function
// that returns false has written the error.

namespace runnel::commands {

// A group by its name.
struct NamedGroup {
  NamedGroup() = default;
  NamedGroup(const NamedGroup&) = delete;
  NamedGroup& operator=(const NamedGroup&) = delete;

  std::string_view name;
  std::string key_name;
  KeyRef key;  // of the group; a view of `key_name`
  const TopicGroup* group = nullptr;
};
// Argument i names the group, which may not exist.
[[nodiscard]] bool ReadGroupName(Context& context, size_t i, NamedGroup* named);
// It exists.
[[nodiscard]] bool ReadGroup(Context& context, size_t i, NamedGroup* named);
bool FailNoGroup(Context& context, std::string_view group);

// FROM: EARLIEST, LATEST or @ms.
[[nodiscard]] bool ReadStart(Context& context, std::string_view text, TopicGroupOptions* options);

// A topic that the group is about to see for the first time, or of which it is about to see more.
struct TopicToSee {
  std::string topic;
  std::vector<uint64_t> starts;
};
// What the group will begin with if it sees the topic now. `group` may be nullptr. No starts: it
// knows all of it. May look at records on the disk.
TopicToSee PlanToSee(Context& context, const TopicGroup* group, const TopicGroupOptions& options,
                     std::string_view topic, uint32_t partitions);

// What a group has committed of one partition, and may not have seen yet.
struct CommittedPart {
  PartitionPart part;
  uint64_t epoch = 0;
  uint64_t committed = 0;
  const GroupPartition* known = nullptr;  // nullptr: it has not seen the partition
};
// Finds it, with the topic to be seen in `to_see` if there is one that is not there yet.
[[nodiscard]] bool ReadCommittedPart(Context& context, const NamedGroup& named,
                                     std::string_view text, std::vector<TopicToSee>* to_see,
                                     CommittedPart* read);
// `text` is the epoch that the client knows. If it is not that of the partition, the client is
// fenced.
[[nodiscard]] bool CheckEpoch(Context& context, const NamedGroup& named, const CommittedPart& part,
                              std::string_view text);
// The group sees these topics.
void See(Context& context, const KeyRef& group, const std::vector<TopicToSee>& to_see);

}  // namespace runnel::commands
