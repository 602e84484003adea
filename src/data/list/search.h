#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ref.h"
#include "data/cold.h"
#include "data/list/list.h"

namespace runnel {

// A search through a list for the elements that are equal to a value. Data on the disk is searched
// in windows of a few MB, of which only the positions found are kept: so any list can be searched
// in little memory.
//
// If a window is not in memory, Find throws ColdMiss (ColdSource::Pass) and is called again,
// perhaps much later. The list may have changed by then, or be another one: what is kept says which
// elements of an extent are equal, and an extent never changes. Find looks at the whole list before
// it answers, so the answer is right for the list as it is then.
//
// A search is for one value only.
class ListSearch final : public ColdProgress {
 public:
  struct Order {
    bool from_back = false;
    uint64_t wanted = UINT64_MAX;       // ends when this many were found
    uint64_t most_looked = UINT64_MAX;  // looks at no more elements than this
  };
  // The positions of the first (or last) elements that are equal to `value`, in the order in which
  // they are met. Throws ColdMiss and ColdFailure.
  std::vector<uint64_t> Find(const List& list, std::string_view value, const Order& order);

  // Sorts the positions and joins those that follow each other.
  static std::vector<List::Range> ToRanges(std::vector<uint64_t>* positions);

 private:
  // What was found in an extent.
  struct Found {
    Ref<ColdExtent> extent;           // so that no other one gets its address
    std::vector<uint32_t> positions;  // in the run, ascending
  };
  // One walk over the blocks of a list.
  struct Walk;

  void Look(Walk* walk, size_t block);
  void LookIntoRun(Walk* walk, size_t block);
  const Found& FindInRun(const Walk& walk, size_t block);
  ColdExtents Window(const Walk& walk, size_t block) const;

  absl::flat_hash_map<const ColdExtent*, Found> runs_;
  uint64_t kept_bytes_ = 0;  // about what runs_ take
  // Where the walk was when it missed: the number of the first element of the block, and how many
  // elements it had looked at and found.
  struct Stop {
    int64_t number = 0;
    uint64_t looked = 0;
    uint64_t found = 0;
  };
  std::optional<Stop> stop_;
};

}  // namespace runnel
