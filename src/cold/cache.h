#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cold/cold_file.h"

namespace runnel::cold {

// The extents that are in memory. Evict enforces a bound; between two calls it may be exceeded, so
// that extents stay in memory until the end of the turn. The cache is a clock: it evicts extents
// that were neither used nor inserted since its hand last passed them.
class ColdCache {
 public:
  ~ColdCache();

  // The extent has been read. Does nothing if it is already there.
  void Insert(const Ref<StoredExtent>& extent, std::shared_ptr<const BlockRun> blocks, bool ahead);
  // Null if the extent is not in the cache. Any thread.
  std::shared_ptr<const BlockRun> Find(const StoredExtent& extent) const;
  // Evicts extents until at most `bytes` are left, and some to which nothing refers any more.
  // Pinned extents stay.
  void Evict(size_t bytes);

  size_t bytes() const { return bytes_; }
  // The number of extents that were read ahead and then used.
  uint64_t ahead_hits() const { return ahead_hits_; }

 private:
  // Returns whether the extent was evicted.
  bool Visit(size_t i, bool over);
  void Remove(size_t i);

  StoredExtents extents_;
  size_t hand_ = 0;
  size_t bytes_ = 0;
  uint64_t ahead_hits_ = 0;
  mutable std::mutex mutex_;  // of the extents' blocks_
};

}  // namespace runnel::cold
