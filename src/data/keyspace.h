#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "data/database.h"
#include "data/function_catalog.h"
#include "data/key_entry.h"
#include "data/key_place.h"
#include "data/key_table.h"
#include "data/stream/hot_blocks.h"

namespace runnel {

// Each database has a companion. It holds what belongs to keys of the database and is no key
// itself: the partitions of topics, and topic groups. No client can select it; FLUSHDB and SWAPDB
// take it along. In everything that names a key, also on the disk, its number is that of the
// database with this bit set.
inline constexpr uint32_t kCompanionBit = uint32_t{1} << 16;
inline constexpr uint32_t kMostDatabases = kCompanionBit;
constexpr uint32_t CompanionOf(uint32_t db) {
  return db | kCompanionBit;
}
constexpr bool IsCompanion(uint32_t db) {
  return (db & kCompanionBit) != 0;
}
// The database that a companion belongs to; of a database itself, its own number.
constexpr uint32_t DatabaseOf(uint32_t db) {
  return db & ~kCompanionBit;
}

// Names a key: the database, the name, and the hash of the name, which is computed once per
// command. The name is a view; the caller that makes the KeyRef keeps it alive.
struct KeyRef {
  KeyRef() = default;
  KeyRef(uint32_t db, std::string_view name) : db(db), hash(HashKey(name)), name(name) {}

  uint32_t db = 0;
  uint64_t hash = 0;
  std::string_view name;

 private:
  friend class Keyspace;
  // Where the key was found last, so that the effect of a command does not look it up again.
  mutable KeyEntry* found_ = nullptr;
  // The keyspace's number of that moment: see moves_. No keyspace gets as far as the highest one.
  mutable uint64_t found_in_ = UINT64_MAX;
};

// What happened to a key, as far as sessions that watch it or wait for it must know.
enum class KeyChange {
  kAdded,     // the key is new under this name, or its value was replaced by another
  kGrown,     // elements were added to the value that was there
  kModified,  // any other change of value or expiry
  kRemoved,   // the key is gone
  // A change of what a stream has beside its entries: consumer groups, pending entries, the last
  // ID. WATCH does not count it, as in Redis.
  kBeside,
  kBesideAwaited,  // likewise, and blocked readers must look: entries were given back, or their
                   // group is gone
};

// Whether WATCH counts the change.
constexpr bool IsChangeOfValue(KeyChange change) {
  return change != KeyChange::kBeside && change != KeyChange::kBesideAwaited;
}
// Whether a session that waits for the key may be served now.
constexpr bool IsAwaited(KeyChange change) {
  return change != KeyChange::kModified && change != KeyChange::kBeside;
}

// Is told of every change of the keyspace, at once and inside the effect that makes it. It may only
// take notes: it must not touch the keyspace.
class KeyspaceObserver {
 public:
  virtual ~KeyspaceObserver() = default;
  virtual void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) = 0;
  // All keys of the database, or of the companion, are about to be removed; they still exist during
  // the call. There are no further calls for any of them.
  virtual void OnFlush(uint32_t db) = 0;
  // All keys of the two databases, or of the two companions, have changed places.
  virtual void OnSwap(uint32_t a, uint32_t b) = 0;
  // A topic of this database was made, got partitions, or has gone otherwise than by OnFlush.
  virtual void OnTopicsChange(uint32_t db) = 0;
};

// Receives the state that a keyspace had when the capture began (Keyspace::BeginCapture), key by
// key, in no order.
class KeyspaceCapture {
 public:
  virtual ~KeyspaceCapture() = default;
  // One key as it was then. `db` is the number that its database had then. The name is valid during
  // the call. The value belongs to the capture and may go to another thread. Called inside effects:
  // it must not touch the keyspace.
  virtual void Take(uint32_t db, std::string_view name, int64_t expire_at_ms,
                    std::unique_ptr<Object> value) = 0;
  // All libraries of functions as they were then. Called by BeginCapture, before Take.
  virtual void TakeLibraries(std::shared_ptr<const FunctionCatalog::Entries> libraries) = 0;
};

// All databases with their companions and keys. Functions that take the number of a database take
// that of a companion as well, unless they say otherwise. Const functions are for all callers; of
// the others, those that change data are only for effects. An expiry is a time stored in the entry
// of a key: the keyspace has no clock, and finds expired keys like any others.
class Keyspace {
 public:
  // REQUIRES: 1 <= databases <= kMostDatabases.
  explicit Keyspace(uint32_t databases);
  ~Keyspace();

  // The number of databases, without companions.
  uint32_t databases() const { return static_cast<uint32_t>(databases_.size() / 2); }
  // For walks over all databases and companions: how many there are, and the number of each.
  uint32_t slots() const { return static_cast<uint32_t>(databases_.size()); }
  static constexpr uint32_t DatabaseAt(uint32_t slot) {
    return (slot >> 1) | ((slot & 1) != 0 ? kCompanionBit : 0);
  }
  size_t size(uint32_t db) const { return At(db).size(); }
  size_t expiring(uint32_t db) const { return At(db).expiries_.size(); }

  const KeyEntry* Find(const KeyRef& key) const { return Locate(key); }
  const KeyTable& table(uint32_t db) const { return At(db).table_; }
  // Fetches what a change of this key will look at into the processor's cache, while the caller
  // does something else. This takes some steps, each of which waits for what the one before has
  // fetched: they are to be taken in order, each about as long after the one before as memory takes
  // to answer. They change nothing, and may be left out. The key's database need not exist.
  static constexpr size_t kPrefetchSteps = 4;
  void Prefetch(const KeyRef& key, size_t step) const;

  // Where the key is, and the key that is there: so its name need not be made and hashed again.
  // Recall returns false if some key was removed or moved since. What it gives is valid as long as
  // the key exists. REQUIRES: PlaceOf: the key exists; Recall: `place` is that of a key of this
  // database.
  KeyPlace PlaceOf(const KeyRef& key) const {
    KeyPlace place;
    place.entry_ = Locate(key);
    place.hash_ = key.hash;
    place.found_in_ = moves_;
    return place;
  }
  bool Recall(uint32_t db, const KeyPlace& place, KeyRef* key) const {
    if (place.found_in_ != moves_) return false;
    key->db = db;
    key->hash = place.hash_;
    key->name = place.entry_->name();
    key->found_ = place.entry_;
    key->found_in_ = moves_;
    return true;
  }

  // The libraries of functions. They belong to no database.
  const FunctionCatalog& functions() const { return functions_; }

  // The topics of this database, or the topic groups of this companion, sorted by name.
  const Database::Listed& listed(uint32_t db) const { return At(db).listed_; }

  // The key of this database that expires first; nullptr if none has an expiry.
  const KeyEntry* NextToExpire(uint32_t db) const;
  // The mean of the expiry times (Unix milliseconds) in the database; 0 if no key has one.
  int64_t MeanExpiry(uint32_t db) const;

  // A stream of this database for whose entries it is time at `now_ms` (Stream::RetentionDue), that
  // which has been due for longest; nullptr if there is none. It may be that it is early after all:
  // what puts the time off is not noted. So the caller removes what there is, and says so
  // (NoteRetained), and no stream is looked at before its time.
  const KeyEntry* NextDue(uint32_t db, int64_t now_ms) const;
  // All of the stream is removed that is due at `now_ms`. It is no longer due then, and will be in
  // time. REQUIRES: the key exists and holds a stream.
  void NoteRetained(const KeyRef& key, int64_t now_ms);
  // Walks over the streams of this database that have something to sweep (Stream::unswept), in no
  // particular order: returns the key after `after` (nullptr: the first key), or nullptr after the
  // last. `after` need not exist any more.
  const KeyEntry* NextUnswept(uint32_t db, const KeyEntry* after) const;

  // The hash of this database one of whose fields expires first (Hash::NextExpiry); nullptr if no
  // field has an expiry.
  const KeyEntry* NextFieldToExpire(uint32_t db) const;
  // Hashes of this database of which any field has an expiry.
  size_t with_expiring_fields(uint32_t db) const { return At(db).field_expiries_.size(); }

  // What the streams and long lists of all databases hold in memory.
  HotBlocks& hot_blocks() { return hot_blocks_; }
  const HotBlocks& hot_blocks() const { return hot_blocks_; }

  // At most one observer. It outlives the keyspace, or is removed with nullptr.
  void Observe(KeyspaceObserver* observer) { observer_ = observer; }
  // Gets large values that are replaced or removed, large parts of values, and flushed databases,
  // to free them; with nullptr (the default) they are freed in place. Outlives the keyspace, or is
  // removed with nullptr.
  void DisposeWith(Disposer* disposer) {
    disposer_ = disposer;
    hot_blocks_.set_disposer(disposer);
  }

  // A capture takes the state of this moment while the keyspace goes on changing: each key that
  // exists now is given to `capture` exactly once, by CaptureSome or before its first change. A
  // value that no key holds any more (removed, replaced, flushed) is handed over itself, any other
  // value as a clone. A flushed database is kept until its keys are captured. There is one capture
  // at a time; `capture` outlives it.
  void BeginCapture(KeyspaceCapture* capture);
  // Walks on over the keys, for about `effort` allocations (see Object::FreeEffort; one large value
  // is captured in one piece). Returns whether the capture has ended, with all keys taken.
  // REQUIRES: capturing().
  bool CaptureSome(size_t effort);
  // Ends the capture, complete or not; does nothing if there is none.
  void EndCapture();
  bool capturing() const { return capture_ != nullptr; }

  // --- For effects only ---

  // The value of a key, to be changed. The caller then reports the change with Changed(). REQUIRES:
  // the key exists and holds a T.
  template <class T>
  T& Mutable(const KeyRef& key) {
    KeyEntry* entry = Locate(key);
    CHECK(entry != nullptr && entry->type() == T::kType);
    if (capture_ != nullptr) Capture(At(key.db), entry);
    return static_cast<T&>(*entry->value_);
  }
  // The value as a T, or nullptr if there is no such key or it holds another type.
  template <class T>
  T* MutableIf(const KeyRef& key) {
    KeyEntry* entry = Locate(key);
    if (entry == nullptr || entry->type() != T::kType) return nullptr;
    if (capture_ != nullptr) Capture(At(key.db), entry);
    return static_cast<T*>(entry->value_.get());
  }
  // To be called when the retention of the key's value, a stream, or Stream::unswept may have
  // changed. (When its entries have, Changed is enough.)
  void NoteUpkeep(const KeyRef& key);
  // To be called when expiries of fields of the key's value, a hash, may have changed, with what
  // Hash::NextExpiry was before. It was noted with this until now. REQUIRES: the key exists.
  void NoteFieldExpiry(const KeyRef& key, int64_t next_expiry_before_ms);
  void Changed(const KeyRef& key, KeyChange change) {
    if (change == KeyChange::kGrown || change == KeyChange::kModified) NoteDue(key);
    if (observer_ != nullptr) observer_->OnKeyChange(key.db, key.name, change);
  }
  // A topic of this database was made, got partitions, or has gone.
  void TopicsChanged(uint32_t db) {
    if (observer_ != nullptr) observer_->OnTopicsChange(db);
  }

  // Sets the key to `value`, without expiry, and replaces a value that was there. Reports kAdded.
  void Put(const KeyRef& key, std::unique_ptr<Object> value);
  // Removes the key, if it exists. Reports kRemoved.
  void Remove(const KeyRef& key);
  // kNoExpiry removes the expiry. REQUIRES: the key exists. Reports kModified.
  void SetExpiry(const KeyRef& key, int64_t expire_at_ms);
  // Moves value and expiry to another name or database, and replaces a value that was there.
  // REQUIRES: `from` exists and differs from `to`. Reports the changes of both keys.
  void Rename(const KeyRef& from, const KeyRef& to);
  // The libraries of functions, to be changed. Sessions neither watch them nor wait for them.
  FunctionCatalog& functions() { return functions_; }
  // Removes all keys of all databases and companions, and all libraries: nothing is left.
  void Clear();
  // Removes all keys of a database and of its companion. With a disposer it costs the same for any
  // number of keys. Reports OnFlush of each first. REQUIRES: `db` is no companion.
  void Flush(uint32_t db);
  // The two databases change places, and so do their companions. REQUIRES: neither is a companion.
  void Swap(uint32_t a, uint32_t b);

 private:
  // Each database has its companion behind it.
  static constexpr size_t SlotOf(uint32_t db) {
    return (size_t{DatabaseOf(db)} << 1) | (db / kCompanionBit);
  }
  Database& At(uint32_t db) const { return *databases_[SlotOf(db)]; }
  KeyEntry* Locate(const KeyRef& key) const {
    if (key.found_in_ == moves_) return key.found_;
    KeyEntry* entry = At(key.db).table_.Find(key.hash, key.name);
    if (entry != nullptr) {
      key.found_ = entry;
      key.found_in_ = moves_;
    }
    return entry;
  }
  static void ForgetExpiry(Database& database, KeyEntry* entry);
  // Of a value that has come to the entry, or is about to leave it.
  static void NoteUpkeep(Database& database, KeyEntry* entry);
  static void ForgetUpkeep(Database& database, KeyEntry* entry);
  static void SetDue(Database& database, KeyEntry* entry, int64_t due_ms);
  // Its entries have changed: they may be due earlier. If they are due later, that is found out
  // when it is time.
  void NoteDue(const KeyRef& key) {
    KeyEntry* entry = Locate(key);
    if (entry != nullptr && entry->type() == ObjectType::kStream) NoteDue(At(key.db), entry);
  }
  static void NoteDue(Database& database, KeyEntry* entry);
  static bool IsListed(const Object& value) {
    return value.type() == ObjectType::kTopic || value.type() == ObjectType::kTopicGroup;
  }
  // Gives the key to the capture unless it has it. REQUIRES: capturing().
  void Capture(const Database& database, KeyEntry* entry);
  // Takes the key out of its database and returns its entry, which keeps its expiry; nullptr if
  // there is no such key. The caller destroys the entry.
  KeyEntry* Detach(const KeyRef& key);
  // The key has gone or holds another value: takes along what belongs to this one.
  void End(const KeyRef& key, const Object& value);
  // Gives a value that `entry` no longer holds to the capture, if it needs it, or frees it.
  // `expire_at_ms` is the expiry that the entry had with this value.
  void Retire(const Database& database, KeyEntry* entry, int64_t expire_at_ms,
              std::unique_ptr<Object> value);
  void Discard(std::unique_ptr<Object> value);
  // The same for a flushed database.
  void Discard(std::unique_ptr<Database> database);
  void FlushOne(uint32_t db);
  // Goes on with the walk over a database until it is done or `effort` is spent; returns whether it
  // is done. The values of a flushed database are handed over.
  bool CaptureSome(Database& database, bool flushed, size_t effort, size_t* spent);

  HotBlocks hot_blocks_;
  FunctionCatalog functions_;
  std::vector<std::unique_ptr<Database>> databases_;
  std::vector<std::unique_ptr<Database>> flushed_;  // with keys that the capture needs
  KeyspaceObserver* observer_ = nullptr;
  Disposer* disposer_ = nullptr;
  KeyspaceCapture* capture_ = nullptr;
  // Gets a new value when a key is removed or moved. No other of the last 65535 keyspaces of the
  // process has had it.
  uint64_t moves_;
  uint32_t captures_ = 0;  // begun so far: the number of the last one
};

}  // namespace runnel
