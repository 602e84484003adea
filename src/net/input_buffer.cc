#include "net/input_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace runnel {
namespace {

// A buffer grows at least by this.
constexpr size_t kLeastSpace = 16 * 1024;

// The capacity that a full buffer of `size` bytes grows to: double, or what leads to exactly
// `wanted` in this step or the next one, so that one long argument gets the memory that it needs.
size_t Grown(size_t size, size_t wanted) {
  if (wanted > 3 * size || wanted < size + size / 2) return 2 * size;
  return wanted <= 2 * size ? wanted : wanted / 3 * 2;
}

}  // namespace

// Each move leaves room for a third of the bytes that it moved, or more; only when they have
// arrived is there another move. That bounds the bytes moved by the bytes that arrive.
std::span<char> InputBuffer::Space(size_t wanted) {
  const size_t room = capacity_ - end_;
  const bool enough = room > 0 && size() + room >= wanted;
  if (!enough && room < kLeastSpace) {
    if (begin_ >= size() && capacity_ >= size() + kLeastSpace) {
      MoveToFront();
    } else {
      MoveTo(std::max(size() + kLeastSpace, Grown(size(), wanted)));
    }
  }
  return {data_.get() + end_, capacity_ - end_};
}

void InputBuffer::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (capacity_ - end_ < bytes.size()) MoveTo(std::max(size() + bytes.size(), 2 * size()));
  std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  moved_ += bytes.size();
}

void InputBuffer::Consume(size_t bytes) {
  ASSERT(bytes <= size());
  begin_ += bytes;
  if (!empty()) return;
  data_.reset();
  capacity_ = begin_ = end_ = 0;
}

void InputBuffer::MoveTo(size_t capacity) {
  auto data = std::make_unique_for_overwrite<char[]>(capacity);
  const size_t held = size();
  if (held > 0) std::memcpy(data.get(), data_.get() + begin_, held);
  data_ = std::move(data);
  capacity_ = capacity;
  begin_ = 0;
  end_ = held;
  moved_ += held;
}

void InputBuffer::MoveToFront() {
  const size_t held = size();
  std::memcpy(data_.get(), data_.get() + begin_, held);
  begin_ = 0;
  end_ = held;
  moved_ += held;
}

}  // namespace runnel
