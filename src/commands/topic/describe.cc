#include <iterator>
#include <string>
#include <vector>

#include "base/glob.h"
#include "commands/common_replies.h"
#include "commands/topic/arguments.h"
#include "commands/topic/commands.h"
#include "commands/topic/options.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

void WriteTime(ReplyWriter& reply, std::string_view name, bool has, uint64_t ms) {
  reply.Bulk(name);
  has ? reply.Integer(static_cast<int64_t>(ms)) : reply.Null();
}

const Stream* PeekPartition(Context& context, std::string_view topic, uint32_t number) {
  return FindStreamOf(context.keyspace(), context.db(), topic, number);
}

void WritePartition(ReplyWriter& reply, uint32_t number, const Stream* stream) {
  const bool has = stream != nullptr && stream->length() > 0;
  reply.Map(9);
  WriteNumber(reply, "partition", number);
  WriteNumber(reply, "earliest", stream == nullptr ? 0 : stream->first_offset());
  WriteNumber(reply, "next", stream == nullptr ? 0 : stream->next_offset());
  WriteNumber(reply, "records", stream == nullptr ? 0 : stream->length());
  WriteNumber(reply, "bytes", stream == nullptr ? 0 : stream->hot_bytes() + stream->cold_bytes());
  WriteNumber(reply, "hot-entries", stream == nullptr ? 0 : stream->hot_entries());
  WriteNumber(reply, "cold-entries", stream == nullptr ? 0 : stream->cold_entries());
  WriteTime(reply, "first-ms", has, has ? stream->first_id().ms : 0);
  WriteTime(reply, "last-ms", has, has ? stream->newest_id().ms : 0);
}

std::string HexOf(const TopicId& id) {
  std::string text;
  for (const char byte : id) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

}  // namespace

void TopicList(Context& context) {
  const std::string_view pattern = context.argc() > 2 ? context.arg(2) : "*";
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  std::vector<std::string_view> names;
  for (const KeyEntry* entry : context.keyspace().listed(context.db())) {
    if (entry->ExpiredAt(context.now_ms())) continue;
    if (pattern == "*" || GlobMatch(pattern, entry->name())) names.push_back(entry->name());
  }
  context.reply().Array(names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
  }
}

void TopicDescribe(Context& context) {
  TopicPart part;
  if (!ReadTopicPart(context, context.arg(2), &part)) return;
  ReplyWriter& reply = context.reply();
  const std::string_view name = part.key.name;
  if (part.partition) {
    return WritePartition(reply, *part.partition, PeekPartition(context, name, *part.partition));
  }
  const Topic& topic = *part.topic;
  uint64_t records = 0;
  uint64_t bytes = 0;
  for (uint32_t number = 0; number < topic.partitions(); number++) {
    const Stream* stream = PeekPartition(context, name, number);
    if (stream == nullptr) continue;
    records += stream->length();
    bytes += stream->hot_bytes() + stream->cold_bytes();
  }
  const TopicOptions& options = topic.options();
  reply.Map(15);
  WriteText(reply, "name", name);
  WriteText(reply, "id", HexOf(topic.id()));
  WriteNumber(reply, "retention-ms", options.retention_ms);
  WriteNumber(reply, "retention-bytes", options.retention_bytes);
  WriteNumber(reply, "retention-entries", options.retention_entries);
  WriteText(reply, "cleanup", NameOf(options.cleanup));
  WriteNumber(reply, "tombstone-ms", options.tombstone_ms);
  WriteNumber(reply, "max-record-bytes", options.max_record_bytes);
  WriteText(reply, "partitioner", NameOf(options.partitioner));
  WriteNumber(reply, "min-insync", options.min_insync);
  WriteNumber(reply, "records", records);
  WriteNumber(reply, "bytes", bytes);
  reply.Bulk("groups");
  reply.Array(topic.readers().size());
  for (const std::string& reader : topic.readers()) {
    reply.Bulk(reader);
  }
  WriteNumber(reply, "producers", topic.producers().all().size());
  reply.Bulk("partitions");
  reply.Array(topic.partitions());
  for (uint32_t number = 0; number < topic.partitions(); number++) {
    WritePartition(reply, number, PeekPartition(context, name, number));
  }
}

namespace {

struct FoundOffset {
  uint32_t partition = 0;
  uint64_t offset = 0;
  int64_t ms = -1;  // of the first record from there on; -1 if there is none
};

bool FindOffset(Context& context, const TopicPart& part, uint32_t number,
                const TopicPosition& position, FoundOffset* found) {
  found->partition = number;
  const PartitionName name(part.key.name, number);
  const Stream& stream = PartitionAt(context, PartitionKey(context, name));
  found->offset = position.OffsetIn(stream);
  if (!CheckOffset(context, name, stream, found->offset)) return false;
  if (found->offset == stream.next_offset() || stream.length() == 0) return true;
  // In a compacted topic the first ID may be that of a record that is gone.
  if (found->offset <= stream.first_id().seq && !stream.is_compacted()) {
    found->ms = static_cast<int64_t>(stream.first_id().ms);
    return true;
  }
  const EntryCursor at = stream.SeekOffset(found->offset);
  if (at.valid()) found->ms = static_cast<int64_t>(at->id().ms);
  return true;
}

}  // namespace

void TopicOffsets(Context& context) {
  TopicPart part;
  TopicPosition position;
  if (!ReadTopicPart(context, context.arg(2), &part)) return;
  if (!ReadPosition(context, context.arg(3), &position)) return;
  const uint32_t first = part.partition.value_or(0);
  const uint32_t end = part.partition ? first + 1 : part.topic->partitions();
  std::vector<FoundOffset> found(end - first);
  for (uint32_t number = first; number < end; number++) {
    if (!FindOffset(context, part, number, position, &found[number - first])) return;
  }
  context.reply().Array(found.size());
  for (const FoundOffset& one : found) {
    context.reply().Array(3);
    context.reply().Bulk(PartitionName(part.key.name, one.partition));
    context.reply().Integer(static_cast<int64_t>(one.offset));
    context.reply().Integer(one.ms);
  }
}

void TopicHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "TOPIC <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CREATE <topic> [NX] PARTITIONS <n> [<option> <value> ...]",
      "    Make a topic. Options are RETENTION-MS, RETENTION-BYTES, RETENTION-ENTRIES,",
      "    MAX-RECORD-BYTES, TOMBSTONE-MS, MIN-INSYNC, CLEANUP and PARTITIONER.",
      "ALTER <topic> [PARTITIONS <n>] [<option> <value> ...]",
      "    Change options, or add partitions.",
      "DELETE <topic>",
      "    Remove a topic with its partitions.",
      "LIST [<pattern>]",
      "    Names of topics, sorted.",
      "DESCRIBE <topic>[/<partition>]",
      "    Options and partitions of a topic, or one partition.",
      "OFFSETS <topic>[/<partition>] <position>",
      "    Offset and time of the first record from a position on, for each partition.",
      "TRIM <topic>/<partition> <position>",
      "    Remove the records before a position.",
      "HELP",
      "    Print this help.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
