#include "replication/in_sync_set.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// How long the record is not looked at if nothing happens. Settings may have changed meanwhile.
constexpr int64_t kLookAgainMs = 100;
// How long a proposal that failed is not made again.
constexpr int64_t kProposeAgainMs = 1000;

}  // namespace

InSyncSet::InSyncSet(const ReplicationSettings& settings, RecordKeeper& keeper,
                     Leadership leadership, int64_t now_ms)
    : settings_(settings),
      keeper_(keeper),
      leadership_(std::move(leadership)),
      last_turn_ms_(now_ms) {
  for (const Member& member : record().members) {
    if (member.node_id == leadership_.self.node_id) continue;
    Peer& peer = peers_[member.node_id];
    peer.member = member;
    peer.since_ms = peer.heard_ms = now_ms;
  }
}

// --- What the leader tells ---

void InSyncSet::OnConnected(const Member& member, Position end, int64_t now_ms, bool trusted) {
  dirty_ = true;
  Peer& peer = peers_[member.node_id];
  peer.member = member;
  const bool doubted = !trusted && end < end_;
  peer.lost |= doubted || (peer.known && end < peer.progress.counted);
  if (doubted) peer.lost_below = end_;
  if (peer.lost || !peer.known) peer.progress.counted = std::min(peer.progress.counted, end);
  peer.progress.applied = peer.progress.heard = peer.progress.record = 0;
  peer.connected = peer.known = true;
  peer.goodbye.reset();
  peer.since_ms = peer.heard_ms = now_ms;
  peer.caught_up_ms.reset();
  peer.sample = {end_, mark_, now_ms};
}

void InSyncSet::NoteOwnHost(std::string_view host) {
  if (!leadership_.self.host.empty()) return;
  leadership_.self.host = host;
  dirty_ = true;
}

void InSyncSet::OnProgress(std::string_view node_id, const Progress& progress, int64_t now_ms) {
  const auto found = peers_.find(node_id);
  if (found == peers_.end() || !found->second.connected) return;
  Peer& peer = found->second;
  peer.heard_ms = now_ms;
  // What a follower that has come back reports begins again at the position from which it asks.
  peer.progress.counted = std::max(peer.progress.counted, progress.counted);
  peer.progress.applied = progress.applied;
  peer.progress.heard = progress.heard;
  peer.progress.record = progress.record;
  if (peer.progress.counted >= std::max(mark_, peer.lost_below)) {
    peer.lost = false;
    peer.lost_below = 0;
  }
  // It may join now.
  dirty_ |= !peer.joining && !IsRecorded(node_id);
}

void InSyncSet::OnGone(std::string_view node_id, std::optional<Goodbye> goodbye, int64_t now_ms) {
  const auto found = peers_.find(node_id);
  if (found == peers_.end()) return;
  dirty_ = true;
  Peer& peer = found->second;
  // One that was proposed goes on to count until the answer is here.
  peer.connected = false;
  peer.goodbye = goodbye;
  peer.since_ms = now_ms;
  peer.caught_up_ms.reset();
}

Status InSyncSet::Forget(std::string_view node_id) {
  const auto found = peers_.find(node_id);
  if (found == peers_.end()) {
    return Status::Error(fmt::format("no server with the node id '{}' is known", node_id));
  }
  if (found->second.connected) {
    return Status::Error(fmt::format("the server with the node id '{}' is connected", node_id));
  }
  found->second.goodbye = Goodbye::kForGood;
  dirty_ = true;
  return {};
}

// --- Judging ---

const ClusterRecord& InSyncSet::record() const {
  static const ClusterRecord kNone;
  const ClusterRecord& record = keeper_.now();
  return record.journal_id == leadership_.journal_id ? record : kNone;
}

bool InSyncSet::IsRecorded(std::string_view node_id) const {
  const Member* const member = record().Find(node_id);
  return member != nullptr && member->in_sync;
}

bool InSyncSet::Counts(const Peer& peer) const {
  if (IsPlanted(PlantedFault::kForgetWhoJoins)) return IsRecorded(peer.member.node_id);
  if (IsPlanted(PlantedFault::kForgetWhoLeaves) && !WhyLeaves(peer, last_turn_ms_).empty()) {
    return false;
  }
  return peer.joining || IsRecorded(peer.member.node_id);
}

bool InSyncSet::Has(std::string_view node_id) const {
  if (node_id == leadership_.self.node_id) return true;
  return IsRecorded(node_id);
}

bool InSyncSet::IsAlive(const Peer& peer, int64_t now_ms) const {
  return peer.connected && now_ms - peer.heard_ms <= settings_.silence_max_ms;
}

// It had reached the end of the journal, and applied the mark, as they were not long ago. It also
// has all that is below the mark now: the mark has moved without it meanwhile.
bool InSyncSet::IsNear(const Peer& peer, int64_t now_ms) const {
  const bool has_mark =
      peer.progress.counted >= mark_ || IsPlanted(PlantedFault::kJoinBelowTheMark);
  return IsAlive(peer, now_ms) && peer.caught_up_ms &&
         now_ms - *peer.caught_up_ms <= settings_.lag_max_ms && has_mark;
}

// And it has all that others were told to be below the mark if they have it, too.
bool InSyncSet::MayJoin(const Peer& peer, int64_t now_ms) const {
  const bool has_told = peer.progress.counted >= told_ ||
                        IsPlanted(PlantedFault::kJoinBelowTheMark) ||
                        IsPlanted(PlantedFault::kJoinBelowWhatWasTold);
  return IsNear(peer, now_ms) && has_told;
}

int64_t InSyncSet::LeavesAtMs(const Peer& peer) const {
  if (peer.goodbye || peer.lost) return last_turn_ms_;
  if (!peer.connected) {
    // One that has never come gets more time: it may have to find this leader first.
    const int64_t grace = peer.known ? settings_.silence_max_ms / 3 : settings_.silence_max_ms;
    return peer.since_ms + grace + 1;
  }
  return 1 + std::min(peer.heard_ms + settings_.silence_max_ms,
                      peer.caught_up_ms.value_or(peer.since_ms) + settings_.lag_max_ms);
}

std::string InSyncSet::WhyLeaves(const Peer& peer, int64_t now_ms) const {
  if (now_ms < LeavesAtMs(peer)) return "";
  if (peer.goodbye) return "it said goodbye";
  if (peer.lost_below > 0) return "it came back with a journal whose end may be lost";
  if (peer.lost) return "it came back with less than it had reported";
  if (!peer.connected) return fmt::format("it has been gone for {} ms", now_ms - peer.since_ms);
  if (now_ms - peer.heard_ms > settings_.silence_max_ms) {
    return fmt::format("it has been silent for {} ms", now_ms - peer.heard_ms);
  }
  return fmt::format("it has been behind for {} ms, now by {} bytes",
                     now_ms - peer.caught_up_ms.value_or(peer.since_ms),
                     end_ - std::min(end_, peer.progress.counted));
}

// A server that stood still has heard nothing meanwhile, whoever was alive.
void InSyncSet::ForgetStandstill(int64_t now_ms) {
  const int64_t gap = now_ms - std::exchange(last_turn_ms_, now_ms);
  if (gap <= settings_.silence_max_ms / 2) return;
  for (auto& [node_id, peer] : peers_) {
    peer.heard_ms = std::min(peer.heard_ms + gap, now_ms);
    peer.since_ms = std::min(peer.since_ms + gap, now_ms);
    peer.sample.ms = std::min(peer.sample.ms + gap, now_ms);
    if (peer.caught_up_ms) peer.caught_up_ms = std::min(*peer.caught_up_ms + gap, now_ms);
  }
}

void InSyncSet::TakeSamples(int64_t now_ms) {
  for (auto& [node_id, peer] : peers_) {
    if (!peer.connected) continue;
    if (peer.progress.counted < peer.sample.end || peer.progress.applied < peer.sample.mark) {
      continue;
    }
    const bool has_all = peer.progress.counted >= end_ && peer.progress.applied >= mark_;
    peer.caught_up_ms = has_all ? now_ms : peer.sample.ms;
    peer.sample = {end_, mark_, now_ms};
  }
}

// The record as it should be.
ClusterRecord InSyncSet::Wanted(int64_t now_ms) {
  ClusterRecord next = record();
  next.version = keeper_.now().version;
  next.journal_id = leadership_.journal_id;
  next.epoch = leadership_.epoch;
  const std::string led = std::exchange(next.leader, leadership_.self.node_id);
  if (Member* const self = next.Find(leadership_.self.node_id); self != nullptr) {
    *self = leadership_.self;
    self->in_sync = true;
  } else {
    next.members.push_back(leadership_.self);
    next.members.back().in_sync = true;
  }
  for (const auto& [node_id, peer] : peers_) {
    Member* member = next.Find(node_id);
    if (member == nullptr) {
      if (!peer.connected || next.members.size() == ClusterRecord::kMostMembers) continue;
      member = &next.members.emplace_back(peer.member);
    }
    const bool in_sync = member->in_sync || MayJoin(peer, now_ms);
    *member = peer.member;
    member->in_sync = in_sync;
  }
  // Who leaves, as long as enough remain.
  size_t in_sync = next.in_sync();
  for (auto& [node_id, peer] : peers_) {
    Member* const member = next.Find(node_id);
    if (member == nullptr || !member->in_sync) continue;
    const bool led_before = node_id == led && !peer.known;
    if (!led_before && WhyLeaves(peer, now_ms).empty()) continue;
    if (!led_before && !peer.goodbye && !may_judge_) continue;
    if (in_sync <= settings_.min_insync) continue;
    member->in_sync = false;
    in_sync--;
  }
  std::erase_if(next.members, [&](const Member& member) {
    const auto peer = peers_.find(member.node_id);
    return !member.in_sync && peer != peers_.end() && peer->second.goodbye == Goodbye::kForGood;
  });
  return next;
}

void InSyncSet::Propose(int64_t now_ms) {
  if (proposing_ || now_ms < propose_at_ms_ || (!dirty_ && now_ms < look_again_ms_)) return;
  ClusterRecord next = Wanted(now_ms);
  if (next == keeper_.now()) {
    dirty_ = false;
    look_again_ms_ = std::min(next_due_ms(), now_ms + kLookAgainMs);
    return;
  }
  next.version++;
  for (auto& [node_id, peer] : peers_) {
    const Member* const member = next.Find(node_id);
    const bool will = member != nullptr && member->in_sync;
    const bool is = IsRecorded(node_id);
    if (will == is || (will && std::exchange(peer.joining, true))) continue;
    if (will) {
      LogNotice("Follower {}:{} (node {}) joins the in-sync set: it has the journal up to {} of {}",
                peer.member.host, peer.member.port, node_id, peer.progress.counted, end_);
    } else {
      const std::string why = WhyLeaves(peer, now_ms);
      LogWarning("Server {}:{} (node {}) leaves the in-sync set: {}", peer.member.host,
                 peer.member.port, node_id, why.empty() ? "it does not lead any more" : why);
    }
  }
  proposing_ = true;
  auto proposed = next;
  keeper_.Propose(std::move(next), [this, proposed = std::move(proposed),
                                    alive = std::weak_ptr<bool>(alive_)](const Status& status) {
    if (!alive.expired()) OnProposed(proposed, status);
  });
}

void InSyncSet::OnProposed(const ClusterRecord& next, const Status& status) {
  proposing_ = false;
  dirty_ = true;
  if (!status.ok()) {
    LogWarning("The record of members could not be changed: {}", status.message());
    propose_at_ms_ = last_turn_ms_ + kProposeAgainMs;
    return;
  }
  std::erase_if(peers_, [&](const auto& each) {
    return each.second.goodbye == Goodbye::kForGood && next.Find(each.first) == nullptr;
  });
  for (auto& [node_id, peer] : peers_) {
    peer.joining = false;
  }
}

// That this server has written, also if another one is proposed.
bool InSyncSet::AllHaveTheRecord() const {
  if (IsPlanted(PlantedFault::kTrustOldRecords)) return true;
  return std::all_of(peers_.begin(), peers_.end(), [&](const auto& each) {
    return !IsRecorded(each.first) || each.second.progress.record == keeper_.now().version;
  });
}

void InSyncSet::MoveMark() {
  Position least = safe_;
  size_ = 1;
  alone_ = true;
  least_ = next_least_ = safe_;
  least_of_.clear();
  const auto wait_for = [&](Position counted, std::string_view node_id) {
    if (counted < least_) {
      next_least_ = std::exchange(least_, counted);
      least_of_ = node_id;
    } else {
      next_least_ = std::min(next_least_, counted);
    }
  };
  for (const auto& [node_id, peer] : peers_) {
    if (!Counts(peer)) {
      const bool joins = IsNear(peer, last_turn_ms_);
      if (joins && !IsPlanted(PlantedFault::kJoinBelowWhatWasTold)) {
        wait_for(peer.progress.counted, {});
      }
      continue;
    }
    wait_for(peer.progress.counted, node_id);
    alone_ = false;
    // Whoever is not yet recorded could not lead.
    if (IsRecorded(node_id) || IsPlanted(PlantedFault::kAcknowledgeWhenProposed)) size_++;
    if (!peer.known && IsPlanted(PlantedFault::kCountBeforeTheHandshake)) continue;
    least = std::min(least, peer.progress.counted);
  }
  record_is_known_ = AllHaveTheRecord();
  if (size_ >= settings_.min_insync && record_is_known_) mark_ = std::max(mark_, least);
}

Position InSyncSet::TellOthers(std::string_view node_id) {
  if (size_ < settings_.min_insync || !record_is_known_ || !IsRecorded(node_id)) return mark_;
  const Position others = node_id == least_of_ ? next_least_ : least_;
  told_ = std::max({told_, mark_, others});
  return std::max(mark_, others);
}

void InSyncSet::CountLive(int64_t now_ms) {
  live_ = 1;
  for (const auto& [node_id, peer] : peers_) {
    if (IsRecorded(node_id) && IsAlive(peer, now_ms)) live_++;
  }
  const bool too_few = live_ < settings_.min_insync;
  if (too_few == std::exchange(short_, too_few)) return;
  if (too_few) {
    LogWarning(
        "{} of at least {} in-sync replicas are there: commands of clients with `acks all` are "
        "refused",
        live_, settings_.min_insync);
  } else {
    LogNotice("Enough in-sync replicas are there: {} of at least {}", live_, settings_.min_insync);
  }
}

void InSyncSet::Turn(Position safe, Position end, int64_t now_ms) {
  safe_ = safe;
  end_ = end;
  ForgetStandstill(now_ms);
  TakeSamples(now_ms);
  Propose(now_ms);
  MoveMark();
  CountLive(now_ms);
}

int64_t InSyncSet::next_due_ms() const {
  int64_t due = kNever;
  for (const auto& [node_id, peer] : peers_) {
    if (!Counts(peer)) continue;
    // One that would have to leave and may not waits for something to happen, not for a time.
    const int64_t leaves = LeavesAtMs(peer);
    if (leaves > last_turn_ms_) due = std::min(due, leaves);
  }
  if (!proposing_ && propose_at_ms_ > last_turn_ms_) due = std::min(due, propose_at_ms_);
  return due;
}

uint64_t InSyncSet::answered() const {
  uint64_t least = UINT64_MAX;
  for (const auto& [node_id, peer] : peers_) {
    if (Counts(peer)) least = std::min(least, peer.progress.heard);
  }
  return least;
}

}  // namespace runnel::replication
