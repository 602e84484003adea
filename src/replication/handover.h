#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/position.h"
#include "journal/journal.h"
#include "replication/leader.h"

namespace runnel::replication {

// A leader hands over to one of its followers, which leads with the next epoch then (FAILOVER).
// Nothing changes the leader's data meanwhile: the caller sees to that, from before this is made
// until the outcome is known.
//
//   waiting      the target is to have the whole journal, and to answer a question that was asked
//                when the changes had ended
//   in progress  the target was told to take over, and has not answered yet
//
// All times are milliseconds of a clock that only goes forward.
class Handover {
 public:
  struct Wish {
    std::string node_id;  // of the target; empty: the foremost follower of the in-sync set
    // How long it may wait; without it, for ever, as long as the target answers.
    std::optional<int64_t> timeout_ms;
    // When that time is over the target takes over, whatever it lacks. REQUIRES: timeout_ms.
    bool force = false;
  };
  enum class State : uint8_t {
    kWaiting,
    kInProgress,
    kGivenUp,  // the leader leads on: why() says why
    kTaken,    // the target leads
    // The target was told, and its answer is not known. The leader must make no change any more: it
    // asks the target, as a follower does, and leads again only if that follows it.
    kUnknown,
  };

  // An answer is waited for so long.
  static constexpr int64_t kAnswerMs = 1000;

  // Everything outlives it.
  Handover(Leader& leader, const journal::Journal& journal, Wish wish, int64_t now_ms);

  // For the end of a turn, before Leader::Turn. `sealed`: all changes are in the journal.
  void Turn(bool sealed, int64_t now_ms);
  // When Turn has something to do though nothing happens.
  int64_t next_due_ms() const;
  // Nobody is told to take over. REQUIRES: state() is kWaiting.
  void GiveUp(std::string why);

  State state() const { return state_; }
  bool over() const { return state_ > State::kInProgress; }
  const std::string& why() const { return why_; }
  // The one that was told. REQUIRES: state() is neither kWaiting nor kGivenUp.
  const Leader::Peer& target() const { return target_; }

 private:
  const Leader::Peer* Target() const;
  bool HasAll(const Leader::Peer& peer) const;
  void Wait(bool sealed, int64_t now_ms);
  void Tell(const Leader::Peer& peer, int64_t now_ms);
  void TakeAnswer(int64_t now_ms);

  Leader& leader_;
  const journal::Journal& journal_;
  const Wish wish_;
  const int64_t begin_ms_;
  const uint64_t question_;
  State state_ = State::kWaiting;
  int64_t now_ms_;
  // Since when the target has everything.
  std::optional<int64_t> ready_ms_;
  Leader::Peer target_;
  int64_t told_ms_ = 0;
  std::string why_;
};

}  // namespace runnel::replication
