#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/container/inlined_vector.h>

#include "base/log.h"
#include "base/numbers.h"
#include "commands/topic/fetch.h"
#include "commands/topic/partitions.h"
#include "commands/topic_group/arguments.h"
#include "commands/topic_group/commands.h"
#include "commands/topic_group/engine.h"
#include "commands/topic_group/open_records.h"
#include "effects/topic_group_effects.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

struct GroupReadArguments {
  std::string_view member;
  std::optional<uint64_t> records;
  std::optional<uint64_t> bytes;
  bool block = false;
  int64_t deadline_ms = Wait::kForever;
  bool no_ack = false;
  bool auto_commit = false;
  EntryForm form = EntryForm::kRecord;
  std::optional<TopicGroupOptions> made;  // FROM: how the group is made if it is missing
  std::optional<uint64_t> version;        // ASSIGNMENT
  size_t first_topic = 0;

  FetchLimits limits() const {
    const FetchLimits defaults;
    return {records.value_or(defaults.records), bytes.value_or(defaults.bytes)};
  }
};

bool FailTwice(Context& context, std::string_view option) {
  return Fail(context, fmt::format("ERR {} is given twice", option));
}

bool SetWord(Context& context, std::string_view option, bool* word) {
  return std::exchange(*word, true) ? FailTwice(context, option) : true;
}

bool ReadCount(Context& context, std::string_view option, std::string_view text,
               std::optional<uint64_t>* count, int64_t least) {
  if (*count) return FailTwice(context, option);
  return ReadNumberOption(context, option, text, least, &count->emplace());
}

// Reads the option that argument *i names, and moves *i to its last argument.
bool ReadGroupReadOption(Context& context, size_t* i, GroupReadArguments* arguments) {
  const std::string_view option = context.arg(*i);
  if (Is(option, "NOACK")) return SetWord(context, option, &arguments->no_ack);
  if (Is(option, "AUTOCOMMIT")) return SetWord(context, option, &arguments->auto_commit);
  if (Is(option, "WITHKEY")) {
    if (arguments->form == EntryForm::kKeyed) return FailTwice(context, option);
    arguments->form = EntryForm::kKeyed;
    return true;
  }
  constexpr std::string_view kWithValue[] = {"COUNT", "MAXSIZE", "BLOCK", "FROM", "ASSIGNMENT"};
  const auto is_option = [option](std::string_view word) { return Is(option, word); };
  if (std::none_of(std::begin(kWithValue), std::end(kWithValue), is_option)) {
    return Fail(context, fmt::format("ERR unknown option '{}'", option));
  }
  if (*i + 1 == context.argc()) return Fail(context, fmt::format("ERR {} needs a value", option));
  const std::string_view value = context.arg(++*i);
  if (Is(option, "COUNT")) return ReadCount(context, option, value, &arguments->records, 1);
  if (Is(option, "MAXSIZE")) return ReadCount(context, option, value, &arguments->bytes, 1);
  if (Is(option, "ASSIGNMENT")) return ReadCount(context, option, value, &arguments->version, 0);
  if (Is(option, "FROM")) {
    if (arguments->made) return FailTwice(context, option);
    return ReadStart(context, value, &arguments->made.emplace());
  }
  if (!SetWord(context, option, &arguments->block)) return false;
  return ReadTimeoutMs(context, value, &arguments->deadline_ms);
}

bool ReadGroupReadArguments(Context& context, GroupReadArguments* arguments) {
  arguments->member = context.arg(2);
  if (!CheckShortName(context, "member name", arguments->member)) return false;
  for (size_t i = 3; i < context.argc(); i++) {
    if (Is(context.arg(i), "TOPICS")) {
      arguments->first_topic = i + 1;
      break;
    }
    if (!ReadGroupReadOption(context, &i, arguments)) return false;
  }
  if (arguments->first_topic == 0) return Fail(context, "ERR TOPICS is missing");
  if (arguments->first_topic == context.argc()) return Fail(context, "ERR TOPICS needs a topic");
  if (arguments->no_ack && arguments->auto_commit) {
    return Fail(context, "ERR NOACK and AUTOCOMMIT exclude each other");
  }
  return true;
}

bool IsPattern(std::string_view text) {
  return text.size() <= kMostTopicName && text.find('/') == std::string_view::npos &&
         text.find_first_of("*?[\\") != std::string_view::npos;
}

// Each pattern is compared with the names of all topics.
constexpr size_t kMostGroupPatterns = 100;

// The topics and patterns that the call names, sorted, each once. The topics exist.
bool ReadSubscription(Context& context, const GroupReadArguments& arguments,
                      std::vector<std::string_view>* wanted) {
  size_t patterns = 0;
  for (size_t i = arguments.first_topic; i < context.argc(); i++) {
    const std::string_view text = context.arg(i);
    wanted->push_back(text);
    if (IsTopicName(text)) {
      const Topic* topic;
      if (!FindTopic(context, context.Key(i), &topic)) return false;
    } else if (!IsPattern(text)) {
      return Fail(context, fmt::format("ERR '{}' is no name of a topic and no pattern", text));
    } else {
      patterns++;
    }
  }
  if (patterns > kMostGroupPatterns) {
    return Fail(context, fmt::format("ERR a member subscribes to at most {} patterns, not {}",
                                     kMostGroupPatterns, patterns));
  }
  std::sort(wanted->begin(), wanted->end());
  wanted->erase(std::unique(wanted->begin(), wanted->end()), wanted->end());
  return true;
}

// One partition that may give records in this call.
struct GroupSourcePart {
  GroupSourcePart(const GroupPlace& place, const GroupTopic* topic)
      : place(place), topic(topic), name(topic->name, place.number) {}

  const GroupPartition& partition() const { return topic->partitions[place.number]; }

  GroupPlace place;
  const GroupTopic* topic;
  PartitionName name;
  const Stream* stream = nullptr;
  uint64_t end = 0;    // of the partition: its next offset
  uint64_t lost = 0;   // records that retention has removed before they were given
  uint64_t first = 0;  // the first offset that retention has left; if some are lost
};

// Runs one TREADGROUP whose arguments are read.
class GroupCall {
 public:
  GroupCall(Context& context, const GroupReadArguments& arguments)
      : context_(context),
        arguments_(arguments),
        groups_(context.topic_groups()),
        changes_(context) {}

  void Run();

 private:
  const GroupMember::Live& live() const { return member_->live; }
  GroupMember::Live& mutable_live() const { return member_->live; }

  bool Enter();
  bool Subscribe();
  void CommitGiven();
  void Scan();
  void CommitHoles(const GroupPlace& place, const GroupTopic& topic, const Stream& stream);
  bool ScanOne(const GroupPlace& place, const GroupTopic* topic, uint64_t* available);
  void TellLost();
  void Take();
  void ExpectNext();
  void WriteRecords();
  void WriteReply();
  void Block(bool at_once);

  Context& context_;
  const GroupReadArguments& arguments_;
  TopicGroups& groups_;
  CommandGroupChanges changes_;
  NamedGroup named_;
  const GroupMember* member_ = nullptr;
  size_t scanned_ = 0;  // places of `ready`
  absl::InlinedVector<GroupSourcePart, 2> parts_;
  absl::InlinedVector<FetchSource, 2> sources_;  // of the same
  size_t given_ = 0;                             // sources that give records
  bool runs_again_ = false;                      // it must not look at the disk in this run
};

// The group and the member exist, and this connection speaks for it.
bool GroupCall::Enter() {
  if (!ReadGroupName(context_, 1, &named_)) return false;
  if (named_.group == nullptr && (context_.resumed() || !arguments_.made)) {
    return FailNoGroup(context_, named_.name);
  }
  member_ = named_.group == nullptr ? nullptr : named_.group->FindMember(arguments_.member);
  if (context_.resumed() && (member_ == nullptr || live().client != context_.client_id())) {
    return Fail(context_,
                member_ == nullptr
                    ? fmt::format("FENCED Member '{}' was removed from group '{}'",
                                  arguments_.member, named_.name)
                    : fmt::format("FENCED Member '{}' of group '{}' calls over another connection",
                                  arguments_.member, named_.name));
  }
  const auto asked = context_.args().subspan(arguments_.first_topic);
  const bool as_before =
      member_ != nullptr && live().topics_checked == groups_.topics_version() &&
      std::equal(asked.begin(), asked.end(), live().asked.begin(), live().asked.end());
  if (!as_before && !Subscribe()) return false;
  if (context_.only_looks()) return true;
  if (!as_before) {
    mutable_live().asked.assign(asked.begin(), asked.end());
    mutable_live().topics_checked = groups_.topics_version();
  }
  if (live().client != context_.client_id()) {
    const GroupClient client{context_.client_id(), std::string(context_.client_address()),
                             std::string(context_.client_name())};
    context_.WatchClient();
    groups_.TakeOver(named_.key, *named_.group, *member_, client, changes_);
  }
  groups_.SeeAlive(named_.key, *named_.group, *member_, context_.steady_ms(), context_.now_ms());
  return true;
}

// The member joins, or subscribes to other topics than before.
bool GroupCall::Subscribe() {
  std::vector<std::string_view> wanted;
  if (!ReadSubscription(context_, arguments_, &wanted)) return false;
  const bool joins = member_ == nullptr;
  if (!joins &&
      std::equal(wanted.begin(), wanted.end(), member_->topics.begin(), member_->topics.end())) {
    return true;
  }
  if (joins && context_.FailIfMemoryIsFull()) return false;
  const TopicGroup* group = named_.group;
  const TopicGroupOptions& options = group == nullptr ? *arguments_.made : group->options();
  // What the group sees for the first time begins where the group says.
  const std::vector<std::string> subscription(wanted.begin(), wanted.end());
  std::vector<TopicToSee> to_see;
  for (const std::string_view topic :
       groups_.TopicsOf(named_.key.db, subscription, context_.now_ms())) {
    const auto* value = context_.keyspace().Find(KeyRef(context_.db(), topic))->As<Topic>();
    to_see.push_back(PlanToSee(context_, group, options, topic, value->partitions()));
  }
  if (group == nullptr) {
    context_.Apply(TopicGroupCreate{named_.key, options});
    named_.group = group = context_.keyspace().Find(named_.key)->As<TopicGroup>();
  }
  // Topics that members were waiting for begin at 0 for them.
  groups_.SeeNew(named_.key, *group, changes_);
  for (const TopicToSee& plan : to_see) {
    const GroupTopic* known = group->FindTopic(plan.topic);
    const size_t partitions = known == nullptr ? 0 : known->partitions.size();
    const auto* topic = context_.keyspace().Find(KeyRef(context_.db(), plan.topic))->As<Topic>();
    if (partitions + plan.starts.size() != topic->partitions() || plan.starts.empty()) continue;
    context_.Apply(TopicGroupSee{named_.key, plan.topic, plan.starts}, 0);
  }
  context_.Apply(TopicGroupSubscribe{named_.key, arguments_.member, context_.now_ms(), wanted});
  member_ = group->FindMember(arguments_.member);
  // Before its end can be looked at. The blocked call of a member that was there is still noted.
  if (joins) {
    groups_.SeeAlive(named_.key, *group, *member_, context_.steady_ms(), context_.now_ms());
  }
  if (group->members().size() == 1) {
    groups_.Rebalance(named_.key, *group, changes_);
  } else {
    groups_.RebalanceSoon(named_.key, *group, context_.steady_ms());
  }
  return true;
}

// AUTOCOMMIT: all that this connection was given is done.
void GroupCall::CommitGiven() {
  const std::vector<GroupPlace> given = std::exchange(mutable_live().given, {});
  mutable_live().settled = 0;
  for (const GroupPlace& place : given) {
    const GroupTopic* topic = named_.group->FindTopic(place);
    if (topic == nullptr) continue;
    const GroupPartition& partition = topic->partitions[place.number];
    if (partition.owner != member_->id || !partition.live.given) continue;
    partition.live.given = false;
    if (!partition.in_flight()) continue;
    const uint64_t offsets[] = {place.number, partition.live.position};
    context_.Apply(TopicGroupCommit{named_.key, topic->name, offsets});
    groups_.Refresh(named_.key, *named_.group, *topic, place.number, changes_);
  }
}

// Looks at the places that are ready, until there is enough for this call.
void GroupCall::Scan() {
  uint64_t available = 0;
  const uint64_t wanted = arguments_.limits().records;
  const auto& ready = live().ready;
  const absl::Cleanup forget = [&] {
    for (size_t i = 0; i < std::min(scanned_ + 1, ready.size()); i++) {
      const GroupTopic* topic = named_.group->FindTopic(ready[i]);
      if (topic != nullptr) topic->partitions[ready[i].number].live.seen = false;
    }
  };
  for (scanned_ = 0; scanned_ < ready.size() && available < wanted && !runs_again_; scanned_++) {
    const GroupPlace place = ready[scanned_];
    const GroupTopic* topic = named_.group->FindTopic(place);
    if (topic == nullptr) continue;
    const GroupPartition& partition = topic->partitions[place.number];
    if (partition.owner != member_->id || !partition.live.queued) continue;
    // A place may stand there twice, after the partition has gone and come back.
    if (partition.live.seen) continue;
    partition.live.seen = true;
    if (!ScanOne(place, topic, &available)) partition.live.queued = false;
  }
}

// Where records are gone, nobody acknowledges them: if only such are open below, they are done.
void GroupCall::CommitHoles(const GroupPlace& place, const GroupTopic& topic,
                            const Stream& stream) {
  const GroupPartition& partition = topic.partitions[place.number];
  const uint64_t open = FirstOpen(stream, partition.committed, partition.acknowledged.get(), {});
  if (open == partition.committed || context_.only_looks()) return;
  const uint64_t offsets[] = {place.number, open};
  context_.Apply(TopicGroupCommit{named_.key, topic.name, offsets});
}

// Returns false if the partition has nothing now.
bool GroupCall::ScanOne(const GroupPlace& place, const GroupTopic* topic, uint64_t* available) {
  GroupSourcePart part(place, topic);
  const GroupPartition& partition = part.partition();
  const Stream& stream = PartitionAt(context_, PartitionKey(context_, part.name));
  part.stream = &stream;
  part.end = stream.next_offset();
  // What this call has changed cannot be taken back, so it must not wait for the disk. It runs
  // again, and has nothing to change then.
  const auto must_run_again = [&] {
    runs_again_ = stream.has_cold() && context_.changes() > 0 && context_.may_block();
    return runs_again_;
  };
  if (TopicGroups::HasManyRanges(partition) && stream.is_compacted()) {
    if (must_run_again()) return true;
    CommitHoles(place, *topic, stream);
  }
  const OffsetRanges* done = partition.acknowledged.get();
  uint64_t next = partition.position();
  if (next < stream.first_offset()) {
    part.first = stream.first_offset();
    part.lost = partition.CountOpen(next, part.first);
    next = part.first;
  }
  if (done != nullptr) next = done->NextMissing(next);
  FetchSource source;
  if (next < stream.next_offset()) {
    if (must_run_again()) return true;
    const uint64_t wanted = arguments_.limits().records - *available;
    if (stream.has_cold()) stream.ExpectOffset(next, wanted);
    next = FindNext(stream, done, next, &source);
    // It is served again only for the rest of the run, if others wait for their turn.
    if (partition.live.turns > 0 && live().ready.size() > 1) {
      const uint64_t left = stream.LeftOfRun(next);
      if (left > 0) source.most = std::min(source.most, left);
    }
    if (TopicGroups::IsWithheld(partition, next)) {
      partition.live.withheld = true;
      return false;
    }
    *available += source.most;
  }
  const bool has = next < stream.next_offset();
  if (!has) groups_.NoteDry(named_.key, part.topic->name, place.number);
  if (has || part.lost > 0) {
    parts_.push_back(part);
    sources_.push_back(std::move(source));
  }
  return has;
}

// Records that retention has removed before the group was given them are counted.
void GroupCall::TellLost() {
  for (const GroupSourcePart& part : parts_) {
    if (part.lost == 0) continue;
    context_.Apply(
        TopicGroupSkip{named_.key, part.topic->name, part.place.number, part.first, part.lost});
    groups_.stats().skipped += part.lost;
    if (!groups_.ShallTellLoss(named_.key, part.name, context_.steady_ms())) continue;
    LogWarning("Group '{}' has lost {} records of '{}' to retention: it goes on at offset {}",
               named_.name, part.lost, part.name.text(), part.first);
  }
}

// Whether a partition whose position this is shall be served by the next call, too, before others
// are. What was read from the disk is used up first, as it may not be in memory any more when all
// the others had their turn; but they do not wait for long.
bool KeepsTurn(const GroupSourcePart& part, uint64_t position) {
  constexpr uint8_t kMostTurns = 16;
  return part.stream->has_cold() && !part.stream->is_compacted() &&
         part.partition().live.turns < kMostTurns && part.stream->LeftOfRun(position) > 0;
}

// The positions move. Partitions that have more stand behind the others.
void GroupCall::Take() {
  auto& ready = mutable_live().ready;
  for (size_t i = 0; i < scanned_; i++) {
    ready.PopFront();
  }
  for (size_t i = parts_.size(); i > 0; i--) {
    // What this call had no room for stays in front.
    if (sources_[i - 1].count == 0 && parts_[i - 1].partition().live.queued) {
      ready.PushFront(parts_[i - 1].place);
    }
  }
  for (size_t i = 0; i < parts_.size(); i++) {
    const FetchSource& source = sources_[i];
    if (source.count == 0) continue;
    given_++;
    // A second run would give what follows.
    context_.NoteActed();
    const GroupSourcePart& part = parts_[i];
    EntryCursor last = source.at;
    last.Skip(source.count - 1);
    const uint64_t position = last->id().seq + 1;
    const GroupPartition& partition = part.partition();
    groups_.stats().given += source.count;
    if (arguments_.no_ack) {
      const uint64_t offsets[] = {part.place.number, position};
      context_.Apply(TopicGroupCommit{named_.key, part.topic->name, offsets});
    } else if (!partition.live.given) {
      partition.live.given = true;
      mutable_live().given.push_back(part.place);
    }
    partition.live.position = position;
    partition.live.queued = partition.next() < part.end;
    if (partition.live.queued && !ready.empty() && KeepsTurn(part, position)) {
      partition.live.turns++;
      ready.PushFront(part.place);
      continue;
    }
    partition.live.turns = 0;
    if (partition.live.queued) {
      ready.PushBack(part.place);
    } else {
      groups_.NoteDry(named_.key, part.topic->name, part.place.number);
    }
  }
}

// A group that works off what is on the disk will need the runs of the partitions whose turn is
// next.
void GroupCall::ExpectNext() {
  constexpr size_t kMostPlaces = 4;
  if (std::none_of(parts_.begin(), parts_.end(),
                   [](const GroupSourcePart& part) { return part.stream->has_cold(); })) {
    return;
  }
  const auto& ready = live().ready;
  uint64_t wanted = arguments_.limits().records;
  for (size_t i = 0; i < std::min(ready.size(), kMostPlaces) && wanted > 0; i++) {
    const GroupTopic* topic = named_.group->FindTopic(ready[i]);
    if (topic == nullptr) continue;
    const GroupSourcePart next(ready[i], topic);
    if (next.partition().owner != member_->id) continue;
    const Stream& stream = PartitionAt(context_, PartitionKey(context_, next.name));
    const uint64_t offset = next.partition().next();
    uint64_t most = wanted;
    if (next.partition().live.turns > 0) most = std::min(most, stream.LeftOfRun(offset));
    wanted -= std::min(most, stream.ExpectOffset(offset, most));
  }
}

void GroupCall::WriteRecords() {
  ReplyWriter& reply = context_.reply();
  if (given_ == 0) return reply.NullArray();
  reply.Array(given_);
  for (size_t i = 0; i < parts_.size(); i++) {
    if (sources_[i].count == 0) continue;
    reply.Array(3);
    reply.Bulk(parts_[i].name);
    reply.Integer(static_cast<int64_t>(parts_[i].partition().epoch));
    WriteFetched(reply, arguments_.form, sources_[i]);
  }
}

void GroupCall::WriteReply() {
  if (!arguments_.version) return WriteRecords();
  ReplyWriter& reply = context_.reply();
  reply.Array(3);
  reply.Integer(static_cast<int64_t>(live().version));
  if (*arguments_.version == live().version) {
    reply.NullArray();
  } else {
    reply.Array(member_->partitions);
    for (const auto& [name, topic] : named_.group->topics()) {
      for (uint32_t number = 0; number < topic->partitions.size(); number++) {
        const GroupPartition& partition = topic->partitions[number];
        if (partition.owner != member_->id) continue;
        reply.Array(3);
        reply.Bulk(PartitionName(name, number));
        reply.Integer(static_cast<int64_t>(partition.epoch));
        reply.Bulk(partition.live.leaving ? "leaving" : "owned");
      }
    }
  }
  WriteRecords();
}

// The call waits until there is something for the member; `at_once`: it runs again in this turn.
// REQUIRES: context.may_block().
void GroupCall::Block(bool at_once) {
  Wait wait;
  wait.kind = WaitKind::kMember;
  wait.group = arguments_.member;
  wait.AddKept(named_.key.db, named_.key.name);
  wait.deadline_ms = arguments_.deadline_ms;
  mutable_live().blocked = true;
  mutable_live().woken = false;
  if (at_once) groups_.WakeMember(named_.key, *member_);
  context_.Block(std::move(wait));
}

void GroupCall::Run() {
  if (!Enter()) return;
  if (member_ == nullptr) return;
  if (arguments_.auto_commit && !context_.only_looks()) CommitGiven();
  const bool gives = context_.reply_is_sent();
  if (gives) Scan();
  if (runs_again_) return Block(true);
  FetchInTurn(sources_, arguments_.limits(), arguments_.form, context_.reply().protocol());
  if (context_.only_looks()) return context_.reply().NullArray();
  TellLost();
  Take();
  ExpectNext();
  const bool tells = arguments_.version && *arguments_.version != live().version;
  if (given_ > 0 || tells) {
    WriteReply();
  } else if (arguments_.block && context_.may_block() && gives) {
    Block(false);
  } else {
    context_.reply().NullArray();
  }
}

}  // namespace

void TReadGroup(Context& context) {
  GroupReadArguments arguments;
  if (!ReadGroupReadArguments(context, &arguments)) return;
  GroupCall(context, arguments).Run();
}

}  // namespace runnel::commands
