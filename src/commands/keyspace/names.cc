#include <limits>

#include "commands/arguments.h"
#include "commands/key_events.h"
#include "commands/keyspace/commands.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

// RENAME and RENAMENX. Returns false, with the reply written, if nothing is to be renamed.
bool RenameKey(Context& context, bool only_new) {
  if (FailIfTopic(context, 1, "renamed")) return false;
  const KeyRef from = context.Key(1);
  const KeyRef to = context.Key(2);
  if (context.FindForWrite(from) == nullptr) {
    context.reply().Error(kNoSuchKey);
    return false;
  }
  const bool same = from.name == to.name;
  if (only_new && (same || context.FindForWrite(to) != nullptr)) {
    context.reply().Integer(0);
    return false;
  }
  if (same) return true;
  context.FindForWrite(to);  // one that is past its expiry goes with its own event
  context.Apply(KeyRename{from, to});
  NotifyNew(context, to);
  context.Notify(kNotifyGeneric, "rename_from", from);
  context.Notify(kNotifyGeneric, "rename_to", to);
  return true;
}

// The number of a database in SWAPDB, which has an error of its own for each of the two.
bool ReadSwapped(Context& context, size_t argument, std::string_view error, int64_t* db) {
  constexpr int64_t kLeast = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  return ReadInteger(context, context.arg(argument), db, error, kLeast, kMost);
}

// Reads COPY's "[DB destination-db] [REPLACE]".
bool ReadCopyOptions(Context& context, uint32_t* db, bool* replace) {
  for (size_t i = 3; i < context.argc(); i++) {
    if (Is(context.arg(i), "REPLACE")) {
      *replace = true;
    } else if (Is(context.arg(i), "DB") && i + 1 < context.argc()) {
      if (!ReadDb(context, context.arg(++i), db)) return false;
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

// Reads the optional ASYNC or SYNC. Both are taken and mean nothing: what takes long to free is
// always freed by a helper.
bool ReadFlushMode(Context& context) {
  if (context.argc() == 1) return true;
  if (context.argc() == 2 && (Is(context.arg(1), "ASYNC") || Is(context.arg(1), "SYNC")))
    return true;
  context.reply().Error(kSyntaxError);
  return false;
}

}  // namespace

void Del(Context& context) {
  for (size_t i = 1; i < context.argc(); i++) {
    if (FailIfPartition(context, i)) return;
  }
  int64_t deleted = 0;
  for (size_t i = 1; i < context.argc(); i++) {
    const KeyRef key = context.Key(i);
    if (context.Peek(key) == nullptr) continue;
    context.Apply(KeyRemove{key});
    NotifyDeleted(context, key);
    deleted++;
  }
  context.reply().Integer(deleted);
}

void Exists(Context& context) {
  int64_t found = 0;
  for (size_t i = 1; i < context.argc(); i++) {
    if (ExamineWithPartitions(context, i) != nullptr) found++;
  }
  context.reply().Integer(found);
}

void Touch(Context& context) {
  int64_t found = 0;
  for (size_t i = 1; i < context.argc(); i++) {
    const KeyRef key = StreamKey(context, i);
    if (context.Find(key) != nullptr || IsCompanion(key.db)) found++;
  }
  context.reply().Integer(found);
}

void Type(Context& context) {
  const KeyEntry* entry = ExamineWithPartitions(context, 1);
  context.reply().Simple(entry == nullptr ? "none" : FindObjectKind(entry->type())->name);
}

void Rename(Context& context) {
  if (RenameKey(context, false)) context.reply().Ok();
}

void RenameNx(Context& context) {
  if (RenameKey(context, true)) context.reply().Integer(1);
}

void Copy(Context& context) {
  uint32_t db = context.db();
  bool replace = false;
  if (!ReadCopyOptions(context, &db, &replace)) return;
  if (FailIfTopic(context, 1, "copied")) return;
  const KeyRef from = context.Key(1);
  const KeyRef to(db, context.arg(2));
  if (from.db == to.db && from.name == to.name) return context.reply().Error(kSameObject);
  if (context.Find(from) == nullptr) return context.reply().Integer(0);
  if (context.FindForWrite(to) != nullptr && !replace) return context.reply().Integer(0);
  context.Apply(KeyCopy{from, to});
  NotifyNew(context, to);
  context.Notify(kNotifyGeneric, "copy_to", to);
  context.reply().Integer(1);
}

void Move(Context& context) {
  uint32_t db;
  if (!ReadDb(context, context.arg(2), &db)) return;
  if (db == context.db()) return context.reply().Error(kSameObject);
  if (FailIfTopic(context, 1, "moved")) return;
  const KeyRef from = context.Key(1);
  const KeyRef to(db, context.arg(1));
  if (context.FindForWrite(from) == nullptr || context.FindForWrite(to) != nullptr) {
    return context.reply().Integer(0);
  }
  context.Apply(KeyRename{from, to});
  NotifyNew(context, to);
  context.Notify(kNotifyGeneric, "move_from", from);
  context.Notify(kNotifyGeneric, "move_to", to);
  context.reply().Integer(1);
}

void SwapDb(Context& context) {
  constexpr std::string_view kNotFirst = "ERR invalid first DB index";
  constexpr std::string_view kNotSecond = "ERR invalid second DB index";
  int64_t a;
  int64_t b;
  if (!ReadSwapped(context, 1, kNotFirst, &a) || !ReadSwapped(context, 2, kNotSecond, &b)) return;
  const int64_t databases = context.keyspace().databases();
  if (a < 0 || a >= databases || b < 0 || b >= databases) {
    return context.reply().Error(kDbOutOfRange);
  }
  if (a != b) context.Apply(runnel::Swap{static_cast<uint32_t>(a), static_cast<uint32_t>(b)});
  context.reply().Ok();
}

void FlushAll(Context& context) {
  if (!ReadFlushMode(context)) return;
  const Keyspace& keyspace = context.keyspace();
  uint64_t keys = 0;
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    keys += keyspace.size(db);
  }
  context.Apply(Flush{.all = true}, keys);
  context.reply().Ok();
}

void FlushDb(Context& context) {
  if (!ReadFlushMode(context)) return;
  context.Apply(Flush{.all = false, .db = context.db()}, context.keyspace().size(context.db()));
  context.reply().Ok();
}

}  // namespace runnel::commands
