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
OutputParts PartsOf(const Session& session) {
  constexpr size_t kBuffer = Output::kBufferBytes;
  const size_t memory = session.unsent_memory();
  OutputParts parts;
  parts.buffer_memory = std::min(memory, kBuffer);
  parts.buffer_bytes = std::min(session.unsent_bytes(), kBuffer);
  parts.buffer_peak = std::max(parts.buffer_bytes, session.output.peak_bytes);
  parts.list_memory = memory - parts.buffer_memory;
  parts.list_blocks = (parts.list_memory + kBuffer - 1) / kBuffer;
  return parts;
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
  const size_t input = transport.input_bytes();
  const auto count = [&](Subscription kind) {
    return session.subscribed[static_cast<size_t>(kind)].size();
  };
  std::string line =
      fmt::format("id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={}", session.id,
                  transport.peer(), transport.local(), transport.fd(), session.info.name,
                  std::max<int64_t>(now_ms - session.info.created_ms, 0) / 1000,
                  std::max<int64_t>(now_ms - session.info.last_active_ms, 0) / 1000, Flags(session),
                  session.db);
  line += fmt::format(
      " sub={} psub={} ssub={} multi={} watch={}", count(Subscription::kChannel),
      count(Subscription::kPattern), count(Subscription::kShard),
      session.transaction.open ? static_cast<int64_t>(session.transaction.queue.size()) : -1,
      session.watched.size());
  const OutputParts output = PartsOf(session);
  line += fmt::format(" qbuf={} qbuf-free={} argv-mem={} multi-mem={}", input,
                      transport.input_memory() - std::min(input, transport.input_memory()),
                      ArgumentBytes(session), session.transaction.queue_bytes);
  line +=
      fmt::format(" rbs={} rbp={} obl={} oll={} omem={} tot-mem={} events={}", output.buffer_memory,
                  output.buffer_peak, output.buffer_bytes, output.list_blocks, output.list_memory,
                  SessionMemory(session), transport.unsent_bytes() > 0 ? "rw" : "r");
  line += fmt::format(
      " cmd={} user={} redir={} resp={} lib-name={} lib-ver={} acks={}\n",
      session.info.last_command == nullptr ? "NULL" : session.info.last_command->full_name,
      kDefaultUser, RedirectOf(session.tracking.get()), session.reply.protocol(),
      session.info.lib_name, session.info.lib_version,
      NameOf(session.effective_acks(settings.acks)));
  return line;
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

bool ClientFilter::Takes(const Session& session, int64_t now_ms) const {
  return (!id || *id == session.id) && (!type || *type == TypeOf(session)) &&
         (!user || *user == kDefaultUser) && (!peer || *peer == session.transport->peer()) &&
         (!local || *local == session.transport->local()) &&
         (now_ms - session.info.created_ms) / 1000 >= min_age_s;
}

}  // namespace runnel
