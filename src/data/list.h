#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/ring.h"
#include "data/list_block.h"
#include "data/object.h"

namespace runnel {

// A list of byte strings, made for queues: a push or a pop at either end writes or forgets one slot
// of a block; any position is found in O(log blocks), nearly always at the first guess; changes in
// the middle rebuild one block of 8 KiB.
//
// The blocks lie in a Ring. The front one and the back one are open, the others are sealed and
// never change, so a clone shares them (list_block.h says how that is safe while this list goes on,
// also from other threads). All reversed blocks come before all others, because pushes at the front
// make the former and pushes at the back the latter, and a rebuilt block stays what it was. No
// block is empty.
//
// Nothing here can fail. Positions count from 0 at the front. Views and iterators are good until
// the next change of the list. An element has less than 4 GiB.
class List final : public Object {
 public:
  class Iterator;

  static constexpr ObjectType kType = ObjectType::kList;

  List() : Object(kType) {}

  size_t size() const {
    return blocks_.empty() ? 0
                           : static_cast<size_t>(blocks_.back().stop() - blocks_.front().start());
  }
  bool empty() const { return blocks_.empty(); }

  // `value` may be an element of this list.
  void PushFront(std::string_view value);
  void PushBack(std::string_view value);

  // REQUIRES for these: !empty().
  std::string_view Front() const { return blocks_.front().At(0); }
  std::string_view Back() const { return blocks_.back().At(blocks_.back().size() - 1); }
  void PopFront();
  void PopBack();

  // REQUIRES: index < size().
  std::string_view At(size_t index) const;

  // Sequential access from `index` on, which is no element (and Valid() false) if it is size().
  Iterator Seek(size_t index) const;

  // REQUIRES: index < size().
  void Set(size_t index, std::string_view value);

  // Puts an element before the one at `index`, or behind the last one if that is size().
  void Insert(size_t index, std::string_view value);

  // Removes elements equal to `value`, which is not one of this list's own: the first `count`, the
  // last -count if that is negative, all if it is 0. Returns how many there were.
  size_t Remove(std::string_view value, int64_t count);

  // Keeps the `count` elements from `start` on and removes all others. REQUIRES: start + count <=
  // size(). Takes O(blocks removed).
  void Trim(size_t start, size_t count);

  // "listpack" while all elements would fit one block (8 KiB, as Redis's default has it), else
  // "quicklist". Redis returns to listpack at half of that only; here it depends on nothing but the
  // content.
  std::string_view encoding() const override;
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override { return blocks_.size() + 1; }
  std::unique_ptr<Object> Clone() const override;

  // The payload: the version byte 1, the number of elements as a varint, and each element as its
  // size, a varint, and its bytes. There is exactly one payload for a list, and Load takes no
  // other; nor an empty list, because no key may hold one.
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);

 private:
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

  Ring<ListBlock> blocks_;
};

// Walks a list in either direction.
class List::Iterator {
 public:
  bool Valid() const { return block_ < blocks_->size(); }

  // REQUIRES for these: Valid().
  std::string_view value() const { return (*blocks_)[block_].At(position_); }
  // What value() points into: a reference keeps it there when the list changes or goes.
  const Ref<Block>& block() const { return (*blocks_)[block_].block(); }
  void Next() {
    if (++position_ < (*blocks_)[block_].size()) return;
    block_++;
    position_ = 0;
  }
  // Before the first element the iterator ends, as behind the last.
  void Previous() {
    if (position_-- > 0) return;
    position_ = --block_ < blocks_->size() ? (*blocks_)[block_].size() - 1 : 0;
  }

 private:
  friend class List;
  Iterator(const Ring<ListBlock>* blocks, size_t block, size_t position)
      : blocks_(blocks), block_(block), position_(position) {}

  const Ring<ListBlock>* blocks_;
  size_t block_;
  size_t position_;
};

}  // namespace runnel
