#include <optional>
#include <string>
#include <vector>

#include "base/glob.h"
#include "base/numbers.h"
#include "base/random.h"
#include "commands/arguments.h"
#include "commands/common_replies.h"
#include "commands/key_events.h"
#include "commands/keyspace/commands.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

struct ScanOptions {
  int64_t count = 10;
  std::string_view pattern = "*";
  bool by_type = false;
  const ObjectKind* kind = nullptr;  // of the type asked for; nullptr if no key can have it
};

bool ReadScanOptions(Context& context, ScanOptions* options) {
  for (size_t i = 2; i < context.argc(); i += 2) {
    const std::string_view option = context.arg(i);
    const bool has_value = i + 1 < context.argc();
    if (has_value && Is(option, "COUNT")) {
      if (!ReadInteger(context, context.arg(i + 1), &options->count)) return false;
      if (options->count >= 1) continue;
    } else if (has_value && Is(option, "MATCH")) {
      options->pattern = context.arg(i + 1);
      continue;
    } else if (has_value && Is(option, "TYPE")) {
      options->by_type = true;
      options->kind = FindObjectKind(context.arg(i + 1));
      continue;
    }
    context.reply().Error(kSyntaxError);
    return false;
  }
  return true;
}

bool Selects(const ScanOptions& options, const KeyEntry& entry, int64_t now_ms) {
  if (entry.ExpiredAt(now_ms)) return false;
  if (options.by_type && (options.kind == nullptr || options.kind->type != entry.type()))
    return false;
  return options.pattern == "*" || GlobMatch(options.pattern, entry.name());
}

void ReplyNames(Context& context, const std::vector<std::string_view>& names) {
  context.reply().Array(names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
  }
}

// The entry that an OBJECT command asks about; nullptr, with the reply written, if there is none.
const KeyEntry* ObjectEntry(Context& context) {
  const KeyEntry* entry = PeekWithPartitions(context, 2);
  context.CountLookup(entry != nullptr);
  if (entry == nullptr) context.reply().Null();
  return entry;
}

}  // namespace

void Scan(Context& context) {
  const std::optional<uint64_t> start = ParseDigits(context.arg(1));
  if (!start) return context.reply().Error("ERR invalid cursor");
  ScanOptions options;
  if (!ReadScanOptions(context, &options)) return;

  const KeyTable& table = context.keyspace().table(context.db());
  // A table that has shrunk has many empty buckets; the reply may stay short then, but comes in
  // time.
  const uint64_t count = static_cast<uint64_t>(options.count);
  uint64_t buckets_left = count > UINT64_MAX / 10 ? UINT64_MAX : 10 * count;
  uint64_t visited = 0;
  std::vector<std::string_view> names;
  uint64_t cursor = *start;
  do {
    cursor = table.Scan(cursor, [&](const KeyEntry* entry) {
      visited++;
      if (Selects(options, *entry, context.now_ms())) names.push_back(entry->name());
    });
  } while (cursor != 0 && visited < count && --buckets_left > 0);

  context.reply().Array(2);
  context.reply().BulkInteger(static_cast<int64_t>(cursor));
  ReplyNames(context, names);
}

void Keys(Context& context) {
  ScanOptions options;
  options.pattern = context.arg(1);
  std::vector<std::string_view> names;
  context.keyspace().table(context.db()).ForEach([&](const KeyEntry* entry) {
    if (Selects(options, *entry, context.now_ms())) names.push_back(entry->name());
  });
  ReplyNames(context, names);
}

void RandomKey(Context& context) {
  const KeyTable& table = context.keyspace().table(context.db());
  // Keys past their expiry that are met are removed, but not all of a million in one command.
  constexpr int kDraws = 100;
  for (int draw = 0; draw < kDraws; draw++) {
    const KeyEntry* entry = table.Random(context.random().Next());
    if (entry == nullptr) return context.reply().Null();
    if (!entry->ExpiredAt(context.now_ms())) return context.reply().Bulk(entry->name());
    // Looking at it removes it, and with it the entry's own name.
    const std::string name(entry->name());
    context.Peek(KeyRef(context.db(), name));
  }
  // Nearly all are past their expiry: the first that is not.
  const KeyEntry* found = nullptr;
  uint64_t cursor = 0;
  do {
    cursor = table.Scan(cursor, [&](const KeyEntry* entry) {
      if (!entry->ExpiredAt(context.now_ms())) found = entry;
    });
  } while (cursor != 0 && found == nullptr);
  found == nullptr ? context.reply().Null() : context.reply().Bulk(found->name());
}

void DbSize(Context& context) {
  context.reply().Integer(static_cast<int64_t>(context.keyspace().size(context.db())));
}

void ObjectEncoding(Context& context) {
  const KeyEntry* entry = ObjectEntry(context);
  if (entry == nullptr) return;
  context.reply().Bulk(entry->value().EncodingUnder(context.options().encoding_limits));
}

void ObjectFreq(Context& context) {
  if (ObjectEntry(context) == nullptr) return;
  context.reply().Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void ObjectIdleTime(Context& context) {
  const KeyEntry* entry = ObjectEntry(context);
  if (entry == nullptr) return;
  const uint32_t now_s = static_cast<uint32_t>(context.now_ms() / 1000);
  context.reply().Integer(now_s > entry->accessed_s() ? now_s - entry->accessed_s() : 0);
}

void ObjectRefCount(Context& context) {
  if (ObjectEntry(context) != nullptr) context.reply().Integer(1);
}

void ObjectHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "OBJECT <subcommand> [<arg> ...]. Subcommands are:",
      "ENCODING <key>",
      "    How the value is represented in memory.",
      "FREQ <key>",
      "    How often the key is used. Not tracked by this server.",
      "IDLETIME <key>",
      "    Seconds since the key was last used.",
      "REFCOUNT <key>",
      "    References to the value: always 1.",
      "HELP",
      "    This text.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
