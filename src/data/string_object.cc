#include "data/string_object.h"

#include <cstring>

#include "base/memory.h"
#include "base/numbers.h"

namespace runnel {
namespace {

constexpr uint8_t kVersion = 1;
// The longest string that Redis keeps in one allocation with its object and reports as "embstr".
constexpr size_t kMaxEmbedded = 44;

}  // namespace

void StringObject::Set(std::string_view value) {
  // A buffer much too large for the new value is given back.
  if (value_.capacity() > 2 * value.size() + 64) {
    value_ = std::string(value);
  } else {
    value_.assign(value);
  }
  edited_ = false;
}

void StringObject::Append(std::string_view tail) {
  value_.append(tail);
  edited_ = true;
}

void StringObject::SetRange(size_t offset, std::string_view part) {
  if (value_.size() < offset + part.size()) value_.resize(offset + part.size());
  std::memcpy(value_.data() + offset, part.data(), part.size());
  edited_ = true;
}

std::string_view StringObject::encoding() const {
  if (edited_) return "raw";
  if (ParseInteger(value_)) return "int";
  return value_.size() <= kMaxEmbedded ? "embstr" : "raw";
}

size_t StringObject::MemoryBytes(size_t) const {
  const bool inlined = value_.data() >= reinterpret_cast<const char*>(this) &&
                       value_.data() < reinterpret_cast<const char*>(this + 1);
  return AllocationSize(this) + (inlined ? 0 : AllocationSize(value_.data()));
}

std::unique_ptr<Object> StringObject::Clone() const {
  auto copy = std::make_unique<StringObject>(value_);
  copy->edited_ = edited_;
  return copy;
}

void StringObject::Encode(Encoder* out) const {
  out->Byte(kVersion);
  out->Byte(edited_ ? 1 : 0);
  out->Raw(value_);
}

std::unique_ptr<Object> StringObject::Load(Decoder* in) {
  const uint8_t version = in->Byte();
  const uint8_t edited = in->Byte();
  if (!in->ok() || version != kVersion || edited > 1) return nullptr;
  auto object = std::make_unique<StringObject>(in->Rest());
  object->edited_ = edited == 1;
  return object;
}

}  // namespace runnel
