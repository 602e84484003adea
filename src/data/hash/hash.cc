#include "data/hash/hash.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/varint.h"
#include "data/fields/order.h"

namespace runnel {
namespace {

// There may be millions of small hashes.
static_assert(sizeof(Hash) == 32);

}  // namespace

bool Hash::Set(std::string_view field, std::string_view value) {
  if (expiries_ != nullptr) ClearExpiry(field);
  return SetKeepingExpiry(field, value);
}

bool Hash::SetKeepingExpiry(std::string_view field, std::string_view value) {
  const bool is_new = fields_.Set(HashKey(field), field, value);
  largest_.NoteBytes(field.size());
  largest_.NoteBytes(value.size());
  largest_.NoteCount(fields_.size());
  return is_new;
}

bool Hash::Remove(std::string_view field) {
  if (expiries_ != nullptr) ClearExpiry(field);
  return fields_.Remove(HashKey(field), field);
}

int64_t Hash::ExpiryOf(std::string_view field) const {
  if (expiries_ == nullptr) return kNoExpiry;
  const std::optional<double> time = expiries_->Score(field);
  return time ? static_cast<int64_t>(*time) : kNoExpiry;
}

int64_t Hash::NextExpiry() const {
  return expiries_ == nullptr ? kNoExpiry : static_cast<int64_t>(expiries_->Seek(0).score());
}

size_t Hash::ExpiredCount(int64_t now_ms) const {
  if (expiries_ == nullptr) return 0;
  const double now = static_cast<double>(now_ms);
  return expiries_->Find({-std::numeric_limits<double>::infinity()}, {now}).size();
}

std::vector<std::string> Hash::ExpiredFields(int64_t now_ms, size_t most, size_t most_bytes) const {
  std::vector<std::string> fields;
  if (expiries_ == nullptr) return fields;
  size_t bytes = 0;
  for (SortedSet::Iterator at = expiries_->Seek(0);
       at.Valid() && fields.size() < most && bytes < most_bytes; at.Next()) {
    if (!Expired(static_cast<int64_t>(at.score()), now_ms)) break;
    fields.emplace_back(at.member());
    bytes += fields.back().size();
  }
  return fields;
}

void Hash::SetExpiry(std::string_view field, int64_t expire_at_ms) {
  ASSERT(Contains(field) && std::abs(expire_at_ms) <= kLatestExpiry);
  if (expiries_ == nullptr) expiries_ = std::make_unique<SortedSet>();
  expiries_->Set(field, static_cast<double>(expire_at_ms));
}

bool Hash::ClearExpiry(std::string_view field) {
  if (expiries_ == nullptr || !expiries_->Remove(field)) return false;
  if (expiries_->empty()) expiries_ = nullptr;
  return true;
}

std::string_view Hash::EncodingUnder(const EncodingLimits& limits) const {
  const bool small =
      largest_.Within(limits.hash_max_listpack_entries, limits.hash_max_listpack_value);
  if (!small) return "hashtable";
  return expiries_ == nullptr ? "listpack" : "listpackex";
}

size_t Hash::MemoryBytes(size_t samples) const {
  return sizeof(*this) + fields_.MemoryBytes(samples) +
         (expiries_ != nullptr ? expiries_->MemoryBytes(samples) : 0);
}

size_t Hash::FreeEffort() const {
  return 1 + fields_.FreeEffort() + (expiries_ != nullptr ? expiries_->FreeEffort() : 0);
}

std::unique_ptr<Object> Hash::Clone() const {
  auto clone = std::make_unique<Hash>();
  clone->largest_ = largest_;
  clone->fields_ = fields_.Share();
  if (expiries_ != nullptr) {
    clone->expiries_.reset(static_cast<SortedSet*>(expiries_->Clone().release()));
  }
  return clone;
}

void Hash::EncodeHeader(Encoder* out) const {
  out->Byte(expiries_ == nullptr ? kPlain : kWithExpiries);
  out->Varint(size());
}

void Hash::EncodeField(const Field& field, Encoder* out) const {
  out->Bytes(field.name);
  out->Bytes(field.value);
  if (expiries_ != nullptr) {
    const int64_t expire_at_ms = ExpiryOf(field.name);
    out->Byte(expire_at_ms == kNoExpiry ? 0 : 1);
    if (expire_at_ms != kNoExpiry) out->Signed(expire_at_ms);
  }
  out->Checkpoint();
}

void Hash::Encode(Encoder* out) const {
  EncodeHeader(out);
  const OrderedFields ordered(fields_);
  for (size_t i = 0; i < ordered.size(); i++) {
    EncodeField(ordered[i], out);
  }
}

void Hash::EncodeStored(Encoder* out) const {
  EncodeHeader(out);
  fields_.ForEach([&](const Field& field) { EncodeField(field, out); });
}

std::unique_ptr<Object> Hash::Load(Decoder* in) {
  return LoadFields(in, true);
}

std::unique_ptr<Object> Hash::LoadStored(Decoder* in, ColdSource&) {
  return LoadFields(in, false);
}

std::unique_ptr<Object> Hash::LoadFields(Decoder* in, bool ordered) {
  const uint8_t version = in->Byte();
  if (version != kPlain && version != kWithExpiries) return nullptr;
  auto hash = std::make_unique<Hash>();
  const uint64_t count = ReadCount(in, 2);
  NameOrderCheck order;
  std::string name;
  for (uint64_t i = 0; i < count; i++) {
    // The view of the name ends where the value is read.
    name = ReadBytes(in).value_or("");
    const std::optional<std::string_view> value = ReadBytes(in);
    if (!value || (ordered && !order.Next(name)) || !hash->Set(name, *value)) return nullptr;
    if (version == kWithExpiries && !hash->LoadExpiry(in, name)) return nullptr;
  }
  const bool whole = count > 0 && (version == kPlain) == (hash->expiries_ == nullptr);
  return whole ? std::move(hash) : nullptr;
}

bool Hash::LoadExpiry(Decoder* in, std::string_view field) {
  const uint8_t has_expiry = in->Byte();
  if (!in->ok() || has_expiry > 1) return false;
  if (has_expiry == 0) return true;
  const uint64_t begin = in->position();
  const int64_t expire_at_ms = in->Signed();
  if (!in->ok() || in->position() - begin != VarintSize(ZigZag(expire_at_ms))) return false;
  if (expire_at_ms < -kLatestExpiry || expire_at_ms > kLatestExpiry) return false;
  SetExpiry(field, expire_at_ms);
  return true;
}

}  // namespace runnel
