#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/position.h"
#include "journal/journal.h"
#include "tests/sim/model_disk.h"

namespace runnel::sim {

// Reads what the journals of several servers get, and compares it: where two of them have a frame
// of the same epoch at the same position, they hold the same bytes from the beginning of the
// journal to the end of that frame. A running hash over the frames tells.
class JournalChains {
 public:
  // The hash of all that lies before `end`, where a frame ends.
  struct Link {
    Position end = 0;
    uint64_t hash = 0;

    bool operator==(const Link&) const = default;
  };

  explicit JournalChains(size_t servers) : chains_(servers) {}

  // Reads what the server's journal has written since the last call. Returns what is wrong with it;
  // empty: nothing.
  std::string Follow(size_t server, const journal::Journal& journal, ModelDisk& disk);
  // The journal is another one now, or was cut: the next call reads all of it.
  void Forget(size_t server) { chains_[server].fresh = true; }

  // What was read; the first link is where the journal begins.
  const std::vector<Link>& links(size_t server) const { return chains_[server].links; }
  uint64_t journal_id(size_t server) const { return chains_[server].journal_id; }
  // Nothing if no frame ends at this position in the server's journal, or if it begins after that.
  std::optional<uint64_t> HashAt(size_t server, Position end) const;

 private:
  struct Chain {
    bool fresh = true;
    uint64_t journal_id = 0;
    std::vector<Link> links;
  };
  // Frames of this epoch that end at the same position, in whatever journal.
  using Place = std::pair<uint64_t, Position>;  // the id of the journal, the end of the frame
  using Known = std::map<journal::Epoch, uint64_t>;

  std::string Begin(Chain& chain, const journal::Journal& journal);

  std::vector<Chain> chains_;
  std::map<Place, Known> known_;
};

}  // namespace runnel::sim
