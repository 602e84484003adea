#include "tests/sim/cluster_checks.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace runnel::sim {

ClusterChecks::ClusterChecks(const Servers& servers, bool nothing_lost)
    : servers_(servers),
      nothing_lost_(nothing_lost),
      chains_(servers.size()),
      seen_(servers.size()) {}

// Returns whether the server has a journal now.
bool ClusterChecks::FollowJournal(size_t i) {
  ModelServer& server = *servers_[i];
  if (!server.running() || server.loading() || server.storage().journal() == nullptr) {
    chains_.Forget(i);
    return false;
  }
  std::string wrong = chains_.Follow(i, *server.storage().journal(), server.disk());
  if (!wrong.empty()) Wrong(std::move(wrong));
  return violation_.empty();
}

void ClusterChecks::Look(size_t i) {
  if (!violation_.empty()) return;
  Seen& seen = seen_[i];
  if (!FollowJournal(i)) {
    seen.follower = nullptr;
    return;
  }
  ModelServer& server = *servers_[i];
  if (seen.life != server.lives()) {
    const auto kept = std::exchange(seen.kept, std::nullopt);
    seen = Seen();
    seen.life = server.lives();
    // A snapshot has what lies before the journal.
    const bool here = kept && chains_.links(i).front().end < kept->end;
    if (here && chains_.HashAt(i, kept->end) != kept->hash) {
      Add(i, fmt::format("what was acknowledged up to position {} is gone after the crash: the "
                         "journal ends at {}",
                         kept->end, chains_.links(i).back().end));
    }
  }
  server.roles().leader() != nullptr ? LookAtLeader(i, seen) : LookAtFollower(i, seen);
}

void ClusterChecks::OnStop(size_t i, bool keeps) {
  Seen& seen = seen_[i];
  const bool leads = servers_[i]->running() && !servers_[i]->loading() && seen.epoch != 0 &&
                     seen.life == servers_[i]->lives();
  seen.kept.reset();
  if (leads && keeps && seen.acknowledged.end > 0) seen.kept = seen.acknowledged;
  seen.acknowledged = {};
  chains_.Forget(i);
}

// --- A leader ---

void ClusterChecks::LookAtLeader(size_t i, Seen& seen) {
  const ModelServer& server = *servers_[i];
  Roles& roles = servers_[i]->roles();
  const journal::Journal& journal = *servers_[i]->storage().journal();
  const replication::InSyncSet& set = roles.leader()->in_sync();
  if (seen.epoch != journal.epoch()) {
    seen = Seen();
    seen.life = server.lives();
    seen.epoch = journal.epoch();
  }
  seen.led = true;
  const Position mark = set.mark();
  if (mark < seen.mark) Add(i, fmt::format("the mark goes back from {} to {}", seen.mark, mark));
  if (mark > journal.safe()) {
    Add(i, fmt::format("the mark is {}, and only {} is safe here", mark, journal.safe()));
  }
  if (nothing_lost_ && mark > 0) LookAtMembers(i, i, mark);
  if (mark == seen.mark) return;
  seen.mark = mark;
  greatest_mark_ = std::max(greatest_mark_, mark);
  const replication::ClusterRecord& record = *roles.record();
  size_t members = 1;
  for (const replication::Member& member : record.members) {
    members += member.in_sync && member.node_id != roles.node_id();
  }
  if (record.journal_id != journal.identity().id) members = 1;
  if (members < roles.settings().min_insync) {
    Add(i, fmt::format("the mark moves to {} with {} recorded members of {}", mark, members,
                       roles.settings().min_insync));
  }
  if (nothing_lost_) Share(i, seen);
}

// Whoever is in the recorded set of the leader has what is below the mark of server `i`, unless a
// power cut has taken it: then it knows that.
void ClusterChecks::LookAtMembers(size_t i, size_t leader, Position mark) {
  const replication::InSyncSet& set = servers_[leader]->roles().leader()->in_sync();
  const auto hash = chains_.HashAt(i, mark);
  if (!hash && chains_.links(i).front().end > mark) return;
  for (size_t j = 0; j < servers_.size(); j++) {
    if (j == i || !FollowJournal(j)) continue;
    if (chains_.journal_id(j) != chains_.journal_id(i)) continue;
    if (!set.Has(servers_[j]->roles().node_id()) || !servers_[j]->roles().trusted()) continue;
    // A snapshot has what lies before its journal.
    if (chains_.links(j).front().end >= mark) continue;
    if (chains_.HashAt(j, mark) == hash) continue;
    Add(i, fmt::format("server {} is in the recorded set, and lacks what is below the mark, {}",
                       servers_[j]->name(), mark));
  }
}

// The server that leads in the epoch in which this one follows.
std::optional<size_t> ClusterChecks::LeaderOf(size_t i) const {
  const replication::Follower& follower = *servers_[i]->roles().follower();
  for (size_t j = 0; j < servers_.size(); j++) {
    ModelServer& server = *servers_[j];
    if (!server.running() || server.loading() || server.roles().leader() == nullptr) continue;
    if (server.storage().journal()->epoch() == follower.leader_epoch()) return j;
  }
  return std::nullopt;
}

// What is below the mark is the same for all leaders, for ever.
void ClusterChecks::Share(size_t i, Seen& seen) {
  const auto& links = chains_.links(i);
  auto at =
      std::upper_bound(links.begin(), links.end(), seen.shared_to,
                       [](Position p, const JournalChains::Link& link) { return p < link.end; });
  for (; at != links.end() && at->end <= seen.mark; ++at) {
    const auto known = shared_.find(at->end);
    // Its journal begins after a snapshot, so nobody has told what lies before.
    if (at == links.begin() && at->end > shared_end()) untold_.push_back({shared_end(), at->end});
    const bool untold = std::any_of(untold_.begin(), untold_.end(), [&](const auto& gap) {
      return at->end > gap.first && at->end < gap.second;
    });
    if (known != shared_.end() ? known->second == at->hash : at->end > shared_end() || untold) {
      shared_.emplace(at->end, at->hash);
      continue;
    }
    return Add(i,
               fmt::format("below the mark, {}, lies something else at {} than below the mark of "
                           "a leader before, {}",
                           seen.mark, at->end, shared_end()));
  }
  seen.shared_to = seen.mark;
}

bool ClusterChecks::HasAllThatWasShared(size_t i) const {
  const auto& links = chains_.links(i);
  if (shared_.empty()) return true;
  if (links.empty() || links.back().end < shared_end()) return false;
  if (links.front().end >= shared_end()) return true;
  return chains_.HashAt(i, shared_end()) == shared_.rbegin()->second;
}

void ClusterChecks::OnAcknowledged(size_t i, Position position, bool all) {
  if (!violation_.empty() || position == 0 || !FollowJournal(i)) return;
  Seen& seen = seen_[i];
  const auto hash = chains_.HashAt(i, position);
  if (!hash) {
    return Add(i, fmt::format("{} was acknowledged, and no frame ends there", position));
  }
  if (!all) {
    if (seen.epoch != 0 && position > seen.acknowledged.end) seen.acknowledged = {position, *hash};
    return;
  }
  if (!nothing_lost_) return;
  const auto shared = shared_.find(position);
  if (shared == shared_.end() || shared->second != *hash) {
    Add(i, fmt::format("{} was acknowledged to `acks all`, and is below nobody's mark", position));
  }
  size_t have = 0;
  for (size_t j = 0; j < servers_.size(); j++) {
    FollowJournal(j);
    const auto& links = chains_.links(j);
    ModelServer& server = *servers_[j];
    // One that has had it may have lost its power since.
    const bool gone = !server.running() || server.loading() || !server.roles().trusted();
    have += gone || chains_.HashAt(j, position) == hash ||
            (!links.empty() && links.front().end >= position);
  }
  if (have < 2) {
    Add(i,
        fmt::format("{} was acknowledged to `acks all`, and lies on {} servers", position, have));
  }
}

// --- A follower ---

void ClusterChecks::LookAtFollower(size_t i, Seen& seen) {
  Roles& roles = servers_[i]->roles();
  seen.epoch = 0;
  seen.acknowledged = {};
  seen.may_apply_all |= roles.wishes();
  const replication::Follower* const follower = roles.follower();
  const bool same = follower == std::exchange(seen.follower, follower);
  if (follower == nullptr) return;
  // What another one has applied is of another leader, or of the start.
  if (!same) {
    seen.mark = seen.shared_to = 0;
    seen.applied = follower->applied();
    const bool starts = servers_[i]->began_to_follow() && !seen.led && !seen.may_apply_all;
    // A snapshot may be of a time at which it led.
    const Position snapshot = servers_[i]->storage().found().snapshot_position;
    if (starts && seen.applied > std::max(greatest_mark_, snapshot)) {
      Add(i, fmt::format("{} was applied at the start, and the greatest mark that any leader had "
                         "is {}",
                         seen.applied, greatest_mark_));
    }
  }
  // It may know more than its leader: what all others of the set have, and itself.
  const Position mark = roles.high_watermark();
  if (mark > seen.mark) {
    seen.mark = mark;
    greatest_mark_ = std::max(greatest_mark_, mark);
    const auto leader = LeaderOf(i);
    if (nothing_lost_ && leader) LookAtMembers(i, *leader, mark);
    if (nothing_lost_) Share(i, seen);
  }
  const Position applied = follower->applied();
  if (applied == seen.applied) return;
  seen.applied = applied;
  if (applied > greatest_mark_ && !seen.may_apply_all) {
    Add(i, fmt::format("{} was applied, and the greatest mark that any leader had is {}", applied,
                       greatest_mark_));
  }
}

}  // namespace runnel::sim
