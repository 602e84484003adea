#include "data/keyspace.h"

#include "base/assert.h"

namespace runnel {

Keyspace::Keyspace(uint32_t databases) : databases_(databases) {}

Keyspace::~Keyspace() {
  observer_ = nullptr;
  for (uint32_t db = 0; db < databases(); db++) {
    Flush(db);
  }
}

const Entry* Keyspace::NextToExpire(uint32_t db) const {
  const auto& expiries = databases_[db].expiries;
  return expiries.empty() ? nullptr : expiries.begin()->second;
}

int64_t Keyspace::MeanExpiry(uint32_t db) const {
  const Database& database = databases_[db];
  if (database.expiries.empty()) return 0;
  return static_cast<int64_t>(database.expiry_sum /
                              static_cast<__int128>(database.expiries.size()));
}

void Keyspace::ForgetExpiry(Database& database, Entry* entry) {
  if (!entry->has_expiry()) return;
  database.expiries.erase({entry->expire_at_ms_, entry});
  database.expiry_sum -= entry->expire_at_ms_;
  entry->expire_at_ms_ = kNoExpiry;
}

void Keyspace::Put(const KeyRef& key, std::unique_ptr<Object> value) {
  Database& database = databases_[key.db];
  Entry* entry = database.table.Find(key.hash, key.name);
  if (entry == nullptr) {
    entry = Entry::Create(key.name, key.hash, std::move(value));
    database.table.Insert(key.hash, entry);
  } else {
    ForgetExpiry(database, entry);
    std::swap(entry->value_, value);
    Discard(std::move(value));
  }
  Changed(key, KeyChange::kAdded);
}

void Keyspace::Remove(const KeyRef& key) {
  if (std::unique_ptr<Object> value = Detach(key)) Discard(std::move(value));
}

std::unique_ptr<Object> Keyspace::Detach(const KeyRef& key) {
  Database& database = databases_[key.db];
  Entry* entry = database.table.Remove(key.hash, key.name);
  if (entry == nullptr) return nullptr;
  ForgetExpiry(database, entry);
  // The name in `key` may be the entry's own: report before it goes.
  Changed(key, KeyChange::kRemoved);
  std::unique_ptr<Object> value = std::move(entry->value_);
  Entry::Destroy(entry);
  return value;
}

void Keyspace::Discard(std::unique_ptr<Object> value) {
  // Freeing an allocation takes some ten nanoseconds; a thousand of them are not yet felt.
  constexpr size_t kFreeInPlace = 1000;
  if (disposer_ != nullptr && value->FreeEffort() > kFreeInPlace)
    disposer_->Dispose(std::move(value));
}

void Keyspace::SetExpiry(const KeyRef& key, int64_t expire_at_ms) {
  Database& database = databases_[key.db];
  Entry* entry = database.table.Find(key.hash, key.name);
  CHECK(entry != nullptr);
  ForgetExpiry(database, entry);
  if (expire_at_ms != kNoExpiry) {
    entry->expire_at_ms_ = expire_at_ms;
    database.expiries.insert({expire_at_ms, entry});
    database.expiry_sum += expire_at_ms;
  }
  Changed(key, KeyChange::kModified);
}

void Keyspace::Rename(const KeyRef& from, const KeyRef& to) {
  const Entry* entry = Find(from);
  CHECK(entry != nullptr && !(from.db == to.db && from.name == to.name));
  const int64_t expire_at_ms = entry->expire_at_ms();
  Remove(to);
  Put(to, Detach(from));
  if (expire_at_ms != kNoExpiry) SetExpiry(to, expire_at_ms);
}

void Keyspace::Flush(uint32_t db) {
  Database& database = databases_[db];
  KeyTable table = std::move(database.table);
  database.table = KeyTable();
  database.expiries.clear();
  database.expiry_sum = 0;
  table.ForEach([&](Entry* entry) {
    if (observer_ != nullptr) observer_->OnKeyChange(db, entry->name(), KeyChange::kRemoved);
    Discard(std::move(entry->value_));
    Entry::Destroy(entry);
  });
}

void Keyspace::Swap(uint32_t a, uint32_t b) {
  if (a == b) return;
  std::swap(databases_[a], databases_[b]);
  if (observer_ != nullptr) observer_->OnSwap(a, b);
}

}  // namespace runnel
