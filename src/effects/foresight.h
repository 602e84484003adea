#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/stream_id.h"
#include "base/string_map.h"
#include "data/keyspace.h"
#include "data/list/list.h"
#include "data/missing_extents.h"
#include "data/stream/stream.h"

namespace runnel {

// A list of which elements are on the disk, as it will be after some effects. It knows where the
// elements that the list has now will be, and that all others will be in memory.
class ForeseenList {
 public:
  explicit ForeseenList(const List& now) : now_(&now), size_(now.size()) {
    pieces_.push_back({0, size_, true});
  }

  // REQUIRES, for all below that take positions: they are within the list.
  uint64_t size() const { return size_; }
  // Elements will be looked at; one will be put before the element at `index`.
  void Look(uint64_t start, uint64_t count, MissingExtents* missing) const;
  void LookToInsert(uint64_t index, MissingExtents* missing) const;
  // All that the list has now will be looked at, and nobody can say yet what will be left.
  void LookAtAll(MissingExtents* missing);

  void Push(bool front, uint64_t count);
  void Drop(bool front, uint64_t count);
  void Insert(uint64_t index);
  void Erase(std::span<const List::Range> ranges);

 private:
  // After so many changes in the midst nothing more is foreseen.
  static constexpr size_t kMostPieces = 256;

  // Elements that follow each other: of the list as it is now, from position `start` on, or others.
  struct Piece {
    uint64_t start = 0;
    uint64_t count = 0;
    bool stored = false;
  };
  void GiveUp();

  const List* now_;
  uint64_t size_;
  std::deque<Piece> pieces_;
};

// A stream of which entries are on the disk, as it will be after some effects.
class ForeseenStream {
 public:
  explicit ForeseenStream(const Stream& now) : now_(&now) {}

  // These changes will be made; see Stream for each.
  void Remove(std::span<const StreamId> ids, MissingExtents* missing);
  void RemoveRanges(std::span<const StreamId> bounds, MissingExtents* missing);
  void DropBelowOffset(uint64_t offset, MissingExtents* missing);
  void DropOldest(uint64_t count, bool references);
  void Deliver(std::string_view group, StreamId last, MissingExtents* missing);
  void SetPosition(std::string_view group, StreamId position);
  // Adds what DropOldest looks at.
  void Finish(MissingExtents* missing);

 private:
  const Stream* now_;
  uint64_t dropped_ = 0;    // of the oldest entries
  uint64_t removed_ = 0;    // at most, of those on the disk
  bool uncertain_ = false;  // which entries will be the oldest ones
  std::vector<ColdRuns::Dropped> drops_;
  StringMap<StreamId> positions_;  // of groups that will have moved
};

// What effects will look at that is on the disk and not in memory, found out before any of them is
// applied: for a follower, which has that read first. A later effect meets values as those before
// it will have left them. Where that cannot be foreseen, something may be missing: the effect then
// waits for the disk.
//
// An effect says what it looks at, or how it changes where later ones look (effect.h).
class Foresight {
 public:
  // The keyspace does not change as long as it lives.
  explicit Foresight(const Keyspace& keyspace) : keyspace_(keyspace) {}

  // Whether any effect of these bytes (Batch) may look at something on the disk. Most frames have
  // none.
  static bool AnyLooks(const Keyspace& keyspace, std::string_view batch);
  // The effects of these bytes come next.
  void Add(std::string_view batch);
  // What all of them look at.
  const MissingExtents& missing();

  // --- For effects ---

  // The value that the key will hold; nullptr if none of it will be on the disk, or if it is of
  // another type. Valid until the next change of a key.
  ForeseenList* ListAt(const KeyRef& key) { return ValueAt<ForeseenList>(key); }
  ForeseenStream* StreamAt(const KeyRef& key) { return ValueAt<ForeseenStream>(key); }
  MissingExtents* looks() { return &missing_; }

  // The key will have no value with anything on the disk.
  void Remove(const KeyRef& key);
  void Give(const KeyRef& from, const KeyRef& to, bool copied);
  void Flush(uint32_t db);
  void FlushAll();
  void Swap(uint32_t a, uint32_t b);

 private:
  using Value = std::variant<std::monostate, ForeseenList, ForeseenStream>;
  // What a database, or a companion, will be.
  struct Database {
    std::optional<uint32_t> now;  // its number now; nothing: all that it has now will be gone
    StringMap<Value> values;      // of keys that are known so far
  };

  Database& At(uint32_t db);
  Value* Find(const KeyRef& key);
  template <class T>
  T* ValueAt(const KeyRef& key) {
    Value* const value = Find(key);
    return value == nullptr ? nullptr : std::get_if<T>(value);
  }
  void Replace(const KeyRef& key, Value value);
  void Finish(Value& value);

  const Keyspace& keyspace_;
  std::map<uint32_t, Database> databases_;
  MissingExtents missing_;
};

}  // namespace runnel
