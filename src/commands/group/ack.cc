#include <algorithm>

#include "commands/group/commands.h"
#include "commands/stream/arguments.h"
#include "commands/stream/retention.h"
#include "commands/topic/partitions.h"
#include "effects/group_effects.h"
#include "effects/stream_effects.h"

namespace runnel::commands {
namespace {

// Takes the IDs out that are not pending in the group.
void KeepPending(const ConsumerGroup& group, IdList* ids) {
  ids->erase(std::remove_if(ids->begin(), ids->end(),
                            [&](StreamId id) { return !group.pending().Contains(id); }),
             ids->end());
}

}  // namespace

void XAck(Context& context) {
  const KeyRef key = StreamKey(context, 1);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, key, context.arg(2), &stream, &group)) return;
  if (group == nullptr) return context.reply().Integer(0);
  IdList ids;
  if (!ReadIds(context, context.args().subspan(3), &ids)) return;
  KeepPending(*group, &ids);
  if (ids.empty()) return context.reply().Integer(0);
  const IdList dropped = PlanDropAcknowledged(*stream, *group, ids);
  // The difference, because an ID may be named twice.
  const uint64_t pending = group->pending().size();
  context.Apply(GroupAck{key, context.arg(2), ids}, ids.size());
  context.reply().Integer(static_cast<int64_t>(pending - group->pending().size()));
  DropAcknowledged(context, key, dropped);
}

namespace {

// Answers of XACKDEL for one ID.
constexpr int64_t kNotPending = -1;
constexpr int64_t kAckedAndDeleted = 1;
constexpr int64_t kAckedOnly = 2;

// Acknowledges what is pending of the IDs, and deletes of that what may be deleted. Returns the
// answers in the order of the IDs.
absl::InlinedVector<int64_t, 16> AckAndDelete(Context& context, const KeyRef& key,
                                              const Stream& stream, const ConsumerGroup& group,
                                              const IdList& ids, References references) {
  absl::InlinedVector<int64_t, 16> answers;
  stream.Require(ids);
  IdList acked;
  RepeatFinder repeats(ids);
  for (const StreamId id : ids) {
    const bool pending = !repeats.IsRepeat(id) && group.pending().Contains(id);
    answers.push_back(pending ? kAckedAndDeleted : kNotPending);
    if (pending) acked.push_back(id);
  }
  if (acked.empty()) return answers;
  context.Apply(GroupAck{key, group.name(), acked}, acked.size());

  // Whether an entry is still needed shows now that this group does not need it any more.
  IdList deleted;
  bool entries = false;
  for (size_t i = 0; i < ids.size(); i++) {
    if (answers[i] == kNotPending) continue;
    if (references == References::kAcked && stream.IsReferenced(ids[i])) {
      answers[i] = kAckedOnly;
      continue;
    }
    const bool exists = stream.Contains(ids[i]);
    entries |= exists;
    // DELREF also clears what other groups remember of an entry that is gone already.
    if (exists || references == References::kDelete) deleted.push_back(ids[i]);
  }
  if (!deleted.empty()) {
    const bool with_references = references == References::kDelete;
    context.Apply(StreamRemove{
        key, with_references ? Removal::kDeletedWithReferences : Removal::kDeleted, deleted});
  }
  if (entries) context.Notify(kNotifyStream, "xdel", key);
  return answers;
}

}  // namespace

void XAckDel(Context& context) {
  if (FailIfPartition(context, 1)) return;
  const KeyRef key = context.Key(1);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, key, context.arg(2), &stream, &group)) return;
  References references = References::kKeep;
  std::span<const std::string_view> texts;
  if (!ReadIdsBlock(context, 3, &references, &texts)) return;
  absl::InlinedVector<int64_t, 16> answers;
  if (group == nullptr) {
    answers.resize(texts.size(), kNotPending);
  } else {
    IdList ids;
    if (!ReadIds(context, texts, &ids)) return;
    answers = AckAndDelete(context, key, *stream, *group, ids, references);
  }
  context.reply().Array(answers.size());
  for (const int64_t answer : answers) {
    context.reply().Integer(answer);
  }
}

namespace {

struct NackArguments {
  CountChange change = CountChange::kKeep;
  uint64_t count = 0;
  bool force = false;
  std::span<const std::string_view> ids;
};

bool ReadNackMode(Context& context, std::string_view mode, NackArguments* arguments) {
  if (Is(mode, "SILENT")) {
    arguments->change = CountChange::kDecrement;
  } else if (Is(mode, "FAIL")) {
    arguments->change = CountChange::kKeep;
  } else if (Is(mode, "FATAL")) {
    arguments->change = CountChange::kSet;
    arguments->count = kMaxDeliveries;
  } else {
    context.reply().Error("ERR mode must be SILENT, FAIL, or FATAL");
    return false;
  }
  return true;
}

// From argument 3 on: the mode, the IDs, and options after them.
bool ReadNackArguments(Context& context, NackArguments* arguments) {
  if (!ReadNackMode(context, context.arg(3), arguments)) return false;
  if (!Is(context.arg(4), "IDS")) {
    context.reply().Error("ERR syntax error, expected IDS keyword");
    return false;
  }
  int64_t count;
  if (!ReadInteger(context, context.arg(5), &count, "ERR numids must be a positive integer", 1)) {
    return false;
  }
  const auto rest = context.args().subspan(6);
  if (static_cast<uint64_t>(count) > rest.size()) {
    context.reply().Error("ERR number of IDs doesn't match numids");
    return false;
  }
  arguments->ids = rest.first(static_cast<size_t>(count));
  for (size_t i = arguments->ids.size(); i < rest.size(); i++) {
    if (Is(rest[i], "FORCE")) {
      arguments->force = true;
    } else if (Is(rest[i], "RETRYCOUNT") && i + 1 < rest.size()) {
      int64_t retry_count;
      if (!ReadInteger(context, rest[++i], &retry_count)) return false;
      if (retry_count < 0) {
        context.reply().Error("ERR Invalid RETRYCOUNT value, must be >= 0");
        return false;
      }
      arguments->change = CountChange::kSet;
      arguments->count = static_cast<uint64_t>(retry_count);
    } else {
      context.reply().Error("ERR Unrecognized XNACK option '" + std::string(rest[i]) + "'");
      return false;
    }
  }
  return true;
}

}  // namespace

void XNack(Context& context) {
  const KeyRef key = StreamKey(context, 1);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, key, context.arg(2), &stream, &group)) return;
  if (group == nullptr) return ReplyNoKeyOrGroup(context, key.name, context.arg(2));
  NackArguments arguments;
  if (!ReadNackArguments(context, &arguments)) return;
  IdList ids;
  if (!ReadIds(context, arguments.ids, &ids)) return;
  if (arguments.force) stream->Require(ids);
  ids.erase(std::remove_if(ids.begin(), ids.end(),
                           [&](StreamId id) {
                             return !group->pending().Contains(id) &&
                                    !(arguments.force && stream->Contains(id));
                           }),
            ids.end());
  if (!ids.empty()) {
    context.Apply(GroupRelease{key, context.arg(2), arguments.change, arguments.count, ids});
  }
  context.reply().Integer(static_cast<int64_t>(ids.size()));
}

}  // namespace runnel::commands
