#pragma once

#include <cstdint>
#include <deque>

#include "base/position.h"
#include "resp/rope.h"

namespace runnel {

// Replies of one session that wait for the journal, oldest first. They are packed, however many
// turns they come from.
class HeldReplies {
 public:
  bool empty() const { return runs_.empty(); }
  size_t bytes() const { return replies_.size(); }
  size_t MemoryBytes() const { return replies_.MemoryBytes() + runs_.size() * sizeof(Run); }

  // Adds replies that may leave when the watermark has reached `position`, which never goes back.
  void Add(Rope&& replies, Position position);
  // What was added waits longer than a turn: see Rope::Unshare.
  void Unshare() { replies_.Unshare(); }
  // The position that the oldest of them waits for. REQUIRES: !empty().
  Position first_position() const { return runs_.front().position; }
  // Takes out what may leave at this watermark, in order.
  Rope Release(Position watermark);

 private:
  // The next `bytes` bytes wait for this position.
  struct Run {
    Position position;
    size_t bytes;
  };
  std::deque<Run> runs_;
  Rope replies_;
};

// Decides when replies leave. A reply shows state that includes every change made before it, its
// own and others', so it depends on the end of the journal as it was when the reply's turn ended;
// it leaves when the watermark has passed that position. Without a journal there is nothing to wait
// for: what is appended is safe at once.
class ReplyGate {
 public:
  // End of the journal, with this turn's effects.
  Position appended() const { return appended_; }
  // Everything before this is as safe as was asked for.
  Position watermark() const { return watermark_; }

  // The turn's effects took this many bytes of the journal.
  void Append(uint64_t bytes) { appended_ += bytes; }
  // REQUIRES: not behind the present watermark, not beyond appended().
  void Advance(Position watermark);

 private:
  Position appended_ = 0;
  Position watermark_ = 0;
};

}  // namespace runnel
