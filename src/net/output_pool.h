#pragma once

#include <cstddef>

namespace runnel {

// A client with more unread output than this may be held back: it must read before the server reads
// from it.
inline constexpr size_t kUnreadMayHold = 1024 * 1024;

// The memory of all replies that clients have not read, and which clients are held back when it is
// too much.
class OutputPool {
 public:
  // A connection's memory for unsent output was `before` and is `after` (bytes).
  void Note(size_t before, size_t after) {
    total_ += after - before;
    large_ += (after > kUnreadMayHold ? 1 : 0) - (before > kUnreadMayHold ? 1 : 0);
  }
  size_t total() const { return total_; }

  // Whether a client with `memory` bytes (more than kUnreadMayHold) of unsent output is held back.
  // All clients together may take `limit` bytes. Up to half of it, none is held back. Above that,
  // clients with at least the average of the large ones are, so that one that never reads does not
  // stop the others. At the limit, all are.
  bool HoldsBack(size_t memory, size_t limit) const {
    if (total_ <= limit / 2 && limit > 0) return false;
    if (total_ >= limit) return true;
    return memory >= total_ / static_cast<size_t>(large_ > 0 ? large_ : 1);
  }

 private:
  size_t total_ = 0;
  int large_ = 0;  // connections with more than kUnreadMayHold
};

}  // namespace runnel
