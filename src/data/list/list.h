#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ring.h"
#include "data/list/block.h"
#include "data/object.h"
#include "data/stream/hot_blocks.h"

namespace runnel {

class ListRun;
class ListSpill;
class MissingExtents;

// A list of byte strings, made for queues. A push or a pop at either end writes or drops one slot
// of a block. Any position is found in O(log blocks), nearly always at the first guess. A change in
// the middle rebuilds one block of 8 KiB.
//
// The blocks are in a Ring. The first and the last are open; the others are sealed and never
// change, so a clone shares them (block.h says why this is safe while this list changes, also
// across threads). Pushes at the front make reversed blocks, pushes at the back make others; a
// rebuilt block keeps its direction. No block is empty.
//
// Blocks from the middle of a long list may be on the disk, in runs of consecutive blocks. Such a
// run is one ListBlock of the ring (ListBlock::cold), which knows its extent and which of its
// elements are left. Popping and trimming only count, whatever is on the disk. A function that
// looks at elements of a run fetches it, and may throw ColdMiss or ColdFailure (data/cold.h) if it
// is not in memory: Front, Back, At, an iterator's value(), Require, and, before they change
// anything, Set and Insert, which move its blocks back into the list. A run that was fetched stays
// in memory until the end of the turn. So a change does not throw if it was planned with a look at
// the same elements.
//
// Otherwise nothing here can fail. Positions count from 0 at the front. Views and iterators are
// valid until the next change of the list; those of elements on the disk also only until the end of
// the turn. An element has less than 4 GiB.
class List final : public Object {
 public:
  class Iterator;

  static constexpr ObjectType kType = ObjectType::kList;

  List() : Object(kType) {}
  ~List() override { Attach(nullptr); }

  size_t size() const {
    return blocks_.empty() ? 0
                           : static_cast<size_t>(blocks_.back().stop() - blocks_.front().start());
  }
  bool empty() const { return blocks_.empty(); }

  // `value` may be an element of this list.
  void PushFront(std::string_view value);
  void PushBack(std::string_view value);

  // REQUIRES for these: !empty().
  std::string_view Front() const {
    const ListBlock& block = blocks_.front();
    return block.cold() ? ColdAt(0, 0) : block.At(0);
  }
  std::string_view Back() const {
    const ListBlock& block = blocks_.back();
    const size_t last = block.size() - 1;
    return block.cold() ? ColdAt(blocks_.size() - 1, last) : block.At(last);
  }
  void PopFront();
  void PopBack();

  // REQUIRES: index < size().
  std::string_view At(size_t index) const;

  // Sequential access from `index` on. If it is size(), there is no element there, and Valid() is
  // false.
  Iterator Seek(size_t index) const;

  // Fetches the runs of these elements, all at once. For use before a long walk, which would
  // otherwise miss once for each run. REQUIRES: start + count <= size().
  void Require(size_t start, size_t count) const {
    if (has_cold()) RequireCold(start, count);
  }
  // The same for the run that Insert looks at. REQUIRES: index <= size().
  void RequireToInsert(size_t index) const {
    if (has_cold()) RequireColdToInsert(index);
  }
  // Adds to `missing` what Require, and RequireToInsert, would have to fetch.
  void AddMissing(size_t start, size_t count, MissingExtents* missing) const;
  void AddMissingToInsert(size_t index, MissingExtents* missing) const;
  // Whether elements are on the disk.
  bool has_cold() const;

  // REQUIRES: index < size().
  void Set(size_t index, std::string_view value);

  // Puts an element before the one at `index`, or after the last one if that is size().
  void Insert(size_t index, std::string_view value);

  // Removes elements equal to `value`, which must not be a view of an element of this list: the
  // first `count`, the last -count if that is negative, all if it is 0. Returns how many were
  // removed. For elements on the disk it waits (ColdSource::Read), one run at a time.
  size_t Remove(std::string_view value, int64_t count);

  // Removes the elements of these ranges, which ascend, do not overlap and are within the list.
  // Looks at no element: a run on the disk becomes several parts.
  struct Range {
    uint64_t begin = 0;
    uint64_t count = 0;
  };
  void Erase(std::span<const Range> ranges);

  // Keeps the `count` elements from `start` on and removes all others. REQUIRES: start + count <=
  // size(). Takes O(blocks removed).
  void Trim(size_t start, size_t count);

  // "listpack" if all elements fit one block (8 KiB, Redis's default), otherwise "quicklist". Redis
  // returns to listpack only at half of this size; here the answer depends only on the content.
  std::string_view encoding() const override;
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override;
  // In memory and on the disk.
  size_t blocks() const { return blocks_.size(); }
  std::unique_ptr<Object> Clone() const override;

  // The payload: the version byte 1, the number of elements as a varint, and each element as its
  // size, a varint, and its bytes. There is exactly one payload for a list, and Load takes no
  // other. It refuses an empty list, because no key may hold one.
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);
  // The stored payload: a version byte, the number of parts, and the parts. A part is the number of
  // its elements and the elements; or it is 0, the description of an extent, how many of its
  // elements are skipped, and how many of those that follow belong to the list.
  void EncodeStored(Encoder* out) const override;
  void AddExtents(ColdExtents* extents) const override;
  void FetchAll() const override;
  static std::unique_ptr<Object> LoadStored(Decoder* in, ColdSource& source);

  void Attach(HotBlocks* hot) override;
  std::unique_ptr<Object> CloneForCapture() override;
  void LeaveKey() override;

 private:
  friend class ListSpill;
  friend class ListSearch;

  // A list with this many blocks is long, and has a ListSpill.
  static constexpr size_t kLongBlocks = 16;
  static constexpr uint8_t kVersion = 1;  // of both payloads

  template <bool kFront>
  void PushSlow(std::string_view value);
  template <bool kFront>
  void AttachBlock(ListBlock block);
  size_t NewCapacity(size_t needed) const;
  void TrimAfterPops();
  size_t FindBlock(int64_t number) const;
  void Splice(size_t index, size_t removed, std::string_view value);
  void Tidy(size_t from, size_t to);
  void Renumber(size_t from, size_t to);
  template <bool kFront>
  void DropBlock(std::vector<ListBlock>* dropped = nullptr);
  void TrimBlocks(size_t start, size_t count, size_t after, std::vector<ListBlock>* dropped);
  void DropFrom(ListBlock& block, size_t count, bool front);
  bool LoadElements(Decoder* in, uint64_t count);

  // cold.cc
  std::string_view ColdAt(size_t block, size_t position) const;
  const ListRun& FetchRun(size_t block) const;
  void ExpectFrom(size_t block, bool forward) const;
  void RequireCold(size_t start, size_t count) const;
  void RequireColdToInsert(size_t index) const;
  std::optional<size_t> ColdToInsert(size_t index) const;
  void Thaw(size_t block);
  static void KeepParts(ListBlock block, std::span<const Range> removed, Ring<ListBlock>* kept);
  size_t FindToChange(int64_t number);
  void BecomeLong(HotBlocks* hot);

  void Hold(Ref<HeldBlocks> held);

  // What the list reports to: nothing; the HotBlocks in which it counts; if bit 0 is set, the
  // ListSpill of a long list, which counts there; or, if bit 1 is set, the account that is ended
  // with the list. (One pointer, because there may be millions of short lists.)
  ListSpill* spill() const {
    return (reports_to_ & 1) != 0 ? reinterpret_cast<ListSpill*>(reports_to_ - 1) : nullptr;
  }

  HeldBlocks* held() const {
    return (reports_to_ & 2) != 0 ? reinterpret_cast<HeldBlocks*>(reports_to_ - 2) : nullptr;
  }

  Ring<ListBlock> blocks_;
  uintptr_t reports_to_ = 0;
};

// Walks a list in either direction. A run on the disk is fetched when one of its elements is looked
// at. The longer the walk has become, the more of the following runs are fetched with it.
class List::Iterator {
 public:
  bool Valid() const { return block_ < list_->blocks_.size(); }

  // REQUIRES for these: Valid().
  std::string_view value() {
    if (in_ == nullptr) EnterRun();
    return in_->At(position_);
  }
  // The block that value() points into: a reference keeps it valid when the list changes or is
  // destroyed.
  Ref<Block> block() {
    if (in_ == nullptr) EnterRun();
    in_->block()->AddRef();
    return Ref<Block>::Adopt(in_->block());
  }
  void Next() {
    if (++position_ < end_) return;
    forward_ = true;
    NextBlock();
  }
  // The iterator ends before the first element, as it does after the last.
  void Previous() {
    if (position_-- > begin_) return;
    forward_ = false;
    PreviousBlock();
  }

 private:
  friend class List;
  Iterator(const List* list, size_t block, size_t position);

  void Open(size_t position);
  void NextBlock();
  void PreviousBlock();
  void EnterRun();
  void OpenInRun(size_t block);

  const List* list_;
  size_t block_;                   // of the list
  const ListBlock* in_ = nullptr;  // where position_ counts; null in a run that was not looked at
  size_t position_;                // from begin_ to before end_
  size_t begin_ = 0;
  size_t end_ = 0;
  const ListRun* run_ = nullptr;  // in_ is its block in_run_
  size_t in_run_ = 0;
  size_t runs_ = 0;  // that were looked at
  bool forward_ = true;
};

}  // namespace runnel
