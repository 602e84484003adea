#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "effects/effect.h"

namespace runnel {

// The effects of one turn of the event loop, encoded in the order in which they were applied: what
// becomes one frame of the journal. Each record is its length as a varint and the bytes that Replay
// takes.
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
    Encoder out(&records_);
    out.Byte(static_cast<uint8_t>(E::kType));
    EncodeEffect(out, effect);
    FinishRecord(begin);
  }

  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::string_view bytes() const { return records_; }
  void Clear();

  // Calls visit(record) for each record of `bytes`. Returns false if they are damaged; what was
  // visited before stays so.
  template <class Visit>
  static bool ForEach(std::string_view bytes, Visit visit) {
    Decoder in(bytes);
    while (in.ok() && !in.done()) {
      const std::string_view record = in.Bytes();
      if (in.ok()) visit(record);
    }
    return in.ok();
  }

 private:
  // Writes the length of the record that begins at `begin` in the place kept for it.
  void FinishRecord(size_t begin);

  bool on_ = false;
  size_t count_ = 0;
  std::string records_;
};

}  // namespace runnel
