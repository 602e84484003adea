#include "data/function_catalog.h"

#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "base/text.h"

namespace runnel {
namespace {

// What an entry of the index takes beside the library.
constexpr size_t kBytesOfEntry = 120;

}  // namespace

size_t StoredLibrary::MemoryBytes() const {
  size_t bytes = kBytesOfEntry + sizeof(StoredLibrary) + name.size() + code.size();
  for (const StoredFunction& function : functions) {
    // The catalog has the name of a function, too.
    bytes += 2 * sizeof(StoredFunction) + 2 * function.name.size();
    if (function.description) bytes += function.description->size();
  }
  return bytes;
}

void StoredLibrary::Encode(Encoder* out) const {
  out->Bytes(name);
  out->Bytes(code);
  out->Varint(functions.size());
  for (const StoredFunction& function : functions) {
    out->Bytes(function.name);
    out->Varint(function.flags);
    out->Byte(function.description ? 1 : 0);
    if (function.description) out->Bytes(*function.description);
    out->Checkpoint();
  }
}

std::optional<StoredLibrary> StoredLibrary::Load(Decoder* in) {
  StoredLibrary library;
  library.name = in->Bytes();
  library.code = in->Bytes();
  const uint64_t count = in->Varint();
  for (uint64_t i = 0; i < count && in->ok(); i++) {
    StoredFunction& function = library.functions.emplace_back();
    function.name = in->Bytes();
    const uint64_t flags = in->Varint();
    function.flags = static_cast<uint32_t>(flags);
    const uint8_t described = in->Byte();
    if (described == 1) function.description = in->Bytes();
    if (function.flags != flags || described > 1) in->Fail();
  }
  if (!in->ok()) return std::nullopt;
  return library;
}

FunctionCatalog::FunctionCatalog() : entries_(std::make_shared<Entries>()) {}

const FunctionCatalog::Entry* FunctionCatalog::Find(std::string_view library) const {
  const auto found = entries_->find(library);
  return found == entries_->end() ? nullptr : &found->second;
}

const FunctionCatalog::Entry* FunctionCatalog::OwnerOf(std::string_view function) const {
  const auto found = owners_.find(LowerCase(function));
  return found == owners_.end() ? nullptr : Find(found->second->name);
}

bool FunctionCatalog::MayPut(const StoredLibrary& library) const {
  std::unordered_set<std::string> names;
  for (const StoredFunction& function : library.functions) {
    std::string function_name = LowerCase(function.name);
    const auto owner = owners_.find(function_name);
    if (owner != owners_.end() && owner->second->name != library.name) return false;
    if (function.name.empty() || !names.insert(std::move(function_name)).second) return false;
  }
  return !library.name.empty() && !names.empty();
}

std::shared_ptr<const FunctionCatalog::Entries> FunctionCatalog::Share() const {
  shared_ = true;
  return entries_;
}

FunctionCatalog::Entries& FunctionCatalog::Mutable() {
  changes_++;
  if (std::exchange(shared_, false)) entries_ = std::make_shared<Entries>(*entries_);
  return *entries_;
}

void FunctionCatalog::Forget(const StoredLibrary& library) {
  for (const StoredFunction& function : library.functions) {
    owners_.erase(LowerCase(function.name));
  }
  bytes_ -= library.MemoryBytes();
}

void FunctionCatalog::Put(StoredLibrary library) {
  Entries& entries = Mutable();
  const auto old = entries.find(library.name);
  if (old != entries.end()) {
    Forget(*old->second.library);
    entries.erase(old);
  }
  auto stored = std::make_shared<const StoredLibrary>(std::move(library));
  bytes_ += stored->MemoryBytes();
  for (const StoredFunction& function : stored->functions) {
    CHECK(owners_.emplace(LowerCase(function.name), stored.get()).second);
  }
  const std::string_view name = stored->name;
  entries.emplace(name, Entry{std::move(stored), changes_});
}

void FunctionCatalog::Remove(std::string_view library) {
  Entries& entries = Mutable();
  const auto found = entries.find(library);
  CHECK(found != entries.end());
  Forget(*found->second.library);
  entries.erase(found);
}

void FunctionCatalog::Clear() {
  changes_++;
  shared_ = false;
  entries_ = std::make_shared<Entries>();
  owners_.clear();
  bytes_ = 0;
}

}  // namespace runnel
