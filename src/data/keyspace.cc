#include "data/keyspace.h"

#include <utility>

#include "base/assert.h"

namespace runnel {

Keyspace::Keyspace(uint32_t databases) : databases_(databases) {}

Keyspace::~Keyspace() {
  observer_ = nullptr;
  capture_ = nullptr;
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

const Entry* Keyspace::NextForUpkeep(uint32_t db, const Entry* after) const {
  const auto& upkeep = databases_[db].upkeep;
  const auto next =
      after == nullptr ? upkeep.begin() : upkeep.upper_bound(const_cast<Entry*>(after));
  return next == upkeep.end() ? nullptr : *next;
}

void Keyspace::NoteUpkeep(const KeyRef& key) {
  Database& database = databases_[key.db];
  Entry* entry = database.table.Find(key.hash, key.name);
  CHECK(entry != nullptr);
  NoteUpkeep(database, entry);
}

void Keyspace::NoteUpkeep(Database& database, Entry* entry) {
  if (entry->value_->needs_upkeep()) {
    database.upkeep.insert(entry);
  } else if (!database.upkeep.empty()) {
    database.upkeep.erase(entry);
  }
}

void Keyspace::ForgetExpiry(Database& database, Entry* entry) {
  if (!entry->has_expiry()) return;
  database.expiries.erase({entry->expire_at_ms_, entry});
  database.expiry_sum -= entry->expire_at_ms_;
  entry->expire_at_ms_ = kNoExpiry;
}

void Keyspace::Put(const KeyRef& key, std::unique_ptr<Object> value) {
  Database& database = databases_[key.db];
  if (value->type() != ObjectType::kString) value->Attach(&hot_blocks_);
  Entry* entry = database.table.Find(key.hash, key.name);
  if (entry == nullptr) {
    entry = Entry::Create(key.name, key.hash, std::move(value));
    entry->capture_ = captures_;
    database.table.Insert(key.hash, entry);
  } else {
    const int64_t expire_at_ms = entry->expire_at_ms_;
    ForgetExpiry(database, entry);
    std::swap(entry->value_, value);
    Retire(database, entry, expire_at_ms, std::move(value));
  }
  NoteUpkeep(database, entry);
  Changed(key, KeyChange::kAdded);
}

void Keyspace::Remove(const KeyRef& key) {
  Entry* entry = Detach(key);
  if (entry == nullptr) return;
  Retire(databases_[key.db], entry, entry->expire_at_ms_, std::move(entry->value_));
  Entry::Destroy(entry);
}

Entry* Keyspace::Detach(const KeyRef& key) {
  Database& database = databases_[key.db];
  Entry* entry = database.table.Remove(key.hash, key.name);
  if (entry == nullptr) return nullptr;
  const int64_t expire_at_ms = entry->expire_at_ms_;
  ForgetExpiry(database, entry);
  entry->expire_at_ms_ = expire_at_ms;
  if (!database.upkeep.empty()) database.upkeep.erase(entry);
  // The name in `key` may be the entry's own: report before it goes.
  Changed(key, KeyChange::kRemoved);
  return entry;
}

void Keyspace::Retire(const Database& database, Entry* entry, int64_t expire_at_ms,
                      std::unique_ptr<Object> value) {
  // Whoever gets it may look at it and free it on another thread.
  if (value->type() != ObjectType::kString) value->Attach(nullptr);
  if (capture_ != nullptr && entry->capture_ != captures_) {
    entry->capture_ = captures_;
    capture_->Take(database.captured_as, entry->name(), expire_at_ms, std::move(value));
  } else {
    Discard(std::move(value));
  }
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
  if (capture_ != nullptr) Capture(database, entry);
  ForgetExpiry(database, entry);
  if (expire_at_ms != kNoExpiry) {
    entry->expire_at_ms_ = expire_at_ms;
    database.expiries.insert({expire_at_ms, entry});
    database.expiry_sum += expire_at_ms;
  }
  Changed(key, KeyChange::kModified);
}

void Keyspace::Rename(const KeyRef& from, const KeyRef& to) {
  CHECK(!(from.db == to.db && from.name == to.name));
  Remove(to);
  Entry* entry = Detach(from);
  CHECK(entry != nullptr);
  if (capture_ != nullptr) Capture(databases_[from.db], entry);
  const int64_t expire_at_ms = entry->expire_at_ms_;
  Put(to, std::move(entry->value_));
  Entry::Destroy(entry);
  if (expire_at_ms != kNoExpiry) SetExpiry(to, expire_at_ms);
}

void Keyspace::Flush(uint32_t db) {
  Database& database = databases_[db];
  KeyTable table = std::move(database.table);
  database.table = KeyTable();
  database.expiries.clear();
  database.expiry_sum = 0;
  database.upkeep.clear();
  database.walked = true;  // what comes now is not part of a capture
  table.ForEach([&](Entry* entry) {
    if (observer_ != nullptr) observer_->OnKeyChange(db, entry->name(), KeyChange::kRemoved);
    Retire(database, entry, entry->expire_at_ms_, std::move(entry->value_));
    Entry::Destroy(entry);
  });
}

void Keyspace::Swap(uint32_t a, uint32_t b) {
  if (a == b) return;
  std::swap(databases_[a], databases_[b]);
  if (observer_ != nullptr) observer_->OnSwap(a, b);
}

void Keyspace::BeginCapture(KeyspaceCapture* capture) {
  ASSERT(capture_ == nullptr);
  capture_ = capture;
  captures_++;
  for (uint32_t db = 0; db < databases(); db++) {
    databases_[db].captured_as = db;
    databases_[db].cursor = 0;
    databases_[db].walked = false;
  }
}

void Keyspace::Capture(const Database& database, Entry* entry) {
  if (entry->capture_ == captures_) return;
  entry->capture_ = captures_;
  capture_->Take(database.captured_as, entry->name(), entry->expire_at_ms_, entry->value_->Clone());
}

bool Keyspace::CaptureSome(size_t effort) {
  size_t spent = 0;
  for (Database& database : databases_) {
    while (!database.walked) {
      if (spent >= effort) return false;
      spent++;
      database.cursor = database.table.Scan(database.cursor, [&](Entry* entry) {
        if (entry->capture_ == captures_) return;
        spent += 1 + entry->value_->FreeEffort();
        Capture(database, entry);
      });
      database.walked = database.cursor == 0;
    }
  }
  EndCapture();
  return true;
}

}  // namespace runnel
