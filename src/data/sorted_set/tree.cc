#include "data/sorted_set/tree.h"

#include <algorithm>

#include "base/assert.h"

namespace runnel {
namespace {

// The key of the node at `index`, with its block if it has one, for another node.
void InsertKeyOf(const ScoreNode& from, size_t from_index, ScoreNode** to, size_t index,
                 ScoreNode* child) {
  const std::string_view member = from.member(from_index);
  if (const Block* block = from.block(from_index)) {
    ScoreNode::Insert(to, index, from.score(from_index), Cell(*block, member.size()), child);
  } else {
    ScoreNode::Insert(to, index, from.score(from_index), Cell(member), child);
  }
}

// Bytes that this key takes in a node.
size_t CellBytes(const ScoreNode& node, size_t index) {
  return node.block(index) != nullptr ? size_t{Cell::kReference} : node.member(index).size();
}

}  // namespace

ScoreTree ScoreTree::Share() const {
  ScoreTree copy;
  copy.root_ = root_;
  if (root_ != nullptr) root_->AddRef();
  return copy;
}

// The last child whose bound is not above the pair.
size_t ScoreTree::ChildFor(const ScoreNode& node, double score, std::string_view member) {
  return LowerBound(node, 1,
                    [&](double s, auto get_member) {
                      return s < score || (s == score && get_member() <= member);
                    }) -
         1;
}

size_t ScoreTree::PlaceFor(const ScoreNode& node, double score, std::string_view member) {
  return LowerBound(node, 0, [&](double s, auto get_member) {
    return s < score || (s == score && get_member() < member);
  });
}

// To where the pair is or would be. All nodes on the way are unique then.
ScoreTree::Way ScoreTree::WayTo(double score, std::string_view member) {
  Way way;
  ScoreNode** place = &root_;
  while (true) {
    ScoreNode::MakeUnique(place);
    CHECK(way.depth < kMostLevels);
    way.nodes[way.depth++] = place;
    if (!(*place)->inner()) break;
    way.index() = ChildFor(**place, score, member);
    place = (*place)->child_place(way.index());
    PrefetchLines(*place, kSearchedBytes);
  }
  way.index() = PlaceFor(**place, score, member);
  return way;
}

ScoreTree::Way ScoreTree::WayToRank(uint64_t rank) {
  Way way;
  ScoreNode** place = &root_;
  while (true) {
    ScoreNode::MakeUnique(place);
    CHECK(way.depth < kMostLevels);
    way.nodes[way.depth++] = place;
    if (!(*place)->inner()) break;
    size_t index = 0;
    while (rank >= (*place)->child_count(index)) {
      rank -= (*place)->child_count(index++);
    }
    way.index() = index;
    place = (*place)->child_place(index);
  }
  way.index() = static_cast<size_t>(rank);
  return way;
}

ScoreTree::Found ScoreTree::FindRank(uint64_t rank) const {
  const ScoreNode* node = root_;
  while (node->inner()) {
    size_t index = 0;
    while (rank >= node->child_count(index)) {
      rank -= node->child_count(index++);
    }
    node = node->child(index);
  }
  return {node, static_cast<size_t>(rank)};
}

void ScoreTree::Insert(double score, std::string_view member, const Block* block) {
  if (root_ == nullptr) root_ = ScoreNode::CreateLeaf();
  Way way = WayTo(score, member);
  for (size_t level = 0; level + 1 < way.depth; level++) {
    ScoreNode& node = **way.nodes[level];
    node.set_child_count(way.indexes[level], node.child_count(way.indexes[level]) + 1);
  }
  const auto insert = [&](ScoreNode** leaf, size_t index) {
    if (block != nullptr) {
      ScoreNode::Insert(leaf, index, score, Cell(*block, member.size()));
    } else {
      ScoreNode::Insert(leaf, index, score, Cell(member));
    }
  };
  ScoreNode** const leaf = way.leaf();
  const size_t bytes = block != nullptr ? size_t{Cell::kReference} : member.size();
  if ((*leaf)->Fits(bytes)) return insert(leaf, way.index());
  // Keys that come in order leave full nodes behind them.
  const size_t size = (*leaf)->size();
  ScoreNode* right = nullptr;
  if (way.index() == size) {
    right = ScoreNode::CreateLeaf();
    insert(&right, 0);
  } else {
    const size_t middle = way.index() == 0 ? 1 : (*leaf)->Middle();
    right = ScoreNode::SplitOff(leaf, middle);
    way.index() <= middle ? insert(leaf, way.index()) : insert(&right, way.index() - middle);
  }
  SplitUp(way, way.depth - 1, right);
}

// The node of this level of the way has given a part to `right`, which comes after it: the parent
// gets another child. The counts of nodes above already include what was added.
void ScoreTree::SplitUp(const Way& way, size_t level, ScoreNode* right) {
  while (level > 0) {
    level--;
    ScoreNode** const parent = way.nodes[level];
    const size_t index = way.indexes[level];
    (*parent)->set_child_count(index, (*parent)->child(index)->total());
    if ((*parent)->Fits(CellBytes(*right, 0))) {
      return InsertKeyOf(*right, 0, parent, index + 1, right);
    }
    ScoreNode* parent_right = nullptr;
    if (index + 1 == (*parent)->size()) {
      // A node of one child: the next ones come to it.
      parent_right = ScoreNode::SplitOff(parent, index);
      InsertKeyOf(*right, 0, &parent_right, 1, right);
    } else {
      const size_t middle = (*parent)->Middle();
      parent_right = ScoreNode::SplitOff(parent, middle);
      index + 1 <= middle ? InsertKeyOf(*right, 0, parent, index + 1, right)
                          : InsertKeyOf(*right, 0, &parent_right, index + 1 - middle, right);
    }
    right = parent_right;
  }
  root_ = ScoreNode::CreateRoot(root_, right);
}

void ScoreTree::Erase(double score, std::string_view member) {
  Way way = WayTo(score, member);
  ASSERT(way.index() < (*way.leaf())->size() && (*way.leaf())->member(way.index()) == member);
  EraseAt(&way, 1);
}

void ScoreTree::EraseInLeaf(uint64_t rank, size_t count) {
  Way way = WayToRank(rank);
  EraseAt(&way, count);
}

void ScoreTree::EraseAt(Way* way, size_t count) {
  for (size_t level = 0; level + 1 < way->depth; level++) {
    ScoreNode& node = **way->nodes[level];
    node.set_child_count(way->indexes[level], node.child_count(way->indexes[level]) - count);
  }
  ScoreNode::Erase(way->leaf(), way->index(), count);
  Tidy(way);
}

// Removes what is empty, and joins what is small, from the leaf upwards.
void ScoreTree::Tidy(Way* way) {
  for (size_t level = way->depth - 1; level > 0; level--) {
    const ScoreNode& node = **way->nodes[level];
    ScoreNode** const parent = way->nodes[level - 1];
    const size_t index = way->indexes[level - 1];
    if (node.size() == 0) {
      ScoreNode::Erase(parent, index, 1);
      continue;
    }
    if (!node.small()) return;
    const ScoreNode& siblings = **parent;
    if (index > 0 && ScoreNode::Joins(*siblings.child(index - 1), node, siblings, index)) {
      ScoreNode::Join(parent, index - 1);
    } else if (index + 1 < siblings.size() &&
               ScoreNode::Joins(node, *siblings.child(index + 1), siblings, index + 1)) {
      ScoreNode::Join(parent, index);
    } else {
      return;
    }
  }
  while (root_->inner() && root_->size() == 1) {
    ScoreNode* const child = root_->child(0);
    child->AddRef();
    root_->Unref();
    root_ = child;
  }
  if (root_->size() == 0) {
    root_->Unref();
    root_ = nullptr;
  }
}

bool ScoreTree::Move(double score, std::string_view member, double new_score) {
  Way way = WayTo(score, member);
  ScoreNode& leaf = **way.leaf();
  const size_t index = way.index();
  if (index == 0 || index + 1 >= leaf.size()) return false;
  const auto after = [&](size_t neighbour, bool is_before) {
    const double other = leaf.score(neighbour);
    if (other != new_score) return is_before ? other < new_score : other > new_score;
    return is_before ? leaf.member(neighbour) < member : leaf.member(neighbour) > member;
  };
  if (!after(index - 1, true) || !after(index + 1, false)) return false;
  if (!leaf.HasRoomFor(new_score)) return false;
  leaf.set_score(index, new_score);
  return true;
}

size_t ScoreTree::FreeEffort(bool with_blocks) const {
  if (root_ == nullptr) return 0;
  if (with_blocks) return root_->FreeEffort();
  // The nodes of a level, as the first way down says.
  size_t effort = 1;
  size_t nodes = 1;
  for (const ScoreNode* node = root_; node->inner(); node = node->child(0)) {
    nodes *= node->size();
    effort += nodes;
  }
  return effort;
}

size_t ScoreTree::MemoryBytes(size_t samples, bool with_blocks) const {
  if (root_ == nullptr) return 0;
  const uint64_t count = size();
  // Leaves are walked over, or some of them are looked at; there are as many inner nodes for them
  // as on the way to the leaves that are looked at.
  const bool all = samples == 0 || samples > count / 16;
  double bytes = 0;
  double keys = 0;
  for (uint64_t i = 0, rank = 0; all ? rank < count : i < samples; i++) {
    uint64_t left = all ? rank : i * count / samples;
    const ScoreNode* node = root_;
    double inner = 0;
    while (node->inner()) {
      inner *= 1 / static_cast<double>(node->size());
      inner += static_cast<double>(node->MemoryBytes()) / static_cast<double>(node->size());
      size_t index = 0;
      while (left >= node->child_count(index)) {
        left -= node->child_count(index++);
      }
      node = node->child(index);
    }
    bytes += inner + static_cast<double>(node->MemoryBytes());
    if (with_blocks) bytes += static_cast<double>(node->BlockBytes());
    keys += static_cast<double>(node->size());
    rank += node->size();
  }
  return static_cast<size_t>(all ? bytes : bytes * static_cast<double>(count) / keys);
}

}  // namespace runnel
