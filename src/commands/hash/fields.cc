#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "commands/arguments.h"
#include "commands/hash/commands.h"
#include "commands/hash/live.h"
#include "commands/key_events.h"
#include "commands/repeats.h"
#include "effects/hash_effects.h"

namespace runnel::commands {
namespace {

// Sets the fields and values that follow the key. Returns how many fields were not there before;
// nothing, with the error written, if it cannot.
std::optional<size_t> SetFieldsOfArguments(Context& context, std::string_view command) {
  if (context.argc() % 2 != 0) {
    context.reply().Error("ERR wrong number of arguments for '" + std::string(command) +
                          "' command");
    return std::nullopt;
  }
  const KeyRef key = context.Key(1);
  const Hash* hash;
  if (!context.ReadForWrite(key, &hash)) return std::nullopt;
  const bool created = hash == nullptr;
  const size_t before = LiveSize(hash, context.now_ms());
  const std::span<const std::string_view> pairs = context.args().subspan(2);
  context.Apply(HashSet{key, pairs}, pairs.size() / 2);
  if (created) NotifyNew(context, key);
  context.Notify(kNotifyHash, "hset", key);
  return LiveSize(HashNow(context, key), context.now_ms()) - before;
}

// A field that is about to get another number.
struct NumberField {
  KeyRef key;
  const Hash* hash = nullptr;
  std::string_view name;
  std::optional<std::string_view> value;  // nothing: there is no such field
};

// Looks up the first two arguments. Writes the error and returns false if the key is of another
// type.
bool FindNumber(Context& context, NumberField* number) {
  number->key = context.Key(1);
  number->name = context.arg(2);
  if (!context.ReadForWrite(number->key, &number->hash)) return false;
  if (number->hash == nullptr) return true;
  const std::optional<Field> field = FindLive(*number->hash, number->name, context.now_ms());
  if (field) number->value = field->value;
  return true;
}

void SetNumber(Context& context, const NumberField& number, std::string_view text,
               std::string_view event) {
  const std::array<std::string_view, 2> pair = {number.name, text};
  const bool created = number.hash == nullptr;
  context.Apply(HashSet{number.key, pair, number.value.has_value()});
  if (created) NotifyNew(context, number.key);
  context.Notify(kNotifyHash, event, number.key);
}

// Sets *field to the field that the second argument names; nothing if there is none. Writes the
// error and returns false if the key is of another type.
bool ReadField(Context& context, std::optional<Field>* field) {
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return false;
  if (hash != nullptr) *field = FindLive(*hash, context.arg(2), context.now_ms());
  return true;
}

}  // namespace

void HSet(Context& context) {
  if (const auto added = SetFieldsOfArguments(context, "hset")) {
    context.reply().Integer(static_cast<int64_t>(*added));
  }
}

void HMSet(Context& context) {
  if (SetFieldsOfArguments(context, "hmset")) context.reply().Ok();
}

void HSetNx(Context& context) {
  const KeyRef key = context.Key(1);
  const Hash* hash;
  if (!context.ReadForWrite(key, &hash)) return;
  if (hash != nullptr && FindLive(*hash, context.arg(2), context.now_ms())) {
    return context.reply().Integer(0);
  }
  context.Apply(HashSet{key, context.args().subspan(2)});
  if (hash == nullptr) NotifyNew(context, key);
  context.Notify(kNotifyHash, "hset", key);
  context.reply().Integer(1);
}

void HGet(Context& context) {
  std::optional<Field> field;
  if (!ReadField(context, &field)) return;
  field ? context.reply().Bulk(field->value) : context.reply().Null();
}

void HMGet(Context& context) {
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return;
  const std::span<const std::string_view> names = context.args().subspan(2);
  const auto find = [&](size_t i) {
    return hash != nullptr ? FindLive(*hash, names[i], context.now_ms()) : std::nullopt;
  };
  const auto identify = [&](size_t i) {
    const std::optional<Field> field = find(i);
    return field ? std::pair<const void*, size_t>(field->value.data(), field->value.size())
                 : std::pair<const void*, size_t>();
  };
  RepeatBound bound(context);
  context.reply().Array(names.size());
  for (size_t i = 0; i < names.size(); i++) {
    const std::optional<Field> field = find(i);
    field ? context.reply().Bulk(field->value) : context.reply().Null();
    if (!bound.HoldsWithoutRepeats(names.size(), identify)) return;
  }
}

void HDel(Context& context) {
  const KeyRef key = context.Key(1);
  const Hash* hash;
  if (!context.ReadForWrite(key, &hash)) return;
  std::vector<std::string_view> names;
  if (hash != nullptr) {
    for (const std::string_view name : context.args().subspan(2)) {
      if (FindLive(*hash, name, context.now_ms())) names.push_back(name);
    }
  }
  if (names.empty()) return context.reply().Integer(0);
  const size_t before = hash->size();
  context.Apply(HashRemove{key, names}, 0);
  const Hash* const left = HashNow(context, key);
  const size_t removed = before - (left == nullptr ? 0 : left->size());
  context.CountElements(removed);
  context.Notify(kNotifyHash, "hdel", key);
  EndIfDead(context, key);
  context.reply().Integer(static_cast<int64_t>(removed));
}

void HLen(Context& context) {
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return;
  context.reply().Integer(static_cast<int64_t>(LiveSize(hash, context.now_ms())));
}

void HExists(Context& context) {
  std::optional<Field> field;
  if (ReadField(context, &field)) context.reply().Integer(field ? 1 : 0);
}

void HStrLen(Context& context) {
  std::optional<Field> field;
  if (!ReadField(context, &field)) return;
  context.reply().Integer(field ? static_cast<int64_t>(field->value.size()) : 0);
}

void HIncrBy(Context& context) {
  int64_t increment;
  if (!ReadInteger(context, context.arg(3), &increment)) return;
  NumberField field;
  if (!FindNumber(context, &field)) return;
  int64_t number = 0;
  if (field.value &&
      !ReadInteger(context, *field.value, &number, "ERR hash value is not an integer")) {
    return;
  }
  if (__builtin_add_overflow(number, increment, &number)) {
    return context.reply().Error("ERR increment or decrement would overflow");
  }
  char text[kMaxDecimal];
  const char* end = WriteDecimal(text, number);
  SetNumber(context, field, {text, static_cast<size_t>(end - text)}, "hincrby");
  context.reply().Integer(number);
}

void HIncrByFloat(Context& context) {
  const std::optional<long double> increment = ParseLongDouble(context.arg(3));
  if (!increment) return context.reply().Error(kNotAFloat);
  if (std::isinf(*increment)) return context.reply().Error("ERR value is NaN or Infinity");
  NumberField field;
  if (!FindNumber(context, &field)) return;
  std::optional<long double> number = 0;
  if (field.value) number = ParseLongDouble(*field.value);
  if (!number) return context.reply().Error("ERR hash value is not a float");
  const long double sum = *number + *increment;
  if (std::isnan(sum) || std::isinf(sum)) {
    return context.reply().Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FormatLongDouble(sum);
  SetNumber(context, field, text, "hincrbyfloat");
  context.reply().Bulk(text);
}

}  // namespace runnel::commands
