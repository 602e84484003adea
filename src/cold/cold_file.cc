#include "cold/cold_file.h"

#include <utility>

#include "base/numbers.h"
#include "fmt/format.h"

namespace runnel::cold {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr size_t kDigits = 20;

// Held for a few instructions, beside a disk access each.
std::mutex locations_mutex;

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

StoredExtent::Location StoredExtent::location() const {
  const std::lock_guard lock(locations_mutex);
  return location_;
}

void StoredExtent::Move(Location location) {
  location.file->AddLive(location.place.bytes);
  {
    const std::lock_guard lock(locations_mutex);
    std::swap(location_, location);
  }
  location.file->RemoveLive(location.place.bytes);
}

bool StoredExtent::IsLonely() const {
  const Ref<ColdFile> file = location().file;
  return !file->open && 2 * file->live_bytes() < file->size;
}

void StoredExtent::Describe(Encoder* out) const {
  const Location now = location();
  out->Varint(now.file->name.object);
  out->Varint(now.file->name.file);
  out->Varint(now.place.offset);
  out->Varint(now.place.bytes);
  out->Varint(static_cast<uint64_t>(kind()));
  out->Varint(raw_bytes());
  out->Varint(blocks());
}

Ref<StoredExtent> Share(ColdExtent& extent) {
  extent.AddRef();
  return Ref<StoredExtent>::Adopt(&Stored(extent));
}

void AddFiles(const ColdExtents& extents, FileRefs* files) {
  for (const Ref<ColdExtent>& extent : extents) {
    Ref<ColdFile> file = Stored(*extent).location().file;
    // Extents of a file follow one another.
    if (files->empty() || files->back().get() != file.get()) files->push_back(std::move(file));
  }
}

}  // namespace runnel::cold
