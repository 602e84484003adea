#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/hash.h"
#include "base/numbers.h"
#include "data/encoding_limits.h"
#include "data/fields/table.h"
#include "data/object.h"
#include "data/set/int_set.h"

namespace runnel {

// A set of byte strings. Up to 512 integers in canonical form, and nothing else, are an IntSet;
// other sets are a FieldTable without values. A set that has become a table stays one.
//
// Views that it gives out are valid until its next change, those of a walk also only until the walk
// goes on. Views that it is given must not be its own.
class Set final : public Object {
 public:
  class Iterator;

  static constexpr ObjectType kType = ObjectType::kSet;

  Set() : Object(kType) {}

  size_t size() const { return members_.size() + integers_.size(); }
  bool empty() const { return members_.empty() && integers_.empty(); }

  bool Contains(std::string_view member) const;
  // Returns whether the member is new.
  bool Add(std::string_view member);
  // Returns whether it was there.
  bool Remove(std::string_view member);

  // Visits some members, a bucket or all of a small set, and returns the cursor of the next ones;
  // 0 begins and, returned, ends. Every member that is in the set from the first call to the last
  // is visited at least once. Any cursor is taken.
  template <class Visit>
  uint64_t Scan(uint64_t cursor, Visit visit) const {
    if (integers_.empty()) {
      return members_.Scan(cursor, [&](const Field& field) { visit(field.name); });
    }
    ForEach(visit);
    return 0;
  }
  // Visits all members, in no order.
  template <class Visit>
  void ForEach(Visit visit) const;
  // The same one at a time.
  Iterator begin() const;

  // A member chosen by `random`, any 64 bits: each with the same probability. Takes O(1) on the
  // average. Its bytes are in the set or in the buffer. REQUIRES: !empty().
  struct Buffer {
    char bytes[kMaxDecimal];
  };
  std::string_view Random(uint64_t random, Buffer* buffer) const;

  // "intset", "listpack" or "hashtable".
  std::string_view encoding() const override { return EncodingUnder({}); }
  std::string_view EncodingUnder(const EncodingLimits& limits) const override;
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override { return 2 + members_.FreeEffort(); }
  std::unique_ptr<Object> Clone() const override;
  void PrefetchGrowth() const override { members_.Prefetch(); }

  // The payload: the version byte 1, the number of members, and the members in the order of names
  // (data/fields/order.h). Load takes no other form, and no empty set.
  void Encode(Encoder* out) const override;
  static std::unique_ptr<Object> Load(Decoder* in);
  // The same in any order: takes no memory and no time to sort.
  void EncodeStored(Encoder* out) const override;
  static std::unique_ptr<Object> LoadStored(Decoder* in, ColdSource& source);

 private:
  static constexpr uint8_t kVersion = 1;

  static std::string_view Format(int64_t member, Buffer* buffer) {
    const char* const end = WriteDecimal(buffer->bytes, member);
    return {buffer->bytes, static_cast<size_t>(end - buffer->bytes)};
  }
  bool AddToTable(std::string_view member) { return members_.Set(HashKey(member), member, {}); }
  void BecomeTable();
  static std::unique_ptr<Object> LoadMembers(Decoder* in, bool ordered);

  bool AddAnywhere(std::string_view member);

  bool other_members_ = false;  // than integers: now or before
  LargestSeen largest_;
  FieldTable members_;
  IntSet integers_;  // empty if members_ is not
};

// Walks over all members, in no order. The set must not change meanwhile.
class Set::Iterator {
 public:
  bool Valid() const { return index_ < set_->integers_.size() || at_.Valid(); }
  // REQUIRES for these: Valid().
  std::string_view member() {
    if (at_.Valid()) return at_.Get().name;
    return Format(set_->integers_.At(index_), &buffer_);
  }
  void Next() { at_.Valid() ? at_.Next() : static_cast<void>(index_++); }

 private:
  friend class Set;
  explicit Iterator(const Set* set) : set_(set), at_(set->members_.begin()) {}

  const Set* set_;
  FieldTable::Iterator at_;
  size_t index_ = 0;  // in the integers
  Buffer buffer_;
};

inline Set::Iterator Set::begin() const {
  return Iterator(this);
}

template <class Visit>
void Set::ForEach(Visit visit) const {
  Buffer buffer;
  for (size_t i = 0; i < integers_.size(); i++) {
    visit(Format(integers_.At(i), &buffer));
  }
  members_.ForEach([&](const Field& field) { visit(field.name); });
}

}  // namespace runnel
