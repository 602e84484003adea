#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace runnel {

// Bytes of one connection that have arrived and are no whole request yet. Empty, which it mostly
// is, it owns no memory.
class InputBuffer {
 public:
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }
  std::string_view bytes() const { return {data_.get() + begin_, size()}; }

  // Free space behind the bytes. It grows towards `wanted` bytes in all, but at most to double what
  // has arrived, so that a client pays for memory with bytes and not with a promise. May move the
  // bytes.
  std::span<char> Space(size_t wanted);
  // The first `bytes` of the space have been filled.
  void Fill(size_t bytes) { end_ += bytes; }
  void Append(std::string_view bytes);
  // Takes the first bytes away.
  void Consume(size_t bytes);

 private:
  void MoveTo(size_t capacity);

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace runnel
