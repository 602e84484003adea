#include "cold/cold_file.h"

#include <utility>

#include "base/numbers.h"
#include "fmt/format.h"

namespace runnel::cold {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr size_t kDigits = 20;

}  // namespace

std::string FileName::ToString() const {
  return fmt::format("{:020}-{:020}{}", object, file, kSuffix);
}

std::optional<FileName> FileName::Parse(std::string_view text) {
  if (text.size() != 2 * kDigits + 1 + kSuffix.size()) return std::nullopt;
  const std::optional<uint64_t> object = ParseDigits(text.substr(0, kDigits));
  const std::optional<uint64_t> file = ParseDigits(text.substr(kDigits + 1, kDigits));
  if (!object || !file) return std::nullopt;
  const FileName name{*object, *file};
  if (name.ToString() != text) return std::nullopt;
  return name;
}

void UnusedFiles::Add(FileName name) {
  const std::lock_guard lock(mutex_);
  names_.push_back(name);
}

std::vector<FileName> UnusedFiles::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(names_, {});
}

void StoredExtent::Describe(Encoder* out) const {
  out->Varint(file->name.object);
  out->Varint(file->name.file);
  out->Varint(place.offset);
  out->Varint(place.bytes);
  out->Varint(static_cast<uint64_t>(kind()));
  out->Varint(raw_bytes());
  out->Varint(blocks());
}

}  // namespace runnel::cold
