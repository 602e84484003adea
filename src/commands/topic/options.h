#pragma once

#include <cstdint>
#include <optional>

#include "commands/context.h"
#include "data/topic/topic.h"

namespace runnel::commands {

// What TOPIC CREATE and TOPIC ALTER give.
struct TopicSettings {
  bool only_new = false;  // NX
  std::optional<int64_t> partitions;
  TopicOptions options;
};

// Reads the arguments from i on. What they do not name stays as it is in `*settings`. NX, CLEANUP
// and PARTITIONER are only for a new topic. Writes the error and returns false otherwise.
[[nodiscard]] bool ReadTopicSettings(Context& context, size_t i, bool creating,
                                     TopicSettings* settings);

std::string_view NameOf(Cleanup cleanup);
std::string_view NameOf(Partitioner partitioner);

}  // namespace runnel::commands
