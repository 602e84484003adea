#include "tests/sim/journal_chains.h"

#include <algorithm>

#include "base/hash.h"
#include "fmt/format.h"

namespace runnel::sim {

std::string JournalChains::Follow(size_t server, const journal::Journal& journal, ModelDisk& disk) {
  Chain& chain = chains_[server];
  if (journal.identity().id != chain.journal_id) chain.fresh = true;
  if (!chain.fresh && journal.written() < chain.links.back().end) {
    return fmt::format("server {}: the journal ended at {}, and ends at {} though it was not cut",
                       server, chain.links.back().end, journal.written());
  }
  if (chain.fresh) {
    if (std::string wrong = Begin(chain, journal); !wrong.empty()) return wrong;
  }
  if (journal.written() == chain.links.back().end) return "";
  const ModelDisk::Aside aside(&disk);
  auto reader = journal.ReadFrom(chain.links.back().end);
  if (!reader.ok()) return fmt::format("server {}: {}", server, reader.status().message());
  for (;;) {
    const auto next = reader->Next(journal.written());
    if (!next.ok()) return fmt::format("server {}: {}", server, next.status().message());
    if (!*next) return "";
    const journal::Frame& frame = **next;
    const Link link{frame.end(), Checksum(frame.bytes(), chain.links.back().hash)};
    Known& known = known_[{chain.journal_id, link.end}];
    const uint64_t hash = known.try_emplace(frame.epoch, link.hash).first->second;
    if (hash != link.hash) {
      return fmt::format(
          "server {}: other bytes lie before position {} than in the journal of another server, "
          "and "
          "both have a frame of epoch {:016x} there",
          server, link.end, frame.epoch);
    }
    chain.links.push_back(link);
  }
}

// What lies before the beginning is known from the journals in which it was.
std::string JournalChains::Begin(Chain& chain, const journal::Journal& journal) {
  chain.fresh = false;
  chain.journal_id = journal.identity().id;
  const Position first = journal.first();
  chain.links.assign(1, {first, 0});
  if (first == 0) return "";
  const Known& known = known_[{chain.journal_id, first}];
  if (known.empty()) {
    return fmt::format("the journal begins at {}, where no frame has ended anywhere", first);
  }
  journal::Epoch epoch = known.rbegin()->first;
  for (const auto& row : journal.epochs().rows()) {
    if (row.begin < first) epoch = row.epoch;
  }
  const auto found = known.find(epoch);
  chain.links.back().hash = found == known.end() ? known.rbegin()->second : found->second;
  return "";
}

std::optional<uint64_t> JournalChains::HashAt(size_t server, Position end) const {
  const auto& links = chains_[server].links;
  const auto at = std::lower_bound(links.begin(), links.end(), end,
                                   [](const Link& link, Position p) { return link.end < p; });
  if (at == links.end() || at->end != end) return std::nullopt;
  return at->hash;
}

}  // namespace runnel::sim
