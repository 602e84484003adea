#include "replication/handover.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// A target that has everything waits for so long until the others of the set have, too: clients
// whose replies wait for them get these, instead of the end of their connections.
constexpr int64_t kOthersMs = 50;

}  // namespace

Handover::Handover(Leader& leader, const journal::Journal& journal, Wish wish, int64_t now_ms)
    : leader_(leader),
      journal_(journal),
      wish_(std::move(wish)),
      begin_ms_(now_ms),
      question_(leader.next_question()),
      now_ms_(now_ms) {
  CHECK(wish_.timeout_ms || !wish_.force);
  leader_.Await(0, true);
}

void Handover::GiveUp(std::string why) {
  state_ = State::kGivenUp;
  why_ = std::move(why);
}

void Handover::Turn(bool sealed, int64_t now_ms) {
  now_ms_ = now_ms;
  if (state_ == State::kWaiting) return Wait(sealed, now_ms);
  if (state_ == State::kInProgress) TakeAnswer(now_ms);
}

const Leader::Peer* Handover::Target() const {
  if (!wish_.node_id.empty()) return leader_.Find(wish_.node_id);
  const Leader::Peer* foremost = nullptr;
  leader_.ForEachFollower([&](const Leader::Peer& peer) {
    if (!peer.online() || !leader_.in_sync().Has(peer.request.node_id)) return;
    if (foremost == nullptr || peer.report.written > foremost->report.written) foremost = &peer;
  });
  return foremost;
}

// It is written by both, and synced where replies depend on that. The record says who leads now: by
// that the target knows the leader again that asks whether it has taken over.
bool Handover::HasAll(const Leader::Peer& peer) const {
  const Position end = journal_.appended();
  const bool always = journal_.sync_policy() == journal::SyncPolicy::kAlways;
  const Position has = always ? peer.report.synced : peer.report.written;
  return leader_.is_recorded() && peer.report.heard >= question_ && journal_.written() == end &&
         has >= end;
}

void Handover::Wait(bool sealed, int64_t now_ms) {
  const Leader::Peer* const peer = Target();
  if (sealed && peer != nullptr && HasAll(*peer)) {
    if (!ready_ms_) ready_ms_ = now_ms;
    const bool others = leader_.in_sync().mark() >= journal_.appended();
    if (others || now_ms - *ready_ms_ >= kOthersMs) return Tell(*peer, now_ms);
  } else {
    ready_ms_.reset();
  }
  if (wish_.timeout_ms) {
    if (now_ms - begin_ms_ < *wish_.timeout_ms) return;
    if (wish_.force && sealed && peer != nullptr) return Tell(*peer, now_ms);
    return GiveUp(fmt::format("no follower was ready to lead within {} ms", *wish_.timeout_ms));
  }
  const int64_t heard_ms = peer == nullptr ? begin_ms_ : std::max(begin_ms_, peer->heard_ms);
  if (now_ms - heard_ms >= kAnswerMs) {
    GiveUp(peer == nullptr ? "the server that is to lead is not connected, or none is in sync"
                           : fmt::format("the server that is to lead has said nothing for {} ms",
                                         now_ms - heard_ms));
  }
}

void Handover::Tell(const Leader::Peer& peer, int64_t now_ms) {
  target_ = peer;
  told_ms_ = now_ms;
  state_ = State::kInProgress;
  LogNotice("Follower {}:{} (node {}) is told to lead: it has the journal up to {} of {}",
            peer.address, peer.port, peer.request.node_id, peer.report.written,
            journal_.appended());
  leader_.TellToTakeOver(target_.request.node_id, {journal_.appended(), wish_.force});
}

void Handover::TakeAnswer(int64_t now_ms) {
  switch (leader_.AnswerOf(target_.request.node_id, &why_)) {
    case Leader::Answer::kLeads:
      state_ = State::kTaken;
      return;
    case Leader::Answer::kRefuses:
      return GiveUp("the server that is to lead refuses: " + why_);
    case Leader::Answer::kGone:
      why_ = "the connection is gone";
      state_ = State::kUnknown;
      return;
    case Leader::Answer::kNone:
      if (now_ms - told_ms_ < kAnswerMs) return;
      why_ = fmt::format("no answer came for {} ms", now_ms - told_ms_);
      state_ = State::kUnknown;
      return;
  }
}

int64_t Handover::next_due_ms() const {
  if (state_ == State::kInProgress) return told_ms_ + kAnswerMs;
  // What is waited for comes as reports, but for the times.
  int64_t due = now_ms_ + kAnswerMs;
  if (wish_.timeout_ms) due = std::min(due, begin_ms_ + *wish_.timeout_ms);
  if (ready_ms_) due = std::min(due, *ready_ms_ + kOthersMs);
  return due;
}

}  // namespace runnel::replication
