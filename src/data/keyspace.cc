#include "data/keyspace.h"

#include <atomic>
#include <utility>

#include "base/assert.h"
#include "base/prefetch.h"
#include "data/hash/hash.h"
#include "data/stream/stream.h"
#include "data/topic/group.h"
#include "data/topic/topic.h"

namespace runnel {

Keyspace::Keyspace(uint32_t databases) : databases_(2 * size_t{databases}) {
  CHECK(databases <= kMostDatabases);
  static std::atomic<uint64_t> keyspaces{0};
  moves_ = ++keyspaces << 48;
  for (auto& database : databases_) {
    database = std::make_unique<Database>(&hot_blocks_);
  }
}

Keyspace::~Keyspace() = default;

void Keyspace::Prefetch(const KeyRef& key, size_t step) const {
  if (DatabaseOf(key.db) >= databases()) return;
  const KeyTable& table = At(key.db).table_;
  if (step == 0) return table.PrefetchBucket(key.hash);
  if (step == 1) return table.PrefetchEntry(key.hash);
  const KeyEntry* const entry = Locate(key);
  if (entry == nullptr) return;
  if (step == 2) {
    // Most of the members of a value that a change looks at.
    PrefetchLines(&entry->value(), 384);
  } else {
    entry->value().PrefetchGrowth();
  }
}

const KeyEntry* Keyspace::NextToExpire(uint32_t db) const {
  const auto& expiries = At(db).expiries_;
  return expiries.empty() ? nullptr : expiries.begin()->second;
}

int64_t Keyspace::MeanExpiry(uint32_t db) const {
  const Database& database = At(db);
  if (database.expiries_.empty()) return 0;
  return static_cast<int64_t>(database.expiry_sum_ /
                              static_cast<__int128>(database.expiries_.size()));
}

// --- Upkeep ---

const KeyEntry* Keyspace::NextDue(uint32_t db, int64_t now_ms) const {
  const auto& due = At(db).due_;
  return due.empty() || due.begin()->first > now_ms ? nullptr : due.begin()->second;
}

// Even if RetentionDue were too early, the stream would have to wait for its next look.
void Keyspace::NoteRetained(const KeyRef& key, int64_t now_ms) {
  KeyEntry* entry = Locate(key);
  CHECK(entry != nullptr && entry->type() == ObjectType::kStream);
  const int64_t due_ms = entry->As<Stream>()->RetentionDue();
  SetDue(At(key.db), entry, due_ms > now_ms ? due_ms : now_ms + 1);
}

const KeyEntry* Keyspace::NextFieldToExpire(uint32_t db) const {
  const auto& expiries = At(db).field_expiries_;
  return expiries.empty() ? nullptr : expiries.begin()->second;
}

const KeyEntry* Keyspace::NextUnswept(uint32_t db, const KeyEntry* after) const {
  const auto& unswept = At(db).unswept_;
  const auto next =
      after == nullptr ? unswept.begin() : unswept.upper_bound(const_cast<KeyEntry*>(after));
  return next == unswept.end() ? nullptr : *next;
}

void Keyspace::NoteUpkeep(const KeyRef& key) {
  KeyEntry* entry = Locate(key);
  CHECK(entry != nullptr);
  NoteUpkeep(At(key.db), entry);
}

void Keyspace::NoteUpkeep(Database& database, KeyEntry* entry) {
  if (const Hash* hash = entry->As<Hash>(); hash != nullptr && hash->expiring() > 0) {
    database.field_expiries_.insert({hash->NextExpiry(), entry});
  }
  const Stream* stream = entry->As<Stream>();
  if (stream == nullptr) return;
  SetDue(database, entry, stream->RetentionDue());
  if (stream->unswept()) {
    database.unswept_.insert(entry);
  } else if (!database.unswept_.empty()) {
    database.unswept_.erase(entry);
  }
}

void Keyspace::NoteDue(Database& database, KeyEntry* entry) {
  const Stream& stream = *entry->As<Stream>();
  const Retention& keep = stream.retention();
  if (!keep.bounded() && !stream.is_compacted()) return;
  // The oldest entry, which may lie far from the newest, is the same or a younger one.
  const bool by_age = keep.bytes == 0 && keep.entries == 0 && !stream.is_compacted();
  if (by_age && stream.noted_due() != Stream::kNeverDue) return;
  const int64_t due_ms = stream.RetentionDue();
  if (due_ms < stream.noted_due()) SetDue(database, entry, due_ms);
}

void Keyspace::ForgetUpkeep(Database& database, KeyEntry* entry) {
  if (const Hash* hash = entry->As<Hash>(); hash != nullptr && hash->expiring() > 0) {
    database.field_expiries_.erase({hash->NextExpiry(), entry});
  }
  if (entry->type() != ObjectType::kStream) return;
  SetDue(database, entry, Stream::kNeverDue);
  if (!database.unswept_.empty()) database.unswept_.erase(entry);
}

void Keyspace::NoteFieldExpiry(const KeyRef& key, int64_t next_expiry_before_ms) {
  KeyEntry* const entry = Locate(key);
  CHECK(entry != nullptr && entry->type() == ObjectType::kHash);
  const int64_t next_ms = entry->As<Hash>()->NextExpiry();
  if (next_ms == next_expiry_before_ms) return;
  auto& expiries = At(key.db).field_expiries_;
  if (next_expiry_before_ms != kNoExpiry) expiries.erase({next_expiry_before_ms, entry});
  if (next_ms != kNoExpiry) expiries.insert({next_ms, entry});
}

void Keyspace::SetDue(Database& database, KeyEntry* entry, int64_t due_ms) {
  Stream& stream = static_cast<Stream&>(*entry->value_);
  if (due_ms == stream.noted_due()) return;
  if (stream.noted_due() != Stream::kNeverDue) database.due_.erase({stream.noted_due(), entry});
  if (due_ms != Stream::kNeverDue) database.due_.insert({due_ms, entry});
  stream.set_noted_due(due_ms);
}

// --- Keys ---

void Keyspace::ForgetExpiry(Database& database, KeyEntry* entry) {
  if (!entry->has_expiry()) return;
  database.expiries_.erase({entry->expire_at_ms_, entry});
  database.expiry_sum_ -= entry->expire_at_ms_;
  entry->expire_at_ms_ = kNoExpiry;
}

void Keyspace::Put(const KeyRef& key, std::unique_ptr<Object> value) {
  Database& database = At(key.db);
  if (value->type() != ObjectType::kString) value->Attach(&database.hot_blocks_);
  KeyEntry* entry = Locate(key);
  if (entry == nullptr) {
    entry = KeyEntry::Create(key.name, key.hash, std::move(value));
    entry->capture_ = captures_;
    database.table_.Insert(key.hash, entry);
  } else {
    const int64_t expire_at_ms = entry->expire_at_ms_;
    ForgetExpiry(database, entry);
    ForgetUpkeep(database, entry);
    if (IsListed(*entry->value_)) database.listed_.erase(entry);
    std::swap(entry->value_, value);
    End(key, *value);
    Retire(database, entry, expire_at_ms, std::move(value));
  }
  if (IsListed(*entry->value_)) database.listed_.insert(entry);
  NoteUpkeep(database, entry);
  Changed(key, KeyChange::kAdded);
}

void Keyspace::Remove(const KeyRef& key) {
  KeyEntry* entry = Detach(key);
  if (entry == nullptr) return;
  End(key, *entry->value_);
  Retire(At(key.db), entry, entry->expire_at_ms_, std::move(entry->value_));
  KeyEntry::Destroy(entry);
}

void Keyspace::End(const KeyRef& key, const Object& value) {
  if (value.type() == ObjectType::kTopic) static_cast<const Topic&>(value).Leave(*this, key);
  if (value.type() == ObjectType::kTopicGroup)
    static_cast<const TopicGroup&>(value).Leave(*this, key);
}

KeyEntry* Keyspace::Detach(const KeyRef& key) {
  Database& database = At(key.db);
  KeyEntry* entry = database.table_.Remove(key.hash, key.name);
  if (entry == nullptr) return nullptr;
  moves_++;
  const int64_t expire_at_ms = entry->expire_at_ms_;
  ForgetExpiry(database, entry);
  entry->expire_at_ms_ = expire_at_ms;
  ForgetUpkeep(database, entry);
  if (!database.listed_.empty() && IsListed(*entry->value_)) database.listed_.erase(entry);
  // The name in `key` may be the entry's own: report before it goes.
  Changed(key, KeyChange::kRemoved);
  return entry;
}

void Keyspace::Retire(const Database& database, KeyEntry* entry, int64_t expire_at_ms,
                      std::unique_ptr<Object> value) {
  if (capture_ != nullptr && entry->capture_ != captures_) {
    entry->capture_ = captures_;
    // The receiver may look at it and free it on another thread.
    value->LeaveKey();
    capture_->Take(database.captured_as_, entry->name(), expire_at_ms, std::move(value));
  } else {
    Discard(std::move(value));
  }
}

void Keyspace::Discard(std::unique_ptr<Object> value) {
  if (disposer_ == nullptr || value->FreeEffort() <= kMostFreedInPlace) return;
  value->LeaveKey();
  disposer_->Dispose(std::move(value));
}

void Keyspace::SetExpiry(const KeyRef& key, int64_t expire_at_ms) {
  Database& database = At(key.db);
  KeyEntry* entry = Locate(key);
  CHECK(entry != nullptr);
  if (capture_ != nullptr) Capture(database, entry);
  ForgetExpiry(database, entry);
  if (expire_at_ms != kNoExpiry) {
    entry->expire_at_ms_ = expire_at_ms;
    database.expiries_.insert({expire_at_ms, entry});
    database.expiry_sum_ += expire_at_ms;
  }
  Changed(key, KeyChange::kModified);
}

void Keyspace::Rename(const KeyRef& from, const KeyRef& to) {
  CHECK(!(from.db == to.db && from.name == to.name));
  Remove(to);
  KeyEntry* entry = Detach(from);
  CHECK(entry != nullptr);
  if (capture_ != nullptr) Capture(At(from.db), entry);
  const int64_t expire_at_ms = entry->expire_at_ms_;
  Put(to, std::move(entry->value_));
  KeyEntry::Destroy(entry);
  if (expire_at_ms != kNoExpiry) SetExpiry(to, expire_at_ms);
}

void Keyspace::Clear() {
  for (uint32_t db = 0; db < databases(); db++) {
    Flush(db);
  }
  functions_.Clear();
}

void Keyspace::Flush(uint32_t db) {
  FlushOne(db);
  FlushOne(CompanionOf(db));
}

void Keyspace::FlushOne(uint32_t db) {
  if (observer_ != nullptr) observer_->OnFlush(db);
  if (size(db) == 0) return;
  moves_++;
  auto flushed = std::exchange(databases_[SlotOf(db)], std::make_unique<Database>(&hot_blocks_));
  At(db).walked_ = true;  // what comes now is not part of a capture
  flushed->hot_blocks_.Leave();
  if (capture_ != nullptr && !flushed->walked_) {
    flushed_.push_back(std::move(flushed));
  } else {
    Discard(std::move(flushed));
  }
}

void Keyspace::Discard(std::unique_ptr<Database> database) {
  // For so few keys no other thread is woken, if none of their values is large.
  constexpr size_t kLookAt = 32;
  if (disposer_ == nullptr) return;
  if (database->size() > kLookAt) return disposer_->Dispose(std::move(database));
  database->table_.ForEach([&](KeyEntry* entry) {
    if (entry->value_ == nullptr) return;
    Discard(std::move(entry->value_));
  });
}

void Keyspace::Swap(uint32_t a, uint32_t b) {
  if (a == b) return;
  moves_++;
  for (const uint32_t half : {uint32_t{0}, kCompanionBit}) {
    std::swap(databases_[SlotOf(a | half)], databases_[SlotOf(b | half)]);
    if (observer_ != nullptr) observer_->OnSwap(a | half, b | half);
  }
}

void Keyspace::BeginCapture(KeyspaceCapture* capture) {
  ASSERT(capture_ == nullptr);
  capture_ = capture;
  captures_++;
  for (uint32_t slot = 0; slot < slots(); slot++) {
    Database& database = *databases_[slot];
    database.captured_as_ = DatabaseAt(slot);
    database.cursor_ = 0;
    database.walked_ = false;
  }
  capture_->TakeLibraries(functions_.Share());
}

void Keyspace::EndCapture() {
  capture_ = nullptr;
  for (auto& database : flushed_) {
    Discard(std::move(database));
  }
  flushed_.clear();
}

void Keyspace::Capture(const Database& database, KeyEntry* entry) {
  if (entry->capture_ == captures_) return;
  entry->capture_ = captures_;
  capture_->Take(database.captured_as_, entry->name(), entry->expire_at_ms_,
                 entry->value_->CloneForCapture());
}

bool Keyspace::CaptureSome(size_t effort) {
  size_t spent = 0;
  while (!flushed_.empty()) {
    if (!CaptureSome(*flushed_.back(), true, effort, &spent)) return false;
    Discard(std::move(flushed_.back()));
    flushed_.pop_back();
  }
  for (auto& database : databases_) {
    if (!CaptureSome(*database, false, effort, &spent)) return false;
  }
  EndCapture();
  return true;
}

bool Keyspace::CaptureSome(Database& database, bool flushed, size_t effort, size_t* spent) {
  while (!database.walked_) {
    if (*spent >= effort) return false;
    ++*spent;
    database.cursor_ = database.table_.Scan(database.cursor_, [&](KeyEntry* entry) {
      if (entry->capture_ == captures_) return;
      if (flushed) {
        ++*spent;
        Retire(database, entry, entry->expire_at_ms_, std::move(entry->value_));
      } else {
        *spent += 1 + entry->value_->FreeEffort();
        Capture(database, entry);
      }
    });
    database.walked_ = database.cursor_ == 0;
  }
  return true;
}

}  // namespace runnel
