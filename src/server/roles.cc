#include "server/roles.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "base/log.h"
#include "effects/version.h"
#include "replication/node_id.h"

namespace runnel {
namespace {

constexpr const char* kNodeFile = "node";

}  // namespace

Roles::Roles(Parts parts) : parts_(std::move(parts)) {}

Roles::~Roles() = default;

Status Roles::Refusal() const {
  if (parts_.storage.journal() != nullptr) return {};
  return Status::Error(
      "this server keeps no journal (`journal no`): it can neither lead nor follow");
}

void Roles::Begin() {
  const ServerOptions& options = parts_.config.options();
  TakeSettings();
  if (parts_.storage.journal() == nullptr) return;
  auto id = replication::ReadOrMakeNodeId(parts_.storage.disk(), kNodeFile);
  if (id.ok()) {
    node_id_ = *id;
  } else {
    // It matters only to servers that follow each other.
    LogWarning("{}", id.status().message());
    node_id_ = parts_.run_id;
  }
  if (options.leader_host.empty()) {
    return MakeLeader();
  }
  host_ = options.leader_host;
  port_ = options.leader_port;
  follows_ = true;
  parts_.broker.Follow();
  MakeFollower();
}

void Roles::TakeSettings() {
  settings_ = ReplicationSettingsOf(parts_.config.options());
}

void Roles::IntroduceAnew() {
  if (follower_ != nullptr) follower_->Reconnect("what this server tells its leader has changed");
}

std::vector<ServerLink> Roles::Links() const {
  const int64_t now_ms = parts_.broker.clock().steady_ms();
  std::vector<ServerLink> links;
  const auto add = [&](uint64_t id, int64_t since_ms, int64_t heard_ms,
                       const replication::Link& link) -> ServerLink& {
    ServerLink& added = links.emplace_back();
    added.id = id;
    added.peer = link.stream().peer();
    added.local = link.stream().local();
    added.fd = link.stream().fd();
    added.age_ms = now_ms - since_ms;
    added.idle_ms = now_ms - heard_ms;
    added.input_bytes = link.input_bytes();
    added.input_memory = link.input_memory();
    added.output_bytes = link.output().size();
    added.output_memory = link.output().MemoryBytes();
    return added;
  };
  if (leader_ != nullptr) {
    leader_->ForEachLink([&](const replication::Leader::Peer& peer, const replication::Link& link) {
      add(peer.id, peer.since_ms, peer.heard_ms, link);
    });
  }
  if (follower_ != nullptr && follower_->link_up()) {
    add(link_id_, follower_->connected_ms(), follower_->heard_ms(), follower_->link()).to_leader =
        true;
  }
  return links;
}

void Roles::EndLink(uint64_t id) {
  if (leader_ != nullptr) leader_->End(id, "a client has ended its connection (CLIENT KILL)");
  if (follower_ != nullptr && id == link_id_) {
    follower_->Reconnect("a client has ended the connection (CLIENT KILL)");
  }
}

void Roles::End() {
  *alive_ = false;
  leader_.reset();
  follower_.reset();
}

void Roles::AskToFollow(std::string host, uint16_t port) {
  // CONFIG REWRITE may follow in the same transaction.
  parts_.config.NoteLeader(host, port);
  wanted_ = Wanted{true, std::move(host), port};
}

void Roles::AskToLead() {
  parts_.config.NoteLeader("", 0);
  wanted_ = Wanted{};
}

Status Roles::Admit(Session& session, const replication::FollowRequest& request) {
  if (Status refused = Refusal(); !refused.ok()) return refused;
  if (leader_ == nullptr) {
    return Status::Error(fmt::format("this server does not lead: it follows {}:{}", host_, port_));
  }
  if (Status refused = leader_->Check(request); !refused.ok()) {
    parts_.broker.stats().sync_partial_err++;
    return refused;
  }
  session.end = SessionEnd::kGiven;
  admitted_.emplace_back(session.id, request);
  return {};
}

void Roles::CountSync(const replication::FollowRequest& request) {
  // One that takes this journal asks again when it has.
  if (request.journal_id != parts_.storage.journal()->identity().id) return;
  Stats& stats = parts_.broker.stats();
  request.end == 0 ? stats.sync_full++ : stats.sync_partial_ok++;
}

bool Roles::Turn() {
  if (parts_.storage.journal() == nullptr) return false;
  const int64_t now_ms = parts_.broker.clock().steady_ms();
  for (auto& [id, request] : std::exchange(admitted_, {})) {
    const auto& sessions = parts_.broker.sessions().all();
    const auto found = sessions.find(id);
    if (found == sessions.end() || found->second->end != SessionEnd::kGiven) continue;
    std::unique_ptr<ByteStream> stream = found->second->transport->GiveAway();
    if (stream == nullptr) continue;
    CountSync(request);
    leader_->Accept(std::move(stream), std::move(request), now_ms, id);
  }
  if (wanted_) Change(*std::exchange(wanted_, std::nullopt));
  if (leader_ != nullptr) {
    leader_->Await(parts_.broker.waiting().awaited_of_followers());
    leader_->Turn(now_ms);
    good_followers_ = leader_->HeardWithin(parts_.broker.settings().min_replicas_max_lag_s, now_ms);
  }
  if (follower_ == nullptr) return false;
  const Position before = follower_->applied();
  const bool more = follower_->Turn(now_ms);
  if (follower_->journal_to_take()) {
    // A snapshot that is being taken belongs to the journal that goes.
    if (!parts_.saver.busy()) TakeJournal(*follower_->journal_to_take());
    return false;
  }
  if (follower_->applied() == before) return more;
  parts_.broker.OnApplied(follower_->applied());
  return true;
}

int64_t Roles::NextTimerMs() const {
  int64_t due = std::numeric_limits<int64_t>::max();
  if (leader_ != nullptr) due = leader_->next_due_ms();
  if (follower_ != nullptr) due = follower_->next_due_ms();
  if (due == std::numeric_limits<int64_t>::max()) return -1;
  return std::max<int64_t>(due - parts_.broker.clock().steady_ms(), 0);
}

Position Roles::hold() const {
  return leader_ != nullptr ? leader_->hold() : UINT64_MAX;
}

// --- Changes ---

void Roles::Change(const Wanted& wanted) {
  if (!wanted.follow && !follows_) return;
  if (wanted.follow && follows_ && wanted.host == host_ && wanted.port == port_) return;
  if (follows_ && !CatchUp()) {
    // Not yet: what is not written cannot be applied.
    wanted_ = wanted;
    return;
  }
  error_.clear();
  changes_++;
  host_ = wanted.host;
  port_ = wanted.port;
  if (!wanted.follow) return BeginToLead();
  LogNotice("This server is to follow {}:{}", host_, port_);
  if (!follows_) {
    leader_.reset();
    parts_.broker.Follow();
    follows_ = true;
  }
  const journal::Journal& journal = *parts_.storage.journal();
  journal.follows() ? MakeFollower() : NoteFollowing();
}

// Whoever makes the changes from now on, they go on from the state of the whole journal.
bool Roles::CatchUp() {
  const journal::Journal& journal = *parts_.storage.journal();
  if (follower_ == nullptr) return true;
  if (journal.written() != journal.appended()) return false;
  if (!follower_->ApplyAll()) {
    LogWarning("This server cannot change its role: {}", follower_->error());
    return false;
  }
  parts_.broker.OnApplied(follower_->applied());
  follower_.reset();
  return true;
}

// Nobody is asked before the note of the journal says that it follows.
void Roles::NoteFollowing() {
  parts_.storage.journal()->Follow(
      [this, change = changes_, alive = std::weak_ptr<bool>(alive_)](const Status& noted) {
        if (alive.expired() || !*alive.lock() || change != changes_) return;
        if (noted.ok()) return MakeFollower();
        error_ = fmt::format("this server cannot follow: {}", noted.message());
        LogWarning("{}", error_);
      });
}

void Roles::MakeLeader() {
  leader_ = std::make_unique<replication::Leader>(
      replication::Leader::Parts{*parts_.storage.journal(), parts_.reader, node_id_,
                                 parts_.broker.keyspace().databases(), kEffectsVersion, settings_});
}

void Roles::MakeFollower() {
  follower_.reset();
  journal::Journal& journal = *parts_.storage.journal();
  const ServerOptions& options = parts_.config.options();
  follower_ = std::make_unique<replication::Follower>(
      replication::Follower::Parts{
          journal, parts_.broker.keyspace(), parts_.clock, settings_,
          [this] {
            ColdStore* const cold = parts_.storage.cold();
            return cold != nullptr && cold->behind();
          },
          [this](const std::string& host, int port, ConnectFunction done) {
            link_id_ = parts_.broker.parts().sessions.TakeId();
            return parts_.connect(host, port, std::move(done));
          },
          [&options] {
            return replication::Follower::Credentials{options.masteruser, options.masterauth};
          },
          [this] { return Introduce(); }},
      replication::Follower::Target{host_, port_}, parts_.broker.clock().steady_ms());
}

replication::FollowRequest Roles::Introduce() const {
  replication::FollowRequest request;
  const Keyspace& keyspace = parts_.broker.keyspace();
  request.has_data = false;
  for (uint32_t slot = 0; slot < keyspace.slots(); slot++) {
    request.has_data |= keyspace.size(Keyspace::DatabaseAt(slot)) > 0;
  }
  request.node_id = node_id_;
  request.run_id = parts_.run_id;
  request.databases = keyspace.databases();
  request.effects = kEffectsVersion;
  const ServerOptions& options = parts_.config.options();
  request.host = options.replica_announce_ip;
  request.port = options.replica_announce_port == 0 ? options.port : options.replica_announce_port;
  return request;
}

void Roles::TakeJournal(journal::Identity identity) {
  follower_.reset();
  parts_.broker.KeepIn(nullptr);
  if (Status taken = parts_.storage.TakeJournal(identity); !taken.ok()) {
    error_ = fmt::format("this server cannot follow: {}", taken.message());
    LogWarning("{}", error_);
    return;
  }
  parts_.saver.StartFrom(parts_.storage.found());
  parts_.broker.KeepIn(parts_.storage.journal());
  parts_.broker.Follow();
  MakeFollower();
}

void Roles::BeginToLead() {
  follows_ = false;
  const journal::Journal& journal = *parts_.storage.journal();
  if (Status led = parts_.storage.Lead(); !led.ok()) LogWarning("{}", led.message());
  parts_.broker.Lead();
  MakeLeader();
  LogNotice("This server leads now, in epoch {:016x} from position {} on", journal.epoch(),
            journal.epochs().rows().back().begin);
}

}  // namespace runnel
