#include "server/roles.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"

namespace runnel {

// Who leads: what others say of that, and the change of the leader by agreement.

// --- Who leads ---

replication::LeaderClaim Roles::Claim() const {
  replication::LeaderClaim claim;
  claim.node_id = node_id_;
  claim.leads = leader_ != nullptr;
  claim.host = host_;
  claim.port = port_;
  const journal::Journal* const journal = parts_.storage.journal();
  if (journal == nullptr) return claim;
  claim.journal_id = journal->identity().id;
  claim.end = journal->written();
  claim.trusted = journal->trusted() && !parts_.storage.lost();
  // What it fetches comes from a server that does not lead.
  if (recovery_) {
    claim.host.clear();
    claim.port = 0;
    return claim;
  }
  // What a follower has in its journal may be of another leader, and about to be cut.
  if (leader_ != nullptr) claim.epoch = journal->epoch();
  if (follower_ != nullptr) {
    claim.epoch = follower_->leader_epoch();
    claim.leader_node = follower_->leader_node();
  }
  if (follower_ != nullptr && follower_->chained()) {
    // Who leads is what matters, not who is in between.
    claim.leader_node = follower_->root_node();
    const replication::Member* const leader = records_->now().Find(claim.leader_node);
    if (leader != nullptr && !leader->host.empty()) {
      claim.host = leader->host;
      claim.port = leader->port;
    }
  }
  return claim;
}

// Returns whether there is somebody to ask.
bool Roles::Ask(const std::vector<replication::Member>& whom) {
  std::vector<replication::Member> others;
  for (const replication::Member& member : whom) {
    if (member.node_id != node_id_ && !member.host.empty()) others.push_back(member);
  }
  if (others.empty()) return false;
  inquiry_ = std::make_unique<replication::Inquiry>(
      replication::Inquiry::Parts{parts_.connect, [this] { return Credentials(); }}, others,
      parts_.broker.clock().steady_ms());
  return true;
}

bool Roles::MayBegin() {
  const journal::Journal* const journal = parts_.storage.journal();
  if (journal == nullptr || !parts_.config.options().leader_host.empty()) return true;
  if (!std::exchange(asked_, true)) {
    const replication::ClusterRecord& record = records_->now();
    if (record.journal_id == journal->identity().id) Ask(record.members);
  }
  if (inquiry_ == nullptr) return true;
  inquiry_->Turn(parts_.broker.clock().steady_ms());
  if (!inquiry_->done()) return false;
  took_over_ = TakeNewerLeader();
  return true;
}

// The leader of the newest epoch, unless that is the one of this server. In the newest epoch of its
// own journal somebody else may lead, too: a server that has followed, and is started without being
// told so, has it from there. Ends the inquiry.
std::optional<Roles::Wanted> Roles::TakeNewerLeader() {
  const std::unique_ptr<replication::Inquiry> inquiry = std::move(inquiry_);
  const journal::Journal& journal = *parts_.storage.journal();
  std::optional<Wanted> leader;
  journal::Epoch newest = journal.epoch();
  // A power cut may have taken from the journal what the record still has.
  const replication::ClusterRecord& record = records_->now();
  if (record.journal_id == journal.identity().id) newest = std::max(newest, record.epoch);
  for (const auto& answer : inquiry->answers()) {
    const replication::LeaderClaim& claim = answer.claim;
    if (claim.journal_id != journal.identity().id || claim.epoch == 0) continue;
    // It follows this server; or did so before a power cut took the newest epoch of this one.
    if (claim.leader_node == node_id_) continue;
    // Nobody else leads in the epoch of a leader.
    if (leader_ != nullptr && claim.epoch == journal.epoch()) continue;
    // The leader itself knows best where it is reached.
    if (claim.epoch < newest || (claim.epoch == newest && leader && !claim.leads)) continue;
    Hear(claim.epoch);
    newest = claim.epoch;
    leader =
        claim.leads ? Wanted{true, answer.host, answer.port} : Wanted{true, claim.host, claim.port};
  }
  return leader;
}

// A leader that misses a member asks the members once a second, and judges nobody meanwhile.
void Roles::AskAgain(int64_t now_ms) {
  // A hand-over finds out itself who leads.
  if (inquiry_ == nullptr && handover_ == nullptr && now_ms >= ask_again_ms_) {
    ask_again_ms_ = now_ms + replication::Inquiry::kPatienceMs;
    Ask(leader_->Missing());
  }
  if (inquiry_ != nullptr) {
    inquiry_->Turn(now_ms);
    if (inquiry_->done()) {
      const auto leader = TakeNewerLeader();
      if (leader && handover_ == nullptr) {
        LogWarning("The server at {}:{} has taken over: this server follows it", leader->host,
                   leader->port);
        FollowUntold(leader->host, leader->port);
      }
    }
  }
  leader_->set_may_judge(inquiry_ == nullptr);
}

// --- Handing over ---

void Roles::HandOver(replication::Handover::Wish wish) {
  CHECK(leader_ != nullptr && handover_ == nullptr);
  parts_.broker.HoldWrites(HoldReason::kHandOver, true);
  handover_ = std::make_unique<replication::Handover>(
      *leader_, *parts_.storage.journal(), std::move(wish), parts_.broker.clock().steady_ms());
}

void Roles::AbortHandOver(std::string why) {
  handover_->GiveUp(std::move(why));
  GoOnHandingOver(parts_.broker.clock().steady_ms());
}

Roles::Failover Roles::failover() const {
  if (handover_ == nullptr) return Failover::kNone;
  return handover_->state() == replication::Handover::State::kWaiting ? Failover::kWaiting
                                                                      : Failover::kInProgress;
}

// REQUIRES: this server leads.
void Roles::GoOnHandingOver(int64_t now_ms) {
  if (handover_ == nullptr) {
    const auto wish = leader_->TakeWish();
    if (!wish || wanted_) return;
    LogNotice("The follower with the node id {} asks to lead", wish->node_id);
    HandOver({wish->node_id, wish->wait_ms, false});
  }
  handover_->Turn(parts_.broker.log().sealed(), now_ms);
  switch (handover_->state()) {
    case replication::Handover::State::kWaiting:
    case replication::Handover::State::kInProgress:
      return;
    case replication::Handover::State::kGivenUp:
      LogWarning("This server goes on leading: {}", handover_->why());
      handover_.reset();
      parts_.broker.HoldWrites(HoldReason::kHandOver, false);
      return;
    case replication::Handover::State::kTaken:
    case replication::Handover::State::kUnknown:
      return FollowTarget();
  }
}

// Whether the target leads or not: no change is made here before that is known, and the handshake
// of a follower is the way to know it.
void Roles::FollowTarget() {
  const auto handover = std::move(handover_);
  const replication::Leader::Peer& target = handover->target();
  const bool known = handover->state() == replication::Handover::State::kTaken;
  if (known) {
    LogNotice("Server {}:{} has taken over", target.address, target.port);
    leader_->TellOfLeader(target.request.node_id, {target.address, target.port});
  } else {
    LogWarning("It is not known whether {}:{} has taken over: {}", target.address, target.port,
               handover->why());
  }
  FollowUntold(target.address, target.port);
  Change(*std::exchange(wanted_, std::nullopt));
  handed_over_ = on_trial_ = true;
  parts_.broker.HoldWrites(HoldReason::kHandOver, false);
}

// What the leader, or the one that was asked as a leader, says of the role of this server.
void Roles::HearLeader() {
  if (follower_ == nullptr) return;
  if (const auto take_over = follower_->take_over()) {
    if (const Status why = WhyNotTakeOver(*take_over); !why.ok()) {
      LogWarning("This server does not take over from its leader: {}", why.message());
      follower_->RefuseTakeOver(why.message());
    } else {
      LogNotice("This server takes over from its leader, {}:{}", host_, port_);
      AskToLead();
      wanted_->how = Wanted::How::kTakesOver;
      follower_->AcceptTakeOver();
    }
  }
  const auto not_leading = follower_->TakeNotLeading();
  const bool follows_us = not_leading && not_leading->follows_you;
  const auto leader = follower_->TakeNewLeader();
  if (follower_->link_up()) on_trial_ = false;
  if (wanted_) return;
  if (leader) {
    LogNotice("The leader {}:{} has handed over to {}:{}", host_, port_, leader->host,
              leader->port);
    FollowUntold(leader->host, leader->port);
  } else if (on_trial_ && follows_us) {
    LogWarning("Server {}:{} has not taken over: this one leads again", host_, port_);
    AskToLead();
  } else if (follows_us && not_leading->yields) {
    BeginToLeadAgain();
  }
}

Status Roles::WhyNotTakeOver(const replication::TakeOver& take_over) const {
  const journal::Journal& journal = *parts_.storage.journal();
  if (wanted_ && wanted_->follow) {
    return Status::Error(fmt::format("it was told to follow {}:{}", wanted_->host, wanted_->port));
  }
  if (wanted_ && wanted_->how != Wanted::How::kAfterAsked) {
    return Status::Error("it is about to lead anyway");
  }
  if (journal.failed()) return journal.status();
  const Position end = journal.appended();
  if (end == take_over.end) return {};
  if (!take_over.forced || end > take_over.end) {
    return Status::Error(
        fmt::format("its journal ends at {}, and that of the leader at {}", end, take_over.end));
  }
  if (may_take_over()) return {};
  return Status::Error(fmt::format(
      "it is not in the in-sync set, and has the journal only up to {} of {}: changes that were "
      "acknowledged may be missing there (CONFIG SET unclean-leader-election yes)",
      end, take_over.end));
}

// Whether the change that is wanted waits for the leader, which is asked to hand over.
bool Roles::WaitsForLeader(int64_t now_ms) {
  Wanted& wanted = *wanted_;
  if (wanted.how != Wanted::How::kAfterAsked) return false;
  const bool link_up = follower_ != nullptr && follower_->link_up();
  constexpr int64_t kAnswerMs = replication::Handover::kAnswerMs;
  if (link_up && wanted.until_ms == 0) {
    LogNotice("The leader {}:{} is asked to hand over to this server", host_, port_);
    follower_->AskToLead(kAnswerMs);
    wanted.until_ms = now_ms + kAnswerMs;
  }
  if (link_up && now_ms < wanted.until_ms) return true;
  wanted.how = Wanted::How::kAlone;
  wanted.until_ms = 0;
  LogWarning(
      "The leader {}:{} does not hand over: {}", host_, port_,
      link_up ? fmt::format("it has not answered for {} ms", kAnswerMs) : "the link is down");
  if (may_take_over()) return false;
  LogWarning("This server goes on as a follower: it is not in the in-sync set");
  parts_.config.NoteLeader(host_, port_);
  wanted_.reset();
  return true;
}

}  // namespace runnel
