#include "broker/commands/client_list.h"

#include <algorithm>

#include "base/text.h"
#include "broker/command_table.h"
#include "broker/suspended.h"
#include "broker/tracking_state.h"
#include "fmt/format.h"

namespace runnel {
namespace {

std::string Flags(const Session& session) {
  std::string flags;
  if (session.info.monitor) flags += 'O';
  if (session.subscriptions() > 0) flags += 'P';
  if (session.transaction.open) flags += 'x';
  if (session.waits != Waits::kNothing) flags += 'b';
  if (session.watch_broken) flags += 'd';
  if (session.ends()) flags += 'c';
  if (const TrackingState* tracking = session.tracking.get()) {
    flags += 't';
    if (tracking->redirect_broken) flags += 'R';
    if (tracking->broadcast) flags += 'B';
  }
  if (session.transport->is_unix()) flags += 'U';
  if (session.info.no_evict) flags += 'e';
  if (session.info.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

size_t ArgumentMemory(const Session& session) {
  if (session.suspended == nullptr) return 0;
  return session.suspended->args.MemoryBytes() + session.suspended->place_count * sizeof(WaitPlace);
}

// Bytes of the arguments of the command that waits, if one does.
size_t ArgumentBytes(const Session& session) {
  if (session.suspended == nullptr) return 0;
  size_t bytes = 0;
  for (const std::string_view arg : session.suspended->args.views()) {
    bytes += arg.size();
  }
  return bytes;
}

// The output as Redis describes its own: a buffer, and a list of blocks that follow it. Here both
// are one chain of chunks, whose first takes the place of the buffer.
struct OutputParts {
  size_t buffer_memory;  // rbs
  size_t buffer_bytes;   // obl
  size_t buffer_peak;    // rbp
  size_t list_blocks;    // oll
  size_t list_memory;    // omem
};
OutputParts PartsOf(size_t bytes, size_t memory, size_t peak_bytes) {
  constexpr size_t kBuffer = Output::kBufferBytes;
  OutputParts parts;
  parts.buffer_memory = std::min(memory, kBuffer);
  parts.buffer_bytes = std::min(bytes, kBuffer);
  parts.buffer_peak = std::max(parts.buffer_bytes, peak_bytes);
  parts.list_memory = memory - parts.buffer_memory;
  parts.list_blocks = (parts.list_memory + kBuffer - 1) / kBuffer;
  return parts;
}

// A line of CLIENT LIST.
struct ClientLine {
  uint64_t id = 0;
  std::string_view peer;
  std::string_view local;
  int fd = -1;
  std::string_view name;
  int64_t age_ms = 0;
  int64_t idle_ms = 0;
  std::string flags;
  uint32_t db = 0;
  size_t channels = 0;
  size_t patterns = 0;
  size_t shard_channels = 0;
  int64_t queued = -1;  // by MULTI; -1: no transaction is open
  size_t watched = 0;
  size_t input_bytes = 0;
  size_t input_memory = 0;
  size_t argument_bytes = 0;
  size_t queue_bytes = 0;
  OutputParts output = {};
  size_t memory = 0;
  bool writing = false;
  std::string_view command = "NULL";
  std::string_view user = kDefaultUser;
  int64_t redirect = -1;
  int protocol = 2;
  std::string_view lib_name;
  std::string_view lib_version;
  std::string_view acks;
};

std::string Format(const ClientLine& of) {
  std::string line =
      fmt::format("id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={}", of.id,
                  of.peer, of.local, of.fd, of.name, std::max<int64_t>(of.age_ms, 0) / 1000,
                  std::max<int64_t>(of.idle_ms, 0) / 1000, of.flags, of.db);
  line += fmt::format(" sub={} psub={} ssub={} multi={} watch={}", of.channels, of.patterns,
                      of.shard_channels, of.queued, of.watched);
  line += fmt::format(" qbuf={} qbuf-free={} argv-mem={} multi-mem={}", of.input_bytes,
                      of.input_memory - std::min(of.input_bytes, of.input_memory),
                      of.argument_bytes, of.queue_bytes);
  const OutputParts& output = of.output;
  line += fmt::format(" rbs={} rbp={} obl={} oll={} omem={} tot-mem={} events={}",
                      output.buffer_memory, output.buffer_peak, output.buffer_bytes,
                      output.list_blocks, output.list_memory, of.memory, of.writing ? "rw" : "r");
  line +=
      fmt::format(" cmd={} user={} redir={} resp={} lib-name={} lib-ver={} acks={}\n", of.command,
                  of.user, of.redirect, of.protocol, of.lib_name, of.lib_version, of.acks);
  return line;
}

}  // namespace

bool IsClientWord(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

size_t SessionMemory(const Session& session) {
  const Transport& transport = *session.transport;
  return sizeof(Session) + transport.input_memory() + transport.request_memory() +
         session.unsent_memory() + ArgumentMemory(session) + session.transaction.queue_bytes;
}

std::string DescribeSession(const Session& session, const Settings& settings, int64_t now_ms) {
  const Transport& transport = *session.transport;
  const auto count = [&](Subscription kind) {
    return session.subscribed[static_cast<size_t>(kind)].size();
  };
  ClientLine line;
  line.id = session.id;
  line.peer = transport.peer();
  line.local = transport.local();
  line.fd = transport.fd();
  line.name = session.info.name;
  line.age_ms = now_ms - session.info.created_ms;
  line.idle_ms = now_ms - session.info.last_active_ms;
  line.flags = Flags(session);
  line.db = session.db;
  line.channels = count(Subscription::kChannel);
  line.patterns = count(Subscription::kPattern);
  line.shard_channels = count(Subscription::kShard);
  if (session.transaction.open)
    line.queued = static_cast<int64_t>(session.transaction.queue.size());
  line.watched = session.watched.size();
  line.input_bytes = transport.input_bytes();
  line.input_memory = transport.input_memory();
  line.argument_bytes = ArgumentBytes(session);
  line.queue_bytes = session.transaction.queue_bytes;
  line.output = PartsOf(session.unsent_bytes(), session.unsent_memory(), session.output.peak_bytes);
  line.memory = SessionMemory(session);
  line.writing = transport.unsent_bytes() > 0;
  if (session.info.last_command != nullptr) line.command = session.info.last_command->full_name;
  line.redirect = RedirectOf(session.tracking.get());
  line.protocol = session.reply.protocol();
  line.lib_name = session.info.lib_name;
  line.lib_version = session.info.lib_version;
  line.acks = NameOf(session.effective_acks(settings.acks));
  return Format(line);
}

std::string DescribeLink(const ServerLink& link) {
  ClientLine line;
  line.id = link.id;
  line.peer = link.peer;
  line.local = link.local;
  line.fd = link.fd;
  line.age_ms = link.age_ms;
  line.idle_ms = link.idle_ms;
  line.flags = link.to_leader ? "M" : "S";
  line.input_bytes = link.input_bytes;
  line.input_memory = link.input_memory;
  line.output = PartsOf(link.output_bytes, link.output_memory, 0);
  line.memory = link.input_memory + link.output_memory;
  line.writing = link.output_bytes > 0;
  // The commands of a leader are not subject to what users may do; Redis shows it like this.
  if (link.to_leader) line.user = "(superuser)";
  if (!link.to_leader) line.command = "replication|follow";
  return Format(line);
}

std::optional<ClientType> ParseClientType(std::string_view name) {
  constexpr struct {
    std::string_view name;
    ClientType type;
  } kTypes[] = {
      {"normal", ClientType::kNormal},   {"master", ClientType::kMaster},
      {"replica", ClientType::kReplica}, {"slave", ClientType::kReplica},
      {"pubsub", ClientType::kPubSub},
  };
  for (const auto& known : kTypes) {
    if (EqualsIgnoreCase(known.name, name)) return known.type;
  }
  return std::nullopt;
}

ClientType TypeOf(const Session& session) {
  return session.subscriptions() > 0 ? ClientType::kPubSub : ClientType::kNormal;
}

ClientType TypeOf(const ServerLink& link) {
  return link.to_leader ? ClientType::kMaster : ClientType::kReplica;
}

bool ClientFilter::Takes(const ServerLink& link) const {
  return (!id || *id == link.id) && (!type || *type == TypeOf(link)) &&
         (!user || (!link.to_leader && *user == kDefaultUser)) && (!peer || *peer == link.peer) &&
         (!local || *local == link.local) && link.age_ms / 1000 >= min_age_s;
}

bool ClientFilter::Takes(const Session& session, int64_t now_ms) const {
  return (!id || *id == session.id) && (!type || *type == TypeOf(session)) &&
         (!user || *user == kDefaultUser) && (!peer || *peer == session.transport->peer()) &&
         (!local || *local == session.transport->local()) &&
         (now_ms - session.info.created_ms) / 1000 >= min_age_s;
}

}  // namespace runnel
