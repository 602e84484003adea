#include "data/sorted_set/sorted_set.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/assert.h"
#include "data/fields/order.h"

namespace runnel {
namespace {

// There may be millions of small sorted sets.
static_assert(sizeof(SortedSet) == 32);

std::string_view BytesOfScore(const double& score) {
  return {reinterpret_cast<const char*>(&score), sizeof(score)};
}

// A block with the bytes of a member that is too long for a node; null for others.
Ref<Block> BlockFor(std::string_view member) {
  if (member.size() <= ScoreNode::kMostInline) return {};
  Ref<Block> block = Block::Create(member.size());
  std::memcpy(block->data(), member.data(), member.size());
  return block;
}

}  // namespace

std::optional<uint64_t> SortedSet::Search(std::string_view member, double* score) const {
  const uint64_t count = tree_.size();
  for (uint64_t rank = 0; rank < count;) {
    const ScoreNode& leaf = *tree_.FindRank(rank).leaf;
    const size_t index = leaf.Find(member);
    if (index != ScoreNode::kNowhere) {
      *score = leaf.score(index);
      return rank + index;
    }
    rank += leaf.size();
  }
  return std::nullopt;
}

std::optional<double> SortedSet::Score(std::string_view member) const {
  if (table_.empty()) {
    double score;
    return Search(member, &score) ? std::optional(score) : std::nullopt;
  }
  const std::optional<Field> field = table_.Find(HashKey(member), member);
  return field ? std::optional(ScoreOf(*field)) : std::nullopt;
}

std::optional<uint64_t> SortedSet::Rank(std::string_view member) const {
  if (table_.empty()) {
    double score;
    return Search(member, &score);
  }
  const std::optional<double> score = Score(member);
  return score ? std::optional(tree_.CountBelow(*score, member)) : std::nullopt;
}

void SortedSet::SetInTable(std::string_view member, double score, const Block* block) {
  table_.Set(HashKey(member), member, BytesOfScore(score), block);
}

void SortedSet::MakeTable() {
  for (Iterator at(&tree_, 0, tree_.size()); at.Valid(); at.Next()) {
    SetInTable(at.member(), at.score(), at.block());
  }
}

SortedSet::Change SortedSet::Set(std::string_view member, double score) {
  ASSERT(!std::isnan(score));
  score += 0.0;  // makes -0 to 0
  std::optional<double> old;
  Ref<Block> block;
  if (table_.empty()) {
    old = Score(member);
  } else if (const std::optional<Field> field = table_.Find(HashKey(member), member)) {
    old = ScoreOf(*field);
    if (field->name_block != nullptr) {
      field->name_block->AddRef();
      block = Ref<Block>::Adopt(const_cast<Block*>(field->name_block));
    }
  }
  if (old == score) return Change::kNone;
  if (!old || !tree_.Move(*old, member, score)) {
    if (!block) block = BlockFor(member);
    if (old) tree_.Erase(*old, member);
    tree_.Insert(score, member, block.get());
  }
  if (!table_.empty()) {
    SetInTable(member, score, block.get());
  } else if (!old && tree_.size() > kMostWithoutTable) {
    MakeTable();
  }
  largest_.NoteBytes(member.size());
  largest_.NoteCount(size());
  return old ? Change::kMoved : Change::kAdded;
}

bool SortedSet::Remove(std::string_view member) {
  const std::optional<double> score = Score(member);
  if (!score) return false;
  tree_.Erase(*score, member);
  if (!table_.empty()) table_.Remove(HashKey(member), member);
  return true;
}

RankRange SortedSet::Find(ScoreBound min, ScoreBound max) const {
  const uint64_t begin = tree_.CountBefore(
      [&](double score, auto) { return min.exclusive ? score <= min.score : score < min.score; });
  const uint64_t end = tree_.CountBefore(
      [&](double score, auto) { return max.exclusive ? score < max.score : score <= max.score; });
  return {begin, std::max(begin, end)};
}

RankRange SortedSet::Find(const LexBound& min, const LexBound& max) const {
  // How many are before the bound; those equal to it count if it is passed over.
  const auto count = [&](const LexBound& bound, LexBound::Kind passes) -> uint64_t {
    if (bound.kind == LexBound::kLowest) return 0;
    if (bound.kind == LexBound::kHighest) return size();
    return tree_.CountBefore([&](double, auto member) {
      return bound.kind == passes ? member() <= bound.member : member() < bound.member;
    });
  };
  const uint64_t begin = count(min, LexBound::kExclusive);
  const uint64_t end = count(max, LexBound::kInclusive);
  return {begin, std::max(begin, end)};
}

SortedSet::Iterator SortedSet::Random(uint64_t random) const {
  return Seek(static_cast<uint64_t>((static_cast<unsigned __int128>(random) * size()) >> 64));
}

std::string_view SortedSet::EncodingUnder(const EncodingLimits& limits) const {
  const bool small =
      largest_.Within(limits.zset_max_listpack_entries, limits.zset_max_listpack_value);
  return small ? "listpack" : "skiplist";
}

size_t SortedSet::MemoryBytes(size_t samples) const {
  // Long members are in blocks that the tree and the table share.
  return sizeof(*this) + tree_.MemoryBytes(samples, table_.empty()) + table_.MemoryBytes(samples);
}

std::unique_ptr<Object> SortedSet::Clone() const {
  auto clone = std::make_unique<SortedSet>();
  clone->largest_ = largest_;
  clone->tree_ = tree_.Share();
  clone->table_ = table_.Share();
  return clone;
}

void SortedSet::Encode(Encoder* out) const {
  out->Byte(kVersion);
  out->Varint(size());
  for (Iterator at = Seek(0); at.Valid(); at.Next()) {
    out->Bytes(at.member());
    out->Fixed(at.score());
    out->Checkpoint();
  }
}

std::unique_ptr<Object> SortedSet::Load(Decoder* in) {
  if (in->Byte() != kVersion) return nullptr;
  auto set = std::make_unique<SortedSet>();
  const uint64_t count = ReadCount(in, 1 + sizeof(double));
  std::string last;
  double last_score = 0;
  std::string member;
  for (uint64_t i = 0; i < count; i++) {
    // The view of the member ends where the score is read.
    member = ReadBytes(in).value_or("");
    const double score = in->Fixed<double>();
    if (!in->ok() || std::isnan(score) || (score == 0 && std::signbit(score))) return nullptr;
    const bool ascends = i == 0 || score > last_score || (score == last_score && member > last);
    if (!ascends || set->Set(member, score) != Change::kAdded) return nullptr;
    std::swap(last, member);
    last_score = score;
  }
  return count > 0 ? std::move(set) : nullptr;
}

}  // namespace runnel
