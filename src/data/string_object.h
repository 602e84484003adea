#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/block.h"
#include "data/object.h"

namespace runnel {

// The longest string a key may hold (Redis's 512 MB, which is also the default of
// proto-max-bulk-len).
inline constexpr size_t kMaxStringBytes = 512 * 1024 * 1024;

// A plain string value: locks, counters and idempotency keys.
//
// A short string is in the object itself. A longer one is in blocks: one block up to kPieceBytes,
// above that a row of pieces of kPieceBytes each, except the last. A clone shares the blocks, and a
// block that is shared is copied before it is changed. So a clone costs a reference for each piece,
// and a change of a shared string copies no more than the pieces that it touches.
class StringObject final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kString;
  // A power of two with the block's header.
  static constexpr size_t kPieceBytes = 256 * 1024 - sizeof(Block);

  explicit StringObject(std::string_view value);
  ~StringObject() override {
    if (is_long()) long_.~Long();
  }

  size_t size() const { return is_long() ? long_.size : small_size_; }
  // The first piece: the whole string if it has no more than kPieceBytes.
  std::string_view head() const {
    return is_long() ? std::string_view(long_.head->data(), std::min(long_.size, kPieceBytes))
                     : std::string_view(small_, small_size_);
  }
  // Visits `count` bytes from `offset` on, as one or more views in order. REQUIRES: offset + count
  // <= size().
  template <class Visit>
  void ForEachPiece(size_t offset, size_t count, Visit visit) const {
    if (!is_long()) return visit(head().substr(offset, count));
    while (count > 0) {
      const size_t begin = offset % kPieceBytes;
      const size_t part = std::min(count, kPieceBytes - begin);
      visit(std::string_view(PieceAt(offset)->data() + begin, part));
      offset += part;
      count -= part;
    }
  }
  // A copy of all bytes.
  std::string ToString() const;

  // Reuses the memory of the old value, if that is at most about twice what the new one needs.
  void Set(std::string_view value);
  // Copies at most the existing bytes of one piece.
  void Append(std::string_view tail);
  // Overwrites from `offset` on. If the string is shorter, zero bytes fill it up to `offset`.
  void SetRange(size_t offset, std::string_view part);

  std::string_view encoding() const override;
  size_t MemoryBytes(size_t samples) const override;
  // Returning the pages of a large buffer to the system takes time, too.
  size_t FreeEffort() const override { return 1 + size() / 4096; }
  std::unique_ptr<Object> Clone() const override;
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);

 private:
  static constexpr size_t kSmallBytes = 48;
  static constexpr uint8_t kLong = 0xff;  // in small_size_

  struct Long {
    size_t size = 0;
    Ref<Block> head;
    std::vector<Ref<Block>> rest;
  };

  StringObject(const StringObject& other);

  bool is_long() const { return small_size_ == kLong; }
  const Ref<Block>& PieceAt(size_t offset) const {
    return offset < kPieceBytes ? long_.head : long_.rest[offset / kPieceBytes - 1];
  }
  Ref<Block>& PieceAt(size_t offset) {
    return offset < kPieceBytes ? long_.head : long_.rest[offset / kPieceBytes - 1];
  }
  void SetSmall(std::string_view value);
  void SetLong(std::string_view value);
  void BecomeLong(size_t capacity);
  char* PlaceAtEnd(size_t bytes, size_t* room);
  void AppendZeros(size_t count);
  void Overwrite(size_t offset, std::string_view part);

  bool edited_ = false;     // by Append or SetRange: Redis reports such a string as "raw"
  uint8_t small_size_ = 0;  // kLong: it is a long one
  union {
    char small_[kSmallBytes];
    Long long_;
  };
};
static_assert(sizeof(StringObject) == 64);

}  // namespace runnel
