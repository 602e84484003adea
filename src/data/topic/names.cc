#include "data/topic/names.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/assert.h"
#include "base/numbers.h"

namespace runnel {
namespace {

constexpr char kTopicGroupPrefix = '*';

bool MayBeInTopicName(char c) {
  constexpr std::string_view kNot = "/*?[]\\^";
  const auto byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte != 0x7f && kNot.find(c) == std::string_view::npos;
}

}  // namespace

bool IsTopicName(std::string_view name) {
  if (name.empty() || name.size() > kMostTopicName || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), MayBeInTopicName);
}

std::optional<PartitionId> ParsePartition(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  const std::optional<uint64_t> number = ParseDigits(digits);
  if (!number || *number >= kMostPartitions) return std::nullopt;
  if (!IsTopicName(text.substr(0, slash))) return std::nullopt;
  return PartitionId{text.substr(0, slash), static_cast<uint32_t>(*number)};
}

PartitionName::PartitionName(std::string_view topic, uint32_t number) {
  ASSERT(!topic.empty() && topic.size() <= kMostTopicName);
  std::memcpy(text_, topic.data(), topic.size());
  char* out = text_ + topic.size();
  *out++ = '/';
  out = std::to_chars(out, text_ + sizeof(text_), number).ptr;
  size_ = static_cast<size_t>(out - text_);
}

std::string TopicGroupKey(std::string_view group) {
  return kTopicGroupPrefix + std::string(group);
}

std::optional<std::string_view> ParseTopicGroupKey(std::string_view key) {
  if (key.empty() || key[0] != kTopicGroupPrefix) return std::nullopt;
  key.remove_prefix(1);
  if (key.empty() || key.size() > kMostTopicGroupName) return std::nullopt;
  return key;
}

}  // namespace runnel
