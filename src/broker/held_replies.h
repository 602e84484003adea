#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "broker/watermarks.h"
#include "resp/rope.h"

namespace runnel {

// Replies of one session that wait for the journal, oldest first. A reply shows state that includes
// every change made before it, by this session and by others. So it depends on the end that the
// journal had when the reply's turn ended, and is sent when that is as safe as the session asks.
// Replies leave in their order, also if a later one asks for less. Replies of many turns are stored
// together.
class HeldReplies {
 public:
  bool empty() const { return runs_.empty(); }
  size_t bytes() const { return replies_.size(); }
  size_t MemoryBytes() const { return replies_.MemoryBytes() + runs_.size() * sizeof(Run); }

  // Adds replies with this demand, whose position never goes back. `now_ms` is of a clock that only
  // goes forward.
  void Add(Rope&& replies, const Demand& demand, int64_t now_ms);
  // The replies wait longer than a turn: see Rope::Unshare.
  void Unshare() { replies_.Unshare(); }
  // The demand of the oldest reply. REQUIRES: !empty().
  Demand first() const { return DemandOf(runs_.front()); }
  // Since when no reply has left. REQUIRES: !empty().
  int64_t since_ms() const { return since_ms_; }
  // Takes out the replies that may be sent now, in order.
  Rope Release(const Watermarks& now, int64_t now_ms);

 private:
  // The next `bytes` bytes have this demand. Busy clients have thousands of runs.
  struct Run {
    Appended appended;
    uint64_t question;
    uint64_t bytes : 46;
    uint64_t members : 16;  // at most kMostInSync
    uint64_t acks : 2;
  };
  static Demand DemandOf(const Run& run) {
    return {run.appended, static_cast<Acks>(run.acks), run.question,
            static_cast<uint32_t>(run.members)};
  }

  std::deque<Run> runs_;
  Rope replies_;
  int64_t since_ms_ = 0;
};

}  // namespace runnel
