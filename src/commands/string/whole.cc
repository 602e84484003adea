#include <optional>
#include <utility>

#include "commands/arguments.h"
#include "commands/expiry.h"
#include "commands/key_events.h"
#include "commands/repeats.h"
#include "commands/string/commands.h"
#include "commands/string/replies.h"
#include "data/string_object.h"
#include "effects/string_effects.h"

namespace runnel::commands {
namespace {

// Options of SET and GETEX.
struct Options {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  // The argument of EX, PX, EXAT or PXAT.
  std::optional<std::string_view> expiry;
  ExpiryUnit unit;
};

enum class For { kSet, kGetEx };

// The unit that an option word stands for; false if it is none of these.
bool IsExpiryOption(std::string_view word, ExpiryUnit* unit) {
  constexpr struct {
    std::string_view word;
    ExpiryUnit unit;
  } kWords[] = {{"EX", {.seconds = true, .relative = true}},
                {"PX", {.seconds = false, .relative = true}},
                {"EXAT", {.seconds = true, .relative = false}},
                {"PXAT", {.seconds = false, .relative = false}}};
  for (const auto& known : kWords) {
    if (!Is(word, known.word)) continue;
    *unit = known.unit;
    return true;
  }
  return false;
}

// Takes one option, with the argument after it if it needs one (*i is moved then). Returns false if
// it is none, or contradicts one that came before.
bool TakeOption(Context& context, For command, size_t* i, Options* options) {
  const std::string_view word = context.arg(*i);
  const bool has_expiry = options->expiry.has_value();
  if (command == For::kSet) {
    if (Is(word, "NX") && !options->xx) return options->nx = true;
    if (Is(word, "XX") && !options->nx) return options->xx = true;
    if (Is(word, "GET")) return options->get = true;
    if (Is(word, "KEEPTTL") && !has_expiry) return options->keep_ttl = true;
  } else {
    if (Is(word, "PERSIST") && !has_expiry) return options->persist = true;
  }
  const ExpiryUnit before = options->unit;
  if (!IsExpiryOption(word, &options->unit)) return false;
  const bool other_unit =
      options->unit.seconds != before.seconds || options->unit.relative != before.relative;
  if (options->keep_ttl || options->persist || (has_expiry && other_unit)) return false;
  if (*i + 1 == context.argc()) return false;
  options->expiry = context.arg(++*i);
  return true;
}

bool ReadOptions(Context& context, For command, size_t first, Options* options) {
  for (size_t i = first; i < context.argc(); i++) {
    if (TakeOption(context, command, &i, options)) continue;
    context.reply().Error(kSyntaxError);
    return false;
  }
  return true;
}

// Sets the key, which holds `entry` now (nullptr: nothing), and notifies.
void Assign(Context& context, const KeyRef& key, const KeyEntry* entry, std::string_view value,
            int64_t expire_at_ms = kNoExpiry) {
  context.Apply(StringSet{key, value, expire_at_ms});
  if (entry == nullptr) NotifyNew(context, key);
  context.Notify(kNotifyString, "set", key);
}

void ReplyValue(Context& context, const StringObject* string) {
  string == nullptr ? context.reply().Null() : ReplyBytes(context, *string, 0, string->size());
}

void SetWithOptions(Context& context) {
  Options options;
  if (!ReadOptions(context, For::kSet, 3, &options)) return;
  int64_t expire_at_ms = kNoExpiry;
  const bool expires = options.expiry.has_value();
  if (expires && !ReadExpiry(context, *options.expiry, options.unit, "set", &expire_at_ms)) return;

  const KeyRef key = context.Key(1);
  if (options.get) {
    const StringObject* old;
    if (!context.Read(key, &old)) return;
    ReplyValue(context, old);
  }
  const KeyEntry* entry = context.FindForWrite(key);
  if (entry == nullptr ? options.xx : options.nx) {
    if (!options.get) context.reply().Null();
    return;
  }
  if (options.keep_ttl && entry != nullptr) expire_at_ms = entry->expire_at_ms();
  Assign(context, key, entry, context.arg(2), expire_at_ms);
  if (expires) context.Notify(kNotifyGeneric, "expire", key);
  if (!options.get) context.reply().Ok();
}

void SetWithExpiry(Context& context, ExpiryUnit unit, std::string_view command) {
  int64_t expire_at_ms;
  if (!ReadExpiry(context, context.arg(2), unit, command, &expire_at_ms)) return;
  const KeyRef key = context.Key(1);
  Assign(context, key, context.FindForWrite(key), context.arg(3), expire_at_ms);
  context.Notify(kNotifyGeneric, "expire", key);
  context.reply().Ok();
}

void AssignPairs(Context& context) {
  for (size_t i = 1; i < context.argc(); i += 2) {
    const KeyRef key = context.Key(i);
    Assign(context, key, context.FindForWrite(key), context.arg(i + 1));
  }
}

}  // namespace

void Set(Context& context) {
  if (context.argc() > 3) return SetWithOptions(context);
  const KeyRef key = context.Key(1);
  Assign(context, key, context.FindForWrite(key), context.arg(2));
  context.reply().Ok();
}

void SetNx(Context& context) {
  const KeyRef key = context.Key(1);
  if (context.FindForWrite(key) != nullptr) return context.reply().Integer(0);
  Assign(context, key, nullptr, context.arg(2));
  context.reply().Integer(1);
}

void SetEx(Context& context) {
  SetWithExpiry(context, {.seconds = true, .relative = true}, "setex");
}

void PSetEx(Context& context) {
  SetWithExpiry(context, {.seconds = false, .relative = true}, "psetex");
}

void MSet(Context& context) {
  if (context.argc() % 2 == 0) {
    return context.reply().Error("ERR wrong number of arguments for 'mset' command");
  }
  AssignPairs(context);
  context.reply().Ok();
}

void MSetNx(Context& context) {
  if (context.argc() % 2 == 0) {
    return context.reply().Error("ERR wrong number of arguments for 'msetnx' command");
  }
  for (size_t i = 1; i < context.argc(); i += 2) {
    if (context.FindForWrite(context.Key(i)) != nullptr) return context.reply().Integer(0);
  }
  AssignPairs(context);
  context.reply().Integer(1);
}

void Get(Context& context) {
  const StringObject* string;
  if (!context.Read(context.Key(1), &string)) return;
  ReplyValue(context, string);
}

void GetSet(Context& context) {
  const KeyRef key = context.Key(1);
  const StringObject* old;
  if (!context.Read(key, &old)) return;
  ReplyValue(context, old);
  Assign(context, key, context.FindForWrite(key), context.arg(2));
}

void GetDel(Context& context) {
  const KeyRef key = context.Key(1);
  const StringObject* string;
  if (!context.Read(key, &string)) return;
  ReplyValue(context, string);
  if (string == nullptr) return;
  context.Apply(KeyRemove{key});
  NotifyDeleted(context, key);
}

void GetEx(Context& context) {
  Options options;
  if (!ReadOptions(context, For::kGetEx, 2, &options)) return;
  const KeyRef key = context.Key(1);
  const StringObject* string;
  if (!context.Read(key, &string)) return;
  if (string == nullptr) return context.reply().Null();
  const bool expires = options.expiry.has_value();
  int64_t expire_at_ms = kNoExpiry;
  if (expires && !ReadExpiry(context, *options.expiry, options.unit, "getex", &expire_at_ms))
    return;

  ReplyValue(context, string);
  if (expires && Expired(expire_at_ms, context.now_ms())) {
    context.Apply(KeyRemove{key});
    NotifyDeleted(context, key);
  } else if (expires) {
    context.Apply(KeyExpire{key, expire_at_ms});
    context.Notify(kNotifyGeneric, "expire", key);
  } else if (options.persist && context.keyspace().Find(key)->has_expiry()) {
    context.Apply(KeyExpire{key, kNoExpiry});
    context.Notify(kNotifyGeneric, "persist", key);
  }
}

void MGet(Context& context) {
  const auto identify = [&](size_t i) -> std::pair<const void*, size_t> {
    const KeyEntry* entry = context.Peek(context.Key(i + 1));
    const auto* string = entry == nullptr ? nullptr : entry->As<StringObject>();
    return {string, string == nullptr ? 0 : string->size()};
  };
  RepeatBound bound(context);
  context.reply().Array(context.argc() - 1);
  for (size_t i = 1; i < context.argc(); i++) {
    const KeyEntry* entry = context.Find(context.Key(i));
    ReplyValue(context, entry == nullptr ? nullptr : entry->As<StringObject>());
    if (!bound.HoldsWithoutRepeats(context.argc() - 1, identify)) return;
  }
}

}  // namespace runnel::commands
