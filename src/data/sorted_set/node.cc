#include "data/sorted_set/node.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {

uint8_t ScoreNode::WidthOf(double score) {
  if (!(score >= std::numeric_limits<int32_t>::min() &&
        score <= std::numeric_limits<int32_t>::max())) {
    return sizeof(double);
  }
  const int32_t integer = static_cast<int32_t>(score);
  if (integer != score) return sizeof(double);
  return integer == static_cast<int16_t>(integer) ? 2 : 4;
}

void ScoreNode::set_score(size_t index, double score) {
  char* const at = scores() + index * width_;
  if (width_ == sizeof(double)) return WriteFixed(at, score);
  width_ == 2 ? WriteFixed(at, static_cast<int16_t>(score))
              : WriteFixed(at, static_cast<int32_t>(score));
}

ScoreNode* ScoreNode::Create(bool inner, size_t width, size_t count, size_t bytes) {
  const size_t row = RowBytes(inner, width);
  void* const memory = std::malloc(sizeof(ScoreNode) + count * row + bytes);
  CHECK(memory != nullptr);
  ScoreNode* const node = new (memory) ScoreNode;
  const size_t capacity = std::min<size_t>(AllocationSize(memory) - sizeof(ScoreNode),
                                           std::numeric_limits<int16_t>::max());
  // Room that the allocator adds is shared out to rows and data, as the keys so far need them.
  const size_t spare = capacity - count * row - bytes;
  node->capacity_ = static_cast<uint16_t>(capacity);
  node->slots_ = static_cast<uint16_t>(count + spare / (row + bytes / count + 1));
  node->inner_ = inner ? 1 : 0;
  node->width_ = static_cast<uint16_t>(width);
  return node;
}

ScoreNode* ScoreNode::CreateRoot(ScoreNode* left, ScoreNode* right) {
  ScoreNode* root = Create(true, sizeof(double), 2, 64);
  Insert(&root, 0, 0, Cell(""), left);
  const Block* const block = right->block(0);
  if (block != nullptr) {
    Insert(&root, 1, right->score(0), Cell(*block, right->member(0).size()), right);
  } else {
    Insert(&root, 1, right->score(0), Cell(right->member(0)), right);
  }
  return root;
}

size_t ScoreNode::Find(std::string_view member) const {
  const size_t bytes = member.size();
  if (bytes > kMostInline) {
    for (size_t i = 0; i < count_; i++) {
      if (InBlock(i) && this->member(i) == member) return i;
    }
    return kNowhere;
  }
  // Names that are numbered differ at their ends.
  const char last = bytes > 0 ? member.back() : '\0';
  uint16_t begin = 0;
  for (size_t i = 0; i < count_; i++) {
    const uint16_t end = ends()[i];
    if (end == begin + bytes &&
        (bytes == 0 ||
         (data()[end - 1] == last && std::memcmp(data() + begin, member.data(), bytes) == 0))) {
      return i;
    }
    begin = end & static_cast<uint16_t>(~kEndInBlock);
  }
  return kNowhere;
}

void ScoreNode::PutFrom(const ScoreNode& from, size_t index, size_t count) {
  const size_t begin = from.begin(index);
  const size_t bytes = from.end(index + count - 1) - begin;
  if (inner()) {
    std::memcpy(children() + count_, from.children() + index, count * sizeof(ScoreNode*));
    std::memcpy(counts() + count_, from.counts() + index, count * sizeof(uint64_t));
    for (size_t i = 0; i < count; i++) {
      from.child(index + i)->AddRef();
    }
  }
  if (width_ == from.width_) {
    std::memcpy(scores() + count_ * width_, from.scores() + index * width_, count * width_);
  } else {
    for (size_t i = 0; i < count; i++) {
      set_score(count_ + i, from.score(index + i));
    }
  }
  std::memcpy(data() + used_, from.data() + begin, bytes);
  uint16_t blocks = 0;
  for (size_t i = 0; i < count; i++) {
    const uint16_t end = from.ends()[index + i];
    blocks |= end;
    ends()[count_ + i] = static_cast<uint16_t>(end - begin + used_);
  }
  for (size_t i = index; (blocks & kEndInBlock) != 0 && i < index + count; i++) {
    if (from.InBlock(i)) from.block(i)->AddRef();
  }
  count_ = static_cast<uint16_t>(count_ + count);
  used_ = static_cast<uint16_t>(used_ + bytes);
}

// Puts a copy there, with room for so many keys and bytes in all, and for scores of this width.
void ScoreNode::Rebuild(ScoreNode** node, size_t width, size_t count, size_t bytes) {
  ScoreNode* const copy = Create((*node)->inner(), width, std::max<size_t>(count, 1), bytes);
  if ((*node)->count_ > 0) copy->PutFrom(**node, 0, (*node)->count_);
  (*node)->Unref();
  *node = copy;
}

void ScoreNode::Insert(ScoreNode** place, size_t index, double score, const Cell& member,
                       ScoreNode* child) {
  const size_t bytes = member.size();
  ScoreNode* node = *place;
  ASSERT(node->Fits(bytes));
  if (node->count_ == node->slots_ || node->room() < bytes || !node->HasRoomFor(score) ||
      !node->unique()) {
    const size_t width = std::max<size_t>(node->width_, WidthOf(score));
    Rebuild(place, width, node->count_ + size_t{1}, node->used_ + bytes);
    node = *place;
  }
  const size_t after = node->count_ - index;
  if (node->inner()) {
    ScoreNode** const children = node->children() + index;
    std::memmove(children + 1, children, after * sizeof(ScoreNode*));
    *children = child;
    uint64_t* const counts = node->counts() + index;
    std::memmove(counts + 1, counts, after * sizeof(uint64_t));
    *counts = child->total();
  }
  char* const scores = node->scores() + index * node->width_;
  std::memmove(scores + node->width_, scores, after * node->width_);
  node->set_score(index, score);
  const size_t begin = node->begin(index);
  std::memmove(node->data() + begin + bytes, node->data() + begin, node->used_ - begin);
  member.Write(node->data() + begin);
  uint16_t* const ends = node->ends() + index;
  for (size_t i = after; i > 0; i--) {
    ends[i] = static_cast<uint16_t>(ends[i - 1] + bytes);
  }
  *ends = static_cast<uint16_t>((begin + bytes) |
                                (Cell::InBlock(member.mark()) ? kEndInBlock : uint16_t{0}));
  node->count_++;
  node->used_ = static_cast<uint16_t>(node->used_ + bytes);
}

void ScoreNode::Erase(ScoreNode** place, size_t index, size_t count) {
  ScoreNode* const node = *place;
  ASSERT(node->unique() && count > 0 && index + count <= node->count_);
  for (size_t i = index; i < index + count; i++) {
    if (node->InBlock(i)) node->block(i)->Unref();
    if (node->inner()) node->child(i)->Unref();
  }
  const size_t begin = node->begin(index);
  const size_t end = node->end(index + count - 1);
  const size_t bytes = end - begin;
  const size_t after = node->count_ - index - count;
  if (node->inner()) {
    ScoreNode** const children = node->children() + index;
    std::memmove(children, children + count, after * sizeof(ScoreNode*));
    uint64_t* const counts = node->counts() + index;
    std::memmove(counts, counts + count, after * sizeof(uint64_t));
  }
  char* const scores = node->scores() + index * node->width_;
  std::memmove(scores, scores + count * node->width_, after * node->width_);
  std::memmove(node->data() + begin, node->data() + end, node->used_ - end);
  uint16_t* const ends = node->ends() + index;
  for (size_t i = 0; i < after; i++) {
    ends[i] = static_cast<uint16_t>(ends[i + count] - bytes);
  }
  node->count_ = static_cast<uint16_t>(node->count_ - count);
  node->used_ = static_cast<uint16_t>(node->used_ - bytes);
  // Memory is given back when more than half of it is unused.
  const size_t needed = node->count_ * RowBytes(node->inner(), node->width_) + node->used_;
  if (node->capacity_ > 96 && needed < node->capacity_ / 2) {
    Rebuild(place, node->width_, node->count_, node->used_);
  }
}

size_t ScoreNode::Middle() const {
  size_t index = 1;
  while (index + 1 < count_ && BytesFor(index, end(index - 1)) < BytesFor(count_, used_) / 2) {
    index++;
  }
  return index;
}

ScoreNode* ScoreNode::SplitOff(ScoreNode** place, size_t index) {
  ScoreNode* const node = *place;
  const size_t begin = node->begin(index);
  ScoreNode* const right =
      Create(node->inner(), node->width_, node->count_ - index, node->used_ - begin);
  right->PutFrom(*node, index, node->count_ - index);
  ScoreNode* const left = Create(node->inner(), node->width_, index, begin);
  left->PutFrom(*node, 0, index);
  node->Unref();
  *place = left;
  return right;
}

bool ScoreNode::Joins(const ScoreNode& left, const ScoreNode& right, const ScoreNode& parent,
                      size_t right_index) {
  const size_t bytes = size_t{left.used_} + right.used_ +
                       (left.inner() ? Cell::Bytes(parent.mark(right_index)) : size_t{0});
  return left.BytesFor(size_t{left.count_} + right.count_, bytes) <= kMostBytes * 3 / 4;
}

void ScoreNode::Join(ScoreNode** parent, size_t index) {
  ScoreNode** const left = (*parent)->child_place(index);
  const ScoreNode& right = *(*parent)->child(index + 1);
  const size_t keys = right.size();
  if (!right.inner()) {
    Rebuild(left, std::max((*left)->width_, right.width_), (*left)->count_ + keys,
            size_t{(*left)->used_} + right.used_);
    if (keys > 0) (*left)->PutFrom(right, 0, keys);
  } else {
    // The key of its first child means nothing: the parent's key of the node takes its place.
    Rebuild(left, sizeof(double), (*left)->count_ + keys,
            size_t{(*left)->used_} + right.used_ + kMostInline);
    ScoreNode* const first = right.child(0);
    first->AddRef();
    const Block* const block = (*parent)->block(index + 1);
    const double score = (*parent)->score(index + 1);
    const std::string_view member = (*parent)->member(index + 1);
    if (block != nullptr) {
      Insert(left, (*left)->count_, score, Cell(*block, member.size()), first);
    } else {
      Insert(left, (*left)->count_, score, Cell(member), first);
    }
    if (keys > 1) (*left)->PutFrom(right, 1, keys - 1);
  }
  (*parent)->set_child_count(index,
                             (*parent)->child_count(index) + (*parent)->child_count(index + 1));
  Erase(parent, index + 1, 1);
}

size_t ScoreNode::MemoryBytes() const {
  return sizeof(ScoreNode) + capacity_;
}

size_t ScoreNode::BlockBytes() const {
  size_t bytes = 0;
  for (size_t i = 0; !inner() && i < count_; i++) {
    if (InBlock(i)) bytes += block(i)->MemoryBytes();
  }
  return bytes;
}

size_t ScoreNode::FreeEffort() const {
  size_t effort = 1;
  for (size_t i = 0; i < count_; i++) {
    if (InBlock(i)) effort += Cell::FreeEffort(member(i).size());
    if (inner()) effort += child(i)->FreeEffort();
  }
  return effort;
}

void ScoreNode::Free() const {
  for (size_t i = 0; i < count_; i++) {
    if (InBlock(i)) block(i)->Unref();
    if (inner()) child(i)->Unref();
  }
  ScoreNode* const self = const_cast<ScoreNode*>(this);
  self->~ScoreNode();
  std::free(self);
}

}  // namespace runnel
