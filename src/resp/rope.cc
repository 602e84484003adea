#include "resp/rope.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

namespace runnel {
namespace {

// Replies of one turn to one connection mostly fit the first size; it is one that the allocator hands
// out from its thread's cache.
constexpr size_t kChunkBytes = 16 * 1024;

}  // namespace

void Rope::AddChunk(size_t least) {
  const size_t bytes = std::max(kChunkBytes, least + sizeof(Chunk));
  CHECK(bytes <= std::numeric_limits<uint32_t>::max());
  Chunk* chunk = static_cast<Chunk*>(std::malloc(bytes));
  CHECK(chunk != nullptr);
  chunk->next = nullptr;
  chunk->capacity = static_cast<uint32_t>(bytes - sizeof(Chunk));
  chunk->begin = 0;
  chunk->end = 0;
  memory_ += bytes;
  if (tail_ == nullptr) {
    head_ = chunk;
  } else {
    tail_->next = chunk;
  }
  tail_ = chunk;
}

void Rope::PopChunk() {
  Chunk* chunk = head_;
  head_ = chunk->next;
  if (head_ == nullptr) tail_ = nullptr;
  memory_ -= chunk->capacity + sizeof(Chunk);
  std::free(chunk);
}

void Rope::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->end == tail_->capacity) AddChunk(bytes.size());
    const size_t part = std::min<size_t>(bytes.size(), tail_->capacity - tail_->end);
    std::memcpy(tail_->data() + tail_->end, bytes.data(), part);
    tail_->end += static_cast<uint32_t>(part);
    size_ += part;
    bytes.remove_prefix(part);
  }
}

void Rope::Append(Rope&& other) {
  if (empty()) {
    Swap(other);
    other.Clear();
    return;
  }
  if (other.head_ == nullptr) return;
  tail_->next = other.head_;
  tail_ = other.tail_;
  size_ += other.size_;
  memory_ += other.memory_;
  other.head_ = other.tail_ = nullptr;
  other.size_ = other.memory_ = 0;
}

void Rope::Truncate(size_t size) {
  if (size >= size_) return;
  size_t left = size;
  size_ = size;
  Chunk* chunk = head_;
  while (left > chunk->end - chunk->begin) {
    left -= chunk->end - chunk->begin;
    chunk = chunk->next;
  }
  chunk->end = chunk->begin + static_cast<uint32_t>(left);
  Chunk* rest = chunk->next;
  chunk->next = nullptr;
  tail_ = chunk;
  while (rest != nullptr) {
    Chunk* next = rest->next;
    memory_ -= rest->capacity + sizeof(Chunk);
    std::free(rest);
    rest = next;
  }
}

void Rope::Consume(size_t bytes) {
  bytes = std::min(bytes, size_);
  size_ -= bytes;
  while (head_ != nullptr && bytes >= head_->end - head_->begin) {
    bytes -= head_->end - head_->begin;
    PopChunk();
  }
  if (bytes > 0) head_->begin += static_cast<uint32_t>(bytes);
}

void Rope::Clear() {
  while (head_ != nullptr) {
    PopChunk();
  }
  size_ = 0;
}

int Rope::Gather(size_t bytes, iovec* vectors, int count) const {
  int filled = 0;
  for (Chunk* chunk = head_; chunk != nullptr && filled < count && bytes > 0; chunk = chunk->next) {
    const size_t part = std::min<size_t>(bytes, chunk->end - chunk->begin);
    if (part == 0) continue;
    vectors[filled].iov_base = chunk->data() + chunk->begin;
    vectors[filled].iov_len = part;
    filled++;
    bytes -= part;
  }
  return filled;
}

std::string Rope::ToString() const {
  std::string bytes;
  for (const Chunk* chunk = head_; chunk != nullptr; chunk = chunk->next) {
    bytes.append(chunk->data() + chunk->begin, chunk->end - chunk->begin);
  }
  return bytes;
}

}  // namespace runnel
