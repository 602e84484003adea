#include <algorithm>
#include <string>

#include "base/hash.h"
#include "commands/arguments.h"
#include "commands/expiry.h"
#include "commands/key_events.h"
#include "commands/keyspace/commands.h"
#include "commands/topic/partitions.h"
#include "data/cold.h"
#include "fmt/format.h"

// The bytes that DUMP gives and RESTORE takes:
//
//   type     1 byte, an ObjectType
//   payload  of Object::Serialize, which has a version of its own
//   version  2 bytes, little-endian: of this frame
//   checksum 8 bytes, little-endian: XXH3-64 of all before it

namespace runnel::commands {
namespace {

constexpr uint16_t kDumpVersion = 1;
constexpr size_t kChecksumBytes = sizeof(uint64_t);
constexpr size_t kTrailerBytes = sizeof(kDumpVersion) + kChecksumBytes;

// The type and the payload of a dump. Returns false if its version or checksum are not right.
bool OpenDump(std::string_view dump, ObjectType* type, std::string_view* payload) {
  if (dump.size() < 1 + kTrailerBytes) return false;
  const std::string_view sealed = dump.substr(0, dump.size() - kChecksumBytes);
  if (ReadFixed<uint64_t>(dump.data() + sealed.size()) != Checksum(sealed)) return false;
  const std::string_view content = sealed.substr(0, sealed.size() - sizeof(kDumpVersion));
  if (ReadFixed<uint16_t>(sealed.data() + content.size()) != kDumpVersion) return false;
  *type = static_cast<ObjectType>(static_cast<uint8_t>(content[0]));
  *payload = content.substr(1);
  return true;
}

// Gathers a dump of at most so many bytes, the trailer included.
class DumpSink final : public EncoderSink {
 public:
  struct TooLong {};

  explicit DumpSink(size_t limit) : limit_(limit) {}
  // Throws TooLong.
  void Take(std::string_view bytes) override {
    if (bytes.size() + kTrailerBytes > limit_ - bytes_.size()) throw TooLong();
    bytes_ += bytes;
  }
  std::string& bytes() { return bytes_; }

 private:
  const size_t limit_;
  std::string bytes_;
};

struct RestoreOptions {
  bool replace = false;
  bool absolute_ttl = false;
  int64_t idle_s = 0;
};

bool ReadRestoreOptions(Context& context, RestoreOptions* options) {
  bool has_idle = false;
  bool has_freq = false;
  for (size_t i = 4; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    const bool has_value = i + 1 < context.argc();
    if (Is(option, "REPLACE")) {
      options->replace = true;
    } else if (Is(option, "ABSTTL")) {
      options->absolute_ttl = true;
    } else if (has_value && !has_freq && Is(option, "IDLETIME")) {
      has_idle = true;
      if (!ReadInteger(context, context.arg(++i), &options->idle_s)) return false;
      if (options->idle_s < 0) {
        context.reply().Error("ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
    } else if (has_value && !has_idle && Is(option, "FREQ")) {
      // Taken and forgotten: how often keys are used is not tracked.
      has_freq = true;
      int64_t frequency;
      if (!ReadInteger(context, context.arg(++i), &frequency)) return false;
      if (frequency < 0 || frequency > 255) {
        context.reply().Error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

// Reads the time to live, in milliseconds; 0 is none.
bool ReadRestoreTtl(Context& context, bool absolute, int64_t* expire_at_ms) {
  int64_t ttl;
  if (!ReadInteger(context, context.arg(2), &ttl)) return false;
  *expire_at_ms = kNoExpiry;
  if (ttl == 0) return true;
  const ExpiryUnit unit{.seconds = false, .relative = !absolute};
  if (ttl > 0 && ToExpiry(ttl, unit, context.now_ms(), expire_at_ms)) return true;
  context.reply().Error("ERR Invalid TTL value, must be >= 0");
  return false;
}

}  // namespace

void Dump(Context& context) {
  if (FailIfTopic(context, 1, "dumped")) return;
  const KeyEntry* entry = context.Find(context.Key(1));
  if (entry == nullptr) return context.reply().Null();
  const Object& value = entry->value();
  ColdExtents extents;
  value.AddExtents(&extents);
  if (!extents.empty()) {
    // The dump takes as much again.
    uint64_t bytes = 0;
    for (const Ref<ColdExtent>& extent : extents) {
      bytes += extent->raw_bytes();
    }
    extents.front()->source().NoteKept(bytes);
    value.FetchAll();
  }
  const size_t limit = context.options().max_bulk_bytes;
  DumpSink sink(limit);
  constexpr size_t kSamples = 5;
  sink.bytes().reserve(std::min(limit, value.MemoryBytes(kSamples) + kTrailerBytes));
  std::string rest;
  Encoder encoder(&rest, &sink);
  try {
    encoder.Byte(static_cast<uint8_t>(entry->type()));
    value.Encode(&encoder);
    sink.Take(rest);
  } catch (const DumpSink::TooLong&) {
    return context.reply().Error(fmt::format(
        "ERR the dump of the key would have more than {} bytes (proto-max-bulk-len)", limit));
  }
  std::string& dump = sink.bytes();
  Encoder trailer(&dump);
  trailer.Fixed(kDumpVersion);
  trailer.Fixed(Checksum(dump));
  context.reply().Bulk(dump);
}

void Restore(Context& context) {
  RestoreOptions options;
  if (!ReadRestoreOptions(context, &options)) return;
  const KeyRef key = context.Key(1);
  const KeyEntry* entry = context.FindForWrite(key);
  if (entry != nullptr && !options.replace) {
    return context.reply().Error("BUSYKEY Target key name already exists.");
  }
  int64_t expire_at_ms;
  if (!ReadRestoreTtl(context, options.absolute_ttl, &expire_at_ms)) return;
  ObjectType type;
  std::string_view payload;
  if (!OpenDump(context.arg(3), &type, &payload)) {
    return context.reply().Error("ERR DUMP payload version or checksum are wrong");
  }
  const ObjectKind* kind = FindObjectKind(type);
  std::unique_ptr<Object> value = kind == nullptr || !kind->movable ? nullptr : kind->Load(payload);
  if (value == nullptr || IsPartition(*value)) {
    return context.reply().Error("ERR Bad data format");
  }

  if (Expired(expire_at_ms, context.now_ms())) {
    if (entry != nullptr) {
      context.Apply(KeyRemove{key});
      NotifyDeleted(context, key);
    }
    return context.reply().Ok();
  }
  context.Apply(KeyRestore{key, type, payload, expire_at_ms, &value});
  NotifyNew(context, key);
  const uint32_t now_s = static_cast<uint32_t>(context.now_ms() / 1000);
  const uint32_t idle_s = static_cast<uint32_t>(std::min<int64_t>(options.idle_s, now_s));
  context.keyspace().Find(key)->NoteAccess(now_s - idle_s);
  context.Notify(kNotifyGeneric, "restore", key);
  context.reply().Ok();
}

}  // namespace runnel::commands
