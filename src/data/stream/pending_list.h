#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include <absl/container/btree_set.h>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/paged_ring.h"
#include "data/stream/pending_chunk.h"

namespace runnel {

// Delivery counts stop at this number, the largest one that a reply can hold.
inline constexpr uint64_t kMaxDeliveries = std::numeric_limits<int64_t>::max();

// An entry that was delivered and not yet acknowledged.
struct PendingEntry {
  StreamId id;
  ConsumerIndex consumer = kNoConsumer;
  int64_t delivery_time = 0;  // Unix ms of the last delivery; 0 if released
  uint64_t deliveries = 0;    // at most kMaxDeliveries

  bool released() const { return consumer == kNoConsumer; }
  // How long ago the last delivery was, in ms; -1 if released.
  int64_t Idle(int64_t now) const { return released() ? -1 : now - delivery_time; }
  // True if a claim that demands an idle time of `min_idle` ms may take the entry. A released entry
  // may always be claimed. If `min_idle` is 0 or less, every entry may, even if the clock went
  // back.
  bool Claimable(int64_t now, int64_t min_idle) const {
    return released() || min_idle <= 0 || now - delivery_time >= min_idle;
  }
};

// The pending entries of one group, of all its consumers, in the order of IDs: a sequence of
// chunks. Deliveries append at the end, acknowledgements find their record by binary search.
class PendingList {
  using Chunks = PagedRing<PendingChunk>;

  struct AgeKey {
    int64_t age;
    StreamId id;
    auto operator<=>(const AgeKey&) const = default;
  };
  using AgeIndex = absl::btree_set<AgeKey>;

 public:
  PendingList() = default;
  PendingList(PendingList&&) = default;
  PendingList& operator=(PendingList&&) = default;
  PendingList Clone() const;

  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // REQUIRES: !empty().
  StreamId first_id() const;
  StreamId last_id() const;

  std::optional<PendingEntry> Find(StreamId id) const;
  bool Contains(StreamId id) const;

  // Walks forward in the order of IDs. Valid until the list changes.
  class Cursor {
   public:
    bool valid() const { return list_ != nullptr; }
    // REQUIRES: valid(), for both.
    const PendingEntry& operator*() const { return entry_; }
    const PendingEntry* operator->() const { return &entry_; }
    void Next();

   private:
    friend class PendingList;
    void Settle();

    const PendingList* list_ = nullptr;
    Chunks::Position at_;
    const PendingChunk* chunk_ = nullptr;
    size_t index_ = 0;
    std::optional<ConsumerIndex> consumer_;
    StreamId to_ = StreamId::Max();
    int64_t latest_ = std::numeric_limits<int64_t>::max();
    PendingEntry entry_;
  };
  // The first entry with an ID not below `from`.
  Cursor Seek(StreamId from) const;
  // The same for the entries of one consumer with IDs in [from, to]. Skips chunks that certainly
  // have no entry of this consumer.
  Cursor SeekOf(ConsumerIndex consumer, StreamId from, StreamId to) const {
    return SeekOf(consumer, from, to, std::numeric_limits<int64_t>::max());
  }
  // The same for those that were delivered at `latest` (Unix ms) or before, or are released; of
  // every consumer if none is named. Skips chunks that certainly
  // have no entry so old.
  Cursor SeekOf(std::optional<ConsumerIndex> consumer, StreamId from, StreamId to,
                int64_t latest) const;

  // Walks from the entry that has waited longest: first released entries in the order of their
  // release, then the others by delivery time and ID. Valid until the list changes.
  class AgeCursor {
   public:
    bool valid() const { return list_ != nullptr; }
    // REQUIRES: valid(), for both.
    const PendingEntry& operator*() const { return entry_; }
    const PendingEntry* operator->() const { return &entry_; }
    void Next();

   private:
    friend class PendingList;
    void Load();

    const PendingList* list_ = nullptr;
    AgeIndex::const_iterator at_;
    PendingEntry entry_;
  };
  // The first call builds an index (24 bytes per entry), which is kept up to date from then on. A
  // list without such a call does not pay for it.
  AgeCursor Oldest() const;
  // Takes entries out of what Oldest() walks over, until they are changed: those that the stream
  // has lost, which nobody can be given. They stay pending. Not durable state.
  void PassOver(std::span<const StreamId> ids) const;

  // What a change found.
  struct Change {
    bool inserted = false;                 // there was no such entry
    ConsumerIndex previous = kNoConsumer;  // its owner, if it was there
  };
  // Adds an entry or overwrites it.
  Change Put(StreamId id, ConsumerIndex consumer, int64_t delivery_time, uint64_t deliveries);
  // Adds an entry without owner, or takes the owner from it, and puts it after all entries released
  // before.
  Change Release(StreamId id, uint64_t deliveries);
  // Removes an entry; returns its owner, or nothing if there was no such entry.
  std::optional<ConsumerIndex> Remove(StreamId id);
  // Removes all entries of a consumer; returns their number.
  uint64_t RemoveAllOf(ConsumerIndex consumer);

  // Bytes of memory; those of the index by age are estimated.
  size_t MemoryBytes() const;
  // Allocations that freeing the list takes, roughly.
  size_t FreeEffort() const;

  // Appends all entries to a payload, and reads them back. Load returns false if the bytes are
  // damaged or name a consumer at or above `consumers`.
  void Serialize(Encoder* out) const;
  bool Load(Decoder* in, ConsumerIndex consumers);

 private:
  // The age of a released entry is this plus the number of the release. So released entries come
  // before all delivery times, in the order of release.
  static constexpr int64_t kReleased = std::numeric_limits<int64_t>::min();

  // A record's place, or where it would be inserted: a chunk, and an index from 0 to the chunk's
  // size.
  struct Slot {
    Chunks::Position chunk;
    size_t index = 0;
    bool found = false;
  };

  static PendingEntry EntryAt(const PendingChunk& chunk, size_t index);

  Slot Locate(StreamId id) const;
  Change Store(StreamId id, const PendingRecord& record);
  void Append(StreamId id, const PendingRecord& record);
  void Insert(Slot slot, StreamId id, const PendingRecord& record);
  Chunks::Position Split(Chunks::Position at, size_t index);
  void Tidy(Chunks::Position at);
  void ClearChunks();

  // Each chunk begins above all IDs of the one before. No chunk is empty, except that a single one
  // may be: it is kept for the next delivery.
  Chunks chunks_;
  uint64_t size_ = 0;
  uint64_t releases_ = 0;  // ever made: the number of the next one
  // Where the last search ended. The next search is mostly for the same record, to change it, or
  // for the one after it. It is only a guess: after a change it may name another record, or none.
  mutable Slot last_located_;
  mutable std::unique_ptr<AgeIndex> by_age_;
};

}  // namespace runnel
