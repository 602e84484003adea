#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "commands/key_events.h"
#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/retention.h"
#include "commands/stream/trim.h"
#include "commands/topic/partitions.h"
#include "effects/stream_effects.h"

namespace runnel::commands {
namespace {

// The most bytes that the names and values of an entry may have together.
constexpr uint64_t kMaxEntryBytes = uint64_t{1} << 30;

struct AddArguments {
  enum class Form {
    kAuto,          // `*`: the time, and a sequence number
    kAutoSequence,  // `ms-*`: a sequence number
    kGiven,
  };
  bool create = true;  // no NOMKSTREAM
  TrimOptions trim;
  // IDMP and IDMPAUTO: the producer of the message, and its number where the client gives it. Empty
  // where not given.
  std::string_view pid;
  std::string_view iid;
  Form form = Form::kAuto;
  StreamId id;
  std::span<const std::string_view> fields;
};

bool ReadProducer(Context& context, size_t* i, bool automatic, AddArguments* arguments) {
  if (!arguments->pid.empty()) {
    context.reply().Error("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
    return false;
  }
  arguments->pid = context.arg(++*i);
  if (arguments->pid.empty()) {
    context.reply().Error(automatic ? "ERR syntax error, IDMPAUTO requires a non-empty producer ID"
                                    : "ERR syntax error, IDMP requires a non-empty producer ID");
    return false;
  }
  if (automatic) return true;
  arguments->iid = context.arg(++*i);
  if (!arguments->iid.empty()) return true;
  context.reply().Error("ERR syntax error, IDMP requires a non-empty idempotent ID");
  return false;
}

// The ID where it is not `*`.
bool ReadAddId(Context& context, std::string_view text, AddArguments* arguments) {
  const bool automatic = text.ends_with("-*");
  arguments->form = automatic ? AddArguments::Form::kAutoSequence : AddArguments::Form::kGiven;
  const std::string_view number = automatic ? text.substr(0, text.size() - 2) : text;
  const bool two_dashes = automatic && number.find('-') != std::string_view::npos;
  if (!ReadId(context, two_dashes ? text : number, &arguments->id)) return false;
  if (arguments->pid.empty()) return true;
  context.reply().Error("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
  return false;
}

// Reads one option before the ID.
OptionRead ReadAddOption(Context& context, size_t* i, AddArguments* arguments) {
  const OptionRead read = ReadTrimOption(context, i, &arguments->trim);
  if (read != OptionRead::kUnknown) return read;
  const std::string_view option = context.arg(*i);
  const size_t more = context.argc() - *i - 1;
  if (Is(option, "NOMKSTREAM")) {
    arguments->create = false;
    return OptionRead::kTaken;
  }
  const bool automatic = more >= 1 && Is(option, "IDMPAUTO");
  if (automatic || (more >= 2 && Is(option, "IDMP"))) {
    return ReadProducer(context, i, automatic, arguments) ? OptionRead::kTaken : OptionRead::kError;
  }
  return OptionRead::kUnknown;
}

bool ReadAddArguments(Context& context, AddArguments* arguments) {
  size_t i = 2;
  for (; i < context.argc(); i++) {
    const std::string_view argument = context.arg(i);
    if (argument == "*") break;
    const bool number = !argument.empty() && argument[0] >= '0' && argument[0] <= '9';
    const OptionRead read = number ? OptionRead::kUnknown : ReadAddOption(context, &i, arguments);
    if (read == OptionRead::kError) return false;
    if (read == OptionRead::kTaken) continue;
    if (!ReadAddId(context, argument, arguments)) return false;
    break;
  }
  if (!FinishTrimOptions(context, false, &arguments->trim)) return false;
  const size_t given = std::min(i + 1, context.argc());
  arguments->fields = context.args().subspan(given);
  if (arguments->fields.size() < 2 || arguments->fields.size() % 2 != 0) {
    context.reply().Error("ERR wrong number of arguments for 'xadd' command");
    return false;
  }
  if (arguments->form == AddArguments::Form::kGiven && arguments->id == StreamId()) {
    context.reply().Error("ERR The ID specified in XADD must be greater than 0-0");
    return false;
  }
  return true;
}

// The ID of the new entry: above `last`, which is below StreamId::Max(). Nothing if the arguments
// demand otherwise.
std::optional<StreamId> ChooseId(const AddArguments& arguments, StreamId last, int64_t now_ms) {
  StreamId id = arguments.id;
  switch (arguments.form) {
    case AddArguments::Form::kAuto:
      id = {static_cast<uint64_t>(now_ms), 0};
      // Where the clock stands still or went back, IDs go on counting.
      return id > last ? id : last.Next();
    case AddArguments::Form::kAutoSequence:
      if (id.ms == last.ms) {
        const std::optional<StreamId> next = last.Next();
        // The millisecond was given: it may not change when its sequence numbers are used up.
        if (!next || next->ms != id.ms) return std::nullopt;
        id = *next;
      }
      break;
    case AddArguments::Form::kGiven:
      break;
  }
  if (id <= last) return std::nullopt;
  return id;
}

// The number of a message where IDMPAUTO leaves it to the server: it follows from the fields, in
// whatever order they come.
using ContentNumber = std::array<char, sizeof(XXH128_hash_t)>;

ContentNumber NumberOf(std::span<const std::string_view> fields) {
  XXH128_hash_t sum{0, 0};
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    // The name seeds the hash of the value, so that bytes cannot change sides unseen.
    const XXH128_hash_t name = XXH3_128bits(fields[i].data(), fields[i].size());
    const XXH128_hash_t field =
        XXH3_128bits_withSeed(fields[i + 1].data(), fields[i + 1].size(), name.low64);
    sum.low64 += field.low64;
    sum.high64 += field.high64 ^ name.high64;
  }
  ContentNumber number;
  std::memcpy(number.data(), &sum, sizeof(sum));
  return number;
}

// Answers with the ID of the first time if the stream remembers the message.
bool ReplyIfRepeated(Context& context, const KeyRef& key, const Stream* stream,
                     const AddArguments& arguments) {
  const Idempotence* memory = stream == nullptr ? nullptr : stream->idempotence();
  if (memory == nullptr) return false;
  const std::optional<StreamId> id = memory->Find(arguments.pid, arguments.iid, context.now_ms());
  if (!id) return false;
  context.Apply(StreamCountDuplicate{key});
  context.reply().BulkId(*id);
  return true;
}

uint64_t BytesOf(std::span<const std::string_view> fields) {
  uint64_t bytes = 0;
  for (const std::string_view field : fields) {
    bytes += field.size();
  }
  return bytes;
}

// Adds the entry and trims, once it is known that the message is not repeated.
void Add(Context& context, const KeyRef& key, const Stream* stream, const AddArguments& arguments) {
  const StreamId last = stream == nullptr ? StreamId() : stream->last_id();
  if (last == StreamId::Max()) {
    return context.reply().Error(
        "ERR The stream has exhausted the last possible ID, unable to add more items");
  }
  const std::optional<StreamId> id = ChooseId(arguments, last, context.now_ms());
  if (!id) {
    return context.reply().Error(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item");
  }
  if (BytesOf(arguments.fields) > kMaxEntryBytes) {
    return context.reply().Error("ERR Elements are too large to be stored");
  }
  const DataOptions& options = context.options();
  if (stream != nullptr && arguments.trim.given) {
    const StreamLimits limits{options.stream_node_max_entries, options.stream_node_max_bytes};
    FetchForTrim(*stream, arguments.trim, {*id, arguments.fields, limits});
  }
  context.Apply(StreamAdd{key, *id, options.stream_node_max_entries, options.stream_node_max_bytes,
                          arguments.fields});
  if (!arguments.pid.empty()) {
    context.Apply(StreamRecordMessage{key, arguments.pid, arguments.iid, *id,
                                      options.stream_idmp_duration_s,
                                      options.stream_idmp_max_size});
  }
  if (stream == nullptr) NotifyNew(context, key);
  context.Notify(kNotifyStream, "xadd", key);
  if (arguments.trim.given) {
    if (stream == nullptr) stream = context.keyspace().Find(key)->As<Stream>();
    Trim(context, key, *stream, arguments.trim, TrimCounts::kNothing);
  }
  if (stream != nullptr) KeepRetention(context, key, *stream);
  context.reply().BulkId(*id);
}

}  // namespace

void XAdd(Context& context) {
  AddArguments arguments;
  if (!ReadAddArguments(context, &arguments)) return;
  const KeyRef key = context.Key(1);
  const Stream* stream;
  if (!context.ReadForWrite(key, &stream)) return;
  if (stream == nullptr && FailIfPartition(context, 1)) return;
  if (stream == nullptr && !arguments.create) return context.reply().Null();
  if (arguments.pid.empty()) return Add(context, key, stream, arguments);
  ContentNumber number;
  if (arguments.iid.empty()) {
    number = NumberOf(arguments.fields);
    arguments.iid = {number.data(), number.size()};
  }
  if (ReplyIfRepeated(context, key, stream, arguments)) return;
  Add(context, key, stream, arguments);
}

}  // namespace runnel::commands
