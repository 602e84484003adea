#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "commands/context.h"
#include "data/stream/stream.h"
#include "data/topic/topic.h"

// Partitions of topics as streams. A partition is found by its name (`orders/3`) where the database
// has no key of that name. Commands on streams ask for the key first, so they pay nothing for this
// when they find one.

namespace runnel::commands {

// The topic of the database that has this partition; nullptr if there is none. Removes a topic that
// is past its expiry.
const Topic* TopicOfPartition(Context& context, std::string_view partition);

// The key of the stream that argument i names: the key of the database, or that of a partition,
// which is in the companion of the database. A partition that was never written has no value.
KeyRef StreamKey(Context& context, size_t i);

// The key of the partition that argument i names, now or once there is such a topic; nullopt if no
// partition can have the name. A command that waits for a stream waits for this key and for that of
// the database, because either may be the stream by the time that one of them changes.
std::optional<KeyRef> PossiblePartition(Context& context, size_t i);

// What a command sees in the place of a partition that was never written.
const KeyEntry& UnwrittenPartition();

// The entry of the key or the partition that argument i names; nullptr if there is none. Counts as
// Context::Examine and Peek do.
const KeyEntry* ExamineWithPartitions(Context& context, size_t i);
const KeyEntry* PeekWithPartitions(Context& context, size_t i);

// Writes an error and returns true if argument i names a partition, which the command cannot
// change. For a key that exists, it is false at once.
[[nodiscard]] bool FailIfPartition(Context& context, size_t i);

// The same for a command on keys of any type that would move or copy the partition or the topic
// that argument i names. `done` is what cannot be done to a topic: "renamed".
[[nodiscard]] bool FailIfTopic(Context& context, size_t i, std::string_view done);

}  // namespace runnel::commands
