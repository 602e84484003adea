#include "replication/tail.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace runnel::replication {
namespace {

constexpr size_t kChunkBytes = 256 * 1024;

}  // namespace

void Tail::Take(Position base, std::string_view frame) {
  CHECK(base == end_);
  while (!frame.empty()) {
    if (chunks_.empty() || chunks_.back().size == chunks_.back().block->capacity()) {
      chunks_.push_back({end_, 0, Block::Create(kChunkBytes)});
    }
    Chunk& chunk = chunks_.back();
    const size_t bytes = std::min(frame.size(), chunk.block->capacity() - chunk.size);
    std::memcpy(chunk.block->data() + chunk.size, frame.data(), bytes);
    chunk.size += bytes;
    end_ += bytes;
    frame.remove_prefix(bytes);
  }
  while (chunks_.size() > 1 && end_ - chunks_[1].begin >= most_bytes_) {
    chunks_.pop_front();
    begin_ = chunks_.front().begin;
  }
}

Tail::Piece Tail::At(Position position, size_t most) const {
  ASSERT(begin_ <= position && position < end_);
  auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), position,
                                [](Position at, const Chunk& each) { return at < each.begin; });
  --chunk;
  const size_t from = position - chunk->begin;
  return {&chunk->block, {chunk->block->data() + from, std::min(chunk->size - from, most)}};
}

}  // namespace runnel::replication
