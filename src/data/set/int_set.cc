#include "data/set/int_set.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {
namespace {

template <class T>
bool FitsIn(int64_t member) {
  return member >= std::numeric_limits<T>::min() && member <= std::numeric_limits<T>::max();
}

size_t WidthOf(int64_t member) {
  return FitsIn<int16_t>(member) ? 2 : FitsIn<int32_t>(member) ? 4 : 8;
}

template <class T>
int64_t ReadAs(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

template <class T>
void WriteAs(char* at, int64_t member) {
  const T value = static_cast<T>(member);
  std::memcpy(at, &value, sizeof(value));
}

}  // namespace

IntSet::~IntSet() {
  std::free(data_);
}

IntSet::Data* IntSet::Create(size_t count, size_t width) {
  Data* const data = static_cast<Data*>(std::malloc(sizeof(Data) + count * width));
  CHECK(data != nullptr);
  data->count = 0;
  // Room that the allocator adds is used.
  const size_t capacity = (AllocationSize(data) - sizeof(Data)) / width;
  data->capacity = static_cast<uint16_t>(std::min(capacity, 2 * kMost));
  data->width = static_cast<uint16_t>(width);
  return data;
}

IntSet IntSet::Copy() const {
  IntSet copy;
  if (data_ == nullptr) return copy;
  copy.data_ = Create(data_->count, data_->width);
  copy.data_->count = data_->count;
  std::memcpy(copy.data_->At(0), data_->At(0), size_t{data_->count} * data_->width);
  return copy;
}

int64_t IntSet::At(size_t index) const {
  const char* const at = data_->At(index);
  if (data_->width == 2) return ReadAs<int16_t>(at);
  return data_->width == 4 ? ReadAs<int32_t>(at) : ReadAs<int64_t>(at);
}

void IntSet::Write(Data* data, size_t index, int64_t member) {
  char* const at = data->At(index);
  if (data->width == 2) return WriteAs<int16_t>(at, member);
  data->width == 4 ? WriteAs<int32_t>(at, member) : WriteAs<int64_t>(at, member);
}

size_t IntSet::LowerBound(int64_t member) const {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    At(middle) < member ? low = middle + 1 : high = middle;
  }
  return low;
}

bool IntSet::Contains(int64_t member) const {
  const size_t place = LowerBound(member);
  return place < size() && At(place) == member;
}

bool IntSet::Add(int64_t member) {
  const size_t place = LowerBound(member);
  const size_t count = size();
  if (place < count && At(place) == member) return false;
  ASSERT(count < kMost);
  const size_t width = std::max(count > 0 ? size_t{data_->width} : 0, WidthOf(member));
  if (data_ == nullptr || width != data_->width || count == data_->capacity) {
    IntSet wider;
    wider.data_ = Create(count + 1, width);
    for (size_t i = 0; i < count; i++) {
      Write(wider.data_, i, At(i));
    }
    *this = std::move(wider);
  }
  std::memmove(data_->At(place + 1), data_->At(place), (count - place) * width);
  Write(data_, place, member);
  data_->count = static_cast<uint16_t>(count + 1);
  return true;
}

bool IntSet::Remove(int64_t member) {
  const size_t place = LowerBound(member);
  if (place == size() || At(place) != member) return false;
  const size_t left = size() - 1;
  std::memmove(data_->At(place), data_->At(place + 1), (left - place) * data_->width);
  data_->count = static_cast<uint16_t>(left);
  if (left == 0) {
    std::free(std::exchange(data_, nullptr));
  } else if (left < data_->capacity / size_t{2}) {
    *this = Copy();
  }
  return true;
}

size_t IntSet::MemoryBytes() const {
  return AllocationSize(data_);
}

}  // namespace runnel
