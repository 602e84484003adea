#include "data/stream/hot_blocks.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"

namespace runnel {
namespace {

// Blocks of fewer bytes are in no account of their own: there may be millions of small values.
constexpr uint64_t kLeastShared = 4096;

}  // namespace

// --- HeldBlocks ---

Ref<HeldBlocks> HeldBlocks::Share(std::shared_ptr<Sum> sum, uint64_t bytes) {
  return Ref<HeldBlocks>::Adopt(new HeldBlocks(std::move(sum), bytes));
}

Ref<HeldBlocks> HeldBlocks::Hold(std::shared_ptr<Sum> sum, uint64_t bytes, Ref<HeldBlocks> shared) {
  Ref<HeldBlocks> held = Share(std::move(sum), bytes);
  held->Drop(bytes);
  held->third_ = std::move(shared);
  return held;
}

// The sum comes first, and End leaves it for the last: so it is never below what counts in it.
void HeldBlocks::Drop(uint64_t bytes) {
  bytes = std::min(bytes, shared_);
  if (bytes == 0) return;
  shared_ -= bytes;
  sum_->fetch_add(bytes, std::memory_order_relaxed);
  uint64_t held = held_.load(std::memory_order_relaxed);
  do {
    if (held == kEnded) {
      sum_->fetch_sub(bytes, std::memory_order_relaxed);
      return;
    }
  } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
}

// Nobody else changes what only the second owner has.
void HeldBlocks::Shrink(uint64_t bytes) {
  const uint64_t held = held_.load(std::memory_order_relaxed);
  ASSERT(bytes <= held && held != kEnded);
  held_.store(held - bytes, std::memory_order_relaxed);
  sum_->fetch_sub(bytes, std::memory_order_relaxed);
}

void HeldBlocks::End() {
  const uint64_t held = held_.exchange(kEnded, std::memory_order_relaxed);
  ASSERT(held != kEnded);
  if (third_) third_->Drop(held);
  sum_->fetch_sub(held, std::memory_order_relaxed);
}

// --- HotBlocks ---

HotBlocks::HotBlocks(HotBlocks* whole) : whole_(whole), held_(whole->held_) {
  ASSERT(whole->whole_ == nullptr);
  whole->parts_.push_back(this);
}

HotBlocks::~HotBlocks() {
  Leave();
  ASSERT(parts_.empty());
  for (const Spillable* list : lists_) {
    CHECK(list == nullptr);
  }
}

void HotBlocks::Leave() {
  if (whole_ == nullptr) return;
  while (!writing_.empty()) {
    writing_.back()->StopWriting();
  }
  if (bytes_ > 0) left_ = BlockHolder(HeldBlocks::Hold(held_, bytes_));
  std::erase_if(whole_->sparse_, [this](Spillable* value) {
    if (value->hot_ != this) return false;
    value->sparse_noted_ = false;
    return true;
  });
  whole_->bytes_ -= bytes_;
  whole_->cold_entries_ -= cold_entries_;
  whole_->cold_bytes_ -= cold_bytes_;
  std::erase(whole_->parts_, this);
  // Values that are still attached ask for it.
  run_bytes_ = whole_->run_bytes_;
  tight_ = whole_->tight_;
  whole_ = nullptr;
}

void HotBlocks::Count(uint64_t hot_bytes, uint64_t cold_entries, uint64_t cold_bytes) {
  bytes_ += hot_bytes;
  cold_entries_ += cold_entries;
  cold_bytes_ += cold_bytes;
  if (whole_ != nullptr) whole_->Count(hot_bytes, cold_entries, cold_bytes);
  // Values of a part that has left are only detached.
  if (left_.get() != nullptr) left_.get()->Shrink(-hot_bytes);
}

uint8_t HotBlocks::ClassOf(size_t sealed_bytes) {
  return static_cast<uint8_t>(
      std::min<size_t>(std::bit_width(sealed_bytes >> kLeastShift), kClasses - 1));
}

Spillable* HotBlocks::Largest() {
  for (size_t i = kClasses - 1; i > 0; i--) {
    if (Spillable* value = LargestOfClass(i)) return value;
  }
  return nullptr;
}

Spillable* HotBlocks::LargestOfClass(size_t size_class) {
  if (Spillable* value = lists_[size_class]) {
    lists_[size_class] = value->next_;
    return value;
  }
  for (size_t i = 0; i < parts_.size(); i++) {
    HotBlocks* part = parts_[next_part_++ % parts_.size()];
    if (Spillable* value = part->LargestOfClass(size_class)) return value;
  }
  return nullptr;
}

void HotBlocks::Link(Spillable* value, uint8_t size_class) {
  value->size_class_ = size_class;
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
  Spillable*& list = lists_[value->size_class_];
  if (value->next_ == value) {
    list = nullptr;
    return;
  }
  value->previous_->next_ = value->next_;
  value->next_->previous_ = value->previous_;
  if (list == value) list = value->next_;
}

void HotBlocks::SetTight(bool tight) {
  if (tight == tight_) return;
  tight_ = tight;
  Relink();
  for (HotBlocks* part : parts_) {
    part->Relink();
  }
}

// Sorts all values anew.
void HotBlocks::Relink() {
  const std::array<Spillable*, kClasses> lists = std::exchange(lists_, {});
  for (Spillable* const first : lists) {
    if (first == nullptr) continue;
    Spillable* value = first;
    do {
      Spillable* const next = value->next_;
      Link(value, value->writing() ? uint8_t{0} : ClassOf(value->sealed_bytes()));
      value = next;
    } while (value != first);
  }
}

Spillable* HotBlocks::TakeSparse() {
  for (size_t left = sparse_.size(); left > 0; left--) {
    Spillable* const value = sparse_.front();
    sparse_.pop_front();
    if (value->writing()) {
      sparse_.push_back(value);
      continue;
    }
    value->sparse_noted_ = false;
    return value;
  }
  return nullptr;
}

void HotBlocks::ForgetSparse(Spillable* value) {
  if (!std::exchange(value->sparse_noted_, false)) return;
  std::erase(whole().sparse_, value);
}

// --- Spillable ---

// The derived class has detached itself, while its totals() could still be called.
Spillable::~Spillable() {
  ASSERT(hot_ == nullptr);
}

void Spillable::Attach(HotBlocks* hot) {
  if (hot == hot_) return;
  const Totals mine = totals();
  if (hot_ != nullptr) {
    StopWriting();
    hot_->ForgetSparse(this);
    hot_->Unlink(this);
    hot_->Count(-mine.hot_bytes, -mine.cold_entries, -mine.cold_bytes);
    if (hot == nullptr) {
      if (const Ref<HeldBlocks> shared = TakeShared()) shared->Drop(mine.hot_bytes);
    }
  }
  hot_ = hot;
  if (hot_ != nullptr) {
    hot_->Count(mine.hot_bytes, mine.cold_entries, mine.cold_bytes);
    hot_->Link(this, HotBlocks::ClassOf(sealed_bytes()));
    if (has_sparse()) ReportSparse();
  }
}

void Spillable::ReportSparse() {
  if (hot_ == nullptr || std::exchange(sparse_noted_, true)) return;
  hot_->whole().sparse_.push_back(this);
}

Ref<HeldBlocks> Spillable::Share() {
  const uint64_t bytes = totals().hot_bytes;
  shared_ = bytes < kLeastShared ? Ref<HeldBlocks>() : HeldBlocks::Share(hot_->held_, bytes);
  return shared_;
}

Ref<HeldBlocks> Spillable::Leave() {
  const uint64_t bytes = totals().hot_bytes;
  Ref<HeldBlocks> held;
  if (bytes >= kLeastShared) held = HeldBlocks::Hold(hot_->held_, bytes, TakeShared());
  Attach(nullptr);
  return held;
}

void Spillable::ReportTo(uint64_t change) {
  hot_->Count(change, 0, 0);
  if (shared_ && static_cast<int64_t>(change) < 0) shared_->Drop(-change);
  const uint8_t size_class = writing_ != nullptr ? 0 : HotBlocks::ClassOf(sealed_bytes());
  if (size_class == size_class_) return;
  hot_->Unlink(this);
  hot_->Link(this, size_class);
}

void Spillable::ReportCold(uint64_t entries, uint64_t bytes) {
  if (hot_ != nullptr) hot_->Count(0, entries, bytes);
}

void Spillable::StopWriting() {
  if (writing_ == nullptr) return;
  *writing_ = nullptr;
  writing_ = nullptr;
  std::erase(hot_->writing_, this);
}

void Spillable::NoteWriting(Spillable** value) {
  ASSERT(hot_ != nullptr);
  if (writing_ != nullptr) std::erase(hot_->writing_, this);
  writing_ = value;
  if (writing_ != nullptr) hot_->writing_.push_back(this);
  ReportTo(0);
}

}  // namespace runnel
