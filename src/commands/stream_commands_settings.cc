#include "commands/stream_arguments.h"
#include "commands/stream_commands.h"
#include "effects/stream_effects.h"

namespace runnel::commands {
namespace {

// XSETID's arguments.
struct SetIdArguments {
  StreamId last_id;
  std::optional<uint64_t> entries_added;
  StreamId max_deleted_id;  // 0-0 leaves it as it is
};

bool Fail(Context& context, std::string_view error) {
  context.reply().Error(error);
  return false;
}

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
struct IdempotenceSettings {
  std::optional<int64_t> duration_s;
  std::optional<int64_t> max_size;
};

// Reads one of them from argument i, which is its name, and the one behind.
bool ReadSetting(Context& context, size_t i, int64_t most, std::string_view repeated,
                 std::string_view out_of_range, std::optional<int64_t>* setting) {
  if (*setting) return Fail(context, repeated);
  int64_t number;
  if (!ReadInteger(context, context.arg(i + 1), &number)) return false;
  if (number < 1 || number > most) return Fail(context, out_of_range);
  *setting = number;
  return true;
}

bool ReadSettings(Context& context, IdempotenceSettings* settings) {
  constexpr int64_t kMaxDuration = 86'400;
  constexpr int64_t kMaxSize = 10'000;
  for (size_t i = 2; i < context.argc(); i += 2) {
    const bool has_value = i + 1 < context.argc();
    bool read = false;
    if (has_value && Is(context.arg(i), "IDMP-DURATION")) {
      read = ReadSetting(context, i, kMaxDuration, "ERR IDMP-DURATION specified multiple times",
                         "ERR IDMP-DURATION must be between 1 and 86400 seconds",
                         &settings->duration_s);
    } else if (has_value && Is(context.arg(i), "IDMP-MAXSIZE")) {
      read =
          ReadSetting(context, i, kMaxSize, "ERR IDMP-MAXSIZE specified multiple times",
                      "ERR IDMP-MAXSIZE must be between 1 and 10000 entries", &settings->max_size);
    } else {
      context.reply().Error(kSyntaxError);
    }
    if (!read) return false;
  }
  if (settings->duration_s || settings->max_size) return true;
  return Fail(context, "ERR At least one parameter must be specified");
}

}  // namespace

void XCfgSet(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr) return context.reply().Error(kNoSuchKey);
  IdempotenceSettings settings;
  if (!ReadSettings(context, &settings)) return;
  const Idempotence defaults(context.options().stream_idmp_duration_s,
                             context.options().stream_idmp_max_size);
  const Idempotence& now = stream->idempotence() == nullptr ? defaults : *stream->idempotence();
  const int64_t duration_s = settings.duration_s.value_or(now.duration());
  const uint64_t max_size =
      settings.max_size ? static_cast<uint64_t>(*settings.max_size) : now.max_size();
  // A stream that has the server's defaults is given them for good by this, whatever those become.
  if (stream->idempotence() == nullptr || duration_s != now.duration() ||
      max_size != now.max_size()) {
    context.Apply(StreamConfigure{key, duration_s, max_size});
  }
  context.reply().Ok();
}

// Restores what XADD IDMP remembered, from a dump or a log of commands.
void XIdmpRecord(Context& context) {
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
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
