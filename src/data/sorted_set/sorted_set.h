#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/hash.h"
#include "data/encoding_limits.h"
#include "data/fields/table.h"
#include "data/object.h"
#include "data/sorted_set/tree.h"

namespace runnel {

// An end of a range of scores, which may be infinite.
struct ScoreBound {
  double score = 0;
  bool exclusive = false;
};

// An end of a range of members, by their bytes.
struct LexBound {
  enum Kind { kLowest, kHighest, kInclusive, kExclusive };  // the first two are beyond all members
  Kind kind = kInclusive;
  std::string_view member;
};

// Members by rank: `begin` to before `end`, empty if these are equal.
struct RankRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
};

// A set of byte strings, each with a score, in ascending order of score and then of bytes. Ranks
// count from 0 in that order.
//
// A tree holds the pairs in order (ScoreTree), and a table the score of each member. Up to 128
// members have no table: they are a few nodes, which are searched. A set that has got its table
// keeps it until it is empty.
//
// A score is never NaN, and -0 is made 0, as Redis does in its small form. Views that the set gives
// out are valid until its next change; views that it is given must not be its own.
class SortedSet final : public Object {
 public:
  class Iterator;

  static constexpr ObjectType kType = ObjectType::kSortedSet;

  SortedSet() : Object(kType) {}

  size_t size() const { return table_.empty() ? tree_.size() : table_.size(); }
  bool empty() const { return tree_.empty(); }

  std::optional<double> Score(std::string_view member) const;
  // The rank of a member.
  std::optional<uint64_t> Rank(std::string_view member) const;

  enum class Change { kNone, kAdded, kMoved };
  Change Set(std::string_view member, double score);
  // Returns whether it was there.
  bool Remove(std::string_view member);
  // Removes the members with these ranks; visit(member) is told each before it goes. O(log n) and
  // what is removed. REQUIRES: range.end <= size().
  template <class Visit>
  void RemoveRange(RankRange range, Visit visit);
  void RemoveRange(RankRange range) {
    RemoveRange(range, [](std::string_view) {});
  }

  // The members with scores in this range. O(log n).
  RankRange Find(ScoreBound min, ScoreBound max) const;
  // The members between these. It means something only if all scores are equal, as in Redis.
  // O(log n).
  RankRange Find(const LexBound& min, const LexBound& max) const;

  // Sequential access from a rank on. If it is size(), Valid() is false.
  Iterator Seek(uint64_t rank) const;

  // As in Set; visit(member, score).
  template <class Visit>
  uint64_t Scan(uint64_t cursor, Visit visit) const;
  // A member chosen by `random`, any 64 bits. O(log n). REQUIRES: !empty().
  Iterator Random(uint64_t random) const;

  // "listpack" or "skiplist".
  std::string_view encoding() const override { return EncodingUnder({}); }
  std::string_view EncodingUnder(const EncodingLimits& limits) const override;
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override {
    // The table knows the blocks of long members; without one, the tree has few nodes.
    return 1 + tree_.FreeEffort(table_.empty()) + table_.FreeEffort();
  }
  std::unique_ptr<Object> Clone() const override;
  void PrefetchGrowth() const override { tree_.Prefetch(); }

  // The payload: the version byte 1, the number of members, and in order each member and its score
  // (8 bytes). Load takes no other form than that which Encode writes, and no empty set.
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);

 private:
  static constexpr uint8_t kVersion = 1;
  static constexpr size_t kMostWithoutTable = 128;

  static double ScoreOf(const Field& field) {
    double score;
    std::memcpy(&score, field.value.data(), sizeof(score));
    return score;
  }
  // Where a member of a set without a table is.
  std::optional<uint64_t> Search(std::string_view member, double* score) const;
  void SetInTable(std::string_view member, double score, const Block* block);
  void MakeTable();

  LargestSeen largest_;
  ScoreTree tree_;
  FieldTable table_;  // empty if the members are few
};

// Walks over the members in either direction; valid until the next change of the set. A step costs
// O(1), and O(log n) each time a node of some dozens of members ends.
class SortedSet::Iterator {
 public:
  bool Valid() const { return rank_ < size_; }
  // REQUIRES for these: Valid().
  uint64_t rank() const { return rank_; }
  double score() const { return at_.leaf->score(at_.index); }
  std::string_view member() const { return at_.leaf->member(at_.index); }
  // The block that holds the member; null if it is short.
  const Block* block() const { return at_.leaf->block(at_.index); }
  void Next() {
    rank_++;
    if (++at_.index == at_.leaf->size() && Valid()) at_ = tree_->FindRank(rank_);
  }
  // The iterator ends before the first member, as it does after the last.
  void Previous() {
    rank_--;
    if (at_.index-- == 0 && Valid()) at_ = tree_->FindRank(rank_);
  }

 private:
  friend class SortedSet;
  Iterator(const ScoreTree* tree, uint64_t rank, uint64_t size)
      : tree_(tree), rank_(rank), size_(size) {
    if (Valid()) at_ = tree->FindRank(rank);
  }

  const ScoreTree* tree_;
  uint64_t rank_;
  uint64_t size_;
  ScoreTree::Found at_;
};

inline SortedSet::Iterator SortedSet::Seek(uint64_t rank) const {
  return Iterator(&tree_, rank, size());
}

template <class Visit>
void SortedSet::RemoveRange(RankRange range, Visit visit) {
  const bool has_table = !table_.empty();
  tree_.EraseRange(range.begin, range.size(), [&](std::string_view member) {
    visit(member);
    if (has_table) table_.Remove(HashKey(member), member);
  });
}

template <class Visit>
uint64_t SortedSet::Scan(uint64_t cursor, Visit visit) const {
  if (!table_.empty()) {
    return table_.Scan(cursor, [&](const Field& field) { visit(field.name, ScoreOf(field)); });
  }
  for (Iterator at = Seek(0); at.Valid(); at.Next()) {
    visit(at.member(), at.score());
  }
  return 0;
}

}  // namespace runnel
