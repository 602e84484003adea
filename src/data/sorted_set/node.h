#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/varint.h"
#include "data/fields/cell.h"

namespace runnel {

// A node of a ScoreTree: keys in order, in one allocation of at most 2 KiB:
//
//   header | children and their counts (of an inner node) | scores | ends | data
//
// Each row has a place for each of `slots` keys, of which `size` are used. A key is a score and a
// member; the data has the members in order, as cells, and `ends` where each ends, with the high
// bit set if it is in a block. So a search compares scores in a row, and looks at members only
// among equal ones. Scores of a leaf take 2, 4 or 8 bytes: as integers, if all of them are such
// that have the room, or as doubles.
//
// In an inner node the key of a child is a bound: it is not above any key of the child, and above
// all keys of the child before. That of the first child means nothing. Its count is how many keys
// are in the leaves below it.
//
// A node is counted by reference. Only one that is unique may be changed. The static functions that
// change one take it as a place: they put another node there where the old one has not the room.
class ScoreNode {
 public:
  static constexpr size_t kMostBytes = 2048;  // with the header
  // Longer members are in blocks that the table of members refers to, too.
  static constexpr size_t kMostInline = 48;

  static ScoreNode* CreateLeaf() { return Create(false, 2, 1, 16); }
  // An inner node with these two children.
  static ScoreNode* CreateRoot(ScoreNode* left, ScoreNode* right);

  bool inner() const { return inner_ != 0; }
  size_t size() const { return count_; }
  double score(size_t index) const {
    if (width_ == sizeof(double)) return ReadFixed<double>(scores() + index * sizeof(double));
    if (width_ == 2) return ReadFixed<int16_t>(scores() + index * 2);
    return ReadFixed<int32_t>(scores() + index * 4);
  }
  std::string_view member(size_t index) const {
    return Cell::Read(mark(index), data() + begin(index));
  }
  // The block that the member is in; null if it is in the node.
  const Block* block(size_t index) const {
    return InBlock(index) ? Cell::BlockAt(data() + begin(index)) : nullptr;
  }
  // REQUIRES for these two: inner().
  ScoreNode* child(size_t index) const { return children()[index]; }
  uint64_t child_count(size_t index) const { return counts()[index]; }
  // All keys in the leaves.
  uint64_t total() const { return inner() ? CountBefore(count_) : count_; }
  // Those below the children before this one.
  uint64_t CountBefore(size_t index) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < index; i++) {
      sum += counts()[i];
    }
    return sum;
  }

  static constexpr size_t kNowhere = SIZE_MAX;
  // Where the member is, by looking at all; or kNowhere.
  size_t Find(std::string_view member) const;

  // Makes the node at this place unique.
  static void MakeUnique(ScoreNode** node) {
    if (!(*node)->unique()) Rebuild(node, (*node)->width_, (*node)->count_, (*node)->used_);
  }
  // Whether a key more with a cell of so many bytes fits the largest node.
  bool Fits(size_t bytes) const {
    return BytesFor(count_ + size_t{1}, used_ + bytes) <= kMostBytes;
  }
  // Puts a key before that at `index`, and takes over a child. REQUIRES: Fits; inner nodes: child.
  static void Insert(ScoreNode** node, size_t index, double score, const Cell& member,
                     ScoreNode* child = nullptr);
  // REQUIRES for these: the node is unique.
  static void Erase(ScoreNode** node, size_t index, size_t count);
  // Moves the keys from `index` on to a new node, which it returns. REQUIRES: 0 < index < size().
  static ScoreNode* SplitOff(ScoreNode** node, size_t index);
  // Whether the row of scores has room for this one as it is.
  bool HasRoomFor(double score) const { return WidthOf(score) <= width_; }
  // REQUIRES: HasRoomFor(score).
  void set_score(size_t index, double score);
  ScoreNode** child_place(size_t index) { return &children()[index]; }
  void set_child_count(size_t index, uint64_t count) { counts()[index] = count; }
  // Where to divide a node into halves by bytes.
  size_t Middle() const;

  // Whether the node and the one that follows it, with the key that the parent has of that, are so
  // small that one is enough.
  static bool Joins(const ScoreNode& left, const ScoreNode& right, const ScoreNode& parent,
                    size_t right_index);
  // Appends the keys of child `index` + 1 of a parent to child `index`, and removes that child.
  // REQUIRES: the parent is unique.
  static void Join(ScoreNode** parent, size_t index);

  size_t MemoryBytes() const;
  size_t BlockBytes() const;
  // About how many allocations freeing the node and all below it frees, blocks included.
  size_t FreeEffort() const;
  // A small node is joined with another.
  bool small() const { return BytesFor(count_, used_) < kMostBytes / 4; }

  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }
  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) Free();
  }

 private:
  static constexpr uint16_t kEndInBlock = 0x8000;

  ScoreNode() = default;

  // Sizes are reckoned as if all scores took 8 bytes: so a node of half the size has room for any.
  size_t BytesFor(size_t count, size_t bytes) const {
    return sizeof(ScoreNode) + count * RowBytes(inner(), sizeof(double)) + bytes;
  }
  static size_t RowBytes(bool inner, size_t width) {
    return width + sizeof(uint16_t) + (inner ? sizeof(ScoreNode*) + sizeof(uint64_t) : size_t{0});
  }
  static uint8_t WidthOf(double score);
  char* after_header() const { return const_cast<char*>(reinterpret_cast<const char*>(this + 1)); }
  ScoreNode** children() const { return reinterpret_cast<ScoreNode**>(after_header()); }
  uint64_t* counts() const { return reinterpret_cast<uint64_t*>(children() + slots_); }
  char* scores() const {
    return inner() ? reinterpret_cast<char*>(counts() + slots_) : after_header();
  }
  uint16_t* ends() const { return reinterpret_cast<uint16_t*>(scores() + slots_ * width_); }
  char* data() const { return reinterpret_cast<char*>(ends() + slots_); }

  size_t end(size_t index) const { return ends()[index] & ~size_t{kEndInBlock}; }
  size_t begin(size_t index) const { return index == 0 ? 0 : end(index - 1); }
  bool InBlock(size_t index) const { return (ends()[index] & kEndInBlock) != 0; }
  uint8_t mark(size_t index) const {
    return static_cast<uint8_t>((end(index) - begin(index)) |
                                (InBlock(index) ? Cell::kInBlock : 0));
  }
  size_t room() const { return capacity_ - slots_ * RowBytes(inner(), width_) - used_; }

  static ScoreNode* Create(bool inner, size_t width, size_t count, size_t bytes);
  static void Rebuild(ScoreNode** node, size_t width, size_t count, size_t bytes);
  // Copies keys of another node of the same kind behind those that are there.
  void PutFrom(const ScoreNode& from, size_t index, size_t count);
  void Free() const;

  mutable std::atomic<uint32_t> references_{1};
  uint16_t capacity_ = 0;  // bytes after the header
  uint16_t used_ = 0;      // bytes of data
  uint16_t count_ = 0;
  uint16_t slots_ = 0;
  uint16_t inner_ = 0;
  uint16_t width_ = 0;  // bytes of a score
};
static_assert(sizeof(ScoreNode) == 16);

}  // namespace runnel
