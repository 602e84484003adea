#include "resp/rope.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace runnel {
namespace {

// Memory of a chunk. Replies of one turn to one connection mostly fit one.
constexpr size_t kChunkBytes = 16 * 1024;
// What is longer is cut into chunks of this size, so that memory goes as the bytes leave.
constexpr size_t kMostChunkBytes = 1024 * 1024;

// Chunks that were freed last, for the next ones: nearly every reply takes a chunk and soon gives
// it back, which would cost the allocator as much as the rest of a small command. The one given
// back last is still in the processor's cache.
class SpareChunks {
 public:
  ~SpareChunks() {
    while (count_ > 0) {
      std::free(spare_[--count_]);
    }
  }
  void* Take() { return count_ > 0 ? spare_[--count_] : std::malloc(kChunkBytes); }
  void Give(void* chunk) {
    if (count_ == kMost) return std::free(chunk);
    spare_[count_++] = chunk;
  }

 private:
#ifdef RUNNEL_SANITIZE
  static constexpr size_t kMost = 0;  // so that a use of a freed chunk is found
#else
  static constexpr size_t kMost = 64;
#endif
  size_t count_ = 0;
  void* spare_[kMost + 1];
};

thread_local SpareChunks spare_chunks;

}  // namespace

Rope::Chunk* Rope::Chunk::Create(size_t capacity) {
  const size_t memory = sizeof(Chunk) + capacity;
  void* place = memory == kChunkBytes ? spare_chunks.Take() : std::malloc(memory);
  CHECK(place != nullptr);
  Chunk* chunk = new (place) Chunk;
  chunk->bytes = reinterpret_cast<char*>(chunk + 1);
  chunk->capacity = static_cast<uint32_t>(capacity);
  chunk->end = 0;
  return chunk;
}

Rope::Chunk* Rope::Chunk::Create(const Ref<Block>& block, std::string_view slice) {
  Chunk* chunk = Create(0);
  chunk->bytes = const_cast<char*>(slice.data());  // never written through
  chunk->capacity = chunk->end = static_cast<uint32_t>(slice.size());
  chunk->block = block;
  return chunk;
}

void Rope::Chunk::Destroy(Chunk* chunk) {
  const bool usual = !chunk->block && sizeof(Chunk) + chunk->capacity == kChunkBytes;
  chunk->~Chunk();
  usual ? spare_chunks.Give(chunk) : std::free(chunk);
}

void Rope::AddChunk(size_t least) {
  Push(Chunk::Create(std::max(kChunkBytes - sizeof(Chunk), least)));
}

void Rope::Push(Chunk* chunk) {
  memory_ += chunk->MemoryBytes();
  size_ += chunk->size();
  if (tail_ == nullptr) {
    head_ = chunk;
  } else {
    tail_->next = chunk;
  }
  tail_ = chunk;
}

Rope::Chunk* Rope::TakeChunk() {
  Chunk* chunk = std::exchange(head_, head_->next);
  chunk->next = nullptr;
  if (head_ == nullptr) tail_ = nullptr;
  memory_ -= chunk->MemoryBytes();
  size_ -= chunk->size();
  return chunk;
}

void Rope::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->room() == 0) AddChunk(std::min(bytes.size(), kMostChunkBytes));
    const size_t part = std::min(bytes.size(), tail_->room());
    std::memcpy(tail_->bytes + tail_->end, bytes.data(), part);
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
  // Ropes of few bytes that are appended one after the other would leave a chunk nearly empty for
  // each.
  while (other.head_ != nullptr && IsPackedInto(*tail_, *other.head_)) {
    Append(other.head_->view());
    other.PopChunk();
  }
  if (other.head_ == nullptr) return;
  tail_->next = std::exchange(other.head_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  size_ += std::exchange(other.size_, 0);
  memory_ += std::exchange(other.memory_, 0);
}

// Whether the bytes of `chunk` are copied when it follows `tail`: they fit there, or neither has
// room for what comes next.
bool Rope::IsPackedInto(const Chunk& tail, const Chunk& chunk) {
  if (chunk.size() <= tail.room()) return true;
  return chunk.room() == 0 && chunk.size() < kChunkBytes / 2;
}

void Rope::AppendSlice(const Ref<Block>& block, std::string_view slice) {
  if (slice.empty()) return;
  const bool follows = tail_ != nullptr && tail_->block.get() == block.get() &&
                       tail_->bytes + tail_->end == slice.data();
  if (!follows) {
    if (tail_ != nullptr && slice.size() <= kChunkBytes) return Append(slice);
    return Push(Chunk::Create(block, slice));
  }
  tail_->end += static_cast<uint32_t>(slice.size());
  tail_->capacity = tail_->end;
  memory_ += slice.size();
  size_ += slice.size();
}

void Rope::Unshare() {
  Chunk** link = &head_;
  for (Chunk* chunk = head_; chunk != nullptr; chunk = *link) {
    if (chunk->block && chunk->size() < chunk->block->capacity() / 2) {
      Chunk* own = Chunk::Create(chunk->size());
      std::memcpy(own->bytes, chunk->bytes + chunk->begin, chunk->size());
      own->end = own->capacity;
      own->next = chunk->next;
      memory_ += own->MemoryBytes() - chunk->MemoryBytes();
      if (tail_ == chunk) tail_ = own;
      Chunk::Destroy(chunk);
      chunk = *link = own;
    }
    link = &chunk->next;
  }
}

void Rope::Truncate(size_t size) {
  if (size >= size_) return;
  if (size == 0) return Clear();
  size_t left = size;
  size_ = size;
  Chunk* chunk = head_;
  while (left > chunk->size()) {
    left -= chunk->size();
    chunk = chunk->next;
  }
  memory_ -= chunk->MemoryBytes();
  chunk->end = chunk->begin + static_cast<uint32_t>(left);
  if (chunk->block) chunk->capacity = chunk->end;
  memory_ += chunk->MemoryBytes();
  Chunk* rest = chunk->next;
  chunk->next = nullptr;
  tail_ = chunk;
  while (rest != nullptr) {
    Chunk* next = rest->next;
    memory_ -= rest->MemoryBytes();
    Chunk::Destroy(rest);
    rest = next;
  }
}

void Rope::Consume(size_t bytes) {
  while (head_ != nullptr && bytes >= head_->size()) {
    bytes -= head_->size();
    PopChunk();
  }
  if (head_ == nullptr) return;
  head_->begin += static_cast<uint32_t>(bytes);
  size_ -= bytes;
}

Rope Rope::TakeFront(size_t bytes) {
  Rope front;
  while (head_ != nullptr && bytes >= head_->size()) {
    bytes -= head_->size();
    front.Push(TakeChunk());
  }
  if (head_ == nullptr || bytes == 0) return front;
  const std::string_view part = head_->view().substr(0, bytes);
  head_->block ? front.AppendSlice(head_->block, part) : front.Append(part);
  Consume(bytes);
  return front;
}

void Rope::Clear() {
  while (head_ != nullptr) {
    PopChunk();
  }
}

int Rope::Gather(size_t bytes, iovec* vectors, int count) const {
  int filled = 0;
  for (Chunk* chunk = head_; chunk != nullptr && filled < count && bytes > 0; chunk = chunk->next) {
    const size_t part = std::min<size_t>(bytes, chunk->size());
    if (part == 0) continue;
    vectors[filled].iov_base = chunk->bytes + chunk->begin;
    vectors[filled].iov_len = part;
    filled++;
    bytes -= part;
  }
  return filled;
}

std::string Rope::ToString() const {
  std::string bytes;
  for (const Chunk* chunk = head_; chunk != nullptr; chunk = chunk->next) {
    bytes.append(chunk->bytes + chunk->begin, chunk->size());
  }
  return bytes;
}

}  // namespace runnel
