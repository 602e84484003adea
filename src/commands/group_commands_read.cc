#include <algorithm>
#include <utility>
#include <vector>

#include "commands/group_commands.h"
#include "commands/group_consumers.h"
#include "commands/stream_arguments.h"
#include "commands/stream_reading.h"
#include "commands/stream_retention.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// With CLAIM each entry has two numbers more; so many bytes of them are counted.
constexpr size_t kClaimBytes = 24;

// A waiting reader with a tiny min-idle-time shall not keep the server busy with asking.
constexpr int64_t kLeastRetryMs = 10;

// One stream of an XREADGROUP.
struct Source {
  size_t argument = 0;  // of the key
  KeyRef key;
  const Stream* stream = nullptr;
  const ConsumerGroup* group = nullptr;
  bool history = false;  // the consumer's own pending entries after `after`, instead of new ones
  StreamId after;
};
using Sources = absl::InlinedVector<Source, 1>;

// An entry that was pending before it was given.
struct OldEntry {
  StreamId id;
  int64_t idle = 0;
  uint64_t deliveries = 0;
};

// What was given of one stream.
struct Given {
  const Source* source = nullptr;
  std::vector<OldEntry> old;  // of the consumer's history, or claimed
  EntryCursor at;             // the new ones
  uint64_t count = 0;
};

void ReplyMeaninglessId(Context& context, std::string_view id) {
  context.reply().Error(fmt::format(
      "ERR The {0} ID is meaningless in the context of XREADGROUP: you want to read the "
      "history of this consumer by specifying a proper ID, or use the > ID to get new "
      "messages. The {0} ID would just return an empty result set.",
      id));
}

bool ReadSource(Context& context, const ReadArguments& arguments, size_t i, Source* source) {
  source->argument = arguments.first_key + i;
  source->key = context.Key(source->argument);
  if (!FindGroup(context, source->key, arguments.group, &source->stream, &source->group)) {
    return false;
  }
  if (source->group == nullptr) {
    ReplyNoKeyOrGroup(context, source->key.name, arguments.group,
                      " in XREADGROUP with GROUP option");
    return false;
  }
  const std::string_view id = context.arg(arguments.first_id() + i);
  if (id == ">") return true;
  if (id == "$" || id == "+") {
    ReplyMeaninglessId(context, id);
    return false;
  }
  source->history = true;
  return ReadId(context, id, &source->after);
}

bool HasEntry(const Stream& stream, StreamId id, EntryCursor* at) {
  *at = stream.Seek(id);
  return at->valid() && (*at)->id() == id;
}

// Runs one XREADGROUP whose arguments are read: gives what there is, stream by stream.
class GroupRead {
 public:
  GroupRead(Context& context, const ReadArguments& arguments)
      : context_(context), arguments_(arguments), budget_(arguments), fetch_budget_(arguments) {}

  // Gives what there is of one stream, which is noted for WriteReply(): `source` must live until
  // then.
  void Give(const Source& source);
  // Looks at what Give will look at: call it for all streams before the first is given.
  void Fetch(const Source& source);
  bool empty() const { return given_.empty(); }
  void WriteReply();

  // When to look again, in Unix ms, though nothing was added: an entry may be claimed then.
  int64_t retry_at_ms() const {
    if (arguments_.min_idle < 0) return Wait::kForever;
    // An entry that becomes pending from now on can be claimed after the whole time.
    const int64_t oldest = std::min(oldest_delivery_, context_.now_ms());
    const bool far = arguments_.min_idle > Wait::kForever - oldest;
    return far ? Wait::kForever
               : std::max(oldest + arguments_.min_idle, context_.now_ms() + kLeastRetryMs);
  }

 private:
  bool GiveHistory(const Speaker& speaker, Given* given);
  bool GiveClaimed(Given* given);
  bool GiveNew(Given* given);

  Context& context_;
  const ReadArguments& arguments_;
  ReadBudget budget_;
  ReadBudget fetch_budget_;
  int64_t oldest_delivery_ = Wait::kForever;  // of what could not be claimed
  absl::InlinedVector<Given, 1> given_;
};

// Takes what Give would take, but that a stream named twice gives the same twice.
void GroupRead::Fetch(const Source& source) {
  const Stream& stream = *source.stream;
  if (!stream.has_cold() || fetch_budget_.spent()) return;
  fetch_budget_.NextStream(source.key.name);
  const size_t most = static_cast<size_t>(std::min(arguments_.count, arguments_.max_count));
  IdList ids;
  const Consumer* consumer = source.group->FindConsumer(arguments_.consumer);
  if (source.history) {
    const std::optional<StreamId> from = source.after.Next();
    if (consumer == nullptr || !from) return;
    for (auto at = source.group->History(*consumer, *from); at.valid() && ids.size() < most;
         at.Next()) {
      ids.push_back(at->id);
    }
    return stream.Require(ids);
  }
  if (arguments_.min_idle >= 0) {
    // What is not claimable ends the walk, and is looked at too.
    for (auto at = source.group->pending().Oldest(); at.valid() && ids.size() < most; at.Next()) {
      ids.push_back(at->id);
      if (!at->Claimable(context_.now_ms(), arguments_.min_idle)) break;
    }
    stream.Require(ids);
  }
  const EntryCursor at = stream.SeekNew(*source.group);
  if (!at.valid()) return;
  at.Require(fetch_budget_.TakeEntries(at, arguments_.min_idle < 0 ? 0 : kClaimBytes));
}

void GroupRead::Give(const Source& source) {
  if (budget_.spent()) return;
  budget_.NextStream(source.key.name);
  const Speaker speaker =
      FindOrCreateConsumer(context_, source.key, *source.group, arguments_.consumer);
  Given given;
  given.source = &source;
  bool any = false;
  if (source.history) {
    any = GiveHistory(speaker, &given);
  } else {
    any = GiveClaimed(&given);
    any |= GiveNew(&given);
  }
  // A reader that waited and runs again has not asked again.
  if (!any && !context_.resumed()) NoteSeen(context_, source.key, *source.group, speaker);
  // A history is shown also where it is empty.
  if (any || source.history) given_.push_back(std::move(given));
}

// Reading the history delivers it once more. Entries that the stream has lost are shown, but not
// delivered.
bool GroupRead::GiveHistory(const Speaker& speaker, Given* given) {
  const Source& source = *given->source;
  const std::optional<StreamId> from = source.after.Next();
  if (!from) return false;
  IdList delivered;
  for (auto at = source.group->History(*speaker.consumer, *from); at.valid(); at.Next()) {
    EntryCursor entry;
    const bool exists = HasEntry(*source.stream, at->id, &entry);
    if (!(exists ? budget_.TakeEntry(*entry) : budget_.TakeMissing())) break;
    if (exists) delivered.push_back(at->id);
    given->old.push_back({at->id, 0, 0});
  }
  if (delivered.empty()) return false;
  context_.Apply(GroupRedeliver{source.key, source.group->name(), arguments_.consumer,
                                context_.now_ms(), delivered});
  return true;
}

// CLAIM: the entries that have been pending for long enough, the longest first. Those that the
// stream has lost are passed over and stay pending.
bool GroupRead::GiveClaimed(Given* given) {
  if (arguments_.min_idle < 0) return false;
  const Source& source = *given->source;
  IdList ids;
  for (auto at = source.group->pending().Oldest(); at.valid(); at.Next()) {
    EntryCursor entry;
    if (!HasEntry(*source.stream, at->id, &entry)) continue;
    if (!at->Claimable(context_.now_ms(), arguments_.min_idle)) {
      oldest_delivery_ = std::min(oldest_delivery_, at->delivery_time);
      break;
    }
    if (!budget_.TakeEntry(*entry, kClaimBytes)) break;
    ids.push_back(at->id);
    given->old.push_back({at->id, at->Idle(context_.now_ms()), at->deliveries});
  }
  if (ids.empty()) return false;
  context_.Apply(GroupClaim{source.key, source.group->name(), arguments_.consumer,
                            context_.now_ms(), context_.now_ms(), CountChange::kIncrement, 0, ids});
  return true;
}

bool GroupRead::GiveNew(Given* given) {
  const Source& source = *given->source;
  given->at = source.stream->SeekNew(*source.group);
  if (!given->at.valid()) return false;
  given->count = budget_.TakeEntries(given->at, arguments_.min_idle < 0 ? 0 : kClaimBytes);
  if (given->count == 0) return false;
  EntryCursor last = given->at;
  last.Skip(given->count - 1);
  // This changes the group, not the entries: the cursor stays good.
  context_.Apply(GroupDeliver{source.key, source.group->name(), arguments_.consumer, last->id(),
                              context_.now_ms(), arguments_.no_ack});
  return true;
}

void GroupRead::WriteReply() {
  ReplyWriter& reply = context_.reply();
  WriteStreamsHeader(reply, given_.size());
  for (Given& given : given_) {
    const Source& source = *given.source;
    WriteStreamHeader(reply, source.key.name);
    const bool claiming = !source.history && arguments_.min_idle >= 0;
    if (given.old.empty() && !claiming) {
      WriteEntries(reply, given.at, given.count);
      continue;
    }
    reply.Array(given.old.size() + given.count);
    for (const OldEntry& old : given.old) {
      EntryCursor entry;
      if (!HasEntry(*source.stream, old.id, &entry)) {
        WriteMissingEntry(reply, old.id);
      } else if (claiming) {
        WriteClaimedEntry(reply, *entry, old.idle, old.deliveries);
      } else {
        WriteEntry(reply, *entry);
      }
    }
    for (uint64_t i = 0; i < given.count; i++, given.at.Next()) {
      WriteClaimedEntry(reply, *given.at, 0, 0);
    }
  }
}

// REQUIRES: context.may_block().
void Block(Context& context, const ReadArguments& arguments, const Sources& sources,
           int64_t retry_at_ms) {
  Wait wait;
  wait.kind = WaitKind::kGroup;
  wait.group = arguments.group;
  wait.deadline_ms = arguments.deadline_ms;
  wait.retry_at_ms = retry_at_ms;
  for (const Source& source : sources) {
    wait.keys.push_back(context.arg(source.argument));
  }
  context.Block(std::move(wait));
}

}  // namespace

void XReadGroup(Context& context) {
  ReadArguments arguments;
  if (!ReadReadArguments(context, true, &arguments)) return;
  Sources sources(arguments.streams);
  for (size_t i = 0; i < sources.size(); i++) {
    if (!ReadSource(context, arguments, i, &sources[i])) return;
  }
  GroupRead read(context, arguments);
  for (const Source& source : sources) {
    read.Fetch(source);
  }
  for (const Source& source : sources) {
    read.Give(source);
  }
  if (!read.empty()) {
    read.WriteReply();
    // What is not to be acknowledged is so by being read.
    for (const Source& source : sources) {
      if (arguments.no_ack) DropAllAcknowledged(context, source.key, *source.stream);
    }
  } else if (arguments.block && context.may_block()) {
    Block(context, arguments, sources, read.retry_at_ms());
  } else {
    context.reply().NullArray();
  }
}

}  // namespace runnel::commands
