#include <algorithm>

#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/list/commands.h"
#include "data/list/list.h"

namespace runnel::commands {
namespace {

void Push(Context& context, ListEnd end, bool create) {
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  if (list == nullptr && !create) return context.reply().Integer(0);
  const bool created = list == nullptr;
  const std::span<const std::string_view> values = context.args().subspan(2);
  const size_t size = (created ? 0 : list->size()) + values.size();
  context.Apply(ListPush{key, end, values}, values.size());
  if (created) NotifyNew(context, key);
  context.Notify(kNotifyList, end == ListEnd::kFront ? "lpush" : "rpush", key);
  context.reply().Integer(static_cast<int64_t>(size));
}

// Takes one element and writes it as the reply. The list is not good any more afterwards.
void PopOne(Context& context, const KeyRef& key, const List& list, ListEnd end) {
  const bool emptied = list.size() == 1;
  context.reply().Bulk(end == ListEnd::kFront ? list.Front() : list.Back());
  context.Apply(ListPop{key, end, 1});
  NotifyPopped(context, key, end, emptied);
}

// Takes `count` elements, or all, and writes them as an array in the order in which they were
// popped.
void PopMany(Context& context, const KeyRef& key, const List& list, ListEnd end, uint64_t count) {
  const size_t size = list.size();
  count = std::min<uint64_t>(count, size);
  list.Require(end == ListEnd::kFront ? 0 : size - count, count);
  context.reply().Array(count);
  List::Iterator it = list.Seek(end == ListEnd::kFront ? 0 : size - 1);
  for (uint64_t i = 0; i < count; i++) {
    context.reply().Bulk(it.value());
    end == ListEnd::kFront ? it.Next() : it.Previous();
  }
  context.Apply(ListPop{key, end, count}, count);
  NotifyPopped(context, key, end, count == size);
}

void Pop(Context& context, ListEnd end) {
  if (context.argc() > 3) {
    return context.reply().Error(end == ListEnd::kFront
                                     ? "ERR wrong number of arguments for 'lpop' command"
                                     : "ERR wrong number of arguments for 'rpop' command");
  }
  const bool has_count = context.argc() == 3;
  int64_t count = 1;
  if (has_count && !ReadInteger(context, context.arg(2), &count, kNotPositive, 0)) return;
  const KeyRef key = context.Key(1);
  const List* list;
  if (!context.ReadForWrite(key, &list)) return;
  if (list == nullptr) return has_count ? context.reply().NullArray() : context.reply().Null();
  if (!has_count) return PopOne(context, key, *list, end);
  if (count == 0) return context.reply().Array(0);
  PopMany(context, key, *list, end, static_cast<uint64_t>(count));
}

// Blocks on the keys named by `count` arguments from `first` on, or, where the command may not
// block, answers as after the deadline.
void WaitForList(Context& context, size_t first, size_t count, int64_t deadline_ms) {
  if (!context.may_block()) return context.reply().NullArray();
  Wait wait;
  wait.kind = WaitKind::kList;
  wait.keys.reserve(count);
  for (size_t i = first; i < first + count; i++) {
    wait.keys.push_back(context.Key(i));
  }
  wait.deadline_ms = deadline_ms;
  context.Block(std::move(wait));
}

// BLPOP and BRPOP: one element of the first list that has any.
void BlockingPop(Context& context, ListEnd end) {
  const size_t last = context.argc() - 1;
  int64_t deadline_ms;
  if (!ReadTimeoutSeconds(context, context.arg(last), &deadline_ms)) return;
  for (size_t i = 1; i < last; i++) {
    const KeyRef key = context.Key(i);
    const List* list;
    if (!context.ReadForWrite(key, &list)) return;
    if (list == nullptr) continue;
    context.reply().Array(2);
    context.reply().Bulk(key.name);
    return PopOne(context, key, *list, end);
  }
  WaitForList(context, 1, last - 1, deadline_ms);
}

// What follows the timeout of BLMPOP: numkeys key [key ...] LEFT|RIGHT [COUNT count].
struct MultiPop {
  size_t first_key;
  size_t keys;
  ListEnd end;
  int64_t count = 1;
};

// Reads the arguments from `first` on.
bool ReadMultiPop(Context& context, size_t first, MultiPop* pop) {
  int64_t keys;
  if (!ReadInteger(context, context.arg(first), &keys, "ERR numkeys should be greater than 0", 1)) {
    return false;
  }
  const size_t argc = context.argc();
  if (static_cast<uint64_t>(keys) >= argc - first - 1) {
    context.reply().Error(kSyntaxError);
    return false;
  }
  pop->first_key = first + 1;
  pop->keys = static_cast<size_t>(keys);
  size_t at = pop->first_key + pop->keys;
  if (!ReadListEnd(context, context.arg(at), &pop->end)) return false;
  bool has_count = false;
  while (++at < argc) {
    if (has_count || !Is(context.arg(at), "COUNT") || at + 1 == argc) {
      context.reply().Error(kSyntaxError);
      return false;
    }
    has_count = true;
    if (!ReadInteger(context, context.arg(++at), &pop->count, "ERR count should be greater than 0",
                     1)) {
      return false;
    }
  }
  return true;
}

// Pops from the first of the lists that has elements. Returns false if none has; true if there is a
// reply.
bool PopFirst(Context& context, const MultiPop& pop) {
  for (size_t i = 0; i < pop.keys; i++) {
    const KeyRef key = context.Key(pop.first_key + i);
    const List* list;
    if (!context.ReadForWrite(key, &list)) return true;
    if (list == nullptr) continue;
    context.reply().Array(2);
    context.reply().Bulk(key.name);
    PopMany(context, key, *list, pop.end, static_cast<uint64_t>(pop.count));
    return true;
  }
  return false;
}

}  // namespace

bool ReadListEnd(Context& context, std::string_view argument, ListEnd* end) {
  if (Is(argument, "LEFT")) {
    *end = ListEnd::kFront;
  } else if (Is(argument, "RIGHT")) {
    *end = ListEnd::kBack;
  } else {
    context.reply().Error(kSyntaxError);
    return false;
  }
  return true;
}

void NotifyPopped(Context& context, const KeyRef& key, ListEnd end, bool emptied) {
  context.Notify(kNotifyList, end == ListEnd::kFront ? "lpop" : "rpop", key);
  if (emptied) NotifyDeleted(context, key);
}

void LPush(Context& context) {
  Push(context, ListEnd::kFront, true);
}
void RPush(Context& context) {
  Push(context, ListEnd::kBack, true);
}
void LPushX(Context& context) {
  Push(context, ListEnd::kFront, false);
}
void RPushX(Context& context) {
  Push(context, ListEnd::kBack, false);
}

void LPop(Context& context) {
  Pop(context, ListEnd::kFront);
}
void RPop(Context& context) {
  Pop(context, ListEnd::kBack);
}

void LMPop(Context& context) {
  MultiPop pop;
  if (!ReadMultiPop(context, 1, &pop)) return;
  if (!PopFirst(context, pop)) context.reply().NullArray();
}

void BLPop(Context& context) {
  BlockingPop(context, ListEnd::kFront);
}
void BRPop(Context& context) {
  BlockingPop(context, ListEnd::kBack);
}

void BLMPop(Context& context) {
  MultiPop pop;
  int64_t deadline_ms;
  if (!ReadMultiPop(context, 2, &pop)) return;
  if (!ReadTimeoutSeconds(context, context.arg(1), &deadline_ms)) return;
  if (!PopFirst(context, pop)) WaitForList(context, pop.first_key, pop.keys, deadline_ms);
}

}  // namespace runnel::commands
