#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/block.h"
#include "base/position.h"
#include "base/ref.h"
#include "base/status.h"
#include "journal/journal.h"
#include "replication/wire.h"

namespace runnel::replication {

// Bytes of a journal for another server, which a helper reads from the files into the blocks from
// which they are sent.
struct JournalPieces {
  struct Piece {
    Ref<Block> block;
    size_t most;
    size_t bytes = 0;

    std::string_view view() const { return {block->data(), bytes}; }
  };

  // What is to be read. The reader is at `from`, or nullptr; the helper may replace it.
  std::shared_ptr<journal::JournalReader> reader;
  std::function<Result<journal::JournalReader>(Position)> open;  // Journal::Reading
  Position from = 0;                                             // the end of a frame
  Position sent = 0;  // bytes before this are left out; it may lie in the midst of a frame
  Position limit = 0;
  size_t wanted = kMostPieceBytes;
  // What was read: each piece has at most kMostPieceBytes.
  std::vector<Piece> pieces;
  size_t bytes = 0;  // of all pieces
  Status status;

  // For a helper: reads whole frames, until the bytes that are wanted are there. A frame that is
  // larger than that is read in one go.
  void Read();

 private:
  void Take(std::string_view rest);
};

}  // namespace runnel::replication
