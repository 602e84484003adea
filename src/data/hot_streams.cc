#include "data/hot_streams.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "data/entry_log.h"

namespace runnel {

HotStreams::~HotStreams() {
  for (const EntryLog* list : lists_) {
    CHECK(list == nullptr);
  }
}

uint8_t HotStreams::ClassOf(size_t sealed_bytes) {
  return static_cast<uint8_t>(
      std::min<size_t>(std::bit_width(sealed_bytes >> kLeastShift), kClasses - 1));
}

EntryLog* HotStreams::Largest() {
  for (size_t i = kClasses - 1; i > 0; i--) {
    EntryLog* log = lists_[i];
    if (log == nullptr) continue;
    lists_[i] = log->next_;
    return log;
  }
  return nullptr;
}

void HotStreams::Link(EntryLog* log, uint8_t size_class) {
  log->size_class_ = size_class;
  if (size_class == 0) return;
  EntryLog*& list = lists_[size_class];
  if (list == nullptr) {
    list = log->next_ = log->previous_ = log;
    return;
  }
  // Behind all others.
  log->next_ = list;
  log->previous_ = list->previous_;
  log->previous_->next_ = log;
  list->previous_ = log;
}

void HotStreams::Unlink(EntryLog* log) {
  if (log->size_class_ == 0) return;
  EntryLog*& list = lists_[log->size_class_];
  log->size_class_ = 0;
  if (log->next_ == log) {
    list = nullptr;
    return;
  }
  log->previous_->next_ = log->next_;
  log->next_->previous_ = log->previous_;
  if (list == log) list = log->next_;
}

void EntryLog::Attach(HotStreams* hot) {
  if (hot == hot_) return;
  if (hot_ != nullptr) {
    hot_->Unlink(this);
    hot_->bytes_ -= block_bytes_;
    hot_->cold_entries_ -= cold_entries();
    hot_->cold_bytes_ -= cold_bytes();
    if (writing_ != nullptr) *writing_ = nullptr;
    writing_ = nullptr;
  }
  hot_ = hot;
  if (hot_ != nullptr) {
    hot_->bytes_ += block_bytes_;
    hot_->cold_entries_ += cold_entries();
    hot_->cold_bytes_ += cold_bytes();
    hot_->Link(this, HotStreams::ClassOf(sealed_bytes()));
  }
}

void EntryLog::Report(uint64_t change) {
  hot_->bytes_ += change;
  const uint8_t size_class = writing_ != nullptr ? 0 : HotStreams::ClassOf(sealed_bytes());
  if (size_class == size_class_) return;
  hot_->Unlink(this);
  hot_->Link(this, size_class);
}

void EntryLog::CountCold(uint64_t live, uint64_t bytes) {
  cold_->live += live;
  cold_->bytes += bytes;
  if (hot_ == nullptr) return;
  hot_->cold_entries_ += live;
  hot_->cold_bytes_ += bytes;
}

size_t EntryLog::sealed_bytes() const {
  return segments_.empty() ? 0 : block_bytes_ - segments_.back().block->MemoryBytes();
}

void EntryLog::NoteWriting(EntryLog** log) {
  ASSERT(hot_ != nullptr);
  writing_ = log;
  Report(0);
}

}  // namespace runnel
