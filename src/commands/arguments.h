#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "commands/context.h"

namespace runnel {

// Reading arguments. Each function writes the error reply and returns false if the argument is
// wrong.

// A 64-bit integer within [least, most]. `error` is the reply if it is not one.
[[nodiscard]] bool ReadInteger(Context& context, std::string_view text, int64_t* value,
                               std::string_view error = kNotAnInteger,
                               int64_t least = std::numeric_limits<int64_t>::min(),
                               int64_t most = std::numeric_limits<int64_t>::max());

// The number of an existing database. Like Redis, it has another error for numbers of more than 32
// bits.
[[nodiscard]] bool ReadDb(Context& context, std::string_view text, uint32_t* db);

// A timeout of a blocking list command: seconds with a fraction. *deadline_ms is the time on the
// steady clock, or Wait::kForever for 0.
[[nodiscard]] bool ReadTimeoutSeconds(Context& context, std::string_view text,
                                      int64_t* deadline_ms);
// A timeout of a blocking stream command: whole milliseconds.
[[nodiscard]] bool ReadTimeoutMs(Context& context, std::string_view text, int64_t* deadline_ms);

// Names of groups, consumers and clients are kept, and repeated in effects and replies: they are no
// longer than this. `what` begins the error: "group name".
inline constexpr size_t kMostNameBytes = 64 * 1024;
[[nodiscard]] bool CheckName(Context& context, std::string_view what, std::string_view name);

// Writes the error and returns false, for functions that read arguments.
inline bool Fail(Context& context, std::string_view error) {
  context.reply().Error(error);
  return false;
}

inline bool Is(std::string_view argument, std::string_view word) {
  return EqualsIgnoreCase(argument, word);
}

}  // namespace runnel
