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
  // While it is being cut there is none for a moment.
  if (parts_.storage.journal() != nullptr || cutter_ != nullptr || must_load_) return {};
  if (error_.empty()) {
    return Status::Error(
        "this server keeps no journal (`journal no`): it can neither lead nor follow");
  }
  return Status::Error(
      fmt::format("this server has no journal until it is started again: {}", error_));
}

void Roles::Begin() {
  const ServerOptions& options = parts_.config.options();
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

void Roles::End() {
  *alive_ = false;
  leader_.reset();
  follower_.reset();
  cutter_.reset();
}

void Roles::AskToFollow(std::string host, uint16_t port) {
  wanted_ = Wanted{true, std::move(host), port};
}

void Roles::AskToLead() {
  wanted_ = Wanted{};
}

Status Roles::Admit(Session& session, const replication::FollowRequest& request) {
  if (Status refused = Refusal(); !refused.ok()) return refused;
  if (leader_ == nullptr) {
    return Status::Error(fmt::format("this server does not lead: it follows {}:{}", host_, port_));
  }
  if (Status refused = leader_->Check(request); !refused.ok()) return refused;
  session.end = SessionEnd::kGiven;
  admitted_.emplace_back(session.id, request);
  return {};
}

bool Roles::Turn() {
  if (parts_.storage.journal() == nullptr && cutter_ == nullptr) return false;
  const int64_t now_ms = parts_.broker.clock().steady_ms();
  for (auto& [id, request] : std::exchange(admitted_, {})) {
    const auto& sessions = parts_.broker.sessions().all();
    const auto found = sessions.find(id);
    if (found == sessions.end() || found->second->end != SessionEnd::kGiven) continue;
    std::unique_ptr<ByteStream> stream = found->second->transport->GiveAway();
    if (stream != nullptr) leader_->Accept(std::move(stream), std::move(request), now_ms);
  }
  if (wanted_ && MayChange()) Change(*std::exchange(wanted_, std::nullopt));
  if (leader_ != nullptr) leader_->Turn(now_ms);
  if (cutter_ != nullptr) {
    GoOnCutting();
    return false;
  }
  if (follower_ == nullptr) return false;
  const Position before = follower_->applied();
  const bool more = follower_->Turn(now_ms);
  if (follower_->journal_to_take()) {
    // A snapshot that is being taken belongs to the journal that goes.
    if (!parts_.saver.busy()) TakeJournal(*follower_->journal_to_take());
    return false;
  }
  if (follower_->cut_to()) {
    BeginToCut();
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
  told_ = true;
  if (wanted.follow && follows_ && wanted.host == host_ && wanted.port == port_) return;
  std::optional<replication::Follower::Pending> pending;
  if (wanted.follow && follower_ != nullptr) {
    pending = follower_->TakePending(UINT64_MAX);
    follower_.reset();
  } else if (follows_) {
    switch (CatchUp()) {
      case CaughtUp::kYes:
        break;
      case CaughtUp::kNotYet:
        wanted_ = wanted;
        return;
      case CaughtUp::kCannot:
        return;
    }
  }
  cutter_.reset();
  error_.clear();
  changes_++;
  host_ = wanted.host;
  port_ = wanted.port;
  parts_.config.NoteLeader(host_, port_);
  if (!wanted.follow) return BeginToLead();
  LogNotice("This server is to follow {}:{}", host_, port_);
  if (!follows_) {
    leader_.reset();
    parts_.broker.Follow();
    follows_ = true;
  }
  const journal::Journal& journal = *parts_.storage.journal();
  journal.follows() ? MakeFollower(std::move(pending)) : NoteFollowing();
}

// The changes of this server go on from the state of the whole journal.
Roles::CaughtUp Roles::CatchUp() {
  const journal::Journal& journal = *parts_.storage.journal();
  if (follower_ == nullptr) return CaughtUp::kYes;
  // What is not written cannot be applied.
  if (journal.written() != journal.appended() && !journal.failed()) return CaughtUp::kNotYet;
  if (journal.failed() || !follower_->ApplyAll()) {
    error_ = fmt::format("this server cannot change its role: {}",
                         journal.failed() ? journal.status().message() : follower_->error());
    LogWarning("{}", error_);
    return CaughtUp::kCannot;
  }
  parts_.broker.OnApplied(follower_->applied());
  follower_.reset();
  return CaughtUp::kYes;
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

void Roles::MakeFollower(std::optional<replication::Follower::Pending> pending) {
  follower_.reset();
  error_.clear();
  journal::Journal& journal = *parts_.storage.journal();
  const ServerOptions& options = parts_.config.options();
  follower_ = std::make_unique<replication::Follower>(
      replication::Follower::Parts{
          journal, parts_.broker.keyspace(), parts_.clock, settings_,
          [this] {
            ColdStore* const cold = parts_.storage.cold();
            return cold != nullptr && cold->behind();
          },
          parts_.connect,
          [&options] {
            return replication::Follower::Credentials{options.masteruser, options.masterauth};
          },
          [this] { return Introduce(); }},
      replication::Follower::Target{host_, port_}, parts_.broker.clock().steady_ms(),
      std::move(pending));
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
  request.port = parts_.config.options().port;
  return request;
}

// It goes on as a follower that serves what it has.
void Roles::LoseJournal(const Status& why) {
  error_ = fmt::format("this server cannot follow: {}", why.message());
  LogWarning("{}", error_);
  wanted_.reset();
}

void Roles::TakeJournal(journal::Identity identity) {
  follower_.reset();
  parts_.broker.KeepIn(nullptr);
  if (Status taken = parts_.storage.TakeJournal(identity); !taken.ok()) return LoseJournal(taken);
  parts_.saver.StartFrom(parts_.storage.found());
  parts_.broker.KeepIn(parts_.storage.journal());
  parts_.broker.Follow();
  MakeFollower();
}

// --- Cutting ---

// The one place that decides whether what lies beyond `end` may be cut off, because the leader does
// not have it. Not OK: it stays, the link stays down, and this is the reason.
Status Roles::WhyNotCut(Position end) const {
  // A server that was promoted and is started again with an old configuration is not to lose what
  // it has made. (Nor does the higher epoch say that it is right: whoever starts as a leader takes
  // one.)
  const journal::Epoch newest = parts_.storage.journal()->epochs().newest();
  if (told_ || newest <= follower_->leader_epoch()) return {};
  return Status::Error(fmt::format(
      "the journals part at position {}, and this one goes on in epoch {:016x}, which is above "
      "{:016x}, in which {}:{} leads: nothing is cut because of `replicaof` in the configuration "
      "alone. "
      "REPLICAOF {} {} cuts it; REPLICAOF NO ONE makes this server lead",
      end, newest, follower_->leader_epoch(), host_, port_, host_, port_));
}

// REQUIRES: the follower's journal goes on after that of its leader parts from it.
void Roles::BeginToCut() {
  const Position end = *follower_->cut_to();
  const Cutter::Parts parts{parts_.storage, parts_.saver, parts_.reader};
  Status why = WhyNotCut(end);
  if (why.ok()) why = Cutter::WhyNot(parts, end);
  if (!why.ok()) return follower_->RefuseCut(why.message());
  cutter_ = std::make_unique<Cutter>(parts, end, follower_->applied());
  GoOnCutting();
}

void Roles::GoOnCutting() {
  cutter_->Turn();
  switch (cutter_->state()) {
    case Cutter::State::kWaiting:
    case Cutter::State::kKeeping:
    case Cutter::State::kCutting:
      break;
    case Cutter::State::kKept:
      error_ = follower_->error();
      pending_ = follower_->TakePending(cutter_->end());
      follower_.reset();
      parts_.broker.KeepIn(nullptr);
      cutter_->Cut();
      break;
    case Cutter::State::kRefused:
      follower_->RefuseCut(cutter_->status().message());
      cutter_.reset();
      break;
    case Cutter::State::kFailed:
      LoseJournal(cutter_->status());
      cutter_.reset();
      break;
    case Cutter::State::kCut:
      AfterCut();
      break;
  }
}

void Roles::AfterCut() {
  const std::unique_ptr<Cutter> cutter = std::move(cutter_);
  dropped_bytes_ += cutter->dropped().end - cutter->end();
  parts_.broker.NoteCut(cutter->end());
  if (cutter->must_load()) {
    error_ = fmt::format(
        "the journal was cut at position {}, and the state of that position is being loaded",
        cutter->end());
    must_load_ = true;
    return;
  }
  parts_.broker.KeepIn(parts_.storage.journal());
  parts_.broker.log().Follow(pending_.applied);
  MakeFollower(std::exchange(pending_, {}));
}

void Roles::OnLoaded() {
  must_load_ = false;
  // What else Broker::Follow does was done by Unload.
  parts_.broker.log().Follow(parts_.storage.journal()->appended());
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
