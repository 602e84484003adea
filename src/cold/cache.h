#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cold/cold_file.h"

namespace runnel::cold {

// The extents that are in memory, up to a bound that Evict holds: in between it may be passed, so
// that what was found stays where it is until the end of the turn. Which go is decided by whether
// they were used, or have come, since the hand of the clock last came by.
class ColdCache {
 public:
  ~ColdCache();

  // The extent has been read. Nothing happens if it is there already.
  void Insert(const Ref<StoredExtent>& extent, std::shared_ptr<const BlockRun> blocks, bool ahead);
  // From any thread; null if it is not there.
  std::shared_ptr<const BlockRun> Find(const StoredExtent& extent) const;
  // Lets go of extents until at most `bytes` are left, and of some that nobody refers to any more.
  // Pinned ones stay.
  void Evict(size_t bytes);

  size_t bytes() const { return bytes_; }
  // Extents that were expected and then used.
  uint64_t ahead_hits() const { return ahead_hits_; }

 private:
  // True if it went.
  bool Visit(size_t i, bool over);
  void Remove(size_t i);

  StoredExtents extents_;
  size_t hand_ = 0;
  size_t bytes_ = 0;
  uint64_t ahead_hits_ = 0;
  mutable std::mutex mutex_;  // of the extents' blocks_
};

}  // namespace runnel::cold
