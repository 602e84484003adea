#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/block.h"
#include "base/prefetch.h"
#include "data/sorted_set/node.h"

namespace runnel {

// Pairs of a score and a member in ascending order: a B+ tree that knows how many pairs are below
// each child, so a rank is found, and found out, on one way from the root. Scores come first, then
// the bytes of members.
//
// A copy (Share) takes one reference. What is shared is copied before it is changed: the nodes on
// the way to the change. So a copy may go to another thread.
//
// The object is one word. Ranks count from 0. No score is NaN.
class ScoreTree {
 public:
  ScoreTree() = default;
  ~ScoreTree() {
    if (root_ != nullptr) root_->Unref();
  }
  ScoreTree(ScoreTree&& other) noexcept : root_(std::exchange(other.root_, nullptr)) {}
  ScoreTree& operator=(ScoreTree&& other) noexcept {
    std::swap(root_, other.root_);
    return *this;
  }
  ScoreTree Share() const;

  // Looks at all children of the root.
  uint64_t size() const { return root_ != nullptr ? root_->total() : 0; }
  bool empty() const { return root_ == nullptr; }
  // Fetches the root into the processor's cache.
  void Prefetch() const {
    if (root_ != nullptr) PrefetchLines(root_, 384);
  }

  // REQUIRES: the pair is not in the tree. `block`, if there is one, holds the member's bytes; a
  // member of more than ScoreNode::kMostInline bytes has one.
  void Insert(double score, std::string_view member, const Block* block);
  // REQUIRES for these two: the pair is in the tree.
  void Erase(double score, std::string_view member);
  // Gives the pair another score if it then is between the same neighbours of its leaf; otherwise
  // returns false.
  bool Move(double score, std::string_view member, double new_score);
  // Removes so many pairs from `rank` on, and tells visit(member) of each before it goes: O(log n)
  // and what is removed. REQUIRES: rank + count <= size().
  template <class Visit>
  void EraseRange(uint64_t rank, uint64_t count, Visit visit) {
    while (count > 0) {
      const Found found = FindRank(rank);
      const size_t here = found.leaf->size() - found.index;
      const size_t erased = count < here ? static_cast<size_t>(count) : here;
      for (size_t i = 0; i < erased; i++) {
        visit(found.leaf->member(found.index + i));
      }
      EraseInLeaf(rank, erased);
      count -= erased;
    }
  }

  // How many pairs are before a place: `before(score, member)` is true for a leading part of them.
  // `member` is a function without arguments that gives the member.
  template <class Before>
  uint64_t CountBefore(Before before) const;
  // How many are before this pair.
  uint64_t CountBelow(double score, std::string_view member) const {
    return CountBefore([&](double s, auto get_member) {
      return s < score || (s == score && get_member() < member);
    });
  }

  // The leaf that holds the pair with this rank, and its place there. REQUIRES: rank < size().
  struct Found {
    const ScoreNode* leaf = nullptr;
    size_t index = 0;
  };
  Found FindRank(uint64_t rank) const;

  // With or without the blocks of long members. Looks at `samples` leaves at most and scales up; 0
  // looks at all.
  size_t MemoryBytes(size_t samples, bool with_blocks) const;
  // About how many allocations freeing the tree frees. With the blocks of long members, all nodes
  // are looked at.
  size_t FreeEffort(bool with_blocks) const;

 private:
  // Where a search in a node looks first. Fetched all at once, they are not waited for one by one.
  static constexpr size_t kSearchedBytes = 512;
  // A way from the root: the nodes, in each of them the child that comes next, and in the leaf the
  // place of the key.
  static constexpr size_t kMostLevels = 40;
  struct Way {
    ScoreNode** nodes[kMostLevels];
    size_t indexes[kMostLevels];
    size_t depth = 0;  // nodes, the leaf included
    ScoreNode** leaf() const { return nodes[depth - 1]; }
    size_t& index() { return indexes[depth - 1]; }
  };

  template <class Before>
  static size_t LowerBound(const ScoreNode& node, size_t first, Before before);
  static size_t ChildFor(const ScoreNode& node, double score, std::string_view member);
  static size_t PlaceFor(const ScoreNode& node, double score, std::string_view member);
  Way WayTo(double score, std::string_view member);
  Way WayToRank(uint64_t rank);
  void SplitUp(const Way& way, size_t level, ScoreNode* right);
  void EraseInLeaf(uint64_t rank, size_t count);
  void EraseAt(Way* way, size_t count);
  void Tidy(Way* way);

  ScoreNode* root_ = nullptr;
};

template <class Before>
size_t ScoreTree::LowerBound(const ScoreNode& node, size_t first, Before before) {
  size_t low = first;
  size_t high = node.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const bool is_before = before(node.score(middle), [&] { return node.member(middle); });
    if (is_before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

template <class Before>
uint64_t ScoreTree::CountBefore(Before before) const {
  uint64_t count = 0;
  if (root_ == nullptr) return count;
  const ScoreNode* node = root_;
  while (node->inner()) {
    // A child follows whose bound is before the place; the place may be in it, not after the next.
    const size_t index = LowerBound(*node, 1, before) - 1;
    const ScoreNode* const child = node->child(index);
    PrefetchLines(child, kSearchedBytes);
    count += node->CountBefore(index);
    node = child;
  }
  return count + LowerBound(*node, 0, before);
}

}  // namespace runnel
