#pragma once

#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "data/cold.h"

namespace runnel {

// Extents that will be looked at and are not in memory, each once.
class MissingExtents {
 public:
  // The extent will be looked at. It counts as used for the cache; throws as ColdExtent::Use does.
  void Add(const Ref<ColdExtent>& extent) {
    if (extent->Use() != nullptr || !known_.insert(extent.get()).second) return;
    extents_.push_back(extent);
    bytes_ += extent->raw_bytes();
  }

  const ColdExtents& extents() const { return extents_; }
  bool empty() const { return extents_.empty(); }
  // Of their blocks in memory.
  uint64_t bytes() const { return bytes_; }

 private:
  ColdExtents extents_;
  absl::flat_hash_set<const ColdExtent*> known_;
  uint64_t bytes_ = 0;
};

}  // namespace runnel
