#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "data/fields/table.h"

namespace runnel {

// The order of names in payloads, of which there is exactly one for a value: that of their
// checksums, and among equal ones that of the bytes. Numbers are sorted several times faster than
// names that begin with the same bytes, and the order in a table is another in each process.
class NameOrder {
 public:
  explicit NameOrder(std::string_view name);
  // Whether this one comes first by its checksum alone.
  bool Precedes(const NameOrder& other) const { return checksum_ < other.checksum_; }

 private:
  uint64_t checksum_;
};

// Tells whether names come in that order, each once.
class NameOrderCheck {
 public:
  // False if `name` does not come after the one before.
  bool Next(std::string_view name);

 private:
  std::optional<NameOrder> last_;
  std::string last_name_;
};

// The elements of a table in that order: 16 bytes for each. The table must not change meanwhile.
class OrderedFields {
 public:
  explicit OrderedFields(const FieldTable& table);

  size_t size() const { return places_.size(); }
  Field operator[](size_t index) const { return table_.At(places_[index].place); }

 private:
  struct Ordered {
    NameOrder order;
    FieldTable::Place place;
  };

  const FieldTable& table_;
  std::vector<Ordered> places_;
};

// A string as Encoder::Bytes writes it. A varint has longer forms, too: those are refused. nullopt
// if the decoder is bad now.
std::optional<std::string_view> ReadBytes(Decoder* in);
// A count likewise, of which zero is refused. 0 if the decoder is bad now.
uint64_t ReadCount(Decoder* in, size_t least_bytes);

}  // namespace runnel
