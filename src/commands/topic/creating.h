#pragma once

#include <cstdint>

#include "commands/context.h"
#include "data/topic/topic.h"

namespace runnel::commands {

// Whether partitions `from` to `to` - 1 of a topic can be made: the name of the topic is allowed,
// there are not too many, and no key of the database has the name of one. With `from` 0 the topic
// is new: its key must not exist, which the caller has found. Writes the error and returns false
// otherwise.
[[nodiscard]] bool CheckNewTopic(Context& context, const KeyRef& key, uint32_t from, uint64_t to);

// Makes the topic, with a new ID. REQUIRES: CheckNewTopic was true.
void CreateTopic(Context& context, const KeyRef& key, uint32_t partitions,
                 const TopicOptions& options);

}  // namespace runnel::commands
