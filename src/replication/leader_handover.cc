#include <algorithm>
#include <utility>

#include "replication/leader.h"

// How a leader has a follower take over.

namespace runnel::replication {

bool Leader::is_recorded() const {
  const ClusterRecord& record = parts_.records.now();
  return record.leader == parts_.self.node_id && record.epoch == parts_.journal.epoch();
}

std::optional<Leader::Wish> Leader::TakeWish() {
  for (const auto& follower : followers_) {
    const auto wish = std::exchange(follower->wish, std::nullopt);
    if (!wish || !follower->ended.empty() || !follower->peer.online()) continue;
    return Wish{follower->peer.request.node_id, wish->wait_ms};
  }
  return std::nullopt;
}

// The connection that was made last, also if it has ended.
Leader::Follower* Leader::FindFollower(std::string_view node_id) const {
  const auto found = std::find_if(followers_.rbegin(), followers_.rend(), [&](const auto& each) {
    return each->peer.request.node_id == node_id && each->peer.online();
  });
  return found == followers_.rend() ? nullptr : found->get();
}

const Leader::Peer* Leader::Find(std::string_view node_id) const {
  const Follower* const follower = FindFollower(node_id);
  return follower == nullptr || !follower->ended.empty() ? nullptr : &follower->peer;
}

void Leader::TellToTakeOver(std::string_view node_id, const TakeOver& take_over) {
  Follower& follower = *FindFollower(node_id);
  follower.refusal.reset();
  SendRecord(follower);
  std::string body;
  take_over.Encode(&body);
  follower.link->Send(MessageType::kTakeOver, body);
  follower.link->Flush();
}

Leader::Answer Leader::AnswerOf(std::string_view node_id, std::string* why) const {
  const Follower* const follower = FindFollower(node_id);
  if (follower == nullptr) return Answer::kGone;
  if (follower->goodbye == Goodbye::kLeads) return Answer::kLeads;
  if (!follower->ended.empty()) return Answer::kGone;
  if (!follower->refusal) return Answer::kNone;
  *why = *follower->refusal;
  return Answer::kRefuses;
}

void Leader::TellOfLeader(std::string_view node_id, const NewLeader& leader) {
  std::string body;
  leader.Encode(&body);
  for (const auto& follower : followers_) {
    if (!follower->ended.empty() || follower->peer.request.node_id == node_id) continue;
    follower->link->Send(MessageType::kNewLeader, body);
    follower->link->Flush();
  }
}

}  // namespace runnel::replication
