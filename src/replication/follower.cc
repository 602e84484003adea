#include "replication/follower.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// Applying goes on for about so long in one turn.
constexpr int64_t kApplyMicros = 1000;
// How long it waits before it looks again whether the disk has room, and for how much of it.
constexpr int64_t kLookForRoomMs = 100;
constexpr uint64_t kRoomToGoOn = uint64_t{1} << 20;

}  // namespace

std::vector<std::string> GreetingOf(const Follower::Credentials& credentials) {
  // Whether a password is needed is answered to PING.
  if (credentials.password.empty()) return {"PING"};
  if (credentials.user.empty()) return {"AUTH", credentials.password};
  return {"AUTH", credentials.user, credentials.password};
}

Follower::Follower(Parts parts, Target target, int64_t now_ms, std::optional<Pending> pending)
    : parts_(std::move(parts)),
      target_(std::move(target)),
      now_ms_(now_ms),
      retry_ms_(now_ms),
      down_since_ms_(now_ms),
      heard_ms_(now_ms),
      error_("not connected yet"),
      kept_end_(parts_.journal.appended()),
      inbox_(parts_.settings, parts_.dropped_messages, parts_.on_published),
      applied_(parts_.journal.appended()),
      applier_(parts_.keyspace),
      cold_ahead_(parts_.cold, parts_.keyspace) {
  parts_.journal.AddSink(this);
  if (!pending) return;
  applied_ = pending->applied;
  data_end_ = pending->data_end;
  frames_ = std::move(pending->frames);
  own_damage_ = std::move(pending->own_damage);
  cannot_apply_ = !own_damage_.empty();
  for (const std::string& frame : frames_) {
    unapplied_bytes_ += frame.size();
  }
  kept_end_ = applied_ + unapplied_bytes_;
  CHECK(kept_end_ <= parts_.journal.written());
}

Follower::~Follower() {
  parts_.journal.RemoveSink(this);
  if (link_ != nullptr) Link::End(std::move(link_));
}

bool Follower::Turn(int64_t now_ms) {
  now_ms_ = now_ms;
  if (std::exchange(heard_, false)) heard_ms_ = now_ms;
  // What has come is not read while it is held back.
  if (held_back_) heard_ms_ = now_ms;
  if (link_ != nullptr && ended_.empty() &&
      now_ms - heard_ms_ > 2 * parts_.settings.silence_max_ms) {
    ended_ = fmt::format("nothing came from the leader for {} ms", now_ms - heard_ms_);
  }
  if (attempt_ != nullptr && now_ms - heard_ms_ > 2 * parts_.settings.silence_max_ms) {
    ended_ = fmt::format("no connection to {}:{} was made within {} ms", target_.host, target_.port,
                         now_ms - heard_ms_);
  }
  LookAtJournal();
  if (!ended_.empty() && !leaving_.empty()) ended_ = leaving_;
  if (!ended_.empty()) {
    Drop(std::exchange(ended_, ""), cut_to_ || takes_over_ || parts_.journal.failed());
  }
  if (cut_to_ || state_to_take_) return false;
  RaiseMark();
  // Whoever waits for the report does not wait for what can be applied now.
  if (link_ != nullptr && state_ == State::kStreaming) MayReport(now_ms);
  const bool held_up = parts_.held_up();
  const bool more = !held_up && Apply(parts_.clock.SteadyMicros() + kApplyMicros);
  ReadOn();
  HoldBack(held_up);
  if (link_ != nullptr && state_ == State::kSyncing) Sync();
  if (link_ != nullptr && state_ == State::kStreaming) MaySubscribe();
  inbox_.dropped().MayLog(
      "changes that were made before them are applied too slowly, or the link ended", now_ms);
  if (state_ == State::kWaiting && now_ms >= retry_ms_) TryToConnect();
  return more;
}

int64_t Follower::next_due_ms() const {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  switch (state_) {
    case State::kStopped:
      return kNever;
    case State::kWaiting:
      return retry_ms_;
    default:
      break;
  }
  int64_t due = heard_ms_ + 2 * parts_.settings.silence_max_ms + 1;
  if (link_up() && IsNews(Standing())) due = std::min(due, reported_ms_ + kReportEveryMs);
  if (held_back_) due = std::min(due, reported_ms_ + alive_every_ms());
  return due;
}

// --- The connection ---

// The leader takes the end of the journal, which the request says, for what this server has: so it
// is safe before that.
void Follower::TryToConnect() {
  const journal::Journal& journal = parts_.journal;
  if (!MayAsk()) {
    retry_ms_ = now_ms_ + kLookForRoomMs;
  } else if (journal.safe() < journal.appended()) {
    retry_ms_ = now_ms_ + kFirstWaitMs;
  } else {
    Connect();
  }
}

// Who cannot keep what comes leaves the set at once, so that nobody waits for it.
void Follower::LookAtJournal() {
  const journal::Journal& journal = parts_.journal;
  if (journal.status().ok() || state_ == State::kStopped || takes_over_ || !leaving_.empty())
    return;
  const bool leaves = link_up() && ended_.empty();
  if (!leaves && !journal.failed()) return;
  const std::string why =
      journal.failed()
          ? "the own journal has failed, and takes no more until this server is started again: " +
                journal.status().message()
          : NoRoom();
  if (leaves) {
    SayGoodbye(Goodbye::kReturns);
    leaving_ = error_ = why;
  } else {
    ended_ = why;
  }
}

// Asks for nothing while the disk has no room for it; once it had none, not before there is room
// for more than a few frames. A snapshot that is being fetched may make room.
bool Follower::MayAsk() {
  journal::Journal& journal = parts_.journal;
  if (fetch_ != nullptr) return true;
  if (!journal.status().ok()) {
    no_room_ = true;
    error_ = NoRoom();
  }
  const uint64_t least = std::min<uint64_t>(parts_.settings.window_bytes, kRoomToGoOn);
  if (no_room_ && journal.HasRoomFor(least, journal::Journal::Change::kAdds)) no_room_ = false;
  return !no_room_;
}

std::string Follower::NoRoom() const {
  return "the own disk gets full: " + parts_.journal.status().message();
}

void Follower::Connect() {
  state_ = State::kConnecting;
  heard_ms_ = now_ms_;
  attempt_ = parts_.connect(
      target_.host, target_.port,
      [this](Result<std::unique_ptr<ByteStream>> stream) { OnConnected(std::move(stream)); });
}

void Follower::OnConnected(Result<std::unique_ptr<ByteStream>> stream) {
  attempt_.reset();
  heard_ = true;
  if (!stream.ok()) {
    ended_ = stream.status().message();
    return;
  }
  link_ = Link::Begin(std::move(*stream), *this);
  connected_ms_ = now_ms_;
  state_ = State::kGreeting;
  link_->SendCommand(GreetingOf(parts_.credentials()));
  link_->Flush();
}

void Follower::Ask() {
  state_ = State::kAsking;
  FollowRequest request = parts_.introduce();
  const journal::Journal& journal = parts_.journal;
  request.journal_id = journal.identity().id;
  request.end = journal.appended();
  request.epochs = journal.epochs();
  if (fetch_ != nullptr && fetch_->was_damaged()) request.without = fetch_->position();
  own_node_ = request.node_id;
  link_->SendCommand(request.ToWords());
  link_->Flush();
}

Status Follower::OnLine(std::string_view line) {
  heard_ = true;
  if (line.front() == '-') {
    const std::string_view refusal = line.substr(line.starts_with("-ERR ") ? 5 : 1);
    if (state_ == State::kAsking) {
      if (Status ring = OnRefusal(refusal); !ring.ok()) return ring;
    }
    return Status::Error(fmt::format("the leader refuses: {}", line.substr(1)));
  }
  if (state_ == State::kGreeting) {
    Ask();
    return {};
  }
  return Status::Error(fmt::format("the other side answers '{}': it is no leader of Runnel", line));
}

// Fails if there is more to say than what the refusal says.
Status Follower::OnRefusal(std::string_view refusal) {
  new_leader_ = LeaderInRefusal(refusal);
  not_leading_ = NotLeading::InRefusal(refusal);
  if (!not_leading_) return {};
  path_ = not_leading_->path;
  return WhyRing();
}

// Not OK: servers, this one among them, follow each other, or would.
Status Follower::WhyRing() const {
  const auto self = std::find(path_.begin(), path_.end(), own_node_);
  if (self == path_.end()) return {};
  const journal::Journal& journal = parts_.journal;
  const auto servers = self - path_.begin() + 1;
  return Status::Error(
      fmt::format("{} servers follow each other in a ring, this one among them, so none of them "
                  "leads: this one "
                  "follows {}:{} (node {}). REPLICAOF NO ONE makes one of them lead, and what that "
                  "one does not "
                  "have is lost: this one has the journal up to position {} in epoch {:016x}",
                  servers, target_.host, target_.port, path_.front(), journal.appended(),
                  journal.epochs().newest()));
}

Status Follower::OnMessage(MessageType type, std::string_view body) {
  heard_ = true;
  if (takes_over_ || !leaving_.empty()) return {};
  const bool asked = type == MessageType::kWelcome;
  const bool of_snapshot = type == MessageType::kFiles || type == MessageType::kFilePiece;
  const bool of_journal = type == MessageType::kBytes || type == MessageType::kMark ||
                          type == MessageType::kPublished || type == MessageType::kPublishedMore;
  if (asked != (state_ == State::kAsking) || (of_snapshot && state_ != State::kSyncing) ||
      (of_journal && state_ != State::kStreaming)) {
    return Status::Error(
        fmt::format("a message of type {} came out of turn", static_cast<int>(type)));
  }
  switch (type) {
    case MessageType::kWelcome:
      return OnWelcome(body);
    case MessageType::kBytes:
      return OnBytes(body);
    case MessageType::kMark: {
      const auto mark = Mark::Decode(body);
      if (!mark) return Status::Error("a mark that is none");
      // What has come before it was known is waited for, too.
      const bool sync = mark->synced && !mark_.synced;
      if (sync && parts_.journal.durable() < parts_.journal.appended()) {
        parts_.journal.RequestSync();
      }
      mark_ = *mark;
      RaiseMark();
      return {};
    }
    case MessageType::kHeartbeat: {
      const auto heartbeat = Heartbeat::Decode(body);
      if (!heartbeat) return Status::Error("a heartbeat that is none");
      const bool urgent = heartbeat->urgent || IsAwaited();
      heartbeat_ = {heartbeat->number, urgent};
      return {};
    }
    case MessageType::kRecord: {
      auto record = ClusterRecord::Decode(body);
      if (!record) return Status::Error("a record that is none");
      if (record->journal_id != parts_.journal.identity().id) {
        return Status::Error("a record of another journal");
      }
      parts_.on_record(std::move(*record));
      return {};
    }
    case MessageType::kFiles: {
      const auto list = FileList::Decode(body);
      if (!list) return Status::Error("a list of files that is none");
      Status taken = fetch_->OnFiles(*list);
      fetch_is_void_ = fetch_->is_another();
      return taken;
    }
    case MessageType::kFilePiece: {
      const auto piece = FilePiece::Decode(body);
      if (!piece) return Status::Error("a piece of a file that is none, or is damaged");
      // A link that has brought something is made again at once, unless that was of no use.
      if (!fetch_->was_damaged()) wait_ms_ = kFirstWaitMs;
      Status taken = fetch_->OnPiece(*piece);
      fetch_is_void_ = fetch_->is_another();
      return taken;
    }
    case MessageType::kTakeOver:
      return OnTakeOver(body);
    case MessageType::kNewLeader:
      return OnNewLeader(body);
    case MessageType::kPublished:
    case MessageType::kPublishedMore:
      return inbox_.Take(type, body, applied_);
    case MessageType::kReport:
    case MessageType::kGoodbye:
    case MessageType::kFetch:
    case MessageType::kAskToLead:
    case MessageType::kRefuse:
    case MessageType::kSubscribed:
      break;
  }
  return Status::Error(fmt::format("a message of type {} came, which a leader does not send",
                                   static_cast<int>(type)));
}

Status Follower::OnWelcome(std::string_view body) {
  const auto welcome = Welcome::Decode(body);
  if (!welcome) return Status::Error("a welcome that is none");
  leader_epoch_ = welcome->epochs.newest();
  leader_node_ = welcome->node_id;
  leader_end_ = welcome->end;
  path_ = welcome->path;
  path_.insert(path_.begin(), welcome->node_id);
  root_node_ = path_.back();
  chained_ = path_.size() > 1;
  if (Status ring = WhyRing(); !ring.ok()) return ring;
  if (Status objection = parts_.objection(*welcome); !objection.ok()) return objection;
  const journal::Journal& journal = parts_.journal;
  if (welcome->gives_state()) {
    OnState(*welcome);
    return {};
  }
  DropFetched();
  if (welcome->identity.id != journal.identity().id) {
    // The leader has not refused, so this server said that it has no data.
    LogNotice("This server has no data: it takes the journal {:016x} of its leader {}:{}",
              welcome->identity.id, target_.host, target_.port);
    journal_to_take_ = welcome->identity;
    state_ = State::kStopped;
    return {};
  }
  if (welcome->parting > journal.appended()) {
    return Status::Error(
        fmt::format("the leader would go on from position {}, and this journal "
                    "ends at {}",
                    welcome->parting, journal.appended()));
  }
  if (welcome->parting < journal.appended()) {
    cut_to_ = welcome->parting;
    return Status::Error(
        fmt::format("the journals part at position {}, and this one goes on to {}: "
                    "what lies between is to be cut off first",
                    welcome->parting, journal.appended()));
  }
  state_ = State::kStreaming;
  mark_ = {};
  said_goodbye_ = false;
  received_ = welcome->parting;
  partial_.clear();
  reported_ = {};
  reported_.received = received_;
  reported_ms_ = 0;
  heartbeat_ = {};
  subscribed_ = false;
  wait_ms_ = kFirstWaitMs;
  error_.clear();
  said_.clear();
  LogNotice("The link to the leader {}:{} (node {}) is up: its journal comes from position {} on",
            target_.host, target_.port, welcome->node_id, received_);
  return {};
}

void Follower::RefuseCut(std::string_view why) {
  CHECK(cut_to_.has_value());
  cut_to_.reset();
  Drop(why, false);
}

Follower::Pending Follower::TakePending(Position end) {
  Pending pending{std::min(applied_, end), {}, std::min(data_end_, end), {}};
  // What is in memory lies before the damage.
  if (kept_end_ < end) pending.own_damage = own_damage_;
  for (Position at = applied_; !frames_.empty() && at + frames_.front().size() <= end;) {
    at += frames_.front().size();
    pending.frames.push_back(std::move(frames_.front()));
    frames_.pop_front();
  }
  return pending;
}

void Follower::OnEnd(std::string_view why) {
  ended_ = why;
}

// Ends what there is of a connection.
void Follower::Drop(std::string_view why, bool for_good) {
  attempt_.reset();
  if (link_ != nullptr) Link::End(std::move(link_));
  partial_.clear();
  room_wanted_.reset();
  if (std::exchange(fetch_is_void_, false)) DropFetched();
  inbox_.Clear();
  take_over_.reset();
  leaving_.clear();
  held_back_ = false;
  if (link_up()) down_since_ms_ = now_ms_;
  // What is to be cut is said when that is decided.
  if (!cut_to_ && said_ != why) {
    said_ = why;
    LogWarning("The link to the leader {}:{} is down: {}", target_.host, target_.port, why);
  }
  error_ = why;
  state_ = for_good ? State::kStopped : State::kWaiting;
  retry_ms_ = now_ms_ + wait_ms_;
  wait_ms_ = std::min(2 * wait_ms_, kMostWaitMs);
}

void Follower::EndLink(std::string_view why) {
  if (state_ == State::kStopped || state_ == State::kWaiting) return;
  Drop(why, false);
  ended_.clear();
}

void Follower::Reconnect(std::string_view why) {
  if (state_ == State::kStopped) return;
  if (state_ != State::kWaiting) Drop(why, false);
  ended_.clear();
  retry_ms_ = now_ms_;
}

// --- Handing over ---

void Follower::AskToLead(uint32_t wait_ms) {
  std::string body;
  replication::AskToLead{wait_ms}.Encode(&body);
  link_->Send(MessageType::kAskToLead, body);
  link_->Flush();
}

Status Follower::OnTakeOver(std::string_view body) {
  take_over_ = TakeOver::Decode(body);
  return take_over_ ? Status() : Status::Error("an offer to take over that is none");
}

Status Follower::OnNewLeader(std::string_view body) {
  new_leader_ = NewLeader::Decode(body);
  return new_leader_ ? Status() : Status::Error("the address of a new leader that is none");
}

void Follower::RefuseTakeOver(std::string_view why) {
  take_over_.reset();
  takes_over_ = applies_all_ = false;
  if (!link_up()) return;
  link_->Send(MessageType::kRefuse, why.substr(0, kMostReasonBytes));
  link_->Flush();
}

void Follower::AcceptTakeOver() {
  take_over_.reset();
  takes_over_ = applies_all_ = true;
}

}  // namespace runnel::replication
