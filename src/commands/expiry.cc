#include "commands/expiry.h"

#include <algorithm>
#include <string>

#include "commands/arguments.h"

namespace runnel {

bool ToExpiry(int64_t value, ExpiryUnit unit, int64_t now_ms, int64_t* expire_at_ms) {
  if (unit.seconds && __builtin_mul_overflow(value, int64_t{1000}, &value)) return false;
  if (unit.relative && __builtin_add_overflow(value, now_ms, &value)) return false;
  // All times before now are alike; kNoExpiry is no time.
  *expire_at_ms = std::max<int64_t>(value, 0);
  return true;
}

bool ReadExpiry(Context& context, std::string_view text, ExpiryUnit unit, std::string_view command,
                int64_t* expire_at_ms) {
  int64_t value;
  if (!ReadInteger(context, text, &value)) return false;
  if (value > 0 && ToExpiry(value, unit, context.now_ms(), expire_at_ms)) return true;
  ReplyInvalidExpiry(context, command);
  return false;
}

void ReplyInvalidExpiry(Context& context, std::string_view command) {
  context.reply().Error("ERR invalid expire time in '" + std::string(command) + "' command");
}

}  // namespace runnel
