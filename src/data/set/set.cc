#include "data/set/set.h"

#include <optional>
#include <string>
#include <utility>

#include "data/fields/order.h"

namespace runnel {
namespace {

// There may be millions of small sets.
static_assert(sizeof(Set) == 32);

}  // namespace

bool Set::Contains(std::string_view member) const {
  if (integers_.empty()) return members_.Contains(HashKey(member), member);
  const std::optional<int64_t> integer = ParseInteger(member);
  return integer && integers_.Contains(*integer);
}

bool Set::Add(std::string_view member) {
  const bool is_new = AddAnywhere(member);
  largest_.NoteBytes(member.size());
  largest_.NoteCount(size());
  return is_new;
}

bool Set::AddAnywhere(std::string_view member) {
  const std::optional<int64_t> integer = other_members_ ? std::nullopt : ParseInteger(member);
  if (!integer) other_members_ = true;
  const bool fits = integer && members_.empty() &&
                    (integers_.size() < IntSet::kMost || integers_.Contains(*integer));
  if (fits) return integers_.Add(*integer);
  BecomeTable();
  return AddToTable(member);
}

void Set::BecomeTable() {
  Buffer buffer;
  for (size_t i = 0; i < integers_.size(); i++) {
    AddToTable(Format(integers_.At(i), &buffer));
  }
  integers_ = IntSet();
}

bool Set::Remove(std::string_view member) {
  if (integers_.empty()) return members_.Remove(HashKey(member), member);
  const std::optional<int64_t> integer = ParseInteger(member);
  return integer && integers_.Remove(*integer);
}

std::string_view Set::Random(uint64_t random, Buffer* buffer) const {
  if (integers_.empty()) return members_.Random(random).name;
  const size_t index = (random >> 32) * integers_.size() >> 32;
  return Format(integers_.At(index), buffer);
}

std::string_view Set::EncodingUnder(const EncodingLimits& limits) const {
  if (!other_members_ && largest_.Within(limits.set_max_intset_entries)) return "intset";
  const bool small =
      largest_.Within(limits.set_max_listpack_entries, limits.set_max_listpack_value);
  return small ? "listpack" : "hashtable";
}

size_t Set::MemoryBytes(size_t samples) const {
  return sizeof(*this) + members_.MemoryBytes(samples) + integers_.MemoryBytes();
}

std::unique_ptr<Object> Set::Clone() const {
  auto clone = std::make_unique<Set>();
  clone->largest_ = largest_;
  clone->other_members_ = other_members_;
  clone->members_ = members_.Share();
  clone->integers_ = integers_.Copy();
  return clone;
}

void Set::Encode(Encoder* out) const {
  if (members_.empty()) {
    // So few are sorted in a table of their own.
    Set table;
    ForEach([&](std::string_view member) { table.AddToTable(member); });
    if (!table.empty()) return table.Encode(out);
  }
  out->Byte(kVersion);
  out->Varint(size());
  const OrderedFields ordered(members_);
  for (size_t i = 0; i < ordered.size(); i++) {
    out->Bytes(ordered[i].name);
    out->Checkpoint();
  }
}

void Set::EncodeStored(Encoder* out) const {
  out->Byte(kVersion);
  out->Varint(size());
  ForEach([&](std::string_view member) {
    out->Bytes(member);
    out->Checkpoint();
  });
}

std::unique_ptr<Object> Set::Load(Decoder* in) {
  return LoadMembers(in, true);
}

std::unique_ptr<Object> Set::LoadStored(Decoder* in, ColdSource&) {
  return LoadMembers(in, false);
}

std::unique_ptr<Object> Set::LoadMembers(Decoder* in, bool ordered) {
  if (in->Byte() != kVersion) return nullptr;
  auto set = std::make_unique<Set>();
  const uint64_t count = ReadCount(in, 1);
  NameOrderCheck order;
  for (uint64_t i = 0; i < count; i++) {
    const std::optional<std::string_view> member = ReadBytes(in);
    if (!member || (ordered && !order.Next(*member)) || !set->Add(*member)) return nullptr;
  }
  return count > 0 ? std::move(set) : nullptr;
}

}  // namespace runnel
