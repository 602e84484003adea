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
  return fmt::format("{:020}-{:020}-{}{}", object, first.ms, first.seq, kSuffix);
}

std::optional<FileName> FileName::Parse(std::string_view text) {
  if (text.size() <= kDigits + 1 + kSuffix.size() || !text.ends_with(kSuffix)) return std::nullopt;
  const std::optional<StreamId> first =
      ParseStreamId(text.substr(kDigits + 1, text.size() - kDigits - 1 - kSuffix.size()), 0);
  // The stream's number is a number as an ID's half is.
  const std::optional<StreamId> object = ParseStreamId(text.substr(0, kDigits), 0);
  if (!first || !object) return std::nullopt;
  const FileName name{object->ms, *first};
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
  out->Varint(file->name.first.ms);
  out->Varint(file->name.first.seq);
  out->Varint(place.offset);
  out->Varint(place.bytes);
  out->Varint(raw_bytes());
  out->Varint(blocks());
}

}  // namespace runnel::cold
