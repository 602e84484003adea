#include <optional>
#include <string>
#include <utility>

#include "base/numbers.h"
#include "base/text.h"
#include "broker/broker.h"
#include "broker/execution.h"
#include "commands/arguments.h"
#include "fmt/format.h"
#include "replication/wire.h"
#include "server/roles.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {
namespace {

// As Redis calls the states of a replica.
std::string_view LinkState(const Roles& roles) {
  const replication::Follower* const follower = roles.follower();
  if (follower == nullptr) return "connect";
  switch (follower->state()) {
    case replication::Follower::State::kConnecting:
      return "connecting";
    case replication::Follower::State::kGreeting:
    case replication::Follower::State::kAsking:
      return "handshake";
    case replication::Follower::State::kSyncing:
      return "sync";
    case replication::Follower::State::kStreaming:
      return "connected";
    case replication::Follower::State::kWaiting:
    case replication::Follower::State::kStopped:
      break;
  }
  return "connect";
}

// A Sentinel names the connection on which it sends commands so, with a part of its id between.
bool IsSentinel(const Session& session) {
  const std::string_view name = session.info.name;
  return name.starts_with("sentinel-") && name.ends_with("-cmd");
}

// The words of FAILOVER.
struct FailoverOptions {
  std::optional<int64_t> timeout_ms;
  std::optional<std::string_view> host;
  int64_t port = 0;
  bool force = false;
  bool abort = false;
};

// Replies with an error and returns false if they are none.
[[nodiscard]] bool ReadFailover(Context& context, FailoverOptions* options) {
  const size_t argc = context.argc();
  for (size_t i = 1; i < argc; i++) {
    const std::string_view word = context.arg(i);
    if (Is(word, "timeout") && i + 1 < argc && !options->timeout_ms) {
      int64_t timeout_ms;
      if (!ReadInteger(context, context.arg(++i), &timeout_ms)) return false;
      if (timeout_ms <= 0) {
        context.reply().Error("ERR FAILOVER timeout must be greater than 0");
        return false;
      }
      options->timeout_ms = timeout_ms;
    } else if (Is(word, "abort") && argc == 2) {
      options->abort = true;
    } else if (Is(word, "to") && i + 2 < argc && !options->host) {
      if (!ReadInteger(context, context.arg(i + 2), &options->port)) return false;
      options->host = context.arg(i + 1);
      i += 2;
    } else if (Is(word, "force") && !options->force) {
      options->force = true;
    } else {
      context.reply().Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

Position EndOf(ServerHost& host) {
  const journal::Journal* const journal = host.broker().log().journal();
  return journal == nullptr ? 0 : journal->written();
}

}  // namespace

void ReplicaOf(Context& context) {
  Roles& roles = ServerHost::Of(context).roles();
  if (context.argc() > 4) {
    return context.reply().Error("ERR wrong number of arguments for 'replicaof' command");
  }
  if (Status refused = roles.Refusal(); !refused.ok()) {
    return context.reply().Error("ERR " + std::string(refused.message()));
  }
  if (roles.failover() != Roles::Failover::kNone) {
    return context.reply().Error("ERR REPLICAOF not allowed while failing over.");
  }
  if (EqualsIgnoreCase(context.arg(1), "no") && EqualsIgnoreCase(context.arg(2), "one")) {
    if (Status refused = roles.WhyNotLead(); !refused.ok()) {
      return context.reply().Error(refused.message());
    }
    const bool link_up = roles.follower() != nullptr && roles.follower()->link_up();
    if (IsSentinel(Execution::Of(context).session()) && link_up) {
      roles.AskToLeadAfterLeader();
    } else {
      roles.AskToLead();
    }
    return context.reply().Ok();
  }
  const auto port = ParseInteger(context.arg(2));
  if (!port || *port < 0 || *port > 65535) return context.reply().Error("ERR Invalid master port");
  const bool force = context.argc() == 4;
  if (force && !EqualsIgnoreCase(context.arg(3), "force")) {
    return context.reply().Error(
        fmt::format("ERR REPLICAOF takes FORCE after the port, not '{}'", context.arg(3)));
  }
  const bool same =
      roles.follows() && roles.leader_host() == context.arg(1) && roles.leader_port() == *port;
  roles.AskToFollow(std::string(context.arg(1)), static_cast<uint16_t>(*port), force);
  if (same) return context.reply().Simple("OK Already connected to specified master");
  context.reply().Ok();
}

void Failover(Context& context) {
  FailoverOptions options;
  if (!ReadFailover(context, &options)) return;
  Roles& roles = ServerHost::Of(context).roles();
  ReplyWriter& reply = context.reply();
  if (options.abort) {
    switch (roles.failover()) {
      case Roles::Failover::kNone:
        return reply.Error("ERR No failover in progress.");
      case Roles::Failover::kWaiting:
        roles.AbortHandOver("a client has said so (FAILOVER ABORT)");
        return reply.Ok();
      case Roles::Failover::kInProgress:
        return reply.Error(
            "ERR FAILOVER cannot be aborted any more: the other server was told to lead");
    }
  }
  if (roles.failover() != Roles::Failover::kNone) {
    return reply.Error("ERR FAILOVER already in progress.");
  }
  if (roles.follows()) {
    return reply.Error("ERR FAILOVER is not valid when server is a replica.");
  }
  if (roles.leader() == nullptr || roles.leader()->followers() == 0) {
    return reply.Error("ERR FAILOVER requires connected replicas.");
  }
  if (options.force && (!options.timeout_ms || !options.host)) {
    return reply.Error(
        "ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
  }
  replication::Handover::Wish wish{"", options.timeout_ms, options.force};
  if (options.host) {
    bool known = false;
    bool online = false;
    bool doubted = false;
    roles.leader()->ForEachFollower([&](const replication::Leader::Peer& peer) {
      if (peer.address != *options.host || peer.port != options.port || online) return;
      known = true;
      online = peer.online();
      doubted = peer.doubted();
      wish.node_id = peer.request.node_id;
    });
    if (!known) return reply.Error("ERR FAILOVER target HOST and PORT is not a replica.");
    if (!online) return reply.Error("ERR FAILOVER target replica is not online.");
    if (doubted) {
      return reply.Error(
          "ERR FAILOVER target replica may have lost the end of its journal, and has not caught up "
          "yet.");
    }
  }
  // A change of the role that was asked for in the same turn comes first.
  if (roles.wishes()) return reply.Error("ERR FAILOVER is not possible: the role is changing");
  roles.HandOver(std::move(wish));
  reply.Ok();
}

// A replica of Redis logs this text.
void RefuseRedisReplication(Context& context) {
  context.reply().Error(
      "ERR this is Runnel, whose replication is another protocol than that of Redis: a Runnel "
      "server follows it with REPLICAOF, and a Redis server cannot");
}

void ReplicationFollow(Context& context) {
  auto request = replication::FollowRequest::FromWords(context.args().subspan(2));
  if (!request.ok()) {
    return context.reply().Error(
        fmt::format("ERR REPLICATION FOLLOW: {}", request.status().message()));
  }
  const Status admitted =
      ServerHost::Of(context).roles().Admit(Execution::Of(context).session(), *request);
  if (!admitted.ok()) context.reply().Error(fmt::format("ERR {}", admitted.message()));
}

void ReplicationForget(Context& context) {
  const Status forgotten = ServerHost::Of(context).roles().Forget(context.arg(2));
  if (forgotten.ok()) return context.reply().Ok();
  context.reply().Error(fmt::format("ERR REPLICATION FORGET: {}", forgotten.message()));
}

void ReplicationHistory(Context& context) {
  const journal::Journal* const journal = ServerHost::Of(context).broker().log().journal();
  if (journal == nullptr) return context.reply().Array(0);
  const auto& rows = journal->epochs().rows();
  context.reply().Array(rows.size());
  for (const auto& row : rows) {
    context.reply().Array(2);
    context.reply().Bulk(fmt::format("{:016x}", row.epoch));
    context.reply().Integer(static_cast<int64_t>(row.begin));
  }
}

void ReplicationLeader(Context& context) {
  context.reply().Simple(ServerHost::Of(context).roles().Claim().ToLine());
}

void ReplicationMembers(Context& context) {
  const replication::ClusterRecord* const record = ServerHost::Of(context).roles().record();
  ReplyWriter& reply = context.reply();
  if (record == nullptr) return reply.Array(0);
  reply.Array(record->members.size());
  for (const replication::Member& member : record->members) {
    reply.Map(4);
    reply.Bulk("node-id");
    reply.Bulk(member.node_id);
    reply.Bulk("address");
    reply.Bulk(fmt::format("{}:{}", member.host, member.port));
    reply.Bulk("leader");
    reply.Integer(member.node_id == record->leader ? 1 : 0);
    reply.Bulk("in-sync");
    reply.Integer(member.in_sync ? 1 : 0);
  }
}

void ReplicationStatus(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  const Roles& roles = host.roles();
  const journal::Journal* const journal = host.broker().log().journal();
  ReplyWriter& reply = context.reply();
  reply.Map(10);
  reply.Bulk("role");
  reply.Bulk(roles.follows() ? "follower" : "leader");
  reply.Bulk("node-id");
  reply.Bulk(roles.node_id());
  reply.Bulk("journal-id");
  reply.Bulk(journal == nullptr ? "" : fmt::format("{:016x}", journal->identity().id));
  reply.Bulk("epoch");
  reply.Bulk(fmt::format("{:016x}", journal == nullptr ? 0 : journal->epoch()));
  reply.Bulk("end");
  reply.Integer(static_cast<int64_t>(EndOf(host)));
  reply.Bulk("applied");
  reply.Integer(static_cast<int64_t>(host.broker().log().watermarks().appended.position));
  reply.Bulk("leader");
  reply.Bulk(roles.follows() ? fmt::format("{}:{}", roles.leader_host(), roles.leader_port()) : "");
  reply.Bulk("tail-trusted");
  reply.Integer(roles.trusted() ? 1 : 0);
  reply.Bulk("error");
  reply.Bulk(roles.error());
  reply.Bulk("followers");
  if (roles.serving() == nullptr) return reply.Array(0);
  reply.Array(roles.serving()->followers());
  roles.serving()->ForEachFollower([&](const replication::Leader::Peer& peer) {
    reply.Map(6);
    reply.Bulk("node-id");
    reply.Bulk(peer.request.node_id);
    reply.Bulk("address");
    reply.Bulk(fmt::format("{}:{}", peer.address, peer.port));
    reply.Bulk("sent");
    reply.Integer(static_cast<int64_t>(peer.sent));
    reply.Bulk("written");
    reply.Integer(static_cast<int64_t>(peer.report.written));
    reply.Bulk("synced");
    reply.Integer(static_cast<int64_t>(peer.report.synced));
    reply.Bulk("applied");
    reply.Integer(static_cast<int64_t>(peer.report.applied));
  });
}

void Role(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  const Roles& roles = host.roles();
  ReplyWriter& reply = context.reply();
  const auto end = static_cast<int64_t>(EndOf(host));
  if (roles.follows()) {
    reply.Array(5);
    reply.Bulk("slave");
    reply.Bulk(roles.leader_host());
    reply.Integer(roles.leader_port());
    reply.Bulk(LinkState(roles));
    return reply.Integer(roles.follower() != nullptr && roles.follower()->link_up() ? end : -1);
  }
  reply.Array(3);
  reply.Bulk("master");
  reply.Integer(end);
  if (roles.leader() == nullptr) return reply.Array(0);
  size_t online = 0;
  roles.leader()->ForEachFollower(
      [&](const replication::Leader::Peer& peer) { online += peer.online() ? 1 : 0; });
  reply.Array(online);
  roles.leader()->ForEachFollower([&](const replication::Leader::Peer& peer) {
    if (!peer.online()) return;
    reply.Array(3);
    reply.Bulk(peer.address);
    reply.Bulk(std::to_string(peer.port));
    reply.Bulk(std::to_string(peer.report.written));
  });
}

}  // namespace runnel::commands
