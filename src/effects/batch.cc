#include "effects/batch.h"

namespace runnel {

void Batch::NoteKey(const KeyRef& key, size_t end) {
  last_key_end_ = end;
  last_key_size_ = key.name.size();
  last_key_hash_ = key.hash;
  last_key_db_ = key.db;
}

void Batch::Clear() {
  constexpr size_t kKeptBytes = size_t{1} << 20;
  buffer_.Clear(kKeptBytes);
  buffer_.Room(headroom_);
  buffer_.Grow(headroom_);
  count_ = 0;
  last_key_end_ = 0;
}

}  // namespace runnel
