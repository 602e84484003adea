#include <limits>
#include <utility>

#include "commands/repeats.h"
#include "commands/stream/arguments.h"
#include "commands/stream/commands.h"
#include "commands/stream/reading.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

// One stream of an XREAD.
struct StreamSource {
  size_t key = 0;                  // the argument
  KeyRef name;                     // the key that it names
  const Stream* stream = nullptr;  // nullptr if there is none
  bool last_entry = false;         // `+`: the last entry
  StreamId after;                  // otherwise those after this ID

  EntryCursor Seek() const {
    if (stream == nullptr) return EntryCursor();
    return last_entry ? stream->SeekBack(StreamId::Max()) : stream->SeekAfter(after);
  }
};

// What is read of one stream.
struct Found {
  const StreamSource* source = nullptr;
  EntryCursor at;
  uint64_t count = 0;
};

using StreamSources = absl::InlinedVector<StreamSource, 4>;

bool ReadStreamSource(Context& context, const ReadArguments& arguments, size_t i,
                      StreamSource* source) {
  source->key = arguments.first_key + i;
  source->name = StreamKey(context, source->key);
  if (!context.Read(source->name, &source->stream)) return false;
  const std::string_view id = context.arg(arguments.first_id() + i);
  if (id == "$") {
    if (source->stream != nullptr) source->after = source->stream->last_id();
    return true;
  }
  if (id == "+") {
    source->last_entry = true;
    return true;
  }
  if (id == ">") {
    context.reply().Error(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
        "<consumer> option.");
    return false;
  }
  return ReadId(context, id, &source->after);
}

// REQUIRES: context.may_block().
void BlockOnStreams(Context& context, const ReadArguments& arguments,
                    const StreamSources& sources) {
  Wait wait;
  wait.kind = WaitKind::kStream;
  wait.deadline_ms = arguments.deadline_ms;
  for (size_t i = 0; i < sources.size(); i++) {
    wait.keys.push_back(context.Key(sources[i].key));
    if (const auto partition = PossiblePartition(context, sources[i].key)) {
      wait.keys.push_back(*partition);
    }
    const size_t id = arguments.first_id() + i;
    // "From now on" means from the time of the call.
    if (context.arg(id) == "$") wait.replaced.emplace_back(id, sources[i].after.ToString());
  }
  context.Block(std::move(wait));
}

}  // namespace

void XRead(Context& context) {
  ReadArguments arguments;
  if (!ReadReadArguments(context, false, &arguments)) return;
  StreamSources sources(arguments.streams);
  for (size_t i = 0; i < sources.size(); i++) {
    if (!ReadStreamSource(context, arguments, i, &sources[i])) return;
  }

  ReadBudget budget(arguments);
  absl::InlinedVector<Found, 4> found;
  for (const StreamSource& source : sources) {
    if (budget.spent()) break;
    const EntryCursor at = source.Seek();
    if (!at.valid()) continue;
    budget.NextStream(context.arg(source.key));
    if (const uint64_t count = budget.TakeEntries(at)) found.push_back({&source, at, count});
  }
  if (!found.empty()) {
    RepeatBound bound(context);
    // What of a stream is repeated is not looked at: whoever names one twice has the bound.
    const auto identify = [&](size_t i) -> std::pair<const void*, size_t> {
      return {found[i].source->stream, std::numeric_limits<uint32_t>::max()};
    };
    WriteStreamsHeader(context.reply(), found.size());
    for (const Found& read : found) {
      WriteStreamHeader(context.reply(), context.arg(read.source->key));
      WriteEntries(context.reply(), FormOf(*read.source->stream), read.at, read.count);
      if (!bound.HoldsWithoutRepeats(found.size(), identify)) return;
    }
  } else if (arguments.block && context.may_block()) {
    BlockOnStreams(context, arguments, sources);
  } else {
    context.reply().NullArray();
  }
}

}  // namespace runnel::commands
