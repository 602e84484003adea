#include "commands/arguments.h"

#include <cmath>

#include "base/numbers.h"
#include "fmt/format.h"

namespace runnel {

bool ReadInteger(Context& context, std::string_view text, int64_t* value, std::string_view error,
                 int64_t least, int64_t most) {
  const std::optional<int64_t> number = ParseInteger(text);
  if (!number || *number < least || *number > most) {
    context.reply().Error(error);
    return false;
  }
  *value = *number;
  return true;
}

bool ReadDb(Context& context, std::string_view text, uint32_t* db) {
  int64_t number;
  if (!ReadInteger(context, text, &number)) return false;
  if (number != static_cast<int32_t>(number)) {
    context.reply().Error(
        "ERR value is out of range, value must between -2147483648 and 2147483647");
    return false;
  }
  if (number < 0 || number >= context.keyspace().databases()) {
    context.reply().Error(kDbOutOfRange);
    return false;
  }
  *db = static_cast<uint32_t>(number);
  return true;
}

namespace {

bool ReadTimeout(Context& context, double timeout_ms, int64_t* deadline_ms) {
  if (timeout_ms < 0) {
    context.reply().Error("ERR timeout is negative");
    return false;
  }
  if (timeout_ms >= static_cast<double>(Wait::kForever - context.steady_ms())) {
    context.reply().Error("ERR timeout is out of range");
    return false;
  }
  *deadline_ms = timeout_ms == 0
                     ? Wait::kForever
                     : context.steady_ms() + static_cast<int64_t>(std::ceil(timeout_ms));
  return true;
}

}  // namespace

bool ReadTimeoutSeconds(Context& context, std::string_view text, int64_t* deadline_ms) {
  const std::optional<long double> seconds = ParseLongDouble(text);
  if (!seconds) {
    context.reply().Error("ERR timeout is not a float or out of range");
    return false;
  }
  return ReadTimeout(context, static_cast<double>(*seconds * 1000), deadline_ms);
}

bool CheckName(Context& context, std::string_view what, std::string_view name) {
  if (name.size() <= kMostNameBytes) return true;
  context.reply().Error(
      fmt::format("ERR the {} has {} bytes, the limit is {}", what, name.size(), kMostNameBytes));
  return false;
}

bool ReadTimeoutMs(Context& context, std::string_view text, int64_t* deadline_ms) {
  const std::optional<int64_t> ms = ParseInteger(text);
  if (!ms) {
    context.reply().Error("ERR timeout is not an integer or out of range");
    return false;
  }
  return ReadTimeout(context, static_cast<double>(*ms), deadline_ms);
}

}  // namespace runnel
