#include <optional>
#include <string>
#include <utility>

#include <absl/container/inlined_vector.h>

#include "commands/stream/reading.h"
#include "commands/topic/arguments.h"
#include "commands/topic/commands.h"
#include "commands/topic/fetch.h"
#include "commands/topic_group/engine.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

struct TReadArguments {
  std::optional<uint64_t> records;
  std::optional<uint64_t> bytes;
  bool block = false;
  int64_t deadline_ms = 0;
  EntryForm form = EntryForm::kRecord;
  // From argument first_partition on there are `partitions` names, and then as many positions.
  size_t first_partition = 0;
  size_t partitions = 0;

  size_t first_position() const { return first_partition + partitions; }
  FetchLimits limits() const {
    const FetchLimits defaults;
    return {records.value_or(defaults.records), bytes.value_or(defaults.bytes)};
  }
};

// Reads the number behind the option, which must not have been given before.
bool ReadLimit(Context& context, size_t i, std::optional<uint64_t>* limit) {
  const std::string_view option = context.arg(i);
  if (*limit) return Fail(context, fmt::format("ERR {} is given twice", option));
  if (i + 1 == context.argc()) return Fail(context, kSyntaxError);
  int64_t number;
  if (!ReadInteger(context, context.arg(i + 1), &number,
                   fmt::format("ERR {} must be a positive integer", option), 1)) {
    return false;
  }
  *limit = static_cast<uint64_t>(number);
  return true;
}

// Reads the option that argument *i names, and moves *i to its last argument.
bool ReadTReadOption(Context& context, size_t* i, TReadArguments* arguments) {
  const std::string_view option = context.arg(*i);
  if (Is(option, "WITHKEY")) {
    if (arguments->form == EntryForm::kKeyed) return Fail(context, "ERR WITHKEY is given twice");
    arguments->form = EntryForm::kKeyed;
    return true;
  }
  if (Is(option, "COUNT")) return ReadLimit(context, (*i)++, &arguments->records);
  if (Is(option, "MAXSIZE")) return ReadLimit(context, (*i)++, &arguments->bytes);
  if (!Is(option, "BLOCK")) return Fail(context, fmt::format("ERR unknown option '{}'", option));
  if (arguments->block) return Fail(context, "ERR BLOCK is given twice");
  if (*i + 1 == context.argc()) return Fail(context, kSyntaxError);
  arguments->block = true;
  return ReadTimeoutMs(context, context.arg(++*i), &arguments->deadline_ms);
}

bool ReadTReadArguments(Context& context, TReadArguments* arguments) {
  for (size_t i = 1; i < context.argc(); i++) {
    if (Is(context.arg(i), "PARTITIONS")) {
      arguments->first_partition = i + 1;
      break;
    }
    if (!ReadTReadOption(context, &i, arguments)) return false;
  }
  if (arguments->first_partition == 0) return Fail(context, "ERR PARTITIONS is missing");
  const size_t left = context.argc() - arguments->first_partition;
  if (left == 0 || left % 2 != 0) {
    return Fail(context,
                "ERR Unbalanced 'tread' list of partitions: for each partition a position must be "
                "specified.");
  }
  arguments->partitions = left / 2;
  return true;
}

struct TReadSource {
  PartitionPart part;
  uint64_t offset = 0;
};
using TReadSources = absl::InlinedVector<TReadSource, 4>;

bool ReadSource(Context& context, const TReadArguments& arguments, size_t i, TReadSource* source) {
  if (!ReadPartition(context, context.arg(arguments.first_partition + i), &source->part)) {
    return false;
  }
  TopicPosition position;
  if (!ReadPosition(context, context.arg(arguments.first_position() + i), &position)) return false;
  const Stream& stream = *source->part.stream;
  source->offset = position.OffsetIn(stream);
  return CheckOffset(context, source->part.key.name, stream, source->offset);
}

// REQUIRES: context.may_block().
void BlockOnPartitions(Context& context, const TReadArguments& arguments,
                       const TReadSources& sources) {
  Wait wait;
  wait.kind = WaitKind::kPartition;
  wait.deadline_ms = arguments.deadline_ms;
  for (size_t i = 0; i < sources.size(); i++) {
    wait.keys.push_back(sources[i].part.key);
    // A topic that goes is something to tell.
    wait.keys.push_back(sources[i].part.of.key);
    // "From now on" means from the time of the call.
    wait.replaced.emplace_back(arguments.first_position() + i, std::to_string(sources[i].offset));
  }
  context.Block(std::move(wait));
}

void CountGiven(Context& context, std::span<const FetchSource> sources) {
  for (const FetchSource& source : sources) {
    context.topic_groups().stats().given += source.count;
  }
}

}  // namespace

void TRead(Context& context) {
  TReadArguments arguments;
  if (!ReadTReadArguments(context, &arguments)) return;
  TReadSources sources(arguments.partitions);
  absl::InlinedVector<FetchSource, 4> fetched(arguments.partitions);
  for (size_t i = 0; i < sources.size(); i++) {
    if (!ReadSource(context, arguments, i, &sources[i])) return;
  }
  size_t given = 0;
  for (size_t i = 0; i < sources.size(); i++) {
    const Stream& stream = *sources[i].part.stream;
    if (sources[i].offset < stream.next_offset()) {
      fetched[i].at = stream.SeekOffset(sources[i].offset);
    }
  }
  if (FetchRecords(fetched, arguments.limits(), arguments.form, context.reply().protocol()) > 0) {
    if (!context.only_looks()) CountGiven(context, fetched);
    for (const FetchSource& source : fetched) {
      given += source.count > 0 ? 1 : 0;
    }
    WriteStreamsHeader(context.reply(), given);
    for (size_t i = 0; i < sources.size(); i++) {
      if (fetched[i].count == 0) continue;
      WriteStreamHeader(context.reply(), sources[i].part.key.name);
      WriteFetched(context.reply(), arguments.form, fetched[i]);
    }
  } else if (arguments.block && context.may_block()) {
    BlockOnPartitions(context, arguments, sources);
  } else {
    context.reply().NullArray();
  }
}

}  // namespace runnel::commands
