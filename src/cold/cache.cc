#include "cold/cache.h"

#include <algorithm>
#include <utility>

namespace runnel::cold {
namespace {

// So many are looked at in each turn for whether anybody still refers to them.
constexpr size_t kLooksPerTurn = 8;

}  // namespace

ColdCache::~ColdCache() {
  while (!extents_.empty()) {
    Remove(extents_.size() - 1);
  }
}

void ColdCache::Insert(const Ref<StoredExtent>& extent, std::shared_ptr<const BlockRun> blocks,
                       bool ahead) {
  if (extent->loaded_ != nullptr) return;
  extent->loaded_ = blocks.get();
  extent->used_ = false;
  extent->fresh_ = true;
  extent->ahead_ = ahead;
  bytes_ += blocks->MemoryBytes();
  extents_.push_back(extent);
  const std::lock_guard lock(mutex_);
  extent->blocks_ = std::move(blocks);
}

std::shared_ptr<const BlockRun> ColdCache::Find(const StoredExtent& extent) const {
  const std::lock_guard lock(mutex_);
  return extent.blocks_;
}

void ColdCache::Evict(size_t bytes) {
  // Twice around, because the first time may only find that all were used.
  const size_t most = 2 * extents_.size();
  for (size_t looks = 0; looks < most && (bytes_ > bytes || looks < kLooksPerTurn); looks++) {
    if (extents_.empty()) return;
    if (hand_ >= extents_.size()) hand_ = 0;
    if (!Visit(hand_, bytes_ > bytes)) hand_++;
  }
}

bool ColdCache::Visit(size_t i, bool over) {
  StoredExtent& extent = *extents_[i];
  if (extent.used_ && extent.ahead_) {
    extent.ahead_ = false;
    ahead_hits_++;
  }
  if (extent.pins_ > 0) return false;
  if (!extent.unique()) {
    if (!over) return false;
    if (extent.used_ || extent.fresh_) {
      extent.used_ = extent.fresh_ = false;
      return false;
    }
  }
  Remove(i);
  return true;
}

void ColdCache::Remove(size_t i) {
  std::swap(extents_[i], extents_.back());
  const Ref<StoredExtent> extent = std::move(extents_.back());
  extents_.pop_back();
  bytes_ -= extent->loaded_->MemoryBytes();
  extent->loaded_ = nullptr;
  const std::lock_guard lock(mutex_);
  extent->blocks_.reset();
}

}  // namespace runnel::cold
