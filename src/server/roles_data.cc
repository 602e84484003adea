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

// The note decides; from then on what has arrived counts, also after a crash.
void Roles::TakeSnapshot() {
  // A snapshot that is being taken belongs to the state that goes.
  parts_.saver.Suspend("a snapshot of the leader takes the place of what is here");
  if (parts_.saver.busy()) return;
  taking_snapshot_ = true;
  const replication::SnapshotFetch& fetch = *follower_->snapshot_to_take();
  ArrivedSnapshot arrived;
  arrived.identity = parts_.storage.journal()->identity();
  arrived.position = fetch.position();
  for (const replication::SyncFile& file : fetch.files()) {
    arrived.paths.push_back(file.path);
  }
  parts_.storage.NoteArrived(std::move(arrived),
                             [this, alive = std::weak_ptr<bool>(alive_)](const Status& noted) {
                               if (!alive.expired() && *alive.lock()) OnNoted(noted);
                             });
}

void Roles::OnNoted(const Status& noted) {
  taking_snapshot_ = false;
  if (!noted.ok()) {
    // It is fetched again.
    LogWarning("The snapshot of the leader cannot be used: {}", noted.message());
    parts_.saver.Resume();
    LetFollowerGo();
    return MakeFollower();
  }
  error_ = "a snapshot of the leader has arrived, and is being loaded";
  EndRelay();
  follower_.reset();
  lender_.reset();
  parts_.broker.KeepIn(nullptr);
  parts_.storage.GiveWay();
  must_load_ = true;
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
      // A start must not take for agreed what is of another leader then.
      agreed_->Lower(cutter_->end());
      agreed_->Turn(parts_.broker.clock().steady_ms());
      if (agreed_->lowering()) break;
      lender_.reset();
      error_ = follower_->error();
      pending_ = follower_->TakePending(cutter_->end());
      EndRelay();
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
  pending_ = replication::Follower::Pending{found.position, {}, found.data_end};
  // What else Broker::Follow does was done by Unload.
  parts_.broker.log().Follow(found.position);
  MakeFollower();
}

}  // namespace runnel
