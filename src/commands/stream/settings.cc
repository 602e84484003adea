#include <limits>

#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/retention.h"
#include "commands/topic/partitions.h"
#include "effects/stream_effects.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// XSETID's arguments.
struct SetIdArguments {
  StreamId last_id;
  std::optional<uint64_t> entries_added;
  StreamId max_deleted_id;  // 0-0 leaves it as it is
};

bool ReadSetIdArguments(Context& context, SetIdArguments* arguments) {
  if (!ReadId(context, context.arg(2), &arguments->last_id)) return false;
  for (size_t i = 3; i < context.argc(); i += 2) {
    const std::string_view option = context.arg(i);
    const bool added = Is(option, "ENTRIESADDED");
    if (i + 1 == context.argc() || (!added && !Is(option, "MAXDELETEDID"))) {
      return Fail(context, kSyntaxError);
    }
    if (added) {
      int64_t number;
      if (!ReadInteger(context, context.arg(i + 1), &number)) return false;
      if (number < 0) return Fail(context, "ERR entries_added must be positive");
      arguments->entries_added = static_cast<uint64_t>(number);
    } else {
      if (!ReadId(context, context.arg(i + 1), &arguments->max_deleted_id)) return false;
      if (arguments->last_id < arguments->max_deleted_id) {
        return Fail(context,
                    "ERR The ID specified in XSETID is smaller than the provided "
                    "max_deleted_entry_id");
      }
    }
  }
  return true;
}

bool CheckSetId(Context& context, const Stream& stream, const SetIdArguments& arguments) {
  if (arguments.last_id < stream.max_deleted_id()) {
    return Fail(context,
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  }
  // IDs in the log must rise, also above entries that were removed from it by a trim.
  if (arguments.last_id < stream.newest_id()) {
    return Fail(context,
                "ERR The ID specified in XSETID is smaller than the target stream top item");
  }
  if (arguments.entries_added && *arguments.entries_added < stream.length()) {
    return Fail(context,
                "ERR The entries_added specified in XSETID is smaller than the target stream "
                "length");
  }
  return true;
}

}  // namespace

void XSetId(Context& context) {
  SetIdArguments arguments;
  if (!ReadSetIdArguments(context, &arguments)) return;
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  if (stream == nullptr) return context.reply().Error(kNoSuchKey);
  if (!CheckSetId(context, *stream, arguments)) return;
  const bool keep = arguments.max_deleted_id == StreamId();
  context.Apply(StreamSetId{key, arguments.last_id,
                            arguments.entries_added.value_or(stream->entries_added()),
                            keep ? stream->max_deleted_id() : arguments.max_deleted_id});
  context.Notify(kNotifyStream, "xsetid", key);
  context.reply().Ok();
}

namespace {

// XCFGSET's values; nothing where not given.
struct StreamSettings {
  std::optional<int64_t> duration_s;
  std::optional<int64_t> max_size;
  std::optional<int64_t> retention_ms;
  std::optional<int64_t> retention_bytes;
  std::optional<int64_t> retention_entries;
  std::optional<bool> delete_on_ack;
};

// An option of XCFGSET with a number.
struct NumberSetting {
  std::string_view name;
  int64_t least;
  int64_t most;
  std::string_view out_of_range;
  std::optional<int64_t> StreamSettings::*value;
};

// The first two are Redis's; of the others 0 takes the bound away.
constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
constexpr NumberSetting kNumberSettings[] = {
    {"IDMP-DURATION", 1, 86'400, "ERR IDMP-DURATION must be between 1 and 86400 seconds",
     &StreamSettings::duration_s},
    {"IDMP-MAXSIZE", 1, 10'000, "ERR IDMP-MAXSIZE must be between 1 and 10000 entries",
     &StreamSettings::max_size},
    {"RETENTION-MS", 0, kAny, "ERR RETENTION-MS must not be negative",
     &StreamSettings::retention_ms},
    {"RETENTION-BYTES", 0, kAny, "ERR RETENTION-BYTES must not be negative",
     &StreamSettings::retention_bytes},
    {"RETENTION-ENTRIES", 0, kAny, "ERR RETENTION-ENTRIES must not be negative",
     &StreamSettings::retention_entries},
};

bool FailRepeated(Context& context, std::string_view name) {
  return Fail(context, fmt::format("ERR {} specified multiple times", name));
}

bool ReadOnAck(Context& context, std::string_view word, StreamSettings* settings) {
  if (settings->delete_on_ack) return FailRepeated(context, "ON-ACK");
  if (!Is(word, "KEEP") && !Is(word, "DELETE")) {
    return Fail(context, "ERR ON-ACK must be KEEP or DELETE");
  }
  settings->delete_on_ack = Is(word, "DELETE");
  return true;
}

// Reads the option that argument i names from there and the next one.
bool ReadSetting(Context& context, size_t i, StreamSettings* settings) {
  const std::string_view name = context.arg(i);
  if (i + 1 == context.argc()) return Fail(context, kSyntaxError);
  if (Is(name, "ON-ACK")) return ReadOnAck(context, context.arg(i + 1), settings);
  for (const NumberSetting& setting : kNumberSettings) {
    if (!Is(name, setting.name)) continue;
    std::optional<int64_t>& value = settings->*setting.value;
    if (value) return FailRepeated(context, setting.name);
    int64_t number;
    if (!ReadInteger(context, context.arg(i + 1), &number)) return false;
    if (number < setting.least || number > setting.most) return Fail(context, setting.out_of_range);
    value = number;
    return true;
  }
  return Fail(context, kSyntaxError);
}

bool ReadSettings(Context& context, StreamSettings* settings) {
  for (size_t i = 2; i < context.argc(); i += 2) {
    if (!ReadSetting(context, i, settings)) return false;
  }
  if (context.argc() > 2) return true;
  return Fail(context, "ERR At least one parameter must be specified");
}

void ConfigureIdempotence(Context& context, const KeyRef& key, const Stream& stream,
                          const StreamSettings& settings) {
  const Idempotence defaults(context.options().stream_idmp_duration_s,
                             context.options().stream_idmp_max_size);
  const Idempotence& now = stream.idempotence() == nullptr ? defaults : *stream.idempotence();
  const int64_t duration_s = settings.duration_s.value_or(now.duration());
  const uint64_t max_size =
      settings.max_size ? static_cast<uint64_t>(*settings.max_size) : now.max_size();
  // A stream that has the server's defaults is given them for good by this, whatever those become.
  if (stream.idempotence() == nullptr || duration_s != now.duration() ||
      max_size != now.max_size()) {
    context.Apply(StreamConfigure{key, duration_s, max_size});
  }
}

void ConfigureRetention(Context& context, const KeyRef& key, const Stream& stream,
                        const StreamSettings& settings) {
  Retention keep = stream.retention();
  const auto set = [](const std::optional<int64_t>& value, uint64_t* bound) {
    if (value) *bound = static_cast<uint64_t>(*value);
  };
  set(settings.retention_ms, &keep.ms);
  set(settings.retention_bytes, &keep.bytes);
  set(settings.retention_entries, &keep.entries);
  keep.delete_on_ack = settings.delete_on_ack.value_or(keep.delete_on_ack);
  if (keep == stream.retention()) return;
  context.Apply(StreamRetain{key, keep.ms, keep.bytes, keep.entries, keep.delete_on_ack});
  KeepRetention(context, key, stream);
  SweepAcknowledged(context, key, stream);
}

}  // namespace

void XCfgSet(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  if (stream == nullptr) return context.reply().Error(kNoSuchKey);
  StreamSettings settings;
  if (!ReadSettings(context, &settings)) return;
  if (settings.duration_s || settings.max_size) {
    ConfigureIdempotence(context, key, *stream, settings);
  }
  ConfigureRetention(context, key, *stream, settings);
  context.reply().Ok();
}

// Restores what XADD IDMP remembered, from a dump or a log of commands.
void XIdmpRecord(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  if (stream == nullptr) return context.reply().Error(kNoSuchKey);
  const std::string_view pid = context.arg(2);
  const std::string_view iid = context.arg(3);
  if (pid.empty()) return context.reply().Error("ERR XIDMPRECORD requires a non-empty producer ID");
  if (iid.empty()) {
    return context.reply().Error("ERR XIDMPRECORD requires a non-empty idempotent ID");
  }
  StreamId id;
  if (!ReadId(context, context.arg(4), &id)) return;
  if (!stream->Contains(id)) {
    return context.reply().Error("ERR The specified stream ID was deleted or doesn't exist");
  }
  const Idempotence* memory = stream->idempotence();
  const std::optional<StreamId> known =
      memory == nullptr ? std::nullopt : memory->Find(pid, iid, context.now_ms());
  if (known && *known != id) {
    return context.reply().Error(
        "ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID");
  }
  if (!known) {
    context.Apply(StreamRecordMessage{key, pid, iid, id, context.options().stream_idmp_duration_s,
                                      context.options().stream_idmp_max_size});
  }
  context.reply().Ok();
}

}  // namespace runnel::commands
