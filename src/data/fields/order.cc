#include "data/fields/order.h"

#include <algorithm>

#include "base/hash.h"
#include "base/varint.h"

namespace runnel {

NameOrder::NameOrder(std::string_view name) : checksum_(Checksum(name)) {}

OrderedFields::OrderedFields(const FieldTable& table) : table_(table) {
  places_.reserve(table.size());
  table.ForEachPlace([&](FieldTable::Place place) {
    places_.push_back({NameOrder(table.At(place).name), place});
  });
  std::sort(places_.begin(), places_.end(), [&](const Ordered& a, const Ordered& b) {
    return a.order.Precedes(b.order) ||
           (!b.order.Precedes(a.order) && table.At(a.place).name < table.At(b.place).name);
  });
}

bool NameOrderCheck::Next(std::string_view name) {
  const NameOrder order(name);
  if (last_ && (order.Precedes(*last_) || (!last_->Precedes(order) && name <= last_name_))) {
    return false;
  }
  last_ = order;
  last_name_ = name;
  return true;
}

std::optional<std::string_view> ReadBytes(Decoder* in) {
  const uint64_t begin = in->position();
  const std::string_view bytes = in->Bytes();
  if (in->ok() && in->position() - begin == VarintSize(bytes.size()) + bytes.size()) return bytes;
  in->Fail();
  return std::nullopt;
}

uint64_t ReadCount(Decoder* in, size_t least_bytes) {
  const uint64_t begin = in->position();
  const uint64_t count = in->Count(least_bytes);
  if (in->ok() && count > 0 && in->position() - begin == VarintSize(count)) return count;
  in->Fail();
  return 0;
}

}  // namespace runnel
