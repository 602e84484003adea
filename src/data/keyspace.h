#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "data/database.h"
#include "data/hot_blocks.h"
#include "data/key_entry.h"
#include "data/key_table.h"

namespace runnel {

// Names a key: the database, the name, and the name's hash, which is computed once per command. The
// name is a view that the maker of the KeyRef keeps alive.
struct KeyRef {
  KeyRef() = default;
  KeyRef(uint32_t db, std::string_view name) : db(db), hash(HashKey(name)), name(name) {}

  uint32_t db = 0;
  uint64_t hash = 0;
  std::string_view name;

 private:
  friend class Keyspace;
  // Where the key was found last, so that the effect of a command need not look for it again.
  mutable KeyEntry* found_ = nullptr;
  mutable uint64_t found_in_ = 0;  // the keyspace's number of that moment
};

// What happened to a key, as far as those who watch it or wait for it must know.
enum class KeyChange {
  kAdded,     // the key is new under this name, or its value was replaced by another
  kGrown,     // elements were added to the value that was there
  kModified,  // any other change of value or expiry
  kRemoved,   // the key is gone
  // What a stream keeps beside its entries: consumer groups and what is pending, the last ID. WATCH
  // does not count it, as it does not in Redis.
  kBeside,
  kBesideAwaited,  // likewise, and blocked readers must look: entries were given back, or their
                   // group is gone
};

// Whether WATCH counts the change.
constexpr bool IsChangeOfValue(KeyChange change) {
  return change != KeyChange::kBeside && change != KeyChange::kBesideAwaited;
}
// Whether somebody who waits for the key may have something to do now.
constexpr bool IsAwaited(KeyChange change) {
  return change != KeyChange::kModified && change != KeyChange::kBeside;
}

// Is told of every change of the keyspace, at once and within the effect that makes it: it may only
// take note.
class KeyspaceObserver {
 public:
  virtual ~KeyspaceObserver() = default;
  virtual void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) = 0;
  // All keys of the database, which are still there, are about to be removed. Nothing more is told
  // of any of them.
  virtual void OnFlush(uint32_t db) = 0;
  // All keys of the two databases have changed places.
  virtual void OnSwap(uint32_t a, uint32_t b) = 0;
};

// Receives the state of a keyspace as it was when the capture began (Keyspace::BeginCapture), key
// by key in no order.
class KeyspaceCapture {
 public:
  virtual ~KeyspaceCapture() = default;
  // One key as it was then, of the database that had this number then. The name is valid during the
  // call; the value is the capture's own and may go to another thread. Called from inside effects:
  // it must not touch the keyspace.
  virtual void Take(uint32_t db, std::string_view name, int64_t expire_at_ms,
                    std::unique_ptr<Object> value) = 0;
};

// All databases with their keys. Everything const is open to everybody; what is not const is called
// only by effects. Expiry is a time written on an entry: the keyspace has no clock and finds
// expired keys like any others.
class Keyspace {
 public:
  explicit Keyspace(uint32_t databases);
  ~Keyspace();

  uint32_t databases() const { return static_cast<uint32_t>(databases_.size()); }
  size_t size(uint32_t db) const { return databases_[db]->size(); }
  size_t expiring(uint32_t db) const { return databases_[db]->expiries_.size(); }

  const KeyEntry* Find(const KeyRef& key) const { return Locate(key); }
  const KeyTable& table(uint32_t db) const { return databases_[db]->table_; }

  // The key of this database that expires first; nullptr if none has an expiry.
  const KeyEntry* NextToExpire(uint32_t db) const;
  // The mean of the expiry times (Unix milliseconds) in the database; 0 if no key has one.
  int64_t MeanExpiry(uint32_t db) const;

  // The keys of this database whose value needs upkeep (Object::needs_upkeep), one after the other
  // in an order of their own: the one behind `after` (nullptr: the first), which need not exist any
  // more; nullptr behind the last.
  const KeyEntry* NextForUpkeep(uint32_t db, const KeyEntry* after) const;

  // What the streams of all databases hold in memory.
  HotBlocks& hot_blocks() { return hot_blocks_; }
  const HotBlocks& hot_blocks() const { return hot_blocks_; }

  // At most one observer, which outlives the keyspace or is taken away with nullptr.
  void Observe(KeyspaceObserver* observer) { observer_ = observer; }
  // Where large values go that are replaced or removed, large parts of values, and databases that
  // are flushed; nullptr (the default) frees them in place. Outlives the keyspace or is taken away.
  void DisposeWith(Disposer* disposer) {
    disposer_ = disposer;
    hot_blocks_.set_disposer(disposer);
  }

  // A capture takes the state of this moment while the keyspace goes on changing: each key that
  // exists now is given to `capture` exactly once, by CaptureSome or before its first change. A
  // value that no key needs any more (removed, replaced, flushed) is handed over itself, others as
  // a clone. A flushed database is kept until its keys are captured. One capture at a time;
  // `capture` outlives it.
  void BeginCapture(KeyspaceCapture* capture);
  // Walks on over the keys, for about `effort` allocations (see Object::FreeEffort; one large value
  // is captured in one piece). Returns whether the capture has ended, with all keys taken.
  // REQUIRES: capturing().
  bool CaptureSome(size_t effort);
  // Ends the capture, complete or not; does nothing if there is none.
  void EndCapture();
  bool capturing() const { return capture_ != nullptr; }

  // --- For effects only ---

  // The value of a key that is known to be a T, to be changed; the caller then says so with
  // Changed().
  template <class T>
  T& Mutable(const KeyRef& key) {
    KeyEntry* entry = Locate(key);
    CHECK(entry != nullptr && entry->type() == T::kType);
    if (capture_ != nullptr) Capture(*databases_[key.db], entry);
    return static_cast<T&>(*entry->value_);
  }
  // The value as a T, or nullptr if there is no such key or it holds another type.
  template <class T>
  T* MutableIf(const KeyRef& key) {
    KeyEntry* entry = Locate(key);
    if (entry == nullptr || entry->type() != T::kType) return nullptr;
    if (capture_ != nullptr) Capture(*databases_[key.db], entry);
    return static_cast<T*>(entry->value_.get());
  }
  // Whether the value of the key needs upkeep may have changed.
  void NoteUpkeep(const KeyRef& key);
  void Changed(const KeyRef& key, KeyChange change) {
    if (observer_ != nullptr) observer_->OnKeyChange(key.db, key.name, change);
  }

  // Sets the key to `value`, without expiry, whatever was there. Reports kAdded.
  void Put(const KeyRef& key, std::unique_ptr<Object> value);
  // Takes the key away, if it is there. Reports kRemoved.
  void Remove(const KeyRef& key);
  // kNoExpiry takes the expiry away. REQUIRES: the key exists. Reports kModified.
  void SetExpiry(const KeyRef& key, int64_t expire_at_ms);
  // Moves value and expiry to another name or database, in the place of what was there. REQUIRES:
  // `from` exists and differs from `to`. Reports both.
  void Rename(const KeyRef& from, const KeyRef& to);
  // Takes all keys of a database away. Costs the same for any number of keys if there is a
  // disposer. Reports OnFlush, to begin with.
  void Flush(uint32_t db);
  void Swap(uint32_t a, uint32_t b);

 private:
  KeyEntry* Locate(const KeyRef& key) const {
    if (key.found_in_ == moves_) return key.found_;
    KeyEntry* entry = databases_[key.db]->table_.Find(key.hash, key.name);
    if (entry != nullptr) {
      key.found_ = entry;
      key.found_in_ = moves_;
    }
    return entry;
  }
  static void ForgetExpiry(Database& database, KeyEntry* entry);
  static void NoteUpkeep(Database& database, KeyEntry* entry);
  // Gives the key to the capture unless it has it. REQUIRES: capturing().
  void Capture(const Database& database, KeyEntry* entry);
  // Takes the key out of its database, with its expiry still written on it; nullptr if there is
  // none. The caller destroys the entry.
  KeyEntry* Detach(const KeyRef& key);
  // What becomes of a value that `entry`, which had this expiry, holds no longer.
  void Retire(const Database& database, KeyEntry* entry, int64_t expire_at_ms,
              std::unique_ptr<Object> value);
  void Discard(std::unique_ptr<Object> value);
  // The same for a flushed database.
  void Discard(std::unique_ptr<Database> database);
  // Goes on with the walk over a database until it is done or `effort` is spent; returns whether it
  // is done. A flushed one gives its values away.
  bool CaptureSome(Database& database, bool flushed, size_t effort, size_t* spent);

  HotBlocks hot_blocks_;
  std::vector<std::unique_ptr<Database>> databases_;
  std::vector<std::unique_ptr<Database>> flushed_;  // with keys that the capture needs
  KeyspaceObserver* observer_ = nullptr;
  Disposer* disposer_ = nullptr;
  KeyspaceCapture* capture_ = nullptr;
  // Becomes another number, which no keyspace of the process had before, when a key goes or changes
  // its place.
  uint64_t moves_;
  uint32_t captures_ = 0;  // begun so far: the number of the last one
};

}  // namespace runnel
