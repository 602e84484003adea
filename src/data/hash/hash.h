#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "data/encoding_limits.h"
#include "data/fields/table.h"
#include "data/key_entry.h"
#include "data/object.h"
#include "data/sorted_set/sorted_set.h"

namespace runnel {

// A map from fields to values, any of which may have an expiry of its own.
//
// The value has no clock: a field whose time is over is there like any other until an effect
// removes it. So commands ask ExpiryOf where expiring() > 0.
//
// Views that it gives out are valid until its next change. Views that it is given must not be its
// own.
class Hash final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kHash;

  Hash() : Object(kType) {}

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }

  // The field with its value.
  std::optional<Field> Find(std::string_view field) const {
    return fields_.Find(HashKey(field), field);
  }
  bool Contains(std::string_view field) const { return fields_.Contains(HashKey(field), field); }
  // Walks, cursors, random fields. The field is Field::name.
  const FieldTable& fields() const { return fields_; }

  // Returns whether the field is new. One that was there loses its expiry.
  bool Set(std::string_view field, std::string_view value);
  // The same, but the field keeps its expiry.
  bool SetKeepingExpiry(std::string_view field, std::string_view value);
  // Returns whether there was such a field.
  bool Remove(std::string_view field);

  // --- Expiry of fields: Unix milliseconds, of which the magnitude is below 2^53 ---

  // A score can hold it.
  static constexpr int64_t kLatestExpiry = (int64_t{1} << 53) - 1;

  // Fields with an expiry.
  size_t expiring() const { return expiries_ != nullptr ? expiries_->size() : 0; }
  // kNoExpiry if the field has none, or there is no such field.
  int64_t ExpiryOf(std::string_view field) const;
  // The earliest one; kNoExpiry if no field has one.
  int64_t NextExpiry() const;
  // How many fields have expired at this time. O(log n).
  size_t ExpiredCount(int64_t now_ms) const;
  // The fields that have expired at this time (Expired in data/key_entry.h), the earliest first:
  // `most` at most, and no further one once their names have `most_bytes`.
  std::vector<std::string> ExpiredFields(int64_t now_ms, size_t most,
                                         size_t most_bytes = SIZE_MAX) const;
  // REQUIRES: the field exists, and expire_at_ms is no kNoExpiry.
  void SetExpiry(std::string_view field, int64_t expire_at_ms);
  // Returns whether the field had an expiry.
  bool ClearExpiry(std::string_view field);

  // "listpack", "listpackex" or "hashtable". The second is a small form, too: that of a hash of
  // which a field has an expiry.
  std::string_view encoding() const override { return EncodingUnder({}); }
  std::string_view EncodingUnder(const EncodingLimits& limits) const override;
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override;
  std::unique_ptr<Object> Clone() const override;
  void PrefetchGrowth() const override { fields_.Prefetch(); }

  // The payload: the version byte, the number of fields, and the fields in the order of their names
  // (data/fields/order.h), each as name and value. In version 2, which is that of a hash with
  // expiries, each is followed by a byte that says whether it has one, and, if it is 1, the expiry
  // as a signed varint. Load takes no other form than that which Encode writes, and no empty hash.
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);
  // The same in any order: takes no memory and no time to sort.
  void EncodeStored(Encoder* out) const override;
  static std::unique_ptr<Object> LoadStored(Decoder* in, ColdSource& source);

 private:
  static constexpr uint8_t kPlain = 1;
  static constexpr uint8_t kWithExpiries = 2;

  void EncodeHeader(Encoder* out) const;
  void EncodeField(const Field& field, Encoder* out) const;
  static std::unique_ptr<Object> LoadFields(Decoder* in, bool ordered);
  bool LoadExpiry(Decoder* in, std::string_view field);

  LargestSeen largest_;
  FieldTable fields_;
  std::unique_ptr<SortedSet> expiries_;  // fields by their times; null if there are none
};

}  // namespace runnel
