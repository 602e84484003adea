#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "effects/effect.h"

namespace runnel {

// The effects of one turn of the event loop, encoded in the order in which they were applied: what
// becomes one frame of the journal. It holds for each effect a length as a varint and that many
// bytes: a Record, which leaves out its key where the one before it has the same. No key is left
// out that stands only in another batch, so each batch can be read by itself.
class Batch {
 public:
  // A batch that is off takes nothing: a server without journal and followers pays nothing.
  bool on() const { return on_; }
  void set_on(bool on) { on_ = on; }

  template <class E>
  void Add(const E& effect) {
    if (!on_) return;
    const size_t begin = records_.size();
    records_.push_back('\0');  // the length, which nearly always fits one byte
    if constexpr (kBeginsWithKey<E>) {
      AddHead(E::kType, std::get<0>(E::Fields(effect)));
    } else {
      records_.push_back(static_cast<char>(E::kType));
    }
    Encoder out(&records_);
    EncodeBehindKey(out, effect);
    FinishRecord(begin);
  }

  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::string_view bytes() const { return records_; }
  void Clear();

  // Calls visit(const Record&) for each record of `bytes`, to which its views point. Returns false
  // if they cannot be cut into records; what was visited before stays so. A record that is damaged
  // in itself is visited: Replay and Describe refuse it.
  template <class Visit>
  static bool ForEach(std::string_view bytes, Visit visit) {
    Decoder in(bytes);
    std::optional<KeyRef> last_key;
    while (in.ok() && !in.done()) {
      const std::string_view record = in.Bytes();
      if (in.ok()) visit(Record(record, &last_key));
    }
    return in.ok();
  }

 private:
  // Whether this is the key that a record may leave out now.
  bool IsLastKey(const KeyRef& key) const;
  void AddHead(EffectType type, const KeyRef& key);
  // Writes the length of the record that begins at `begin` in the place kept for it.
  void FinishRecord(size_t begin);

  bool on_ = false;
  size_t count_ = 0;
  std::string records_;
  // The last key written: its name lies in records_ and ends there. 0: none was.
  size_t last_key_end_ = 0;
  size_t last_key_size_ = 0;
  uint64_t last_key_hash_ = 0;
  uint32_t last_key_db_ = 0;
};

}  // namespace runnel
