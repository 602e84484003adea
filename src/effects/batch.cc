#include "effects/batch.h"

#include <cstring>

namespace runnel {

bool Batch::IsLastKey(const KeyRef& key) const {
  // The hash first: other keys nearly always differ in it.
  return last_key_end_ > 0 && key.hash == last_key_hash_ && key.db == last_key_db_ &&
         key.name == bytes().substr(last_key_end_ - last_key_size_, last_key_size_);
}

void Batch::AddHead(EffectType type, const KeyRef& key) {
  const uint8_t byte = static_cast<uint8_t>(type);
  if (IsLastKey(key)) return records_.push_back(static_cast<char>(byte | kSameKey));
  // What EncodeField writes of a key, gathered, because this is done for every effect.
  char buffer[1 + 2 * kMaxVarint];
  buffer[0] = static_cast<char>(byte);
  char* end = WriteVarint(buffer + 1, key.db);
  end = WriteVarint(end, key.name.size());
  records_.append(buffer, static_cast<size_t>(end - buffer));
  records_.append(key.name);
  last_key_end_ = records_.size();
  last_key_size_ = key.name.size();
  last_key_hash_ = key.hash;
  last_key_db_ = key.db;
}

void Batch::FinishRecord(size_t begin) {
  const size_t size = records_.size() - begin - 1;
  const size_t extra = VarintSize(size) - 1;
  if (extra > 0) {
    records_.insert(begin + 1, extra, '\0');
    if (last_key_end_ > begin) last_key_end_ += extra;
  }
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
  last_key_end_ = 0;
}

}  // namespace runnel
