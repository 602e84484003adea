#include "replication/journal_pieces.h"

#include <algorithm>
#include <cstring>

namespace runnel::replication {

void JournalPieces::Read() {
  status = journal::ReadFrames(open, from, limit, &reader, [this](const journal::Frame& frame) {
    if (frame.end() > sent) Take(frame.bytes().substr(std::max(sent, frame.base) - frame.base));
    return bytes < wanted;
  });
}

void JournalPieces::Take(std::string_view rest) {
  bytes += rest.size();
  while (!rest.empty()) {
    if (pieces.empty() || pieces.back().bytes == pieces.back().most) {
      // What goes beyond what is wanted is the end of one frame.
      const bool more = pieces.size() * kMostPieceBytes < wanted;
      const size_t most = more ? kMostPieceBytes : std::min(rest.size(), kMostPieceBytes);
      pieces.push_back({Block::Create(most), most});
    }
    Piece& piece = pieces.back();
    const size_t taken = std::min(rest.size(), piece.most - piece.bytes);
    std::memcpy(piece.block->data() + piece.bytes, rest.data(), taken);
    piece.bytes += taken;
    rest.remove_prefix(taken);
  }
}

}  // namespace runnel::replication
