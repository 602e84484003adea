#pragma once

#include <string>
#include <string_view>

#include "data/object.h"

namespace runnel {

// The largest string a key may hold (Redis's 512 MB, which is also the default of
// proto-max-bulk-len).
inline constexpr size_t kMaxStringBytes = 512 * 1024 * 1024;

// A plain string value: locks, counters and idempotency keys.
class StringObject final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kString;

  explicit StringObject(std::string_view value) : Object(kType), value_(value) {}

  std::string_view value() const { return value_; }

  void Set(std::string_view value);
  void Append(std::string_view tail);
  // Overwrites from `offset` on, after zero bytes up to it where the string was shorter.
  void SetRange(size_t offset, std::string_view part);

  std::string_view encoding() const override;
  size_t MemoryBytes(size_t samples) const override;
  // Giving back the pages of a large buffer takes time, too.
  size_t FreeEffort() const override { return 1 + value_.capacity() / 4096; }
  std::unique_ptr<Object> Clone() const override;
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);

 private:
  std::string value_;
  bool edited_ = false;  // by Append or SetRange: Redis reports such a string as "raw"
};

}  // namespace runnel
