#include "net/input_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace runnel {
namespace {

// The least space that is offered for reading.
constexpr size_t kLeastSpace = 16 * 1024;

}  // namespace

std::span<char> InputBuffer::Space(size_t wanted) {
  const size_t target = std::max(size() + kLeastSpace, std::min(wanted, 2 * size()));
  if (capacity_ - end_ < target - size()) {
    if (capacity_ >= target) {
      MoveTo(capacity_);
    } else {
      MoveTo(target);
    }
  }
  return {data_.get() + end_, capacity_ - end_};
}

void InputBuffer::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (capacity_ - end_ < bytes.size()) MoveTo(size() + bytes.size());
  std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void InputBuffer::Consume(size_t bytes) {
  ASSERT(bytes <= size());
  begin_ += bytes;
  if (!empty()) return;
  data_.reset();
  capacity_ = begin_ = end_ = 0;
}

// Moves the bytes to the beginning of a buffer of this capacity: the same one, or a new one.
void InputBuffer::MoveTo(size_t capacity) {
  const size_t held = size();
  if (capacity == capacity_) {
    std::memmove(data_.get(), data_.get() + begin_, held);
  } else {
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    if (held > 0) std::memcpy(data.get(), data_.get() + begin_, held);
    data_ = std::move(data);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
}

}  // namespace runnel
