#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/journal_chains.h"
#include "tests/sim/model_server.h"

namespace runnel::sim {

// What must hold at every moment for servers that follow each other. What does not is told as a
// value: a test may expect it.
class ClusterChecks {
 public:
  using Servers = std::vector<std::unique_ptr<ModelServer>>;

  // If `nothing_lost`, min-insync-replicas is 2, and nobody is promoted who lacks what was below a
  // mark: then that stays, whoever leads. `servers` outlive it, and are not yet running.
  ClusterChecks(const Servers& servers, bool nothing_lost);

  // The first thing that was wrong; empty: nothing was.
  const std::string& violation() const { return violation_; }
  void Wrong(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }

  // The server has had a turn, or its process has begun.
  void Look(size_t i);
  // Its process is about to end. `keeps`: what was acknowledged by it alone outlives that.
  void OnStop(size_t i, bool keeps);

  // A client was told that a command has taken place, when the journal of the server went up to
  // `position`: under `acks 1`, or under `acks all`.
  void OnAcknowledged(size_t i, Position position, bool all);
  // The server has everything that was ever below a mark.
  bool HasAllThatWasShared(size_t i) const;
  // The journal below this is shared by all who may lead.
  Position shared_end() const { return shared_.empty() ? 0 : shared_.rbegin()->first; }

 private:
  struct Seen {
    bool running = false;
    uint64_t life = 0;
    journal::Epoch epoch = 0;  // in which it leads; 0: it does not
    Position mark = 0;
    Position shared_to = 0;  // of its chain, this is in shared_
    const replication::Follower* follower = nullptr;
    Position applied = 0;
    bool may_apply_all = false;               // it was about to lead
    bool led = false;                         // in this life
    JournalChains::Link acknowledged;         // by it alone
    std::optional<JournalChains::Link> kept;  // it must have this when it comes back
  };

  void LookAtLeader(size_t i, Seen& seen);
  void LookAtFollower(size_t i, Seen& seen);
  void LookAtMembers(size_t i, size_t leader, Position mark);
  std::optional<size_t> LeaderOf(size_t i) const;
  void Share(size_t i, Seen& seen);
  bool FollowJournal(size_t i);
  void Add(size_t i, std::string what) { Wrong(servers_[i]->name() + ": " + std::move(what)); }

  const Servers& servers_;
  const bool nothing_lost_;
  JournalChains chains_;
  std::vector<Seen> seen_;
  std::vector<std::pair<Position, Position>> untold_;  // between these shared_ has gaps
  std::map<Position, uint64_t> shared_;  // the one history below the marks, if nothing is lost
  Position greatest_mark_ = 0;
  std::string violation_;
};

}  // namespace runnel::sim
