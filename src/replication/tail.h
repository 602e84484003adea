#pragma once

#include <cstddef>
#include <deque>
#include <string_view>

#include "base/block.h"
#include "base/position.h"
#include "base/ref.h"
#include "journal/journal.h"

namespace runnel::replication {

// The newest bytes of the journal, in memory, for all followers together: whoever is near the end
// is served from here, and its messages refer to these bytes instead of copying them.
class Tail final : public journal::FrameSink {
 public:
  // Keeps the newest `most_bytes`, and up to one block more. `begin` is where the journal ends.
  Tail(Position begin, size_t most_bytes) : begin_(begin), end_(begin), most_bytes_(most_bytes) {}

  // For the next Take.
  void set_most_bytes(size_t most_bytes) { most_bytes_ = most_bytes; }

  // Bytes from begin() to end() are here.
  Position begin() const { return begin_; }
  Position end() const { return end_; }

  void Take(Position base, std::string_view frame) override;

  // Bytes that lie in front of each other, and the block that holds them.
  struct Piece {
    const Ref<Block>* block;
    std::string_view bytes;
  };
  // As many bytes as there are in one piece from `position` on, but at most `most`. Valid until the
  // next Take. REQUIRES: begin() <= position < end().
  Piece At(Position position, size_t most) const;

 private:
  struct Chunk {
    Position begin;
    size_t size;
    Ref<Block> block;
  };

  std::deque<Chunk> chunks_;
  Position begin_;
  Position end_;
  size_t most_bytes_;
};

}  // namespace runnel::replication
