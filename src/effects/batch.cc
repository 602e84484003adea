#include "effects/batch.h"

#include <cstring>

namespace runnel {

void Batch::FinishRecord(size_t begin) {
  const size_t size = records_.size() - begin - 1;
  const size_t extra = VarintSize(size) - 1;
  if (extra > 0) records_.insert(begin + 1, extra, '\0');
  WriteVarint(records_.data() + begin, size);
  count_++;
}

void Batch::Clear() {
  // A turn with a giant value shall not keep its memory for ever.
  constexpr size_t kKeep = 1024 * 1024;
  if (records_.capacity() > kKeep) {
    records_ = std::string();
  } else {
    records_.clear();
  }
  count_ = 0;
}

}  // namespace runnel
