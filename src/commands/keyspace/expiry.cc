#include <algorithm>

#include "commands/arguments.h"
#include "commands/expiry.h"
#include "commands/key_events.h"
#include "commands/keyspace/commands.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

struct Conditions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
};

bool ReadConditions(Context& context, Conditions* conditions) {
  for (size_t i = 3; i < context.argc(); i++) {
    const std::string_view word = context.arg(i);
    if (Is(word, "NX")) {
      conditions->nx = true;
    } else if (Is(word, "XX")) {
      conditions->xx = true;
    } else if (Is(word, "GT")) {
      conditions->gt = true;
    } else if (Is(word, "LT")) {
      conditions->lt = true;
    } else {
      context.reply().Error("ERR Unsupported option " + std::string(word));
      return false;
    }
  }
  if (conditions->nx && (conditions->xx || conditions->gt || conditions->lt)) {
    context.reply().Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions->gt && conditions->lt) {
    context.reply().Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// A key without expiry counts as one that expires later than any time.
bool Allows(const Conditions& conditions, const KeyEntry& entry, int64_t expire_at_ms) {
  if (conditions.nx && entry.has_expiry()) return false;
  if (conditions.xx && !entry.has_expiry()) return false;
  const uint64_t before = ExpiryOrder(entry.expire_at_ms());
  const uint64_t after = ExpiryOrder(expire_at_ms);
  if (conditions.gt && after <= before) return false;
  if (conditions.lt && after >= before) return false;
  return true;
}

void SetExpiry(Context& context, ExpiryUnit unit, std::string_view command) {
  Conditions conditions;
  if (!ReadConditions(context, &conditions)) return;
  int64_t value;
  if (!ReadInteger(context, context.arg(2), &value)) return;
  int64_t expire_at_ms;
  if (!ToExpiry(value, unit, context.now_ms(), &expire_at_ms)) {
    return ReplyInvalidExpiry(context, command);
  }
  if (FailIfPartition(context, 1)) return;
  const KeyRef key = context.Key(1);
  const KeyEntry* entry = context.FindForWrite(key);
  if (entry == nullptr || !Allows(conditions, *entry, expire_at_ms)) {
    return context.reply().Integer(0);
  }
  if (Expired(expire_at_ms, context.now_ms())) {
    context.Apply(KeyRemove{key});
    NotifyDeleted(context, key);
  } else {
    context.Apply(KeyExpire{key, expire_at_ms});
    context.Notify(kNotifyGeneric, "expire", key);
  }
  context.reply().Integer(1);
}

// Answers with the expiry of the first argument, counted from `since_ms` on.
void ReplyExpiry(Context& context, int64_t since_ms, bool seconds) {
  const KeyEntry* entry = ExamineWithPartitions(context, 1);
  if (entry == nullptr) return context.reply().Integer(-2);
  if (!entry->has_expiry()) return context.reply().Integer(-1);
  const int64_t ms = std::max<int64_t>(entry->expire_at_ms() - since_ms, 0);
  context.reply().Integer(seconds ? ms / 1000 + (ms % 1000 >= 500 ? 1 : 0) : ms);
}

}  // namespace

void Expire(Context& context) {
  SetExpiry(context, {.seconds = true, .relative = true}, "expire");
}
void PExpire(Context& context) {
  SetExpiry(context, {.seconds = false, .relative = true}, "pexpire");
}
void ExpireAt(Context& context) {
  SetExpiry(context, {.seconds = true, .relative = false}, "expireat");
}
void PExpireAt(Context& context) {
  SetExpiry(context, {.seconds = false, .relative = false}, "pexpireat");
}

void Ttl(Context& context) {
  ReplyExpiry(context, context.now_ms(), true);
}
void PTtl(Context& context) {
  ReplyExpiry(context, context.now_ms(), false);
}
void ExpireTime(Context& context) {
  ReplyExpiry(context, 0, true);
}
void PExpireTime(Context& context) {
  ReplyExpiry(context, 0, false);
}

void Persist(Context& context) {
  if (FailIfPartition(context, 1)) return;
  const KeyRef key = context.Key(1);
  const KeyEntry* entry = context.FindForWrite(key);
  if (entry == nullptr || !entry->has_expiry()) return context.reply().Integer(0);
  context.Apply(KeyExpire{key, kNoExpiry});
  context.Notify(kNotifyGeneric, "persist", key);
  context.reply().Integer(1);
}

}  // namespace runnel::commands
