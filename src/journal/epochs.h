#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/position.h"
#include "base/status.h"

namespace runnel::journal {

// The number of a leadership: a counter in the upper half, chance in the lower half, so that two
// servers that begin to lead apart from each other never have the same number. 0: nobody has led.
using Epoch = uint64_t;

// The number after `epoch`. `random` gives the lower half.
inline Epoch NextEpoch(Epoch epoch, uint32_t random) {
  return ((epoch >> 32) + 1) << 32 | random;
}

// Under which leader each part of a journal was written: for each epoch the position of its first
// frame. Two journals that hold the same epoch hold the same bytes in it, as far as both go: an
// epoch has one leader, and its frames travel byte for byte. So where two journals part follows
// from their histories and ends alone.
class EpochHistory {
 public:
  struct Row {
    Epoch epoch = 0;
    Position begin = 0;
    bool operator==(const Row&) const = default;
  };
  // Older epochs are forgotten.
  static constexpr size_t kMostRows = 1000;

  // Ascending in both respects.
  const std::vector<Row>& rows() const { return rows_; }
  bool empty() const { return rows_.empty(); }
  // The newest epoch; 0 if there is none.
  Epoch newest() const { return rows_.empty() ? 0 : rows_.back().epoch; }

  // A frame of this epoch lies at `base`. REQUIRES: neither is less than before.
  void Note(Epoch epoch, Position base);
  // The journal ends here now: forgets epochs that begin at `end` or after it.
  void CutAt(Position end);
  // Where the epoch ends in a journal that ends at `end`. REQUIRES: the history has it.
  Position EndOf(Epoch epoch, Position end) const;
  // nullptr if it does not have the epoch.
  const Row* Find(Epoch epoch) const;

  void Encode(Encoder* out) const;
  // Fails the decoder if the bytes are no history.
  static EpochHistory Load(Decoder* in);

  bool operator==(const EpochHistory&) const = default;

 private:
  std::vector<Row> rows_;
};

// A history and where its journal ends.
struct HistoryEnd {
  const EpochHistory& history;
  Position end = 0;
};

// The position up to which both journals hold the same bytes: the end of their greatest common
// epoch, in the journal where that ends first. An empty journal is the beginning of every other.
// Fails if they have no epoch in common, or if a common epoch does not begin at the same position:
// then they are not parts of one history, or too old to tell.
Result<Position> FindParting(const HistoryEnd& a, const HistoryEnd& b);

}  // namespace runnel::journal
