#include "data/hot_blocks.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace runnel {

HotBlocks::~HotBlocks() {
  for (const Spillable* list : lists_) {
    CHECK(list == nullptr);
  }
}

uint8_t HotBlocks::ClassOf(size_t sealed_bytes) {
  return static_cast<uint8_t>(
      std::min<size_t>(std::bit_width(sealed_bytes >> kLeastShift), kClasses - 1));
}

Spillable* HotBlocks::Largest() {
  for (size_t i = kClasses - 1; i > 0; i--) {
    Spillable* value = lists_[i];
    if (value == nullptr) continue;
    lists_[i] = value->next_;
    return value;
  }
  return nullptr;
}

void HotBlocks::Link(Spillable* value, uint8_t size_class) {
  value->size_class_ = size_class;
  if (size_class == 0) return;
  Spillable*& list = lists_[size_class];
  if (list == nullptr) {
    list = value->next_ = value->previous_ = value;
    return;
  }
  // Behind all others.
  value->next_ = list;
  value->previous_ = list->previous_;
  value->previous_->next_ = value;
  list->previous_ = value;
}

void HotBlocks::Unlink(Spillable* value) {
  if (value->size_class_ == 0) return;
  Spillable*& list = lists_[value->size_class_];
  value->size_class_ = 0;
  if (value->next_ == value) {
    list = nullptr;
    return;
  }
  value->previous_->next_ = value->next_;
  value->next_->previous_ = value->previous_;
  if (list == value) list = value->next_;
}

// Whoever derives from it has detached itself, while it could still say what it counts for.
Spillable::~Spillable() {
  ASSERT(hot_ == nullptr);
}

void Spillable::Attach(HotBlocks* hot) {
  if (hot == hot_) return;
  const Totals mine = totals();
  if (hot_ != nullptr) {
    hot_->Unlink(this);
    hot_->bytes_ -= mine.hot_bytes;
    hot_->cold_entries_ -= mine.cold_entries;
    hot_->cold_bytes_ -= mine.cold_bytes;
    StopWriting();
  }
  hot_ = hot;
  if (hot_ != nullptr) {
    hot_->bytes_ += mine.hot_bytes;
    hot_->cold_entries_ += mine.cold_entries;
    hot_->cold_bytes_ += mine.cold_bytes;
    hot_->Link(this, HotBlocks::ClassOf(sealed_bytes()));
  }
}

void Spillable::ReportTo(uint64_t change) {
  hot_->bytes_ += change;
  const uint8_t size_class = writing_ != nullptr ? 0 : HotBlocks::ClassOf(sealed_bytes());
  if (size_class == size_class_) return;
  hot_->Unlink(this);
  hot_->Link(this, size_class);
}

void Spillable::ReportCold(uint64_t entries, uint64_t bytes) {
  if (hot_ == nullptr) return;
  hot_->cold_entries_ += entries;
  hot_->cold_bytes_ += bytes;
}

void Spillable::StopWriting() {
  if (writing_ != nullptr) *writing_ = nullptr;
  writing_ = nullptr;
}

void Spillable::NoteWriting(Spillable** value) {
  ASSERT(hot_ != nullptr);
  writing_ = value;
  ReportTo(0);
}

}  // namespace runnel
