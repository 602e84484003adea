#include "commands/stream/reading.h"

#include <algorithm>

#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

bool ReadCount(Context& context, std::string_view text, uint64_t* count) {
  int64_t number;
  if (!ReadInteger(context, text, &number)) return false;
  *count = number <= 0 ? kNoCount : static_cast<uint64_t>(number);
  return true;
}

bool ReadPositive(Context& context, std::string_view text, std::string_view error,
                  uint64_t* value) {
  int64_t number;
  if (!ReadInteger(context, text, &number, error, 1)) return false;
  *value = static_cast<uint64_t>(number);
  return true;
}

bool ReadMinIdle(Context& context, std::string_view text, int64_t* min_idle) {
  if (!ReadInteger(context, text, min_idle,
                   "ERR min-idle-time is not an integer or out of range")) {
    return false;
  }
  return *min_idle >= 0 || Fail(context, "ERR min-idle-time must be a positive integer");
}

bool FailInRead(Context& context, std::string_view option) {
  return Fail(context, fmt::format("ERR The {} option is only supported by XREADGROUP. You called "
                                   "XREAD instead.",
                                   option));
}

// Reads the option at argument *i, which afterwards is its last argument.
bool ReadOption(Context& context, bool of_group, size_t* i, ReadArguments* arguments) {
  const std::string_view option = context.arg(*i);
  const size_t more = context.argc() - *i - 1;
  switch (option.empty() ? '\0' : ToUpper(option[0])) {
    case 'B':
      if (more < 1 || !Is(option, "BLOCK")) break;
      arguments->block = true;
      return ReadTimeoutMs(context, context.arg(++*i), &arguments->deadline_ms);
    case 'C':
      if (more < 1) break;
      if (Is(option, "COUNT")) return ReadCount(context, context.arg(++*i), &arguments->count);
      if (!Is(option, "CLAIM")) break;
      if (!of_group) return FailInRead(context, "CLAIM");
      return ReadMinIdle(context, context.arg(++*i), &arguments->min_idle);
    case 'G':
      if (more < 2 || !Is(option, "GROUP")) break;
      if (!of_group) return FailInRead(context, "GROUP");
      arguments->has_group = true;
      arguments->group = context.arg(++*i);
      arguments->consumer = context.arg(++*i);
      return true;
    case 'M':
      if (more < 1) break;
      if (Is(option, "MAXCOUNT")) {
        return ReadPositive(context, context.arg(++*i), "ERR MAXCOUNT must be a positive integer",
                            &arguments->max_count);
      }
      if (!Is(option, "MAXSIZE")) break;
      return ReadPositive(context, context.arg(++*i), "ERR MAXSIZE must be a positive integer",
                          &arguments->max_bytes);
    case 'N':
      if (!Is(option, "NOACK")) break;
      if (!of_group) return FailInRead(context, "NOACK");
      arguments->no_ack = true;
      return true;
    default:
      break;
  }
  return Fail(context, kSyntaxError);
}

bool IsStreams(std::string_view option) {
  return !option.empty() && ToUpper(option[0]) == 'S' && Is(option, "STREAMS");
}

}  // namespace

bool ReadReadArguments(Context& context, bool of_group, ReadArguments* arguments) {
  for (size_t i = 1; i < context.argc(); i++) {
    if (i + 1 < context.argc() && IsStreams(context.arg(i))) {
      arguments->first_key = i + 1;
      break;
    }
    if (!ReadOption(context, of_group, &i, arguments)) return false;
  }
  if (arguments->first_key == 0) return Fail(context, kSyntaxError);
  const size_t left = context.argc() - arguments->first_key;
  if (left % 2 != 0) {
    return Fail(context, of_group
                             ? "ERR Unbalanced 'xreadgroup' list of streams: for each stream key "
                               "an ID or '>' must be specified."
                             : "ERR Unbalanced 'xread' list of streams: for each stream key an "
                               "ID, '+', or '$' must be specified.");
  }
  arguments->streams = left / 2;
  if (of_group && !arguments->has_group) {
    return Fail(context, "ERR Missing GROUP option for XREADGROUP");
  }
  if (arguments->count != kNoCount && arguments->max_count < arguments->count) {
    return Fail(context, "ERR MAXCOUNT must be greater than or equal to COUNT");
  }
  return true;
}

uint64_t ReadBudget::TakeEntries(EntryCursor at, size_t added) {
  if (!by_bytes_) {
    const uint64_t count = at.CountTo(StreamId::Max(), std::min(stream_left_, entries_left_));
    stream_left_ -= count;
    entries_left_ -= count;
    return count;
  }
  uint64_t count = 0;
  while (at.valid() && TakeEntry(*at, added)) {
    count++;
    // What lies behind the last one may not be in memory.
    if (stream_spent()) break;
    at.Next();
  }
  return count;
}

bool ReadBudget::TakeEntry(const EntryView& entry, size_t added) {
  return Take(by_bytes_ ? EntryReplyBytes(entry) + added : 0);
}

bool ReadBudget::TakeMissing() {
  return Take(kMissingBytes);
}

bool ReadBudget::Take(size_t bytes) {
  if (stream_left_ == 0 || entries_left_ == 0) return false;
  if (!first_ && bytes > bytes_left_) {
    entries_left_ = 0;
    return false;
  }
  first_ = false;
  stream_left_--;
  entries_left_--;
  TakeBytes(bytes);
  return true;
}

void WriteStreamsHeader(ReplyWriter& reply, size_t streams) {
  reply.protocol() == 3 ? reply.Map(streams) : reply.Array(streams);
}

void WriteStreamHeader(ReplyWriter& reply, std::string_view key) {
  if (reply.protocol() != 3) reply.Array(2);
  reply.Bulk(key);
}

void WriteMissingEntry(ReplyWriter& reply, StreamId id) {
  reply.Array(2);
  reply.BulkId(id);
  reply.NullArray();
}

}  // namespace runnel::commands
