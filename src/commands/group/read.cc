#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "commands/group/commands.h"
#include "commands/group/consumers.h"
#include "commands/stream/arguments.h"
#include "commands/stream/reading.h"
#include "commands/stream/retention.h"
#include "commands/topic/partitions.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

// With CLAIM each entry has two numbers more; so many bytes of them are counted.
constexpr size_t kClaimBytes = 24;

// A waiting reader with a tiny min-idle-time shall not keep the server busy with asking.
constexpr int64_t kLeastRetryMs = 10;

// So many pending entries that the stream has lost are passed over by one CLAIM.
constexpr size_t kMostLost = 1000;

// One stream of an XREADGROUP.
struct GroupSource {
  size_t argument = 0;  // of the key
  KeyRef key;
  const Stream* stream = nullptr;
  const ConsumerGroup* group = nullptr;
  bool history = false;  // the consumer's own pending entries after `after`, instead of new ones
  StreamId after;
};
using GroupSources = absl::InlinedVector<GroupSource, 1>;

// An entry that was pending before it was given.
struct OldEntry {
  StreamId id;
  int64_t idle = 0;
  uint64_t deliveries = 0;
};

// What was given of one stream.
struct Given {
  const GroupSource* source = nullptr;
  std::vector<OldEntry> old;  // of the consumer's history, or claimed
  EntryCursor at;             // the new ones
  uint64_t count = 0;
  StreamId first_new;
  StreamId last_new;
};

void ReplyMeaninglessId(Context& context, std::string_view id) {
  context.reply().Error(fmt::format(
      "ERR The {0} ID is meaningless in the context of XREADGROUP: you want to read the "
      "history of this consumer by specifying a proper ID, or use the > ID to get new "
      "messages. The {0} ID would just return an empty result set.",
      id));
}

bool ReadGroupSource(Context& context, const ReadArguments& arguments, size_t i,
                     GroupSource* source) {
  source->argument = arguments.first_key + i;
  source->key = StreamKey(context, source->argument);
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
  // Seek() would look into the run behind an ID that lies before it.
  if (stream.has_cold() && !stream.Contains(id)) return false;
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
  void Give(const GroupSource& source);
  // Looks at what Give will look at: call it for all streams before the first is given.
  void Fetch(const GroupSource& source);
  // ON-ACK DELETE: removes what was given and need not be acknowledged. Call it after WriteReply().
  void DropUnacknowledged();
  bool empty() const { return given_.empty(); }
  void WriteReply();

  // When to look again, in Unix ms, though nothing was added: an entry may be claimed then.
  int64_t retry_at_ms() const {
    if (arguments_.min_idle < 0) return Wait::kForever;
    if (has_more_lost_) return context_.now_ms() + kLeastRetryMs;
    // An entry that becomes pending from now on can be claimed after the whole time.
    const int64_t oldest = std::min(oldest_delivery_, context_.now_ms());
    const bool far = arguments_.min_idle > Wait::kForever - oldest;
    return far ? Wait::kForever
               : std::max(oldest + arguments_.min_idle, context_.now_ms() + kLeastRetryMs);
  }

 private:
  // What Fetch has fetched of one group.
  struct Fetched {
    std::optional<PendingList::AgeCursor> claims;  // where to go on; unset: at the oldest
    bool all_claims = false;                       // no further entry can be claimed
    std::optional<StreamId> last_new;
  };

  void FetchHistory(const GroupSource& source, size_t most);
  void FetchClaimed(const GroupSource& source, size_t most, Fetched* fetched);
  void FetchNew(const GroupSource& source, Fetched* fetched);
  bool GiveHistory(const Speaker& speaker, Given* given);
  bool GiveClaimed(Given* given);
  bool GiveNew(Given* given);

  Context& context_;
  const ReadArguments& arguments_;
  ReadBudget budget_;
  ReadBudget fetch_budget_;
  absl::flat_hash_map<const ConsumerGroup*, Fetched> fetched_;
  int64_t oldest_delivery_ = Wait::kForever;  // of what could not be claimed
  bool has_more_lost_ = false;                // a CLAIM has not got past entries that are lost
  absl::InlinedVector<Given, 1> given_;
};

// Takes what Give will take, or more. A stream that is named several times gives the next entries
// each time.
void GroupRead::Fetch(const GroupSource& source) {
  if (!source.stream->has_cold() || fetch_budget_.spent()) return;
  fetch_budget_.NextStream(source.key.name);
  Fetched& fetched = fetched_[source.group];
  const uint64_t most = std::min(arguments_.count, arguments_.max_count);
  if (source.history) return FetchHistory(source, most);
  if (arguments_.min_idle >= 0) FetchClaimed(source, most, &fetched);
  FetchNew(source, &fetched);
}

void GroupRead::FetchHistory(const GroupSource& source, size_t most) {
  const Consumer* consumer = source.group->FindConsumer(arguments_.consumer);
  const std::optional<StreamId> from = source.after.Next();
  if (consumer == nullptr || !from) return;
  IdList ids;
  for (auto at = source.group->History(*consumer, *from); at.valid() && ids.size() < most;
       at.Next()) {
    ids.push_back(at->id);
  }
  source.stream->Require(ids);
}

// In windows that grow, because entries that are lost do not count. Each call goes on where the one
// before it ended, as each Give does.
void GroupRead::FetchClaimed(const GroupSource& source, size_t most, Fetched* fetched) {
  constexpr size_t kMostWindow = size_t{1} << 20;
  const Stream& stream = *source.stream;
  if (!fetched->claims) fetched->claims = source.group->pending().Oldest();
  PendingList::AgeCursor& at = *fetched->claims;
  size_t taken = 0;
  size_t lost = 0;
  size_t window = 256;
  while (at.valid() && !fetched->all_claims && taken < most && lost < kMostLost) {
    IdList ids;
    const size_t size = std::min(window, most - taken);
    bool claimable = true;
    for (; at.valid() && claimable && ids.size() < size; at.Next()) {
      claimable = at->Claimable(context_.now_ms(), arguments_.min_idle);
      ids.push_back(at->id);
    }
    stream.Require(ids);
    for (const StreamId id : ids) {
      stream.Contains(id) ? taken++ : lost++;
    }
    // One that is there and not claimable ends the walk.
    fetched->all_claims = !claimable && stream.Contains(ids.back());
    window = std::min(2 * window, kMostWindow);
  }
}

void GroupRead::FetchNew(const GroupSource& source, Fetched* fetched) {
  EntryCursor at = fetched->last_new ? source.stream->SeekAfter(*fetched->last_new)
                                     : source.stream->SeekNew(*source.group);
  if (!at.valid()) return;
  const uint64_t count = fetch_budget_.TakeEntries(at, arguments_.min_idle < 0 ? 0 : kClaimBytes);
  at.Require(count);
  if (count == 0) return;
  at.Skip(count - 1);
  fetched->last_new = at->id();
}

void GroupRead::Give(const GroupSource& source) {
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
  const GroupSource& source = *given->source;
  const std::optional<StreamId> from = source.after.Next();
  if (!from) return false;
  IdList delivered;
  for (auto at = source.group->History(*speaker.consumer, *from);
       at.valid() && !budget_.stream_spent(); at.Next()) {
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
// stream has lost stay pending, but are passed over here, at most so many at a time, and not looked
// at again.
bool GroupRead::GiveClaimed(Given* given) {
  if (arguments_.min_idle < 0) return false;
  const GroupSource& source = *given->source;
  const PendingList& pending = source.group->pending();
  IdList ids;
  IdList lost;
  for (auto at = pending.Oldest(); at.valid() && !budget_.stream_spent(); at.Next()) {
    if (lost.size() == kMostLost) {
      has_more_lost_ = true;
      break;
    }
    EntryCursor entry;
    if (!HasEntry(*source.stream, at->id, &entry)) {
      lost.push_back(at->id);
      continue;
    }
    if (!at->Claimable(context_.now_ms(), arguments_.min_idle)) {
      oldest_delivery_ = std::min(oldest_delivery_, at->delivery_time);
      break;
    }
    if (!budget_.TakeEntry(*entry, kClaimBytes)) break;
    ids.push_back(at->id);
    given->old.push_back({at->id, at->Idle(context_.now_ms()), at->deliveries});
  }
  if (!context_.only_looks()) pending.PassOver(lost);
  if (ids.empty()) return false;
  context_.Apply(GroupClaim{source.key, source.group->name(), arguments_.consumer,
                            context_.now_ms(), context_.now_ms(), CountChange::kIncrement, 0, ids});
  return true;
}

bool GroupRead::GiveNew(Given* given) {
  const GroupSource& source = *given->source;
  given->at = source.stream->SeekNew(*source.group);
  if (!given->at.valid()) return false;
  given->count = budget_.TakeEntries(given->at, arguments_.min_idle < 0 ? 0 : kClaimBytes);
  if (given->count == 0) return false;
  EntryCursor last = given->at;
  last.Skip(given->count - 1);
  given->first_new = given->at->id();
  given->last_new = last->id();
  // This changes the group, not the entries: the cursor stays good.
  context_.Apply(GroupDeliver{source.key, source.group->name(), arguments_.consumer, last->id(),
                              context_.now_ms(), arguments_.no_ack});
  return true;
}

void GroupRead::WriteReply() {
  ReplyWriter& reply = context_.reply();
  WriteStreamsHeader(reply, given_.size());
  for (Given& given : given_) {
    const GroupSource& source = *given.source;
    WriteStreamHeader(reply, source.key.name);
    const bool claiming = !source.history && arguments_.min_idle >= 0;
    const EntryForm form = FormOf(*source.stream);
    if (given.old.empty() && !claiming) {
      WriteEntries(reply, form, given.at, given.count);
      continue;
    }
    reply.Array(given.old.size() + given.count);
    for (const OldEntry& old : given.old) {
      EntryCursor entry;
      if (!HasEntry(*source.stream, old.id, &entry)) {
        WriteMissingEntry(reply, old.id);
      } else if (claiming) {
        WriteClaimedEntry(reply, form, *entry, old.idle, old.deliveries);
      } else {
        WriteEntry(reply, form, *entry);
      }
    }
    for (uint64_t left = given.count; left > 0; left--) {
      WriteClaimedEntry(reply, form, *given.at, 0, 0);
      // What lies behind the last one may not be in memory.
      if (left > 1) given.at.Next();
    }
  }
}

void GroupRead::DropUnacknowledged() {
  for (const Given& given : given_) {
    if (given.count == 0) continue;
    DropGiven(context_, given.source->key, *given.source->stream, given.first_new, given.last_new);
  }
}

// Whether the effects could become too large; then the error is written. A request names a group
// and a consumer once, but each of its streams has effects that name them, and effects name each
// entry that is given once more.
bool FailIfTooMuch(Context& context, const ReadArguments& arguments, const GroupSources& sources) {
  constexpr uint64_t kEffects = 3;  // at most, of one stream
  constexpr uint64_t kEffectBytes = 64;
  constexpr uint64_t kIdBytes = 20;
  const uint64_t names = arguments.group.size() + arguments.consumer.size() + kEffectBytes;
  uint64_t bytes = 0;
  for (const GroupSource& source : sources) {
    bytes += kEffects * names + 2 * source.key.name.size();
    if (!source.history && arguments.min_idle < 0) continue;
    bytes +=
        kIdBytes * std::min({source.group->pending().size(), arguments.count, arguments.max_count});
  }
  return context.FailIfTooManyChanges(bytes);
}

// REQUIRES: context.may_block().
void BlockOnGroups(Context& context, const ReadArguments& arguments, const GroupSources& sources,
                   int64_t retry_at_ms) {
  Wait wait;
  wait.kind = WaitKind::kGroup;
  wait.group = arguments.group;
  wait.deadline_ms = arguments.deadline_ms;
  wait.retry_at_ms = retry_at_ms;
  for (const GroupSource& source : sources) {
    wait.keys.push_back(source.key);
    // A key of the database hides the partition as soon as there is one.
    if (IsCompanion(source.key.db)) wait.keys.push_back(context.Key(source.argument));
  }
  context.Block(std::move(wait));
}

}  // namespace

void XReadGroup(Context& context) {
  ReadArguments arguments;
  if (!ReadReadArguments(context, true, &arguments)) return;
  GroupSources sources(arguments.streams);
  for (size_t i = 0; i < sources.size(); i++) {
    if (!ReadGroupSource(context, arguments, i, &sources[i])) return;
  }
  if (!CheckName(context, "consumer name", arguments.consumer)) return;
  if (FailIfTooMuch(context, arguments, sources)) return;
  GroupRead read(context, arguments);
  for (const GroupSource& source : sources) {
    read.Fetch(source);
  }
  for (const GroupSource& source : sources) {
    read.Give(source);
  }
  if (!read.empty()) {
    read.WriteReply();
    if (arguments.no_ack) read.DropUnacknowledged();
  } else if (arguments.block && context.may_block()) {
    BlockOnGroups(context, arguments, sources, read.retry_at_ms());
  } else {
    context.reply().NullArray();
  }
}

}  // namespace runnel::commands
