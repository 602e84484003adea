#pragma once

#include <cstddef>

namespace runnel {

// A client that leaves more than this unread may have to read before it is read from.
inline constexpr size_t kUnreadMayHold = 1024 * 1024;

// The memory of all replies that clients have not read, and whose turn it is to read first when
// that is too much.
class OutputPool {
 public:
  // A connection's memory for unsent output was `before` and is `after` (bytes).
  void Note(size_t before, size_t after) {
    total_ += after - before;
    large_ += (after > kUnreadMayHold ? 1 : 0) - (before > kUnreadMayHold ? 1 : 0);
  }
  size_t total() const { return total_; }

  // Whether a client with `memory` bytes (more than kUnreadMayHold) of unsent output is held back,
  // if all together may take `limit` bytes. Up to half of it nobody is. Above that, those with more
  // than the average of the large are, so that one that never reads does not stop the others; above
  // the limit, all.
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
