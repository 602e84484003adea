#include "server/roles.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "effects/version.h"
#include "replication/node_id.h"

namespace runnel {
namespace {

constexpr const char* kRecordFile = "cluster";
constexpr const char* kMarkFile = "mark";
// How long after a failure the note that the journal follows is written again.
constexpr int64_t kNoteAgainMs = 1000;

// Where others reach this server, as it is to be announced. An empty host: that of the connection
// counts.
std::pair<std::string, uint16_t> AnnouncedAddress(const ServerOptions& options) {
  const uint16_t port = options.replica_announce_port;
  return {options.replica_announce_ip, port == 0 ? options.port : port};
}

const std::string& WhyDoubted() {
  static const std::string kWhy =
      "the end of this server's journal may be lost, because the machine stopped before it was "
      "synced, or because it was cut: the server counts for nothing until it has caught up with a "
      "leader";
  return kWhy;
}

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

Status Roles::Open() {
  if (!parts_.config.options().journal) return {};
  auto id = replication::ReadOrMakeNodeId(parts_.storage.disk(), replication::kNodeIdFile);
  if (id.ok()) {
    node_id_ = *id;
  } else {
    // It matters only to servers that follow each other.
    LogWarning("{}", id.status().message());
    node_id_ = parts_.run_id;
  }
  auto records = replication::RecordFile::Open(parts_.storage.disk(), parts_.reader, kRecordFile);
  if (!records.ok()) return records.status();
  records_ = std::move(*records);
  auto agreed = replication::AgreedMark::Open(parts_.storage.disk(), parts_.reader, kMarkFile);
  if (!agreed.ok()) return agreed.status();
  agreed_ = std::move(*agreed);
  parts_.storage.ApplyUpTo([this](uint64_t journal_id) { return MayApplyTo(journal_id); });
  return {};
}

// What lies beyond is applied when the leader's mark comes, or when this server is to lead.
Position Roles::MayApplyTo(uint64_t journal_id) const {
  const bool follows = follows_ || !parts_.config.options().leader_host.empty();
  return follows ? agreed_->Of(journal_id) : UINT64_MAX;
}

void Roles::Begin() {
  const ServerOptions& options = parts_.config.options();
  TakeSettings();
  if (parts_.storage.journal() == nullptr) return;
  if (took_over_) {
    LogNotice("The server at {}:{} has taken over meanwhile: this server follows it",
              took_over_->host, took_over_->port);
    parts_.config.NoteLeader(took_over_->host, took_over_->port);
  }
  const FoundState& found = parts_.storage.found();
  pending_ = replication::Follower::Pending{found.position, {}, found.data_end, {}};
  if (!trusted() && parts_.storage.journal()->appended() > 0) LogWarning("{}", WhyDoubted());
  if (options.leader_host.empty()) {
    if (NeedsRecovery()) return BeginToRecover();
    pending_.reset();
    if (Status led = parts_.storage.BeginToLead(); !led.ok()) LogWarning("{}", led.message());
    return MakeLeader();
  }
  host_ = options.leader_host;
  port_ = options.leader_port;
  follows_ = true;
  parts_.broker.Follow();
  parts_.broker.log().Follow(found.position);
  parts_.storage.journal()->follows() ? MakeFollower() : NoteFollowing();
}

void Roles::SayGoodbye() {
  if (follower_ != nullptr) follower_->SayGoodbye(replication::Goodbye::kReturns);
  if (agreed_ != nullptr) agreed_->Save();
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
  if (serving() != nullptr) {
    serving()->ForEachLink(
        [&](const replication::Leader::Peer& peer, const replication::Link& link) {
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
  if (serving() != nullptr) {
    mutable_serving()->End(id, "a client has ended its connection (CLIENT KILL)");
  }
  if (follower_ != nullptr && id == link_id_) {
    follower_->Reconnect("a client has ended the connection (CLIENT KILL)");
  }
}

void Roles::End() {
  *alive_ = false;
  inquiry_.reset();
  handover_.reset();
  leader_.reset();
  lender_.reset();
  TapPublished();
  EndRelay();
  follower_.reset();
  cutter_.reset();
  taker_.reset();
}

void Roles::AskToFollow(std::string host, uint16_t port, bool force) {
  // CONFIG REWRITE may follow in the same transaction.
  parts_.config.NoteLeader(host, port);
  wanted_ = Wanted{true, std::move(host), port, force, true};
}

// Not by anybody's word.
void Roles::FollowUntold(std::string host, uint16_t port) {
  AskToFollow(std::move(host), port);
  wanted_->by_word = false;
}

void Roles::AskToLead() {
  parts_.config.NoteLeader("", 0);
  wanted_ = Wanted{};
}

void Roles::AskToLeadAfterLeader() {
  AskToLead();
  // There is no leader then.
  if (recovery_) return;
  wanted_->how = Wanted::How::kAfterAsked;
}

bool Roles::in_recorded_set() const {
  const journal::Journal* const journal = parts_.storage.journal();
  // There is none for a while when it is cut, or when a snapshot takes its place.
  const bool lost = parts_.storage.lost().has_value();
  if (records_ == nullptr || journal == nullptr || journal->failed() || lost) return false;
  // It says goodbye to the leader when it follows another server.
  if (follower_ != nullptr && follower_->chained()) return false;
  const replication::ClusterRecord& record = records_->now();
  const replication::Member* const self = record.Find(node_id_);
  return record.journal_id == journal->identity().id && self != nullptr && self->in_sync;
}

bool Roles::trusted() const {
  const journal::Journal* const journal = parts_.storage.journal();
  return journal == nullptr || journal->trusted() || IsPlanted(PlantedFault::kTakeOverInDoubt);
}

bool Roles::heard_of_later_leader() const {
  const journal::Journal* const journal = parts_.storage.journal();
  if (records_ == nullptr || journal == nullptr) return false;
  const journal::Epoch heard = heard_journal_id_ == journal->identity().id ? heard_epoch_ : 0;
  return std::max(heard, journal->epochs().newest()) > records_->now().epoch;
}

void Roles::Hear(journal::Epoch epoch) {
  const uint64_t id = parts_.storage.journal()->identity().id;
  if (std::exchange(heard_journal_id_, id) != id) heard_epoch_ = 0;
  heard_epoch_ = std::max(heard_epoch_, epoch);
}

bool Roles::may_take_over() const {
  return (in_recorded_set() && trusted()) || parts_.config.options().unclean_leader_election;
}

const std::string& Roles::error() const {
  if (!error_.empty()) return error_;
  if (follower_ == nullptr || !follower_->error().empty()) {
    return follower_ == nullptr ? error_ : follower_->error();
  }
  // Who is chained counts for nothing, whether it trusts its journal or not.
  if (follower_->chained()) return error_;
  const journal::Journal* const journal = parts_.storage.journal();
  const bool doubted = journal != nullptr && !journal->trusted() && journal->appended() > 0;
  return doubted ? WhyDoubted() : error_;
}

Status Roles::WhyNotLead() const {
  const journal::Journal* const journal = parts_.storage.journal();
  if (follows_ && journal != nullptr && journal->failed()) {
    return Status::Error("MISCONF The journal of this server has failed: " +
                         journal->status().message());
  }
  // A person decides that the others are not waited for.
  if (!follows_ || recovery_ || may_take_over()) return {};
  // A server that is new has never had a leader. One that has lost all in a power cut is none.
  const bool known = journal != nullptr && records_->now().journal_id == journal->identity().id;
  const bool lost = parts_.storage.lost().has_value();
  if (journal != nullptr && journal->appended() == 0 && !known && !lost) return {};
  if (!trusted()) {
    return Status::Error(fmt::format(
        "NOTINSYNC Changes that were acknowledged may be missing here: {}. To lead with what it "
        "has: CONFIG SET unclean-leader-election yes",
        WhyDoubted()));
  }
  // With a link the leader is there, and this server leaves it. In a chain it may be gone.
  if (follower_ != nullptr && follower_->link_up() && !follower_->chained()) return {};
  return Status::Error(
      "NOTINSYNC This server is not in the in-sync set: changes that were acknowledged may be "
      "missing here. To lead with what it has: CONFIG SET unclean-leader-election yes");
}

Status Roles::Forget(std::string_view node_id) {
  if (leader_ == nullptr) return Status::Error("this server does not lead");
  return leader_->Forget(node_id);
}

bool Roles::lacks_state() const {
  const auto& lost = parts_.storage.lost();
  // What is here is served until it goes.
  const bool noting = taker_ != nullptr && !taker_->had_nothing();
  return follows_ && lost && lost->nothing && !noting;
}

bool Roles::Turn() {
  if (parts_.storage.journal() == nullptr && cutter_ == nullptr) return false;
  const int64_t now_ms = parts_.broker.clock().steady_ms();
  AcceptAdmitted(now_ms);
  GoOnLending(now_ms);
  HearLeader();
  if (recovery_ && !wanted_) GoOnRecovering(now_ms);
  if (follower_ != nullptr) GoOnLeadingAgain(now_ms);
  if (leader_ != nullptr) GoOnHandingOver(now_ms);
  if (wanted_ && MayChange() && !WaitsForLeader(now_ms)) {
    Change(*std::exchange(wanted_, std::nullopt));
  }
  if (leader_ != nullptr) {
    if (const auto awaited = parts_.broker.outbox().TakeAwaited()) {
      leader_->Await(awaited->position, awaited->question);
    }
    Position awaited = parts_.broker.waiting().awaited_of_followers();
    if (parts_.broker.pause().held())
      awaited = std::max(awaited, parts_.storage.journal()->appended());
    leader_->AwaitFollowers(awaited);
    AskAgain(now_ms);
    const bool more = leader_->Turn(now_ms);
    TapPublished();
    NoteAgreed(now_ms);
    return TellBroker() || wanted_ || more;
  }
  if (cutter_ != nullptr) {
    GoOnCutting();
    return false;
  }
  if (takes_state()) {
    GoOnTaking();
    return false;
  }
  if (follower_ == nullptr) {
    if (note_again_ms_ && now_ms >= *note_again_ms_) NoteFollowing();
    return false;
  }
  const Position before = follower_->applied();
  records_->KeepAgain(now_ms);
  bool more = follower_->Turn(now_ms);
  const bool wanted_published = wants_published();
  more |= TurnRelay(now_ms);
  // The next turn asks for it, or not any more.
  more |= wants_published() != wanted_published;
  if (follower_->journal_to_take()) {
    // A snapshot that is being taken belongs to the journal that goes.
    if (!parts_.saver.busy()) TakeJournal(*follower_->journal_to_take());
    return false;
  }
  Hear(follower_->leader_epoch());
  if (const auto& state = follower_->state_to_take()) {
    LostData lost = parts_.storage.lost().value_or(
        LostData{false, "a state of the leader has taken the place of what was here"});
    // If a state comes, that is so when it is loaded.
    lost.nothing |= state->files.empty();
    BeginToTake(*state, std::move(lost));
    return false;
  }
  if (follower_->room_wanted()) LookForRoom();
  NoteOwnDamage();
  if (follower_->cut_to() && !recovery_) {
    BeginToCut();
    return false;
  }
  NoteAgreed(now_ms);
  NoteCaughtUp();
  if (follower_->link_up()) NoteWelcomed();
  if (follower_->applied() == before) return more;
  parts_.broker.OnApplied(follower_->applied());
  return true;
}

int64_t Roles::NextTimerMs() const {
  int64_t due = std::numeric_limits<int64_t>::max();
  if (leader_ != nullptr) {
    due = leader_->next_due_ms();
    if (leader_->misses_any()) due = std::min(due, ask_again_ms_);
  }
  if (follower_ != nullptr && !takes_state()) due = follower_->next_due_ms();
  if (note_again_ms_) due = std::min(due, *note_again_ms_);
  if (relay_ != nullptr) due = std::min(due, relay_->next_due_ms());
  if (inquiry_ != nullptr) due = std::min(due, inquiry_->next_due_ms());
  if (recovery_) due = std::min(due, NextOfRecovery());
  if (lender_ != nullptr) due = std::min(due, lender_->next_due_ms());
  if (handover_ != nullptr) due = std::min(due, handover_->next_due_ms());
  if (wanted_ && wanted_->until_ms > 0) due = std::min(due, wanted_->until_ms);
  if (due == std::numeric_limits<int64_t>::max()) return -1;
  return std::max<int64_t>(due - parts_.broker.clock().steady_ms(), 0);
}

// What the leader's mark covers lies on the leader and on this server.
void Roles::NoteAgreed(int64_t now_ms) {
  const bool two = leader_ == nullptr || leader_->in_sync().size() > 1;
  if (two) agreed_->Note(parts_.storage.journal()->identity().id, high_watermark());
  agreed_->Turn(now_ms);
}

Position Roles::high_watermark() const {
  if (leader_ != nullptr) return leader_->in_sync().mark();
  if (follower_ == nullptr) return 0;
  return std::min(follower_->high_watermark(), parts_.storage.journal()->written());
}

size_t Roles::good_followers() const {
  if (leader_ == nullptr) return 0;
  return leader_->HeardWithin(parts_.broker.settings().min_replicas_max_lag_s,
                              parts_.broker.clock().steady_ms());
}

size_t Roles::LaggingFollowers() const {
  if (leader_ == nullptr || parts_.storage.journal()->failed()) return 0;
  const auto positions = leader_->Positions(false);
  const Position end = parts_.storage.journal()->appended();
  return static_cast<size_t>(std::count_if(positions.begin(), positions.end(),
                                           [&](Position position) { return position < end; }));
}

Position Roles::hold() const {
  return serving() != nullptr ? serving()->hold() : UINT64_MAX;
}

// --- Changes ---

void Roles::Change(const Wanted& wanted) {
  if (!wanted.follow && !follows_) return;
  told_ = true;
  force_ = wanted.force;
  by_word_ = wanted.by_word;
  const bool same = wanted.follow && follows_ && wanted.host == host_ && wanted.port == port_;
  // It was about to take over, and a person says otherwise.
  if (same && follower_ != nullptr && follower_->takes_over()) {
    follower_->RefuseTakeOver("it was told to follow on");
  }
  const bool goes_on = follower_ == nullptr || !follower_->has_given_up();
  if (same && goes_on && !recovery_) return;
  const bool takes_over = wanted.how == Wanted::How::kTakesOver;
  taker_.reset();
  change_.reset();
  cutter_.reset();
  if (follower_ != nullptr && wanted.follow && wanted.by_word) LeaveSet();
  if (follower_ != nullptr && !takes_over) {
    follower_->SayGoodbye(replication::Goodbye::kForGood);
  }
  std::unique_ptr<replication::Follower> last;
  if (wanted.follow) {
    LetFollowerGo();
  } else {
    switch (CatchUp()) {
      case CaughtUp::kYes:
        EndRelay();
        last = std::move(follower_);
        if (last != nullptr) last->DropFetched();
        break;
      case CaughtUp::kNotYet:
        wanted_ = wanted;
        return;
      case CaughtUp::kCannot:
        if (takes_over) follower_->RefuseTakeOver(error_);
        return FollowOn();
    }
  }
  recovery_.reset();
  inquiry_.reset();
  anew_.clear();
  leads_again_ = false;
  error_.clear();
  note_again_ms_.reset();
  handed_over_ = on_trial_ = false;
  changes_++;
  host_ = wanted.host;
  port_ = wanted.port;
  if (!wanted.follow) {
    BeginToLead();
    // Its journal has the new epoch. Who hears of it follows.
    if (takes_over && last != nullptr) last->SayGoodbye(replication::Goodbye::kLeads);
    return;
  }
  LogNotice("This server is to follow {}:{}", host_, port_);
  if (!follows_) {
    if (std::exchange(handover_, nullptr) != nullptr) {
      parts_.broker.HoldWrites(HoldReason::kHandOver, false);
    }
    leader_.reset();
    TapPublished();
    parts_.broker.Follow();
    follows_ = true;
  }
  parts_.storage.journal()->follows() ? MakeFollower() : NoteFollowing();
}

// This server was to lead, and cannot: the one that it has followed is followed again, which may
// have what is missing here.
void Roles::FollowOn() {
  // One that recovers has no leader, and asks the others again by itself.
  if (recovery_) return;
  parts_.config.NoteLeader(host_, port_);
  if (parts_.storage.journal()->failed()) return;
  LetFollowerGo();
  MakeFollower();
}

// What it has not applied is for the next one.
void Roles::LetFollowerGo() {
  if (follower_ == nullptr) return;
  pending_ = follower_->TakePending(UINT64_MAX);
  follower_->DropFetched();
  EndRelay();
  follower_.reset();
}

// The changes of this server go on from the state of the whole journal.
Roles::CaughtUp Roles::CatchUp() {
  const journal::Journal& journal = *parts_.storage.journal();
  if (follower_ == nullptr) {
    if (!pending_ || pending_->applied == journal.appended()) return CaughtUp::kYes;
    MakeFollower();
  }
  // What is beyond the mark is applied only by a server that is going to lead.
  if (!journal.failed()) follower_->PrepareToLead();
  if (journal.failed() || follower_->cannot_apply()) {
    error_ = fmt::format("this server cannot change its role: {}",
                         journal.failed() ? journal.status().message() : follower_->error());
    LogWarning("{}", error_);
    return CaughtUp::kCannot;
  }
  // What is not written cannot be applied.
  if (follower_->applied() != journal.appended()) return CaughtUp::kNotYet;
  return CaughtUp::kYes;
}

// Nobody is asked before the note of the journal says that it follows.
void Roles::NoteFollowing() {
  note_again_ms_.reset();
  parts_.storage.journal()->Follow(
      [this, change = changes_, alive = std::weak_ptr<bool>(alive_)](const Status& noted) {
        if (alive.expired() || !*alive.lock() || change != changes_) return;
        if (noted.ok()) {
          // It may be applying the rest, because it is to lead.
          LetFollowerGo();
          return MakeFollower();
        }
        // The disk may have room again later.
        note_again_ms_ = parts_.broker.clock().steady_ms() + kNoteAgainMs;
        const std::string error = fmt::format("this server cannot follow: {}", noted.message());
        if (error != std::exchange(error_, error)) LogWarning("{}", error_);
      });
}

void Roles::MakeLeader() {
  leader_ = MakeServing({});
  TellBroker();
}

// For a leader, or for a follower that serves others: then it has an upstream.
std::unique_ptr<replication::Leader> Roles::MakeServing(Upstream upstream) {
  const auto [host, port] = AnnouncedAddress(parts_.config.options());
  const replication::Member self{node_id_, host, port, true};
  return std::make_unique<replication::Leader>(
      replication::Leader::Parts{*parts_.storage.journal(), parts_.storage.disk(), parts_.reader,
                                 [this](Position most) { return PinSnapshot(most); }, *records_,
                                 self, parts_.broker.keyspace().databases(), kEffectsVersion,
                                 settings_, dropped_messages_, std::move(upstream.mark),
                                 std::move(upstream.path)},
      parts_.broker.clock().steady_ms());
}

std::optional<replication::PinnedSnapshot> Roles::PinSnapshot(Position most) {
  auto pinned = parts_.saver.Pin(most);
  if (!pinned) return std::nullopt;
  return replication::PinnedSnapshot{
      pinned->first,
      [&disk = parts_.storage.disk(), directories = parts_.storage.directories(),
       position = pinned->first] { return ListSnapshotFiles(disk, directories, position); },
      std::move(pinned->second)};
}

// Returns whether the next turn should come at once.
bool Roles::TellBroker() {
  const replication::InSyncSet& set = leader_->in_sync();
  return parts_.broker.NoteReplicas({set.shared(), set.mark(), set.answered(), set.live(),
                                     settings_.min_insync, static_cast<uint32_t>(set.size())},
                                    leader_->next_question());
}

void Roles::MakeFollower() {
  EndRelay();
  follower_.reset();
  error_.clear();
  journal::Journal& journal = *parts_.storage.journal();
  follower_ = std::make_unique<replication::Follower>(
      replication::Follower::Parts{
          parts_.storage.disk(), parts_.reader, journal, parts_.broker.keyspace(), parts_.reader,
          parts_.clock, settings_, parts_.storage.cold(),
          [this] {
            ColdStore* const cold = parts_.storage.cold();
            return cold != nullptr && cold->behind();
          },
          [this] { return parts_.broker.waiting().blocked() > 0; },
          [this](const std::string& host, int port, ConnectFunction done) {
            link_id_ = parts_.broker.parts().sessions.TakeId();
            return parts_.connect(host, port, std::move(done));
          },
          [this] { return Credentials(); }, [this] { return Introduce(); },
          [this](const replication::Welcome& welcome) {
            // Somebody leads.
            if (std::exchange(leads_again_, false)) inquiry_.reset();
            return WhyNotAsWelcomed(welcome);
          },
          [this](replication::ClusterRecord record) { TakeRecord(std::move(record)); },
          [this](journal::Epoch leader) {
            const auto& kept = records_->kept();
            return kept.epoch == leader ? kept.version : 0;
          },
          [this] { return wants_published(); },
          [this](const replication::Published& published) { Deliver(published); },
          dropped_messages_},
      replication::Follower::Target{host_, port_}, parts_.broker.clock().steady_ms(),
      std::exchange(pending_, std::nullopt));
}

// If its sender leads, it does, whatever others have said. In a chain it may be older than what was
// heard.
void Roles::TakeRecord(replication::ClusterRecord record) {
  const replication::ClusterRecord& own = records_->now();
  const auto age = [](const replication::ClusterRecord& of) {
    return std::tie(of.epoch, of.version);
  };
  if (!follower_->chained()) {
    heard_epoch_ = record.epoch;
  } else if (own.journal_id == record.journal_id && age(record) < age(own)) {
    return;
  }
  records_->Adopt(std::move(record));
}

// A person or a Sentinel has it leave its leader, which lets it go from the set. The next leader
// says whether it is in the set of that one.
void Roles::LeaveSet() {
  replication::ClusterRecord record = records_->now();
  replication::Member* const self = record.Find(node_id_);
  if (!follower_->link_up() || self == nullptr || !self->in_sync) return;
  self->in_sync = false;
  records_->Adopt(std::move(record));
}

replication::Follower::Credentials Roles::Credentials() const {
  const ServerOptions& options = parts_.config.options();
  return {options.masteruser, options.masterauth};
}

replication::FollowRequest Roles::Introduce() const {
  replication::FollowRequest request;
  const Keyspace& keyspace = parts_.broker.keyspace();
  // What it has lost counts: another journal does not take the place of that in silence.
  const bool lost = parts_.storage.lost().has_value();
  request.has_data = follower_->has_unapplied_data() || lost;
  request.anew = !anew_.empty() || !follower_->own_damage().empty();
  request.forced = force_;
  for (uint32_t slot = 0; slot < keyspace.slots(); slot++) {
    request.has_data |= keyspace.size(Keyspace::DatabaseAt(slot)) > 0;
  }
  request.trusted = parts_.storage.journal()->trusted() && !lost;
  request.recovers = recovery_.has_value();
  request.node_id = node_id_;
  request.run_id = parts_.run_id;
  request.databases = keyspace.databases();
  request.effects = kEffectsVersion;
  std::tie(request.host, request.port) = AnnouncedAddress(parts_.config.options());
  return request;
}

void Roles::BeginToLead() {
  follows_ = false;
  pending_.reset();
  lender_.reset();
  const journal::Journal& journal = *parts_.storage.journal();
  if (Status led = parts_.storage.Lead(); !led.ok()) LogWarning("{}", led.message());
  // What it lacks now is given up.
  if (parts_.storage.lost()) parts_.storage.ForgetLost(false);
  parts_.broker.Lead();
  MakeLeader();
  LogNotice("This server leads now, in epoch {:016x} from position {} on", journal.epoch(),
            journal.epochs().rows().back().begin);
}

}  // namespace runnel
