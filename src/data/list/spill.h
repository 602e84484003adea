#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/list/block.h"
#include "data/stream/hot_blocks.h"

namespace runnel {

class List;
class ListRun;

// The accounts of a long list, so that blocks from its middle can be given to the disk: the memory
// of the blocks, which of them are on the disk, and which are being written.
//
// Queues are pushed at one end and popped at the other, but it is not known which end is which. So
// both ends keep some blocks in memory (HotBlocks::kept_bytes). Of the rest, the side that has more
// gives blocks, first those next to what is on the disk already.
class ListSpill final : public Spillable {
 public:
  // Counts the blocks that the list has. Owned by the list.
  ListSpill(List* list, HotBlocks* hot);
  ~ListSpill() override { Attach(nullptr); }

  // Runs on the disk.
  size_t runs() const { return runs_; }

  // The list has a new block at an end; it is about to drop the block there.
  void NoteAdded(bool front);
  void NoteDropping(bool front);
  // The list has this many more elements and bytes on the disk (less, in two's complement).
  void CountCold(uint64_t elements, uint64_t bytes);
  // Asks for the runs that are next to be popped from an end, if that end is near.
  void ExpectAtEnd(bool front) const;

  // Lives while blocks in the middle change: the blocks from `from` to before `to`, their
  // neighbours, and the number of blocks.
  class Edit {
   public:
    Edit(ListSpill* spill, size_t from, size_t to);
    ~Edit();
    Edit(const Edit&) = delete;
    Edit& operator=(const Edit&) = delete;

   private:
    ListSpill* const spill_;
    size_t from_ = 0;
    size_t after_ = 0;  // blocks after those that change
    size_t size_ = 0;
    uint64_t inner_bytes_ = 0;
    bool keep_first_ = false;  // the first and the last run are not among those that change
    bool keep_last_ = false;
  };

  size_t sealed_bytes() const override;
  std::vector<std::shared_ptr<const BlockRun>> TakeRuns(size_t run_bytes, size_t bytes) override;
  void GiveAway(std::span<const Written> written) override;
  Ref<ColdExtent> newest_extent() const override;

 private:
  // A block's place in the list, counted so that adding and dropping blocks at the ends leaves the
  // places of the others as they are.
  using Place = int64_t;
  Place PlaceOf(size_t block) const { return origin_ + static_cast<Place>(block); }
  size_t BlockAt(Place place) const { return static_cast<size_t>(place - origin_); }

  // Memory of blocks that stays at each end.
  size_t kept_bytes() const { return hot()->kept_bytes(); }
  size_t InnerBytes(size_t block) const;
  void Count(size_t from, size_t to, bool in);
  void FindRuns(size_t from, size_t to, bool keep_first, bool keep_last);
  size_t EndOfKept(bool front) const;
  bool MayGo(size_t block) const;
  size_t Extend(size_t at, size_t limit, size_t bytes) const;
  std::vector<std::shared_ptr<const BlockRun>> Cut(size_t begin, size_t end, size_t run_bytes);
  bool IsAt(Place place, const ListRun& run) const;
  Totals totals() const override { return {inner_bytes_, elements_, bytes_}; }

  List* const list_;
  uint64_t inner_bytes_ = 0;  // memory of all blocks but the first and the last
  size_t runs_ = 0;
  uint64_t elements_ = 0;  // of the runs
  uint64_t bytes_ = 0;
  Place origin_ = 0;
  Place first_run_ = 0;  // if there are any
  Place last_run_ = 0;
  Place newest_run_ = 0;
  Place writing_begin_ = 0;
  Place writing_end_ = 0;
};

}  // namespace runnel
