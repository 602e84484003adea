#include "server/roles.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "fmt/format.h"

namespace runnel {

// What a follower holds is replaced by what its leader has: the journal, a snapshot, or a part of
// the journal.

// It goes on as a follower that serves what it has.
void Roles::LoseJournal(const Status& why) {
  error_ = fmt::format("this server cannot follow: {}", why.message());
  LogWarning("{}", error_);
  wanted_.reset();
}

void Roles::TakeJournal(journal::Identity identity) {
  EndRelay();
  follower_.reset();
  lender_.reset();
  parts_.broker.KeepIn(nullptr);
  if (Status taken = parts_.storage.TakeJournal(identity); !taken.ok()) return LoseJournal(taken);
  parts_.saver.StartFrom(parts_.storage.found());
  parts_.broker.KeepIn(parts_.storage.journal());
  parts_.broker.Follow();
  MakeFollower();
}

// --- A full sync ---

// Why this server does not go on as its leader says: it would give up what the leader should have.
Status Roles::WhyNotAsWelcomed(const replication::Welcome& welcome) const {
  const journal::Journal& own = *parts_.storage.journal();
  const uint64_t id = own.identity().id;
  if (welcome.identity.id != id) {
    if (force_ || !welcome.gives_state()) return {};
    return Status::Error(
        fmt::format("the journal of {}:{} is {:016x}, and this server's is another one, {:016x}",
                    host_, port_, welcome.identity.id, id));
  }
  if (welcome.parting < own.appended()) {
    // Without a state the journal is cut, which is decided then.
    return welcome.gives_state() ? WhyNotCut(welcome.parting) : Status();
  }
  // What this server has set aside may be all that is left.
  if (!parts_.storage.lost()) return {};
  const Position agreed = agreed_->Of(id);
  if (welcome.end >= agreed || force_ || parts_.config.options().unclean_leader_election) return {};
  return Status::Error(fmt::format(
      "the journal of {}:{} ends at position {}, and two servers had it up to {}: the leader has "
      "lost {} bytes of it. REPLICAOF {} {} FORCE follows it all the same",
      host_, port_, welcome.end, agreed, agreed - welcome.end, host_, port_));
}

namespace {

replication::Follower::LeaderState NoState(const journal::Identity& identity, Position parting) {
  replication::Follower::LeaderState state;
  state.identity = identity;
  state.parting = parting;
  return state;
}

}  // namespace

// A state of the leader, or none, is to take the place of what is here. It has nothing then, or
// what the leader had some time ago: it must not lead before it has the rest, which `lost` says.
void Roles::BeginToTake(const replication::Follower::LeaderState& state, LostData lost) {
  EndRelay();
  StateTaker::Change& change = change_.emplace();
  change.state.identity = state.identity;
  change.state.position = state.position;
  for (const replication::SyncFile& file : state.files) {
    change.state.paths.push_back(file.path);
  }
  change.parting = state.parting;
  if (!follower_->own_damage().empty()) change.damaged_from = follower_->applied();
  change.lost = std::move(lost);
  // One that begins with no data because the leader has no snapshot needs no room.
  change.makes_room = follower_->room_wanted().has_value();
  GoOnTaking();
}

// Whether what two servers have agreed on is known to be no more than what stays. A start must not
// take for agreed what is of another leader.
bool Roles::LowerAgreed(Position end) {
  if (end >= parts_.storage.journal()->appended()) return true;
  agreed_->Lower(end);
  agreed_->Turn(parts_.broker.clock().steady_ms());
  return !agreed_->lowering();
}

// The note decides; from then on what has come counts, also after a crash.
void Roles::GoOnTaking() {
  if (change_) {
    if (!LowerAgreed(change_->parting)) return;
    taker_ = std::make_unique<StateTaker>(
        StateTaker::Parts{parts_.storage, parts_.saver, parts_.reader}, std::move(*change_));
    change_.reset();
  }
  taker_->Turn();
  if (taker_->state() == StateTaker::State::kRefused) {
    const std::string why = taker_->status().message();
    taker_.reset();
    return follower_->state_to_take() ? follower_->RefuseState(why) : follower_->RefuseRoom(why);
  }
  if (taker_->state() != StateTaker::State::kNoted) return;
  const std::unique_ptr<StateTaker> taker = std::move(taker_);
  dropped_bytes_ += taker->dropped_bytes();
  agreed_->Lower(taker->parting());
  parts_.broker.NoteCut(taker->parting());
  error_ = follower_->state_to_take() ? "a state of the leader has arrived, and is being loaded"
                                      : "what was here has made room for what the leader has";
  anew_.clear();
  follower_.reset();
  lender_.reset();
  parts_.broker.KeepIn(nullptr);
  parts_.storage.GiveWay();
  must_load_ = true;
}

// --- A disk that holds one state only ---

namespace {

constexpr const char* kRemovedToMakeRoom =
    "what had come of a snapshot was removed to make room: it is fetched from its beginning";

}  // namespace

void Roles::LookForRoom() {
  if (std::exchange(looking_for_room_, true)) return;
  auto room = std::make_shared<Result<Room>>(Room());
  // It may outlive the storage.
  parts_.reader.Run(
      [room, &disk = parts_.storage.disk(), directories = parts_.storage.directories(),
       wanted = *follower_->room_wanted()] {
        *room = runnel::LookForRoom(disk, directories, wanted);
      },
      [this, room, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired() || !*alive.lock()) return;
        looking_for_room_ = false;
        if (follower_ == nullptr) return;
        if (follower_->room_wanted() && !takes_state()) {
          room->ok() ? OnRoom(**room) : follower_->RefuseRoom(room->message());
        } else if (!room->ok() || (*room)->removed_staged) {
          // The link may have ended meanwhile. The files are gone all the same.
          follower_->ForgetFetched(kRemovedToMakeRoom);
        }
      });
}

void Roles::OnRoom(const Room& room) {
  if (!room.removed_staged) return follower_->GoOnFetching();
  const uint64_t kept = follower_->bytes_to_keep();
  const uint64_t total = follower_->fetch()->total_bytes();
  const uint64_t needed = follower_->RoomFor(total);
  if (room.free_bytes >= needed) return follower_->RefuseRoom(kRemovedToMakeRoom);
  const std::string why = fmt::format(
      "the disk has no room for the snapshot of the leader: {} bytes are to come, {} of this "
      "server's journal are to be kept, {} are free, what is here takes {}, and what was set aside "
      "{}",
      total, kept, room.free_bytes, room.own_bytes, room.set_aside_bytes);
  // What is kept is copied before anything goes. A server without data has a journal, too, which
  // reserves room; and it has nothing that could go once more.
  const uint64_t all = room.free_bytes + room.own_bytes;
  const journal::Journal& own = *parts_.storage.journal();
  const bool has_data = own.appended() > 0;
  if (!has_data || room.free_bytes < kept || all < needed + own.SegmentBytes(all)) {
    return follower_->RefuseRoom(why);
  }
  LogWarning("{}: what is here goes first", why);
  BeginToTake(NoState(parts_.storage.journal()->identity(), follower_->parting()),
              LostData{false, why, true});
}

// --- Data that this server has lost ---

// Its journal cannot be read any more.
void Roles::NoteOwnDamage() {
  const std::string& why = follower_->own_damage();
  // One that recovers is to lead: nobody has what it lacks then.
  if (why.empty() || recovery_ || parts_.storage.lost()) return;
  LogWarning("{}: this server fetches from its leader what it has", why);
  parts_.storage.NoteLost({false, why}, [](const Status& noted) {
    if (!noted.ok()) LogWarning("It cannot be noted that data is lost: {}", noted.message());
  });
}

// There is a state again, though it may not be all.
void Roles::NoteSomething() {
  const auto& lost = parts_.storage.lost();
  if (!lost || !lost->nothing) return;
  parts_.storage.NoteLost({false, lost->why, false}, [](const Status& noted) {
    if (!noted.ok()) LogWarning("The note about lost data stays as it was: {}", noted.message());
  });
}

// The link is up.
void Roles::NoteWelcomed() {
  // A person's word was about what there was before.
  force_ = false;
  // In a chain there may be more to come.
  if (follower_->chained() && follower_->has_all()) NoteSomething();
  // Who gives back what may be lost, or follows another one itself, may lack what the leader has.
  if (recovery_ || follower_->chained()) return;
  const Position end = follower_->leader_end();
  agreed_->Lower(std::max(end, parts_.storage.journal()->written()));
  const bool whole = follower_->caught_up() && follower_->own_damage().empty();
  if (!parts_.storage.lost() || !whole) return;
  LogNotice("This server has again what it had lost, up to position {}", end);
  parts_.storage.ForgetLost(true);
}

// --- Cutting ---

// The one place that decides whether what lies beyond `end` may be cut off, because the leader does
// not have it. Not OK: it stays, the link stays down, and this is the reason.
Status Roles::WhyNotCut(Position end) const {
  const journal::Journal& own = *parts_.storage.journal();
  const Position agreed = std::min(agreed_->Of(own.identity().id), own.written());
  if (end < agreed && !force_ && !parts_.config.options().unclean_leader_election) {
    return Status::Error(fmt::format(
        "the journals part at position {}, and another server had this one up to {}, too: {} bytes "
        "that two servers had agreed on would be cut off. REPLICAOF {} {} FORCE does it; REPLICAOF "
        "NO ONE makes this server lead",
        end, agreed, agreed - end, host_, port_));
  }
  // A server that was promoted and is started again with an old configuration is not to lose what
  // it has made. (Nor does the higher epoch say that it is right: whoever starts as a leader takes
  // one.)
  const journal::Epoch newest = parts_.storage.journal()->epochs().newest();
  if (told_ || newest <= follower_->leader_epoch()) return {};
  return Status::Error(fmt::format(
      "the journals part at position {}, and this one goes on in epoch {:016x}, which is above "
      "{:016x}, in which {}:{} leads: nothing is cut because of `replicaof` in the configuration "
      "alone. REPLICAOF {} {} cuts it; REPLICAOF NO ONE makes this server lead",
      end, newest, follower_->leader_epoch(), host_, port_, host_, port_));
}

// REQUIRES: the follower's journal goes on after that of its leader parts from it.
void Roles::BeginToCut() {
  const Position end = *follower_->cut_to();
  const Cutter::Parts parts{parts_.storage, parts_.saver, parts_.reader};
  Status why = WhyNotCut(end);
  if (why.ok() && !Cutter::CanLoad(parts, end)) {
    why = Status::Error(fmt::format(
        "the journals part at position {}, and this server has no state up to there to go on from: "
        "{}",
        end,
        anew_.empty() ? "it asks the leader for one"
                      : "the leader has given none, as if it were of an older version"));
    anew_ = why.message();
  }
  if (why.ok()) why = Cutter::WhyNot(parts, end);
  if (!why.ok()) return follower_->RefuseCut(why.message());
  EndRelay();
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
      if (!LowerAgreed(cutter_->end())) break;
      lender_.reset();
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
    pending_.reset();
    return;
  }
  parts_.broker.KeepIn(parts_.storage.journal());
  parts_.broker.log().Follow(pending_->applied);
  MakeFollower();
}

void Roles::OnLoaded() {
  must_load_ = false;
  const FoundState& found = parts_.storage.found();
  if (found.snapshot_position > 0) NoteSomething();
  pending_ = replication::Follower::Pending{found.position, {}, found.data_end, {}};
  // What else Broker::Follow does was done by Unload.
  parts_.broker.log().Follow(found.position);
  MakeFollower();
}

}  // namespace runnel
