#include "commands/repeats.h"

#include <limits>

#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

constexpr int64_t kMostCount = std::numeric_limits<int64_t>::max();

bool FailCount(Context& context, int64_t least) {
  return Fail(context, fmt::format("ERR value is out of range, value must between {} and {}", least,
                                   kMostCount));
}

}  // namespace

bool ReadDrawCount(Context& context, std::string_view text, int64_t* count) {
  if (!ReadInteger(context, text, count)) return false;
  return *count >= -kMostCount || FailCount(context, -kMostCount);
}

bool CheckPairCount(Context& context, int64_t count) {
  if (count >= -kMostCount / 2 && count <= kMostCount / 2) return true;
  return Fail(context, "ERR value is out of range");
}

bool RepeatBound::Allows(uint64_t draws) {
  return draws <= static_cast<uint64_t>(kMostDraws) || FailCount(context_, -kMostDraws);
}

bool CheckRepeatedBytes(Context& context, uint64_t bytes) {
  const uint64_t most = context.options().most_change_bytes;
  return bytes <= most ||
         Fail(context, fmt::format("ERR the reply would repeat more than {} bytes", most));
}

bool RepeatBound::Refuse() {
  context_.reply().rope().Truncate(before_);
  return CheckRepeatedBytes(context_, std::numeric_limits<uint64_t>::max());
}

}  // namespace runnel::commands
