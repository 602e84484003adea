#include <algorithm>
#include <utility>

#include "base/log.h"
#include "broker/sessions.h"
#include "fmt/format.h"
#include "server/roles.h"

namespace runnel {

// Those that want to follow this server, whatever its own role is: chains, and two servers that
// follow each other.

// --- Who is admitted ---

Status Roles::Admit(Session& session, const replication::FollowRequest& request) {
  if (Status refused = Refusal(); !refused.ok()) return refused;
  // One that has led, and wants back what it has lost, does not follow.
  const bool lends = leader_ == nullptr && request.recovers && !wanted_;
  if (leader_ == nullptr && !lends) {
    if (Status refused = WhyNotRelay(request); !refused.ok()) return refused;
  }
  const auto check = [&] {
    if (lends) return WhyNotLend(request);
    return (leader_ != nullptr ? *leader_ : Relay()).Check(request);
  };
  if (Status refused = check(); !refused.ok()) {
    parts_.broker.stats().sync_partial_err++;
    return refused;
  }
  session.end = SessionEnd::kGiven;
  admitted_.emplace_back(session.id, request);
  return {};
}

// Its connection becomes a link, which serves it.
void Roles::Serve(std::unique_ptr<ByteStream> stream, replication::FollowRequest request,
                  int64_t now_ms, uint64_t id) {
  // One that takes this journal asks again when it has.
  const bool counts = request.journal_id == parts_.storage.journal()->identity().id;
  const bool all = serving()->GivesAll(request);
  Stats& stats = parts_.broker.stats();
  if (!mutable_serving()->Accept(std::move(stream), std::move(request), now_ms, id)) {
    stats.sync_partial_err++;
  } else if (counts) {
    all ? stats.sync_full++ : stats.sync_partial_ok++;
  }
}

// Their connections become links.
void Roles::AcceptAdmitted(int64_t now_ms) {
  for (auto& [id, request] : std::exchange(admitted_, {})) {
    const auto& sessions = parts_.broker.sessions().all();
    const auto found = sessions.find(id);
    if (found == sessions.end() || found->second->end != SessionEnd::kGiven) continue;
    const bool lends = leader_ == nullptr && request.recovers;
    // The role may have ended since, and the journal may be gone for a while.
    if (lends ? parts_.storage.journal() == nullptr : serving() == nullptr) {
      found->second->transport->CloseNow();
      continue;
    }
    std::unique_ptr<ByteStream> stream = found->second->transport->GiveAway();
    if (stream == nullptr) continue;
    if (lends) {
      Lend(std::move(stream), request, now_ms);
      continue;
    }
    Serve(std::move(stream), std::move(request), now_ms, id);
  }
}

// --- Chains ---

// The machine that serves the followers of this server, whatever its role is; nullptr: there is
// none.
replication::Leader* Roles::mutable_serving() {
  return leader_ != nullptr ? leader_.get() : relay_.get();
}

// Who leads, or follows, has followers. REQUIRES: WhyNotRelay is OK.
replication::Leader& Roles::Relay() {
  if (relay_ != nullptr) return *relay_;
  relay_path_ = follower_->path();
  relay_ = MakeServing({[this] { return high_watermark(); }, [this] { return relay_path_; }});
  return *relay_;
}

// The followers of this server shake hands again, with whatever takes its place.
void Roles::EndRelay() {
  relay_.reset();
}

// Returns whether the next turn should come at once.
bool Roles::TurnRelay(int64_t now_ms) {
  if (relay_ == nullptr) return false;
  // What they were told of their place in the chain is not so any more.
  const bool moved = follower_->link_up() && follower_->path() != relay_path_;
  // Nothing new has come for so long. They are told why when they ask again.
  const bool dead = now_ms - follower_->down_since_ms(now_ms) > settings_.silence_max_ms;
  if (!moved && !dead) return relay_->Turn(now_ms);
  EndRelay();
  return false;
}

// This server follows. The answer to one that wants to follow it; OK: it may.
Status Roles::WhyNotRelay(const replication::FollowRequest& request) {
  if (request.node_id == node_id_) {
    return Status::Error(fmt::format(
        "this is the same server, or a copy of its directory: both have the node id {}", node_id_));
  }
  if (recovery_) return Status::Error(fmt::format("this server does not lead yet: {}", error()));
  replication::NotLeading answer;
  answer.path = {node_id_};
  if (follower_ != nullptr) {
    const auto& path = follower_->path();
    const size_t room = replication::kMostPath - 1;
    answer.path.insert(answer.path.end(), path.begin(),
                       path.begin() + static_cast<ptrdiff_t>(std::min(path.size(), room)));
  }
  const bool link_up = follower_ != nullptr && follower_->link_up();
  const auto refuse = [&](std::string_view why) {
    return Status::Error(fmt::format("{} {}", answer.ToWords(), why));
  };
  if (Follows(request.node_id) && !wanted_) {
    answer.follows_you = IsWithin(request);
    // In doubt, the one that has more is to lead. One that has handed over leads again by the hand-
    // over's own rule.
    const journal::Journal& journal = *parts_.storage.journal();
    const bool less = request.journal_id == journal.identity().id ? request.end > journal.appended()
                                                                  : request.has_data;
    answer.yields = answer.follows_you && !link_up &&
                    (less || (!on_trial_ && (!MayLeadAgain() || node_id_ < request.node_id)));
    // What the leader has told this server is void with the link on which it has told it. An
    // attempt to connect goes on: it may be what tells this server the same.
    if (link_up) follower_->EndLink("the leader asks to follow this server");
    return refuse(fmt::format(
        "this server does not lead: it follows {}:{}, which has led before, and asks now", host_,
        port_));
  }
  if (handed_over_ && !on_trial_ && link_up) {
    return Status::Error(fmt::format("{} {} {} this server has handed over to that one",
                                     replication::kHandedOver, host_, port_));
  }
  if (wanted_) {
    return Status::Error(wanted_->follow ? "this server is about to follow another one"
                                         : "this server is about to lead, and does not yet");
  }
  if (!link_up) {
    return refuse(fmt::format(
        "this server does not lead: it follows {}:{}, and has no link to that one", host_, port_));
  }
  const auto& path = follower_->path();
  if (std::find(path.begin(), path.end(), request.node_id) != path.end()) {
    return refuse(fmt::format(
        "this server does not lead: it follows {}:{}, and by way of that one the server that asks",
        host_, port_));
  }
  if (path.size() == replication::kMostPath) {
    return refuse(fmt::format("this server does not lead: {} servers follow each other before it",
                              path.size()));
  }
  return {};
}

// --- Two servers that follow each other ---

// Whether this server follows, or wants to follow, the server with this node id.
bool Roles::Follows(std::string_view node_id) const {
  if (follower_ == nullptr) return false;
  const auto& path = follower_->path();
  if (!path.empty()) return path.front() == node_id;
  // It has not answered yet. It has led, and this server has not led since.
  const replication::ClusterRecord& record = records_->now();
  return record.leader == node_id && record.epoch >= parts_.storage.journal()->epoch();
}

// Whether the one that asks has all that this server has and has told others that it had.
bool Roles::IsWithin(const replication::FollowRequest& request) const {
  const journal::Journal& journal = *parts_.storage.journal();
  const replication::ClusterRecord& record = records_->now();
  // What this server may have lost came from the one that asks, or from this server itself when it
  // led, and then a third one may have it.
  const bool led_by_asker = record.leader == request.node_id && record.epoch >= journal.epoch();
  const bool third = std::any_of(
      record.members.begin(), record.members.end(), [&](const replication::Member& member) {
        return member.in_sync && member.node_id != node_id_ && member.node_id != request.node_id;
      });
  const bool doubted = !trusted() || parts_.storage.lost();
  if (doubted && !led_by_asker && third) return false;
  if (request.journal_id != journal.identity().id) return !Introduce().has_data;
  const auto parting =
      journal::FindParting({request.epochs, request.end}, {journal.epochs(), journal.appended()});
  return parting.ok() && *parting == journal.appended();
}

// Whether this server may lead if the one that it follows says that it follows this one, and has
// nothing more: no person has said that it is to follow, its journal has lost nothing of what it
// has told others, and no other member of the in-sync set may have what it lacks.
bool Roles::MayLeadAgain() const {
  if (by_word_ || follower_ == nullptr || recovery_) return false;
  const bool unclean = parts_.config.options().unclean_leader_election;
  if (heard_of_later_leader() && !unclean) return false;
  if (may_take_over()) return true;
  if (!trusted() || parts_.storage.lost()) return false;
  const replication::ClusterRecord& record = records_->now();
  const auto& path = follower_->path();
  return !path.empty() && record.journal_id == parts_.storage.journal()->identity().id &&
         std::all_of(record.members.begin(), record.members.end(),
                     [&](const replication::Member& member) {
                       return !member.in_sync || member.node_id == path.front();
                     });
}

// The server that this one wants to follow yields to it.
void Roles::BeginToLeadAgain() {
  if (leads_again_ || !MayLeadAgain()) return;
  leads_again_ = true;
  Ask(records_->now().members);
}

// The others are asked first: one of them may lead.
void Roles::GoOnLeadingAgain(int64_t now_ms) {
  if (!leads_again_) return;
  if (inquiry_ != nullptr) {
    inquiry_->Turn(now_ms);
    if (!inquiry_->done()) return;
  }
  leads_again_ = false;
  bool somebody_leads = false;
  std::optional<Wanted> leader;
  if (inquiry_ != nullptr) {
    for (const auto& answer : inquiry_->answers()) {
      somebody_leads |=
          answer.claim.leads && answer.claim.journal_id == parts_.storage.journal()->identity().id;
    }
    leader = TakeNewerLeader();
  }
  if (wanted_ || follower_ == nullptr || follower_->link_up()) return;
  if (leader) {
    LogNotice("This server follows {}:{}, which leads, and not {}:{}, which does not", leader->host,
              leader->port, host_, port_);
    return FollowUntold(leader->host, leader->port);
  }
  if (somebody_leads || !MayLeadAgain()) return;
  LogWarning(
      "Server {}:{} and this one follow each other, and nobody leads: this one has all that the "
      "other one has, and leads",
      host_, port_);
  AskToLead();
}

}  // namespace runnel
