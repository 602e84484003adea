#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "commands/arguments.h"
#include "commands/expiry.h"
#include "commands/hash/commands.h"
#include "commands/hash/live.h"
#include "effects/hash_effects.h"

namespace runnel::commands {
namespace {

// The latest expiry that a field may be given, as in Redis: below 2^46 milliseconds.
constexpr int64_t kLatestFieldExpiry = (int64_t{1} << 46) - 1;
static_assert(kLatestFieldExpiry <= Hash::kLatestExpiry);

// What a reply says about one field.
constexpr int64_t kNoSuchField = -2;
constexpr int64_t kFieldHasNoExpiry = -1;
constexpr int64_t kConditionNotMet = 0;
constexpr int64_t kFieldChanged = 1;
constexpr int64_t kFieldDeleted = 2;

enum class ExpiryCondition { kNone, kNx, kXx, kGt, kLt };

// The condition that a word stands for; kNone if it is none.
ExpiryCondition ConditionOf(std::string_view word) {
  if (Is(word, "NX")) return ExpiryCondition::kNx;
  if (Is(word, "XX")) return ExpiryCondition::kXx;
  if (Is(word, "GT")) return ExpiryCondition::kGt;
  if (Is(word, "LT")) return ExpiryCondition::kLt;
  return ExpiryCondition::kNone;
}

// A field without expiry counts as one that expires later than any time.
bool MeetsCondition(ExpiryCondition condition, int64_t before_ms, int64_t after_ms) {
  switch (condition) {
    case ExpiryCondition::kNone:
      return true;
    case ExpiryCondition::kNx:
      return before_ms == kNoExpiry;
    case ExpiryCondition::kXx:
      return before_ms != kNoExpiry;
    case ExpiryCondition::kGt:
      return ExpiryOrder(after_ms) > ExpiryOrder(before_ms);
    case ExpiryCondition::kLt:
      return ExpiryOrder(after_ms) < ExpiryOrder(before_ms);
  }
  return false;
}

bool ReadFieldExpiry(Context& context, ExpiryUnit unit, std::string_view command,
                     int64_t* expire_at_ms) {
  int64_t value;
  if (!ReadInteger(context, context.arg(2), &value)) return false;
  if (value < 0) return Fail(context, "ERR invalid expire time, must be >= 0");
  if (ToExpiry(value, unit, context.now_ms(), expire_at_ms) &&
      *expire_at_ms <= kLatestFieldExpiry) {
    return true;
  }
  ReplyInvalidExpiry(context, command);
  return false;
}

// Reads FIELDS, the number of fields, and the fields, which are the last arguments; FIELDS is at
// `at`.
bool ReadFieldNames(Context& context, size_t at, std::span<const std::string_view>* names) {
  if (at >= context.argc() || !Is(context.arg(at), "FIELDS")) {
    return Fail(context, "ERR Mandatory argument FIELDS is missing or not at the right position");
  }
  constexpr std::string_view kTooFew = "ERR Parameter `numFields` should be greater than 0";
  int64_t count;
  if (at + 1 >= context.argc()) return Fail(context, kTooFew);
  if (!ReadInteger(context, context.arg(at + 1), &count, kTooFew, 1)) return false;
  *names = context.args().subspan(at + 2);
  if (static_cast<uint64_t>(count) == names->size()) return true;
  return Fail(context, "ERR The `numfields` parameter must match the number of arguments");
}

void ReplyFieldResults(Context& context, const std::vector<int64_t>& results) {
  context.reply().Array(results.size());
  for (const int64_t result : results) {
    context.reply().Integer(result);
  }
}

void SetFieldExpiry(Context& context, ExpiryUnit unit, std::string_view command) {
  const KeyRef key = context.Key(1);
  const Hash* hash;
  if (!context.ReadForWrite(key, &hash)) return;
  int64_t expire_at_ms;
  if (!ReadFieldExpiry(context, unit, command, &expire_at_ms)) return;
  const ExpiryCondition condition = ConditionOf(context.arg(3));
  std::span<const std::string_view> names;
  if (!ReadFieldNames(context, condition == ExpiryCondition::kNone ? 3 : 4, &names)) return;
  std::vector<int64_t> results(names.size(), kNoSuchField);
  if (hash == nullptr) return ReplyFieldResults(context, results);

  const bool deletes = Expired(expire_at_ms, context.now_ms());
  // In their order, each once: a name that comes again meets what its first one has made.
  std::vector<std::string_view> changed;
  absl::flat_hash_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); i++) {
    const bool again = seen.contains(names[i]);
    if ((again && deletes) || !FindLive(*hash, names[i], context.now_ms())) continue;
    const int64_t before_ms = again ? expire_at_ms : hash->ExpiryOf(names[i]);
    if (!MeetsCondition(condition, before_ms, expire_at_ms)) {
      results[i] = kConditionNotMet;
      continue;
    }
    results[i] = deletes ? kFieldDeleted : kFieldChanged;
    if (!seen.insert(names[i]).second) continue;
    changed.push_back(names[i]);
  }
  ReplyFieldResults(context, results);
  if (changed.empty()) return;
  if (deletes) {
    context.Apply(HashRemove{key, changed}, changed.size());
    context.Notify(kNotifyHash, "hdel", key);
    return EndIfDead(context, key);
  }
  context.Apply(HashExpire{key, static_cast<uint64_t>(expire_at_ms), changed}, changed.size());
  context.Notify(kNotifyHash, "hexpire", key);
}

// Answers with the expiry of each field, counted from `since_ms` on.
void ReplyFieldExpiries(Context& context, int64_t since_ms, bool seconds) {
  const Hash* hash;
  if (!context.Read(context.Key(1), &hash)) return;
  std::span<const std::string_view> names;
  if (!ReadFieldNames(context, 2, &names)) return;
  std::vector<int64_t> results(names.size(), kNoSuchField);
  for (size_t i = 0; i < names.size(); i++) {
    if (hash == nullptr || !FindLive(*hash, names[i], context.now_ms())) continue;
    const int64_t expire_at_ms = hash->ExpiryOf(names[i]);
    if (expire_at_ms == kNoExpiry) {
      results[i] = kFieldHasNoExpiry;
      continue;
    }
    const int64_t ms = expire_at_ms - since_ms;
    results[i] = seconds ? (ms + 999) / 1000 : ms;
  }
  ReplyFieldResults(context, results);
}

}  // namespace

void HExpire(Context& context) {
  SetFieldExpiry(context, {.seconds = true, .relative = true}, "hexpire");
}
void HPExpire(Context& context) {
  SetFieldExpiry(context, {.seconds = false, .relative = true}, "hpexpire");
}
void HExpireAt(Context& context) {
  SetFieldExpiry(context, {.seconds = true, .relative = false}, "hexpireat");
}
void HPExpireAt(Context& context) {
  SetFieldExpiry(context, {.seconds = false, .relative = false}, "hpexpireat");
}

void HTtl(Context& context) {
  ReplyFieldExpiries(context, context.now_ms(), true);
}
void HPTtl(Context& context) {
  ReplyFieldExpiries(context, context.now_ms(), false);
}
void HExpireTime(Context& context) {
  ReplyFieldExpiries(context, 0, true);
}
void HPExpireTime(Context& context) {
  ReplyFieldExpiries(context, 0, false);
}

void HPersist(Context& context) {
  const KeyRef key = context.Key(1);
  const Hash* hash;
  if (!context.ReadForWrite(key, &hash)) return;
  std::span<const std::string_view> names;
  if (!ReadFieldNames(context, 2, &names)) return;
  std::vector<int64_t> results(names.size(), kNoSuchField);
  std::vector<std::string_view> changed;
  absl::flat_hash_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); i++) {
    if (hash == nullptr || !FindLive(*hash, names[i], context.now_ms())) continue;
    results[i] = kFieldHasNoExpiry;
    if (hash->ExpiryOf(names[i]) == kNoExpiry || !seen.insert(names[i]).second) continue;
    results[i] = kFieldChanged;
    changed.push_back(names[i]);
  }
  ReplyFieldResults(context, results);
  if (changed.empty()) return;
  context.Apply(HashExpire{key, 0, changed}, changed.size());
  context.Notify(kNotifyHash, "hpersist", key);
}

}  // namespace runnel::commands
