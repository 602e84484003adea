#pragma once

#include <cstddef>
#include <deque>

#include "broker/watermarks.h"
#include "resp/rope.h"

namespace runnel {

// Replies of one session that wait for the journal, oldest first. A reply shows state that includes
// every change made before it, by this session and by others. So it depends on the end that the
// journal had when the reply's turn ended, and is sent when that is safe. Replies of many turns are
// stored together.
class HeldReplies {
 public:
  bool empty() const { return runs_.empty(); }
  size_t bytes() const { return replies_.size(); }
  size_t MemoryBytes() const { return replies_.MemoryBytes() + runs_.size() * sizeof(Run); }

  // Adds replies that depend on the journal up to `appended`, which never goes back.
  void Add(Rope&& replies, Appended appended);
  // The replies wait longer than a turn: see Rope::Unshare.
  void Unshare() { replies_.Unshare(); }
  // The position on which the oldest reply depends. REQUIRES: !empty().
  Appended first() const { return runs_.front().appended; }
  // Takes out the replies that may be sent now, in order.
  Rope Release(Safe safe);

 private:
  // The next `bytes` bytes depend on this.
  struct Run {
    Appended appended;
    size_t bytes;
  };
  std::deque<Run> runs_;
  Rope replies_;
};

}  // namespace runnel
