#include "commands/common_replies.h"
#include "commands/group/commands.h"
#include "commands/group/consumers.h"
#include "commands/key_events.h"
#include "commands/stream/arguments.h"
#include "commands/stream/retention.h"
#include "commands/topic/partitions.h"
#include "effects/stream_effects.h"
#include "effects/topic_effects.h"

namespace runnel::commands {
namespace {

constexpr std::string_view kNoStream =
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
    "the MKSTREAM option to create an empty stream automatically.";

// Options of CREATE and SETID.
struct PositionOptions {
  bool make_stream = false;
  int64_t entries_read = kEntriesReadUnknown;
};

bool ReadPositionOptions(Context& context, bool creating, PositionOptions* options) {
  for (size_t i = 5; i < context.argc(); i++) {
    if (creating && Is(context.arg(i), "MKSTREAM")) {
      options->make_stream = true;
      continue;
    }
    if (!Is(context.arg(i), "ENTRIESREAD") || i + 1 == context.argc()) {
      ReplySubcommandSyntax(context, "XGROUP");
      return false;
    }
    if (!ReadInteger(context, context.arg(++i), &options->entries_read)) return false;
    if (options->entries_read < kEntriesReadUnknown) {
      context.reply().Error("ERR value for ENTRIESREAD must be positive or -1");
      return false;
    }
  }
  return true;
}

// Finds the stream that argument 2 names.
bool FindStream(Context& context, const KeyRef& key, const Stream** stream) {
  if (!context.ReadForWrite(key, stream)) return false;
  if (*stream == nullptr && IsCompanion(key.db)) *stream = UnwrittenPartition().As<Stream>();
  if (*stream == nullptr) context.reply().Error(kNoStream);
  return *stream != nullptr;
}

// Finds it with the group that argument 3 names.
bool FindStreamAndGroup(Context& context, const KeyRef& key, const Stream** stream,
                        const ConsumerGroup** group) {
  if (!FindStream(context, key, stream)) return false;
  *group = (*stream)->FindGroup(context.arg(3));
  if (*group == nullptr) ReplyNoGroup(context, key.name, context.arg(3));
  return *group != nullptr;
}

// More entries cannot have been read than were ever added.
int64_t Clamp(int64_t entries_read, uint64_t entries_added) {
  if (entries_read < 0) return kEntriesReadUnknown;
  return static_cast<int64_t>(std::min(static_cast<uint64_t>(entries_read), entries_added));
}

}  // namespace

void XGroupCreate(Context& context) {
  PositionOptions options;
  if (!ReadPositionOptions(context, true, &options)) return;
  const KeyRef key = StreamKey(context, 2);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  const bool partition = IsCompanion(key.db);
  if (stream == nullptr && !options.make_stream && !partition)
    return context.reply().Error(kNoStream);
  if (!CheckName(context, "group name", context.arg(3))) return;
  // Each option at most once, as the number of arguments tells.
  if (context.argc() > 8) return ReplySubcommandSyntax(context, "XGROUP");
  StreamId position = stream == nullptr ? StreamId() : stream->last_id();
  if (context.arg(4) != "$" && !ReadId(context, context.arg(4), &position)) return;
  if (stream == nullptr) {
    if (partition) {
      context.Apply(PartitionCreate{key});
    } else {
      context.Apply(StreamCreate{key});
      NotifyNew(context, key);
    }
    stream = context.keyspace().Find(key)->As<Stream>();
  }
  if (stream->FindGroup(context.arg(3)) != nullptr) {
    return context.reply().Error("BUSYGROUP Consumer Group name already exists");
  }
  context.Apply(GroupCreate{key, context.arg(3), position,
                            Clamp(options.entries_read, stream->entries_added())});
  context.Notify(kNotifyStream, "xgroup-create", key);
  context.reply().Ok();
}

void XGroupSetId(Context& context) {
  PositionOptions options;
  if (!ReadPositionOptions(context, false, &options)) return;
  const KeyRef key = StreamKey(context, 2);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindStreamAndGroup(context, key, &stream, &group)) return;
  if (context.argc() > 7) return ReplySubcommandSyntax(context, "XGROUP");
  const std::string_view text = context.arg(4);
  StreamId position = stream->last_id();
  // `-` and `+` are taken here, though not by CREATE.
  if (text == "-") {
    position = StreamId::Min();
  } else if (text == "+") {
    position = StreamId::Max();
  } else if (text != "$" && !ReadId(context, text, &position)) {
    return;
  }
  context.Apply(GroupSetId{key, context.arg(3), position,
                           Clamp(options.entries_read, stream->entries_added())});
  context.Notify(kNotifyStream, "xgroup-setid", key);
  SweepAcknowledged(context, key, *stream);
  context.reply().Ok();
}

void XGroupDestroy(Context& context) {
  const KeyRef key = StreamKey(context, 2);
  const Stream* stream;
  if (!FindStream(context, key, &stream)) return;
  if (stream->FindGroup(context.arg(3)) == nullptr) return context.reply().Integer(0);
  context.Apply(GroupDestroy{key, context.arg(3)});
  context.Notify(kNotifyStream, "xgroup-destroy", key);
  SweepAcknowledged(context, key, *stream);
  context.reply().Integer(1);
}

void XGroupCreateConsumer(Context& context) {
  const KeyRef key = StreamKey(context, 2);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindStreamAndGroup(context, key, &stream, &group)) return;
  if (!CheckName(context, "consumer name", context.arg(4))) return;
  const Speaker speaker = FindOrCreateConsumer(context, key, *group, context.arg(4));
  context.reply().Integer(speaker.created ? 1 : 0);
}

void XGroupDelConsumer(Context& context) {
  const KeyRef key = StreamKey(context, 2);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindStreamAndGroup(context, key, &stream, &group)) return;
  const Consumer* consumer = group->FindConsumer(context.arg(4));
  if (consumer == nullptr) return context.reply().Integer(0);
  const uint64_t pending = consumer->pending;
  context.Apply(ConsumerDelete{key, context.arg(3), context.arg(4)});
  context.Notify(kNotifyStream, "xgroup-delconsumer", key);
  SweepAcknowledged(context, key, *stream);
  context.reply().Integer(static_cast<int64_t>(pending));
}

void XGroupHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CREATE <key> <groupname> <id|$> [option]",
      "    Make a consumer group that is given the entries after an ID. Options are:",
      "    * MKSTREAM",
      "      Make an empty stream if the key does not exist.",
      "    * ENTRIESREAD <entries_read>",
      "      Say how many entries lie up to that ID, from which the lag is counted.",
      "CREATECONSUMER <key> <groupname> <consumer>",
      "    Make a consumer in a group.",
      "DELCONSUMER <key> <groupname> <consumer>",
      "    Remove a consumer and forget its pending entries.",
      "DESTROY <key> <groupname>",
      "    Remove a consumer group.",
      "SETID <key> <groupname> <id|$> [ENTRIESREAD <entries_read>]",
      "    Move a group to another ID.",
      "HELP",
      "    Print this help.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
