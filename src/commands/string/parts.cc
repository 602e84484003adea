#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/numbers.h"
#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/string/commands.h"
#include "commands/string/replies.h"
#include "data/string_object.h"
#include "effects/string_effects.h"

namespace runnel::commands {
namespace {

// A key that a command is about to change, with its string if it is there.
struct Target {
  KeyRef key;
  const KeyEntry* entry = nullptr;
  const StringObject* string = nullptr;

  size_t size() const { return string == nullptr ? 0 : string->size(); }
  // The value as far as it may be a number: no number is longer than a piece of a string.
  std::string_view number() const { return string == nullptr ? "" : string->head(); }
};

// Looks up the first argument. Writes the error and returns false if it is a key of another type.
bool FindTarget(Context& context, Target* target) {
  target->key = context.Key(1);
  target->entry = context.FindForWrite(target->key);
  if (target->entry == nullptr) return true;
  target->string = target->entry->As<StringObject>();
  if (target->string == nullptr) context.reply().Error(kWrongType);
  return target->string != nullptr;
}

// Replaces the value and keeps the expiry.
void Replace(Context& context, const Target& target, std::string_view value,
             std::string_view event) {
  const bool created = target.entry == nullptr;
  context.Apply(StringSet{target.key, value, created ? kNoExpiry : target.entry->expire_at_ms()});
  if (created) NotifyNew(context, target.key);
  context.Notify(kNotifyString, event, target.key);
}

void Add(Context& context, int64_t increment) {
  Target target;
  if (!FindTarget(context, &target)) return;
  int64_t number = 0;
  if (target.string != nullptr && !ReadInteger(context, target.number(), &number)) return;
  if (__builtin_add_overflow(number, increment, &number)) {
    return context.reply().Error("ERR increment or decrement would overflow");
  }
  char text[kMaxDecimal];
  const char* end = WriteDecimal(text, number);
  Replace(context, target, {text, static_cast<size_t>(end - text)}, "incrby");
  context.reply().Integer(number);
}

bool ReadFloat(Context& context, std::string_view text, long double* value) {
  const std::optional<long double> number = ParseLongDouble(text);
  if (!number) {
    context.reply().Error(kNotAFloat);
    return false;
  }
  *value = *number;
  return true;
}

// Whether a string of that many bytes may be stored; writes the error if not.
bool CheckLength(Context& context, uint64_t size) {
  if (size <= context.options().max_bulk_bytes) return true;
  context.reply().Error(kTooLong);
  return false;
}

}  // namespace

void Incr(Context& context) {
  Add(context, 1);
}
void Decr(Context& context) {
  Add(context, -1);
}

void IncrBy(Context& context) {
  int64_t increment;
  if (ReadInteger(context, context.arg(2), &increment)) Add(context, increment);
}

void DecrBy(Context& context) {
  int64_t decrement;
  if (!ReadInteger(context, context.arg(2), &decrement)) return;
  if (decrement == std::numeric_limits<int64_t>::min()) {
    return context.reply().Error("ERR decrement would overflow");
  }
  Add(context, -decrement);
}

void IncrByFloat(Context& context) {
  Target target;
  if (!FindTarget(context, &target)) return;
  long double number = 0;
  long double increment;
  if (target.string != nullptr && !ReadFloat(context, target.number(), &number)) return;
  if (!ReadFloat(context, context.arg(2), &increment)) return;
  number += increment;
  if (std::isnan(number) || std::isinf(number)) {
    return context.reply().Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FormatLongDouble(number);
  Replace(context, target, text, "incrbyfloat");
  context.reply().Bulk(text);
}

void Append(Context& context) {
  Target target;
  if (!FindTarget(context, &target)) return;
  const std::string_view tail = context.arg(2);
  const size_t size = target.size() + tail.size();
  if (target.entry == nullptr) {
    // Set, not appended to nothing: so it has the encoding of a value that was set.
    Replace(context, target, tail, "append");
  } else {
    if (!CheckLength(context, size)) return;
    context.Apply(StringAppend{target.key, tail});
    context.Notify(kNotifyString, "append", target.key);
  }
  context.reply().Integer(static_cast<int64_t>(size));
}

void StrLen(Context& context) {
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  context.reply().Integer(string == nullptr ? 0 : static_cast<int64_t>(string->size()));
}

void GetRange(Context& context) {
  int64_t start;
  int64_t end;
  if (!ReadInteger(context, context.arg(2), &start)) return;
  if (!ReadInteger(context, context.arg(3), &end)) return;
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  const int64_t size = string == nullptr ? 0 : static_cast<int64_t>(string->size());
  if (start < 0 && end < 0 && start > end) return context.reply().Bulk("");
  if (start < 0) start = std::max<int64_t>(start + size, 0);
  if (end < 0) end = std::max<int64_t>(end + size, 0);
  end = std::min(end, size - 1);
  if (start > end) return context.reply().Bulk("");
  ReplyBytes(context, *string, static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
}

void SetRange(Context& context) {
  int64_t offset;
  if (!ReadInteger(context, context.arg(2), &offset)) return;
  if (offset < 0) return context.reply().Error("ERR offset is out of range");
  Target target;
  if (!FindTarget(context, &target)) return;
  const std::string_view part = context.arg(3);
  size_t size = target.size();
  if (part.empty()) return context.reply().Integer(static_cast<int64_t>(size));
  const uint64_t end = static_cast<uint64_t>(offset) + part.size();
  if (!CheckLength(context, end)) return;
  size = std::max<size_t>(size, end);
  context.Apply(StringSetRange{target.key, static_cast<uint64_t>(offset), part});
  if (target.entry == nullptr) NotifyNew(context, target.key);
  context.Notify(kNotifyString, "setrange", target.key);
  context.reply().Integer(static_cast<int64_t>(size));
}

}  // namespace runnel::commands
