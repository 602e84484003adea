#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace runnel {

// Bytes of one connection that have arrived and are not executed yet. An empty buffer, the usual
// case, owns no memory.
//
// Costs: the memory is at most twice the bytes and 16 KiB more. The number of copied bytes is at
// most a constant times the number of arrived bytes, in whatever pieces they arrive.
class InputBuffer {
 public:
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  // Bytes of memory that the buffer owns.
  size_t capacity() const { return capacity_; }
  std::string_view bytes() const { return {data_.get() + begin_, size()}; }
  // Bytes that were copied into the buffer or within it since it was made.
  uint64_t moved() const { return moved_; }

  // Free space after the bytes, at least one byte. `wanted` is how many bytes the buffer must hold
  // in all, as far as the caller knows: the space ends there if that is near. The buffer at most
  // doubles, because a client gets memory for bytes that it has sent, not for a length that it
  // announces. May move the bytes.
  std::span<char> Space(size_t wanted);
  // The first `bytes` of the space have been filled.
  void Fill(size_t bytes) { end_ += bytes; }
  void Append(std::string_view bytes);
  // Removes the first bytes.
  void Consume(size_t bytes);

 private:
  // Moves the bytes to the beginning of a new buffer of this capacity.
  void MoveTo(size_t capacity);
  // Moves them to the beginning of this one.
  void MoveToFront();

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t moved_ = 0;
};

}  // namespace runnel
