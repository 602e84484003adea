#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/context.h"
#include "data/stream/stream.h"
#include "data/topic/topic.h"

// Reading the arguments that commands on topics share. As in commands/arguments.h, a function that
// returns false has written the error.

namespace runnel::commands {

// The topic at this key.
[[nodiscard]] bool FindTopic(Context& context, const KeyRef& key, const Topic** topic);

// A topic, or one of its partitions: `orders`, `orders/3`.
struct TopicPart {
  KeyRef key;  // of the topic; a view into the argument
  const Topic* topic = nullptr;
  std::optional<uint32_t> partition;
};
[[nodiscard]] bool ReadTopicPart(Context& context, std::string_view text, TopicPart* part);

// The key of a partition. `name` must outlive it.
inline KeyRef PartitionKey(const Context& context, std::string_view name) {
  return KeyRef(CompanionOf(context.db()), name);
}
// The partition at the key; one without records if it was never written.
const Stream& PartitionAt(Context& context, const KeyRef& key);

// One partition.
struct PartitionPart {
  TopicPart of;
  uint32_t number = 0;
  KeyRef key;                      // of the partition; a view into the argument
  const Stream* stream = nullptr;  // never nullptr after it was read
};
[[nodiscard]] bool ReadPartition(Context& context, std::string_view text, PartitionPart* part);

// A place in a partition, as commands take it: before the record that is next.
struct TopicPosition {
  enum class Kind {
    kOffset,  // an offset, or the one after an ID
    kEarliest,
    kLatest,
    kTime,  // the first record that was appended at this Unix ms or later
  };
  Kind kind = Kind::kOffset;
  uint64_t value = 0;

  // May look at records on the disk (kTime).
  uint64_t OffsetIn(const Stream& partition) const;
};
[[nodiscard]] bool ReadPosition(Context& context, std::string_view text, TopicPosition* position);

// Whether the offset is one that can be read next. `partition` is its name.
[[nodiscard]] bool CheckOffset(Context& context, std::string_view partition, const Stream& stream,
                               uint64_t offset);

// A name of a group, a member or a producer: 1 to 255 bytes. `what` begins the error: "group name".
inline constexpr size_t kMostTopicNames = kMostTopicGroupName;
[[nodiscard]] bool CheckShortName(Context& context, std::string_view what, std::string_view name);

// The value of an option: a number from `least` on.
[[nodiscard]] bool ReadNumberOption(Context& context, std::string_view option,
                                    std::string_view text, int64_t least, uint64_t* value);

}  // namespace runnel::commands
