#pragma once

#include <cstddef>
#include <deque>

#include "broker/watermarks.h"
#include "resp/rope.h"

namespace runnel {

// Replies of one session that wait for the journal, oldest first. A reply shows state that includes
// every change made before it, its own and others', so it depends on the end of the journal as it
// was when the reply's turn ended; it leaves when that is safe. They are packed, however many turns
// they come from.
class HeldReplies {
 public:
  bool empty() const { return runs_.empty(); }
  size_t bytes() const { return replies_.size(); }
  size_t MemoryBytes() const { return replies_.MemoryBytes() + runs_.size() * sizeof(Run); }

  // Adds replies that depend on the journal up to `appended`, which never goes back.
  void Add(Rope&& replies, Appended appended);
  // What was added waits longer than a turn: see Rope::Unshare.
  void Unshare() { replies_.Unshare(); }
  // What the oldest of them depends on. REQUIRES: !empty().
  Appended first() const { return runs_.front().appended; }
  // Takes out what may leave now, in order.
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
