#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runnel {

// The names of topics and of their partitions. The rules for topics take every name that Kafka
// takes. A partition is named `topic/number`, so no topic's name has a slash; the characters of
// patterns are left out so that a name and a pattern can be told apart.

inline constexpr size_t kMostTopicName = 249;
bool IsTopicName(std::string_view name);

// 128 random bits. A topic that is made again under the name of a deleted one has another.
using TopicId = std::array<char, 16>;

// Numbers of partitions are below this.
inline constexpr uint32_t kMostPartitions = 1'000'000;

// A partition's name, taken apart. `topic` is a view into the text.
struct PartitionId {
  std::string_view topic;
  uint32_t number = 0;
};
// Nothing if the text is not the name of a partition that a topic can have: the number is decimal,
// without sign and without leading zeros.
std::optional<PartitionId> ParsePartition(std::string_view text);

// The text of a partition's name.
class PartitionName {
 public:
  // REQUIRES: IsTopicName(topic).
  PartitionName(std::string_view topic, uint32_t number);

  // Valid as long as this object.
  std::string_view text() const { return {text_, size_}; }
  operator std::string_view() const { return text(); }  // NOLINT: is a text

 private:
  size_t size_;
  char text_[kMostTopicName + 1 + 10];
};

// The name of a group's key in the companion of a database: no partition has such a name.
std::string TopicGroupKey(std::string_view group);
inline constexpr size_t kMostTopicGroupName = 255;
// The group's name in such a key, as a view into it. Nothing if the key is none, or the name is
// empty or too long.
std::optional<std::string_view> ParseTopicGroupKey(std::string_view key);

}  // namespace runnel
