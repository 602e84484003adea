#include <algorithm>

#include "commands/group/commands.h"
#include "commands/group/consumers.h"
#include "commands/repeats.h"
#include "commands/stream/arguments.h"
#include "commands/stream/replies.h"
#include "commands/topic/partitions.h"

namespace runnel::commands {
namespace {

// What a claim found.
struct ClaimPlan {
  IdList claimed;
  IdList missing;               // pending, but gone from the stream: they leave the pending list
  uint64_t repeated_bytes = 0;  // of the reply, by IDs that are named again
};

// XCLAIM's arguments after the IDs.
struct ClaimArguments {
  int64_t min_idle = 0;
  IdList ids;
  int64_t delivery_time = 0;
  CountChange change = CountChange::kIncrement;
  uint64_t count = 0;
  bool force = false;
  bool just_ids = false;
  StreamId last_id;
};

bool ReadMinIdle(Context& context, std::string_view text, std::string_view error,
                 int64_t* min_idle) {
  if (!ReadInteger(context, text, min_idle, error)) return false;
  *min_idle = std::max<int64_t>(*min_idle, 0);
  return true;
}

// Reads the IDs, which end where something else begins; returns the position of that.
size_t ReadClaimIds(const Context& context, IdList* ids) {
  size_t i = 5;
  for (; i < context.argc(); i++) {
    const std::optional<StreamId> id = ParseStreamId(context.arg(i), 0);
    if (!id) break;
    ids->push_back(*id);
  }
  return i;
}

// The time of delivery that IDLE or TIME sets. One that makes no sense counts as now.
int64_t SaneTime(Context& context, int64_t time) {
  return time < 0 || time > context.now_ms() ? context.now_ms() : time;
}

bool ReadClaimValue(Context& context, std::string_view option, std::string_view text,
                    ClaimArguments* arguments) {
  int64_t number;
  if (Is(option, "IDLE")) {
    if (!ReadInteger(context, text, &number, "ERR Invalid IDLE option argument for XCLAIM")) {
      return false;
    }
    arguments->delivery_time =
        number < 0 ? context.now_ms() : SaneTime(context, context.now_ms() - number);
    return true;
  }
  if (Is(option, "TIME")) {
    if (!ReadInteger(context, text, &number, "ERR Invalid TIME option argument for XCLAIM")) {
      return false;
    }
    arguments->delivery_time = SaneTime(context, number);
    return true;
  }
  if (Is(option, "RETRYCOUNT")) {
    if (!ReadInteger(context, text, &number, "ERR Invalid RETRYCOUNT option argument for XCLAIM")) {
      return false;
    }
    // A negative one is as none.
    arguments->change = number < 0 ? CountChange::kIncrement : CountChange::kSet;
    arguments->count = static_cast<uint64_t>(std::max<int64_t>(number, 0));
    return true;
  }
  return ReadId(context, text, &arguments->last_id);  // LASTID
}

bool ReadClaimArguments(Context& context, ClaimArguments* arguments) {
  if (!ReadMinIdle(context, context.arg(4), "ERR Invalid min-idle-time argument for XCLAIM",
                   &arguments->min_idle)) {
    return false;
  }
  arguments->delivery_time = context.now_ms();
  for (size_t i = ReadClaimIds(context, &arguments->ids); i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (Is(option, "FORCE")) {
      arguments->force = true;
    } else if (Is(option, "JUSTID")) {
      arguments->just_ids = true;
    } else if (i + 1 < context.argc() && (Is(option, "IDLE") || Is(option, "TIME") ||
                                          Is(option, "RETRYCOUNT") || Is(option, "LASTID"))) {
      if (!ReadClaimValue(context, option, context.arg(++i), arguments)) return false;
    } else {
      context.reply().Error("ERR Unrecognized XCLAIM option '" + std::string(option) + "'");
      return false;
    }
  }
  if (arguments->just_ids && arguments->change == CountChange::kIncrement) {
    arguments->change = CountChange::kKeep;
  }
  return true;
}

ClaimPlan PlanClaim(const Stream& stream, const ConsumerGroup& group,
                    const ClaimArguments& arguments, int64_t now_ms) {
  ClaimPlan plan;
  stream.Require(arguments.ids);
  RepeatFinder repeats(arguments.ids);
  for (const StreamId id : arguments.ids) {
    const std::optional<PendingEntry> entry = group.pending().Find(id);
    if (!stream.Contains(id)) {
      if (entry) plan.missing.push_back(id);
      continue;
    }
    bool claimable = entry ? entry->Claimable(now_ms, arguments.min_idle) : arguments.force;
    if (claimable && repeats.IsRepeat(id)) {
      // It is as the first claim left it.
      const int64_t idle = now_ms - arguments.delivery_time;
      claimable = idle >= arguments.min_idle;
      if (claimable && !arguments.just_ids) {
        plan.repeated_bytes += EntryReplyBytes(*stream.Seek(id));
      }
    }
    if (claimable) plan.claimed.push_back(id);
  }
  return plan;
}

void WriteClaimed(Context& context, const Stream& stream, const IdList& ids, bool just_ids) {
  context.reply().Array(ids.size());
  for (const StreamId id : ids) {
    if (just_ids) {
      context.reply().BulkId(id);
    } else {
      WriteEntry(context.reply(), FormOf(stream), *stream.Seek(id));
    }
  }
}

// Applies what a claim found. `arguments` says how the claimed entries are then.
void ApplyClaim(Context& context, const KeyRef& key, const ConsumerGroup& group,
                const Speaker& speaker, const ClaimPlan& plan, const ClaimArguments& arguments) {
  if (!plan.missing.empty())
    context.Apply(GroupAck{key, group.name(), plan.missing}, plan.missing.size());
  if (plan.claimed.empty()) return NoteSeen(context, key, group, speaker);
  context.Apply(
      GroupClaim{key, group.name(), speaker.consumer->name, context.now_ms(),
                 arguments.delivery_time, arguments.change, arguments.count, plan.claimed},
      plan.claimed.size());
}

}  // namespace

void XClaim(Context& context) {
  const KeyRef key = StreamKey(context, 1);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, key, context.arg(2), &stream, &group)) return;
  if (group == nullptr) return ReplyNoKeyOrGroup(context, key.name, context.arg(2));
  if (!CheckName(context, "consumer name", context.arg(3))) return;
  ClaimArguments arguments;
  if (!ReadClaimArguments(context, &arguments)) return;
  const ClaimPlan plan = PlanClaim(*stream, *group, arguments, context.now_ms());
  if (!CheckRepeatedBytes(context, plan.repeated_bytes)) return;
  if (arguments.last_id > group->last_delivered()) {
    const std::optional<uint64_t> read = group->entries_read();
    context.Apply(GroupSetId{key, group->name(), arguments.last_id,
                             read ? static_cast<int64_t>(*read) : kEntriesReadUnknown});
  }
  const Speaker speaker = FindOrCreateConsumer(context, key, *group, context.arg(3));
  ApplyClaim(context, key, *group, speaker, plan, arguments);
  WriteClaimed(context, *stream, plan.claimed, arguments.just_ids);
}

namespace {

struct AutoClaimArguments {
  int64_t min_idle = 0;
  StreamId start;
  int64_t count = 100;
  bool just_ids = false;
};

bool ReadAutoClaimArguments(Context& context, AutoClaimArguments* arguments) {
  if (!ReadMinIdle(context, context.arg(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM",
                   &arguments->min_idle) ||
      !ReadIntervalStart(context, context.arg(5), &arguments->start)) {
    return false;
  }
  for (size_t i = 6; i < context.argc(); i++) {
    if (i + 1 < context.argc() && Is(context.arg(i), "COUNT")) {
      // Redis's bound, which its 16 bytes an ID explain.
      constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 16;
      if (!ReadInteger(context, context.arg(++i), &arguments->count, "ERR COUNT must be > 0", 1,
                       kMost)) {
        return false;
      }
    } else if (Is(context.arg(i), "JUSTID")) {
      arguments->just_ids = true;
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

// Fetches the next `count` pending entries that are on the disk, at once.
void FetchPending(const Stream& stream, PendingList::Cursor at, int64_t count) {
  if (!stream.has_cold()) return;
  IdList ids;
  for (; at.valid() && count > 0; at.Next(), count--) {
    ids.push_back(at->id);
  }
  stream.Require(ids);
}

// Looks at pending entries from the start on; *next is the first one not looked at, or 0-0.
ClaimPlan PlanAutoClaim(const Stream& stream, const ConsumerGroup& group,
                        const AutoClaimArguments& arguments, int64_t now_ms, StreamId* next) {
  // Redis's bound for the work of one call, and one of our own, since COUNT may be any number: who
  // asks for more goes on from `next`.
  constexpr int64_t kLooksPerClaim = 10;
  constexpr int64_t kMostLooks = 10'000;
  ClaimPlan plan;
  const int64_t count = std::min(arguments.count, kMostLooks);
  int64_t looks = std::min(count * kLooksPerClaim, kMostLooks);
  int64_t fetched = 0;
  auto at = group.pending().Seek(arguments.start);
  for (int64_t left = count; at.valid() && left > 0 && looks > 0; at.Next(), looks--) {
    if (fetched == 0) {
      fetched = std::min(left, looks);
      FetchPending(stream, at, fetched);
    }
    fetched--;
    if (!stream.Contains(at->id)) {
      plan.missing.push_back(at->id);
      left--;
    } else if (at->Claimable(now_ms, arguments.min_idle)) {
      plan.claimed.push_back(at->id);
      left--;
    }
  }
  *next = at.valid() ? at->id : StreamId();
  return plan;
}

}  // namespace

void XAutoClaim(Context& context) {
  AutoClaimArguments arguments;
  if (!ReadAutoClaimArguments(context, &arguments)) return;
  const KeyRef key = StreamKey(context, 1);
  const Stream* stream;
  const ConsumerGroup* group;
  if (!FindGroup(context, key, context.arg(2), &stream, &group)) return;
  if (group == nullptr) return ReplyNoKeyOrGroup(context, key.name, context.arg(2));
  if (!CheckName(context, "consumer name", context.arg(3))) return;
  StreamId next;
  const ClaimPlan plan = PlanAutoClaim(*stream, *group, arguments, context.now_ms(), &next);
  const Speaker speaker = FindOrCreateConsumer(context, key, *group, context.arg(3));
  ClaimArguments how;
  how.delivery_time = context.now_ms();
  if (arguments.just_ids) how.change = CountChange::kKeep;
  ApplyClaim(context, key, *group, speaker, plan, how);
  context.reply().Array(3);
  context.reply().BulkId(next);
  WriteClaimed(context, *stream, plan.claimed, arguments.just_ids);
  context.reply().Array(plan.missing.size());
  for (const StreamId id : plan.missing) {
    context.reply().BulkId(id);
  }
}

}  // namespace runnel::commands
