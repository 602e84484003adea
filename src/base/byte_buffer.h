#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace runnel {

// Bytes that grow at the end. Unlike a string it lets its owner write in place, after the end, into
// memory that nobody has filled before.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  // A buffer that was moved from is empty.
  ByteBuffer(ByteBuffer&& other) noexcept { *this = std::move(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return capacity_; }
  // Like the pointers, valid until the buffer grows or is moved.
  std::string_view view() const { return {bytes_.get(), size_}; }

  // The place after the last byte, with room for `bytes` more bytes of undefined content.
  char* Room(size_t bytes) {
    if (capacity_ - size_ < bytes) Enlarge(bytes);
    return bytes_.get() + size_;
  }
  // This many bytes of the room now belong to the buffer. REQUIRES: Room gave at least as many.
  void Grow(size_t bytes) {
    ASSERT(bytes <= capacity_ - size_);
    size_ += bytes;
  }
  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Makes the buffer empty. If it has more than `kept` bytes of memory, all of it is freed.
  void Clear(size_t kept) {
    if (capacity_ > kept) *this = ByteBuffer();
    size_ = 0;
  }

 private:
  void Enlarge(size_t bytes) {
    const size_t capacity = std::max(size_ + bytes, 2 * capacity_);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace runnel
