#pragma once

#include <cstdint>
#include <string_view>

#include "commands/context.h"

// How commands give the time at which a key expires.

namespace runnel {

// One way to give it: in seconds or milliseconds, from now on or as a time of the Unix clock.
struct ExpiryUnit {
  bool seconds = true;
  bool relative = true;
};

// The Unix time in milliseconds that `value`, given in `unit`, stands for. Returns false if that is
// no time.
[[nodiscard]] bool ToExpiry(int64_t value, ExpiryUnit unit, int64_t now_ms, int64_t* expire_at_ms);

// Reads an expiry that must be above 0, as SET and its kin take it; `command` is the name for the
// error reply.
[[nodiscard]] bool ReadExpiry(Context& context, std::string_view text, ExpiryUnit unit,
                              std::string_view command, int64_t* expire_at_ms);

// Writes the error of an expiry that is no time.
void ReplyInvalidExpiry(Context& context, std::string_view command);

}  // namespace runnel
