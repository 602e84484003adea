#include "data/key_entry.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/memory.h"

namespace runnel {

KeyEntry* KeyEntry::Create(std::string_view name, uint64_t hash, std::unique_ptr<Object> value) {
  void* memory = std::malloc(sizeof(KeyEntry) + name.size());
  CHECK(memory != nullptr);
  return new (memory) KeyEntry(name, hash, std::move(value));
}

void KeyEntry::Destroy(KeyEntry* entry) {
  entry->~KeyEntry();
  std::free(entry);
}

KeyEntry::KeyEntry(std::string_view name, uint64_t hash, std::unique_ptr<Object> value)
    : value_(std::move(value)),
      hash_low_(static_cast<uint32_t>(hash)),
      name_size_(static_cast<uint32_t>(name.size())) {
  std::memcpy(reinterpret_cast<char*>(this + 1), name.data(), name.size());
}

size_t KeyEntry::MemoryBytes(size_t samples) const {
  return AllocationSize(this) + value_->MemoryBytes(samples);
}

}  // namespace runnel
