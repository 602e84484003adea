#include "server/roles.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// How long a server waits for others that has to have none (min-insync-replicas 1).
constexpr int64_t kMostRecoveryMs = 5000;

}  // namespace

// A server that would lead, and whose journal may have lost its end. What it had told its followers
// or was told by them may only be there now. So before it begins its next epoch it looks at what
// the members of the in-sync set have of this journal, and fetches what it lacks:
//
// - One member that trusts its own journal is enough: each has all that was ever below the mark.
// - So are all members of the set, whether they trust theirs or not: there is no more to be had.
// - Of the members that answer, and of these those that trust their journals if there are any, the
//   one that has most is taken.
// - Where min-insync-replicas is 1, nobody was promised that another server has anything: after 5 s
//   it leads with what there is. Else it waits, until a person says REPLICAOF NO ONE.
//
// Meanwhile it serves reads and refuses writes, like a follower without a link.

bool Roles::NeedsRecovery() const {
  if (trusted() || IsPlanted(PlantedFault::kLeadWithLess)) return false;
  const replication::ClusterRecord& record = records_->now();
  if (record.journal_id != parts_.storage.journal()->identity().id) return false;
  return std::any_of(record.members.begin(), record.members.end(),
                     [this](const replication::Member& member) {
                       return member.in_sync && member.node_id != node_id_;
                     });
}

void Roles::BeginToRecover() {
  const int64_t now_ms = parts_.broker.clock().steady_ms();
  recovery_ = Recovery{now_ms, now_ms, 0};
  follows_ = true;
  parts_.broker.Follow();
  error_ =
      "before this server leads it asks the in-sync replicas for what its journal may have lost";
  LogNotice(
      "Before this server leads it asks the in-sync replicas for what its journal may have lost");
}

int64_t Roles::NextOfRecovery() const {
  if (follower_ != nullptr) return follower_->link_up() ? INT64_MAX : recovery_->fetch_until_ms;
  return inquiry_ == nullptr ? recovery_->ask_again_ms : INT64_MAX;
}

void Roles::GoOnRecovering(int64_t now_ms) {
  if (follower_ != nullptr) {
    if (follower_->caught_up()) {
      LogNotice("All that {}:{} has of the journal is here, up to {}", host_, port_,
                parts_.storage.journal()->appended());
      return AskToLead();
    }
    if (follower_->link_up() || (now_ms < recovery_->fetch_until_ms && !follower_->cut_to()))
      return;
    LogWarning("What may be missing cannot be fetched from {}:{}: {}", host_, port_,
               follower_->error());
    error_ =
        fmt::format("what this server's journal may have lost cannot be fetched from {}:{}: {}",
                    host_, port_, follower_->error());
    LetFollowerGo();
  }
  // The journal may be about to follow: then there is a follower soon.
  if (now_ms < recovery_->fetch_until_ms) return;
  if (inquiry_ == nullptr && now_ms >= recovery_->ask_again_ms) {
    recovery_->ask_again_ms = now_ms + replication::Inquiry::kPatienceMs;
    Ask(records_->now().members);
  }
  if (inquiry_ == nullptr) return;
  inquiry_->Turn(now_ms);
  if (!inquiry_->done()) return;
  const auto answers = inquiry_->answers();
  if (const auto leader = TakeNewerLeader()) {
    LogNotice("The server at {}:{} has taken over: this server follows it", leader->host,
              leader->port);
    return FollowUntold(leader->host, leader->port);
  }
  LookAtAnswers(answers, now_ms);
}

void Roles::LookAtAnswers(const std::vector<replication::Inquiry::Answer>& answers,
                          int64_t now_ms) {
  if (!KnowsEnough(answers, now_ms)) return;
  const journal::Journal& journal = *parts_.storage.journal();
  // Who is not in the set may go on from here with frames of another leader.
  const auto counts = [&](const replication::Inquiry::Answer& answer) {
    const replication::Member* const member = records_->now().Find(answer.claim.node_id);
    return member != nullptr && member->in_sync && member->node_id != node_id_ &&
           answer.claim.journal_id == journal.identity().id;
  };
  const bool any_trusted = std::any_of(answers.begin(), answers.end(), [&](const auto& answer) {
    return counts(answer) && answer.claim.trusted;
  });
  const replication::Inquiry::Answer* most = nullptr;
  for (const auto& answer : answers) {
    if (!counts(answer) || (any_trusted && !answer.claim.trusted)) continue;
    if (answer.claim.end <= (most == nullptr ? journal.appended() : most->claim.end)) continue;
    most = &answer;
  }
  if (most != nullptr) return FetchFrom(*most, now_ms);
  LogNotice("No in-sync replica that answers has more of the journal than this server");
  AskToLead();
}

// Whether what these servers have is all that counts.
bool Roles::KnowsEnough(const std::vector<replication::Inquiry::Answer>& answers, int64_t now_ms) {
  const uint64_t journal_id = parts_.storage.journal()->identity().id;
  size_t members = 0;
  size_t answered = 0;
  bool trusted = false;
  for (const replication::Member& member : records_->now().members) {
    if (!member.in_sync || member.node_id == node_id_) continue;
    members++;
    for (const auto& [claim, host, port] : answers) {
      if (claim.node_id != member.node_id || claim.journal_id != journal_id) continue;
      answered++;
      trusted |= claim.trusted;
    }
  }
  if (trusted || answered >= members) return true;
  if (settings_.min_insync < 2 && now_ms - recovery_->since_ms >= kMostRecoveryMs) {
    LogWarning("In-sync replicas have not answered for {} ms: this server leads without them",
               kMostRecoveryMs);
    return true;
  }
  error_ = fmt::format(
      "this server's journal may have lost its end, and before it leads it waits for an in-sync "
      "replica that has it: of {} others {} answer, and none of them trusts its own journal. "
      "REPLICAOF NO ONE has it lead with what it has",
      members, answered);
  return false;
}

void Roles::FetchFrom(const replication::Inquiry::Answer& answer, int64_t now_ms) {
  LogNotice("The server at {}:{} has the journal up to {}, and this one up to {}: that is fetched",
            answer.host, answer.port, answer.claim.end, parts_.storage.journal()->appended());
  host_ = answer.host;
  port_ = answer.port;
  recovery_->fetch_until_ms = now_ms + replication::Inquiry::kPatienceMs;
  parts_.storage.journal()->follows() ? MakeFollower() : NoteFollowing();
}

// --- The other side ---

Status Roles::WhyNotLend(const replication::FollowRequest& request) const {
  const journal::Journal* const journal = parts_.storage.journal();
  if (journal == nullptr) return Status::Error("this server has no journal now");
  return replication::Lender::Check(*journal, request);
}

void Roles::Lend(std::unique_ptr<ByteStream> stream, const replication::FollowRequest& request,
                 int64_t now_ms) {
  lender_ = std::make_unique<replication::Lender>(
      replication::Lender::Parts{*parts_.storage.journal(), parts_.reader, node_id_, settings_},
      std::move(stream), request, now_ms);
}

void Roles::GoOnLending(int64_t now_ms) {
  if (lender_ == nullptr) return;
  lender_->Turn(now_ms);
  if (lender_->ended()) lender_.reset();
}

// Of a follower whose journal may have lost its end.
void Roles::NoteCaughtUp() {
  journal::Journal& journal = *parts_.storage.journal();
  if (recovery_ || journal.trusted() || !follower_->caught_up()) return;
  if (journal.appended() > 0) {
    LogNotice("This server has caught up with its leader, up to {}: it counts again",
              journal.appended());
  }
  journal.Trust();
}

}  // namespace runnel
