#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/glob.h"
#include "commands/common_replies.h"
#include "commands/topic_group/arguments.h"
#include "commands/topic_group/commands.h"
#include "commands/topic_group/options.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

std::string StartOf(const TopicGroupOptions& options) {
  switch (options.start) {
    case GroupStart::kEarliest:
      return "earliest";
    case GroupStart::kLatest:
      return "latest";
    case GroupStart::kTime:
      return fmt::format("@{}", options.start_ms);
  }
  return "";
}

// How far a group is in one partition.
struct LagOfPartition {
  uint64_t next = 0;
  uint64_t lag = 0;      // records that are not done and still there; in compacted topics about
  uint64_t age_ms = 0;   // of the oldest of them
  uint64_t skipped = 0;  // those that retention has removed are counted in it
};

LagOfPartition LagOf(Context& context, std::string_view topic, uint32_t number,
                     const GroupPartition& partition) {
  LagOfPartition lag;
  lag.skipped = partition.skipped;
  const Stream* stream = FindStreamOf(context.keyspace(), context.db(), topic, number);
  if (stream == nullptr) return lag;
  lag.next = stream->next_offset();
  const uint64_t from = std::max(partition.committed, stream->first_offset());
  lag.skipped += partition.CountOpen(partition.position(), from);
  if (from >= lag.next) return lag;
  lag.lag = partition.CountOpen(from, lag.next);
  if (stream->is_compacted()) lag.lag = std::min(lag.lag, stream->CountNear(from));
  if (lag.lag == 0) return lag;
  const auto oldest = static_cast<int64_t>(stream->TimeNear(from));
  lag.age_ms = static_cast<uint64_t>(std::max<int64_t>(context.now_ms() - oldest, 0));
  return lag;
}

std::string_view StateOf(const GroupPartition& partition) {
  if (partition.owner == kNobody) return "unowned";
  return partition.live.leaving ? "leaving" : "owned";
}

struct LagSums {
  uint64_t lag = 0;
  uint64_t skipped = 0;
};

void WritePartitionLag(Context& context, const TopicGroup& group, const GroupTopic& topic,
                       uint32_t number, LagSums* sums) {
  const GroupPartition& partition = topic.partitions[number];
  const LagOfPartition lag = LagOf(context, topic.name, number, partition);
  sums->lag += lag.lag;
  sums->skipped += lag.skipped;
  ReplyWriter& reply = context.reply();
  reply.Map(9);
  WriteText(reply, "partition", PartitionName(topic.name, number));
  reply.Bulk("owner");
  const GroupMember* owner = group.FindMember(partition.owner);
  owner == nullptr ? reply.Null() : reply.Bulk(owner->name);
  WriteNumber(reply, "epoch", partition.epoch);
  WriteText(reply, "state", StateOf(partition));
  WriteNumber(reply, "committed", partition.committed);
  WriteNumber(reply, "next", lag.next);
  WriteNumber(reply, "lag", lag.lag);
  WriteNumber(reply, "age-ms", lag.age_ms);
  WriteNumber(reply, "skipped", lag.skipped);
}

// `only`: of this topic; empty: of all.
void WriteLags(Context& context, const TopicGroup& group, std::string_view only, LagSums* sums) {
  size_t partitions = 0;
  for (const auto& [name, topic] : group.topics()) {
    if (only.empty() || only == name) partitions += topic->partitions.size();
  }
  context.reply().Array(partitions);
  for (const auto& [name, topic] : group.topics()) {
    if (!only.empty() && only != name) continue;
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      WritePartitionLag(context, group, *topic, number, sums);
    }
  }
}

void WriteMember(ReplyWriter& reply, const GroupMember& member, uint64_t in_flight) {
  reply.Map(8);
  WriteText(reply, "name", member.name);
  WriteText(reply, "address", member.live.client == 0 ? "" : member.live.address);
  WriteText(reply, "client-name", member.live.client == 0 ? "" : member.live.client_name);
  WriteNumber(reply, "since-ms", static_cast<uint64_t>(member.since_ms));
  WriteNumber(reply, "alive-ms", static_cast<uint64_t>(member.live.alive_unix_ms));
  reply.Bulk("topics");
  reply.Array(member.topics.size());
  for (const std::string& topic : member.topics) {
    reply.Bulk(topic);
  }
  WriteNumber(reply, "partitions", member.partitions);
  WriteNumber(reply, "in-flight", in_flight);
}

std::string_view StateOf(const TopicGroup& group) {
  if (group.members().empty()) return "empty";
  const bool moves = group.live().rebalance_at_ms != 0 || !group.live().leaving.empty();
  return moves ? "rebalancing" : "stable";
}

}  // namespace

void TGroupList(Context& context) {
  if (context.argc() > 3) return context.reply().Error(kSyntaxError);
  const std::string_view pattern = context.argc() > 2 ? context.arg(2) : "*";
  std::vector<std::string_view> names;
  for (const KeyEntry* entry : context.keyspace().listed(CompanionOf(context.db()))) {
    const std::string_view name = *ParseTopicGroupKey(entry->name());
    if (pattern == "*" || GlobMatch(pattern, name)) names.push_back(name);
  }
  context.reply().Array(names.size());
  for (const std::string_view name : names) {
    context.reply().Bulk(name);
  }
}

void TGroupDescribe(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  const TopicGroup& group = *named.group;
  absl::flat_hash_map<MemberId, uint64_t> in_flight;
  for (const auto& [name, topic] : group.topics()) {
    for (const GroupPartition& partition : topic->partitions) {
      if (partition.in_flight()) in_flight[partition.owner] += partition.CountInFlight();
    }
  }
  const TopicGroupOptions& options = group.options();
  ReplyWriter& reply = context.reply();
  reply.Map(12);
  WriteText(reply, "name", named.name);
  WriteText(reply, "state", StateOf(group));
  WriteText(reply, "from", StartOf(options));
  WriteText(reply, "assign", NameOf(options.assignor));
  WriteNumber(reply, "session-ms", options.session_ms);
  WriteNumber(reply, "grace-ms", options.grace_ms);
  WriteNumber(reply, "move-ms", options.move_ms);
  WriteNumber(reply, "expire-ms", options.expire_ms);
  reply.Bulk("members");
  reply.Array(group.members().size());
  for (const auto& [name, member] : group.members()) {
    WriteMember(reply, *member, in_flight[member->id]);
  }
  reply.Bulk("partitions");
  LagSums sums;
  WriteLags(context, group, {}, &sums);
  WriteNumber(reply, "moves", group.moves());
  WriteNumber(reply, "fenced", group.live().fenced);
}

void TGroupLag(Context& context) {
  NamedGroup named;
  if (!ReadGroup(context, 2, &named)) return;
  if (context.argc() > 4) return context.reply().Error(kSyntaxError);
  std::string_view only;
  if (context.argc() == 4) {
    const Topic* topic;
    if (!FindTopic(context, context.Key(3), &topic)) return;
    only = context.arg(3);
  }
  ReplyWriter& reply = context.reply();
  reply.Map(3);
  reply.Bulk("partitions");
  LagSums sums;
  WriteLags(context, *named.group, only, &sums);
  WriteNumber(reply, "lag", sums.lag);
  WriteNumber(reply, "skipped", sums.skipped);
}

void TGroupHelp(Context& context) {
  constexpr std::string_view kLines[] = {
      "TGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CREATE <group> [FROM <position>] [<option> <value> ...]",
      "    Make a group. FROM is EARLIEST, LATEST or @ and Unix milliseconds. Options are",
      "    ASSIGN, SESSION-MS, GRACE-MS, MOVE-MS and EXPIRE-MS.",
      "ALTER <group> <option> <value> ...",
      "    Change options.",
      "DELETE <group> [FORCE]",
      "    Forget a group with what it has committed. FORCE: although it has members.",
      "LIST [<pattern>]",
      "    Names of groups, sorted.",
      "DESCRIBE <group>",
      "    Options, members and partitions of a group.",
      "LAG <group> [<topic>]",
      "    How far a group is behind the ends of its partitions.",
      "RESET <group> <topic>[/<partition>] TO <position>|+<n>|-<n> [DRYRUN]",
      "    Go on at another position.",
      "HEARTBEAT <group> <member>",
      "    Say that a member lives.",
      "LEAVE <group> <member> [<member> ...]",
      "    Remove members at once.",
      "HELP",
      "    Print this help.",
  };
  WriteHelp(context, kLines);
}

}  // namespace runnel::commands
