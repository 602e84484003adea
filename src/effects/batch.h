#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/assert.h"
#include "base/byte_buffer.h"
#include "effects/effect.h"

namespace runnel {

// The effects of one turn of the event loop, encoded in the order in which they were applied: what
// becomes one frame of the journal. It holds for each effect a length as a varint and that many
// bytes: a Record, which leaves out its key where the one before it has the same. No key is left
// out that stands only in another batch, so each batch can be read by itself.
class Batch {
 public:
  // `headroom` bytes before the records are left free, for the header of a frame.
  explicit Batch(size_t headroom = 0) : headroom_(headroom) { Clear(); }

  // A batch that is off takes nothing: a server without journal and followers pays nothing.
  bool on() const { return on_; }
  void set_on(bool on) { on_ = on; }

  template <class E>
  void Add(const E& effect) {
    if (!on_) return;
    uint8_t type = static_cast<uint8_t>(E::kType);
    const KeyRef* key = nullptr;
    if constexpr (kBeginsWithKey<E>) {
      key = &std::get<0>(E::Fields(effect));
      if (IsLastKey(*key)) {
        type |= kSameKey;
        key = nullptr;
      }
    }
    FieldSizer record;
    record.Byte(type);
    if (key != nullptr) EncodeField(record, *key);
    EncodeAfterKey(record, effect);
    const size_t bytes = VarintSize(record.size()) + record.size();
    FieldWriter out(buffer_.Room(bytes));
    out.Varint(record.size());
    out.Byte(type);
    if (key != nullptr) {
      EncodeField(out, *key);
      NoteKey(*key, static_cast<size_t>(out.end() - buffer_.data()));
    }
    EncodeAfterKey(out, effect);
    buffer_.Grow(bytes);
    ASSERT(out.end() == buffer_.data() + buffer_.size());
    count_++;
  }

  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::string_view bytes() const { return buffer_.view().substr(headroom_); }
  size_t size() const { return buffer_.size() - headroom_; }  // of bytes()
  // The records with the headroom before them. It may be taken; then Clear() is due.
  ByteBuffer& buffer() { return buffer_; }
  // Nothing was added, and the memory of a turn with a giant value is not kept.
  void Clear();

  // Calls visit(const Record&) for each record of `bytes`, to which its views point. Returns false
  // if they cannot be cut into records; what was visited before stays so. A record that is damaged
  // in itself is visited: Replay and Describe refuse it.
  template <class Visit>
  static bool ForEach(std::string_view bytes, Visit visit);

 private:
  // Whether this is the key that a record may leave out now.
  bool IsLastKey(const KeyRef& key) const {
    // The hash first: other keys nearly always differ in it.
    return last_key_end_ > 0 && key.hash == last_key_hash_ && key.db == last_key_db_ &&
           key.name ==
               std::string_view(buffer_.data() + last_key_end_ - last_key_size_, last_key_size_);
  }
  // A record was written with this key, whose name ends at `end` in the buffer.
  void NoteKey(const KeyRef& key, size_t end);

  bool on_ = false;
  size_t headroom_;
  size_t count_ = 0;
  ByteBuffer buffer_;
  // The last key written: its name lies in buffer_ and ends there. 0: none was.
  size_t last_key_end_ = 0;
  size_t last_key_size_ = 0;
  uint64_t last_key_hash_ = 0;
  uint32_t last_key_db_ = 0;
};

// Reads the bytes of a batch record by record.
class BatchReader {
 public:
  // `bytes` outlives the reader and what it gives.
  explicit BatchReader(std::string_view bytes) : in_(bytes) {}

  // The next record, whose views point into the bytes; nothing at their end, or where they cannot
  // be cut into records.
  std::optional<Record> Next() {
    if (!in_.ok() || in_.done()) return std::nullopt;
    const std::string_view record = in_.Bytes();
    if (!in_.ok()) return std::nullopt;
    return Record(record, &last_key_);
  }
  // Whether all that was read could be cut into records.
  bool ok() const { return in_.ok(); }

 private:
  Decoder in_;
  std::optional<KeyRef> last_key_;
};

// Adds an effect to the batch and applies it to the keyspace. What is in the batch goes to the
// journal, so memory must be changed too: a failure here, where half an effect may be applied, ends
// the process, and the next start applies the whole. REQUIRES: the effect fits the keyspace, which
// builds with assertions ask.
template <class E>
void Commit(const E& effect, Batch& batch, Keyspace& keyspace) noexcept {
  ASSERT(effect.Fits(keyspace).fits());
  batch.Add(effect);
  effect.Apply(keyspace);
}

template <class Visit>
bool Batch::ForEach(std::string_view bytes, Visit visit) {
  BatchReader reader(bytes);
  while (const std::optional<Record> record = reader.Next()) {
    visit(*record);
  }
  return reader.ok();
}

}  // namespace runnel
