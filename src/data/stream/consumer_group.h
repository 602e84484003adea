#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>

#include "base/coding.h"
#include "base/stream_id.h"
#include "data/stream/entry_log.h"
#include "data/stream/pending_list.h"

namespace runnel {

// A member of a group. Changed only through its group.
struct Consumer {
  std::string name;
  ConsumerIndex index = 0;   // its number in the group, while it exists
  uint64_t pending = 0;      // entries of the group's pending list that it owns
  int64_t seen_time = 0;     // Unix ms of its last attempt to read or claim that is durable state
  int64_t active_time = -1;  // Unix ms of the last attempt that gave it entries; -1 for never
  StreamId first_pending;    // if it owns pending entries, none is below this ID
  StreamId last_pending;     // nor above this one

  // Unix ms of its last attempt to read or claim.
  int64_t last_seen() const { return polled_time_ == 0 ? seen_time : polled_time_; }
  // It tried and got nothing. Not durable state: it is noted by commands that change nothing.
  void NotePoll(int64_t time) const { polled_time_ = time; }

 private:
  friend class ConsumerGroup;
  mutable int64_t polled_time_ = 0;  // since seen_time was set; 0 if it did not
};

// A consumer group: a position in the stream, its consumers, and the entries that they have not yet
// acknowledged. It does not know the entries themselves; functions that need both are in Stream.
// Queries are const. The changes at the end cannot fail and take every time as an argument, so that
// they give the same state wherever they are applied.
class ConsumerGroup {
 public:
  using Consumers = absl::btree_map<std::string, std::unique_ptr<Consumer>, std::less<>>;

  ConsumerGroup(std::string_view name, StreamId last_delivered,
                std::optional<uint64_t> entries_read);
  ConsumerGroup(const ConsumerGroup&) = delete;
  ConsumerGroup& operator=(const ConsumerGroup&) = delete;
  std::unique_ptr<ConsumerGroup> Clone() const;

  const std::string& name() const { return name_; }
  // All entries up to this ID have been delivered to the group.
  StreamId last_delivered() const { return last_delivered_; }
  // How many entries ever added to the stream are at or before last_delivered(), if that is known.
  std::optional<uint64_t> entries_read() const { return entries_read_; }
  // Pending entries that were released and wait to be claimed.
  uint64_t nacked() const { return nacked_; }

  // Sorted by name: `for (const auto& [name, consumer] : group.consumers())`.
  const Consumers& consumers() const { return consumers_; }
  // nullptr if there is none of that name.
  const Consumer* FindConsumer(std::string_view name) const;
  // REQUIRES: `index` is that of a consumer (kNoConsumer is not).
  const Consumer& consumer(ConsumerIndex index) const { return *by_index_[index]; }
  // The name for XPENDING: "" for kNoConsumer.
  std::string_view NameOf(ConsumerIndex index) const {
    return index == kNoConsumer ? std::string_view("") : std::string_view(by_index_[index]->name);
  }

  // All pending entries: for XPENDING, XAUTOCLAIM (Seek), XREADGROUP CLAIM (Oldest).
  const PendingList& pending() const { return pending_; }
  // A consumer's own pending entries from an ID on: XREADGROUP's history, XPENDING with a consumer.
  PendingList::Cursor History(const Consumer& consumer, StreamId from) const {
    return History(consumer, from, std::numeric_limits<int64_t>::max());
  }
  // The same for those that were delivered at `latest` (Unix ms) or before.
  PendingList::Cursor History(const Consumer& consumer, StreamId from, int64_t latest) const;
  // The delivery time of the entry that has waited longest, in Unix ms. A reader that waits with
  // CLAIM is woken at this time plus the idle time that it demands. 0 if an entry is released (it
  // may be claimed at once); nothing if nothing is pending.
  std::optional<int64_t> OldestDeliveryTime() const;

  // --- Changes. A ConsumerIndex must be that of a consumer. ---

  // Adds a consumer, or returns the one that exists (its seen_time stays as it is).
  Consumer& CreateConsumer(std::string_view name, int64_t seen_time);
  // Removes a consumer and drops its pending entries; returns their number.
  uint64_t RemoveConsumer(ConsumerIndex index);
  // The consumer tried to read or claim.
  void MarkSeen(ConsumerIndex index, int64_t time);
  // The consumer tried and got entries.
  void MarkActive(ConsumerIndex index, int64_t time);

  // XGROUP SETID, and XCLAIM's LASTID.
  void SetLastDelivered(StreamId id, std::optional<uint64_t> entries_read);

  // Delivers one entry: it is pending for `consumer` since `time`, delivered once, whatever it was
  // before. (Stream::Deliver does this for all entries that XREADGROUP reads.)
  void Deliver(StreamId id, ConsumerIndex consumer, int64_t time) { Assign(id, consumer, time, 1); }
  // Sets owner, delivery time and count of an entry, which is added if it is not pending: XCLAIM,
  // and XAUTOCLAIM with the count that it decided.
  void Assign(StreamId id, ConsumerIndex consumer, int64_t delivery_time, uint64_t deliveries);
  // Delivers a pending entry to `consumer` (its owner, or another one) once more: sets the delivery
  // time and adds one delivery. For XREADGROUP's history and CLAIM. Does nothing if the entry is
  // not pending.
  void Redeliver(StreamId id, ConsumerIndex consumer, int64_t time);
  // XNACK: the entry stays pending without owner, before all others but after those released
  // earlier. It is added if it is not pending (FORCE); the caller has decided the count.
  void Release(StreamId id, uint64_t deliveries);
  // Removes an entry from the pending list: XACK, a deleted entry found by a claim, DELREF. Returns
  // false if it was not there.
  bool Ack(StreamId id);
  // The same for many; returns how many were there.
  uint64_t Ack(std::span<const StreamId> ids);
  // The same for all up to `last`.
  void AckUpTo(StreamId last);

  size_t MemoryBytes() const;
  size_t FreeEffort() const;

  void Serialize(Encoder* out) const;
  // nullptr if the bytes are damaged.
  static std::unique_ptr<ConsumerGroup> Load(Decoder* in);

 private:
  friend class Stream;

  void NoteChange(PendingList::Change change, ConsumerIndex owner, StreamId id);
  void NoteRemoval(ConsumerIndex owner);
  Consumer& AddConsumer(std::string_view name, ConsumerIndex index);

  std::string name_;
  StreamId last_delivered_;
  std::optional<uint64_t> entries_read_;
  EntryLog::Place last_place_;  // where the entry last_delivered_ was when it was delivered
  uint64_t nacked_ = 0;
  Consumers consumers_;
  std::vector<Consumer*> by_index_;  // nullptr where an index is free
  ConsumerIndex least_free_ = 0;     // no index below is free
  PendingList pending_;
};

}  // namespace runnel
