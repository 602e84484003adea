#include <algorithm>

#include "commands/common_replies.h"
#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/replies.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

void WriteId(ReplyWriter& reply, std::string_view name, StreamId id) {
  reply.Bulk(name);
  reply.BulkId(id);
}

// A number that may be unknown.
template <class T>
void WriteOptional(ReplyWriter& reply, std::string_view name, std::optional<T> value) {
  reply.Bulk(name);
  value ? reply.Integer(static_cast<int64_t>(*value)) : reply.Null();
}

void WriteEntryOrNull(ReplyWriter& reply, std::string_view name, const Stream& stream,
                      const EntryCursor& at) {
  reply.Bulk(name);
  at.valid() ? WriteEntry(reply, FormOf(stream), *at) : reply.Null();
}

// What XINFO STREAM shows beside the fields that Redis 7.4 has: client libraries of that time
// refuse names that they do not know. So the fields of a feature are there if the stream uses it,
// or on demand (EXTENDED).
class MoreFields {
 public:
  MoreFields(const Stream& stream, const DataOptions& options, bool extended)
      : stream_(stream),
        options_(options),
        producers_(extended || stream.idempotence() != nullptr),
        retention_(extended || !(stream.retention() == kKeepAll)),
        cold_(extended || stream.has_cold()),
        released_(extended) {}

  // Pairs of WriteProducers and WriteOthers.
  size_t pairs() const { return (producers_ ? 6 : 0) + (retention_ ? 4 : 0) + (cold_ ? 4 : 0); }
  // Behind the common fields.
  void WriteProducers(ReplyWriter& reply) const {
    if (!producers_) return;
    const Idempotence none(options_.stream_idmp_duration_s, options_.stream_idmp_max_size);
    const Idempotence& memory = stream_.idempotence() == nullptr ? none : *stream_.idempotence();
    WriteNumber(reply, "idmp-duration", static_cast<uint64_t>(memory.duration()));
    WriteNumber(reply, "idmp-maxsize", memory.max_size());
    WriteNumber(reply, "pids-tracked", memory.pids_tracked());
    WriteNumber(reply, "iids-tracked", memory.iids_tracked());
    WriteNumber(reply, "iids-added", memory.iids_added());
    WriteNumber(reply, "iids-duplicates", memory.iids_duplicates());
  }
  // At the end.
  void WriteOthers(ReplyWriter& reply) const {
    if (retention_) {
      const Retention& keep = stream_.retention();
      WriteNumber(reply, "retention-ms", keep.ms);
      WriteNumber(reply, "retention-bytes", keep.bytes);
      WriteNumber(reply, "retention-entries", keep.entries);
      reply.Bulk("on-ack");
      reply.Bulk(keep.delete_on_ack ? "delete" : "keep");
    }
    if (!cold_) return;
    // Entries in memory and on the disk, and bytes of the blocks that hold them.
    WriteNumber(reply, "hot-entries", stream_.hot_entries());
    WriteNumber(reply, "hot-bytes", stream_.hot_bytes());
    WriteNumber(reply, "cold-entries", stream_.cold_entries());
    WriteNumber(reply, "cold-bytes", stream_.cold_bytes());
  }
  // Of a group.
  bool HasReleased(const ConsumerGroup& group) const { return released_ || group.nacked() > 0; }

 private:
  const Stream& stream_;
  const DataOptions& options_;
  const bool producers_;
  const bool retention_;
  const bool cold_;
  const bool released_;
};

// What both forms of XINFO STREAM begin with: 7 pairs.
constexpr size_t kCommonPairs = 7;
void WriteCommon(ReplyWriter& reply, const Stream& stream) {
  WriteNumber(reply, "length", stream.length());
  // Redis keeps its blocks in a tree with a leaf for each. Here they are a list: the smallest such
  // tree is shown.
  WriteNumber(reply, "radix-tree-keys", stream.blocks());
  WriteNumber(reply, "radix-tree-nodes", stream.blocks() + 1);
  WriteId(reply, "last-generated-id", stream.last_id());
  WriteId(reply, "max-deleted-entry-id", stream.max_deleted_id());
  WriteNumber(reply, "entries-added", stream.entries_added());
  WriteId(reply, "recorded-first-entry-id", stream.first_id());
}

void WriteShort(ReplyWriter& reply, const Stream& stream, const MoreFields& more) {
  reply.Map(kCommonPairs + 3 + more.pairs());
  WriteCommon(reply, stream);
  more.WriteProducers(reply);
  WriteNumber(reply, "groups", stream.groups().size());
  WriteEntryOrNull(reply, "first-entry", stream, stream.Seek(StreamId::Min()));
  WriteEntryOrNull(reply, "last-entry", stream, stream.SeekBack(StreamId::Max()));
  more.WriteOthers(reply);
}

// At most `count` pending entries from the cursor on, of which there are `size`. Those of a
// consumer do not name it.
void WritePending(ReplyWriter& reply, const ConsumerGroup& group, PendingList::Cursor at,
                  uint64_t size, uint64_t count, bool with_names) {
  reply.Bulk("pending");
  count = std::min(count, size);
  reply.Array(count);
  for (; count > 0; count--, at.Next()) {
    reply.Array(with_names ? 4 : 3);
    reply.BulkId(at->id);
    if (with_names) reply.Bulk(group.NameOf(at->consumer));
    reply.Integer(at->delivery_time);
    reply.Integer(static_cast<int64_t>(at->deliveries));
  }
}

void WriteConsumers(ReplyWriter& reply, const ConsumerGroup& group, uint64_t count) {
  reply.Bulk("consumers");
  reply.Array(group.consumers().size());
  for (const auto& [name, consumer] : group.consumers()) {
    reply.Map(5);
    reply.Bulk("name");
    reply.Bulk(name);
    reply.Bulk("seen-time");
    reply.Integer(consumer->last_seen());
    reply.Bulk("active-time");
    reply.Integer(consumer->active_time);
    WriteNumber(reply, "pel-count", consumer->pending);
    WritePending(reply, group, group.History(*consumer, StreamId::Min()), consumer->pending, count,
                 false);
  }
}

void WriteFull(ReplyWriter& reply, const Stream& stream, const MoreFields& more, uint64_t count) {
  reply.Map(kCommonPairs + 2 + more.pairs());
  WriteCommon(reply, stream);
  more.WriteProducers(reply);
  reply.Bulk("entries");
  WriteEntries(reply, FormOf(stream), stream.Seek(StreamId::Min()),
               std::min(count, stream.length()));
  reply.Bulk("groups");
  reply.Array(stream.groups().size());
  for (const auto& [name, group] : stream.groups()) {
    const bool has_released = more.HasReleased(*group);
    reply.Map(has_released ? 8 : 7);
    reply.Bulk("name");
    reply.Bulk(name);
    WriteId(reply, "last-delivered-id", group->last_delivered());
    WriteOptional(reply, "entries-read", group->entries_read());
    WriteOptional(reply, "lag", stream.Lag(*group));
    WriteNumber(reply, "pel-count", group->pending().size());
    if (has_released) WriteNumber(reply, "nacked-count", group->nacked());
    WritePending(reply, *group, group->pending().Seek(StreamId::Min()), group->pending().size(),
                 count, true);
    WriteConsumers(reply, *group, count);
  }
  more.WriteOthers(reply);
}

// FULL [COUNT count] [EXTENDED], where 0 stands for no limit and less for the default.
bool ReadFull(Context& context, uint64_t* count, bool* extended) {
  constexpr int64_t kDefault = 10;
  *extended = context.argc() > 4 && Is(context.arg(context.argc() - 1), "EXTENDED");
  const size_t more = context.argc() - 3 - (*extended ? 1 : 0);
  const bool has_count = more == 3;
  if ((more != 1 && !has_count) || !Is(context.arg(3), "FULL") ||
      (has_count && !Is(context.arg(4), "COUNT"))) {
    ReplySubcommandSyntax(context, "XINFO");
    return false;
  }
  int64_t number = kDefault;
  if (has_count && !ReadInteger(context, context.arg(5), &number)) return false;
  if (number < 0) number = kDefault;
  *count = number == 0 ? kNoCount : static_cast<uint64_t>(number);
  return true;
}

// Finds the stream that argument 2 names.
bool FindStream(Context& context, const Stream** stream) {
  const KeyRef key = StreamKey(context, 2);
  if (!context.Read(key, stream)) return false;
  if (*stream == nullptr && IsCompanion(key.db)) *stream = UnwrittenPartition().As<Stream>();
  if (*stream == nullptr) context.reply().Error(kNoSuchKey);
  return *stream != nullptr;
}

}  // namespace

void XInfoStream(Context& context) {
  const Stream* stream;
  if (!FindStream(context, &stream)) return;
  if (context.argc() == 3) {
    return WriteShort(context.reply(), *stream, MoreFields(*stream, context.options(), false));
  }
  uint64_t count;
  bool extended;
  if (!ReadFull(context, &count, &extended)) return;
  WriteFull(context.reply(), *stream, MoreFields(*stream, context.options(), extended), count);
}

void XInfoGroups(Context& context) {
  const Stream* stream;
  if (!FindStream(context, &stream)) return;
  ReplyWriter& reply = context.reply();
  reply.Array(stream->groups().size());
  for (const auto& [name, group] : stream->groups()) {
    reply.Map(6);
    reply.Bulk("name");
    reply.Bulk(name);
    WriteNumber(reply, "consumers", group->consumers().size());
    WriteNumber(reply, "pending", group->pending().size());
    WriteId(reply, "last-delivered-id", group->last_delivered());
    WriteOptional(reply, "entries-read", group->entries_read());
    WriteOptional(reply, "lag", stream->Lag(*group));
  }
}

void XInfoConsumers(Context& context) {
  const Stream* stream;
  if (!FindStream(context, &stream)) return;
  const ConsumerGroup* group = stream->FindGroup(context.arg(3));
  if (group == nullptr) return ReplyNoGroup(context, context.arg(2), context.arg(3));
  ReplyWriter& reply = context.reply();
  const int64_t now_ms = context.now_ms();
  reply.Array(group->consumers().size());
  for (const auto& [name, consumer] : group->consumers()) {
    const bool active = consumer->active_time != -1;
    reply.Map(4);
    reply.Bulk("name");
    reply.Bulk(name);
    WriteNumber(reply, "pending", consumer->pending);
    reply.Bulk("idle");
    reply.Integer(std::max<int64_t>(now_ms - consumer->last_seen(), 0));
    reply.Bulk("inactive");
    reply.Integer(active ? std::max<int64_t>(now_ms - consumer->active_time, 0) : -1);
  }
}

void XInfoHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CONSUMERS <key> <groupname>",
      "    Show the consumers of a group.",
      "GROUPS <key>",
      "    Show the consumer groups of a stream.",
      "STREAM <key> [FULL [COUNT <count>] [EXTENDED]]",
      "    Show a stream; with FULL also its entries, groups and consumers. The fields of features",
      "    that Redis 7.4 does not have are there if the stream uses them, or with EXTENDED.",
      "HELP",
      "    Print this help.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
