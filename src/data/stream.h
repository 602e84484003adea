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

#include "base/stream_id.h"
#include "data/consumer_group.h"
#include "data/entry_log.h"
#include "data/idempotence.h"
#include "data/object.h"
#include "data/retention.h"

namespace runnel {

// What a trim leaves. Made by XADD and XTRIM from their arguments.
struct StreamTrim {
  enum class By { kLength, kMinId };
  By by = By::kLength;
  uint64_t max_length = 0;   // MAXLEN: at most this many entries stay
  StreamId min_id;           // MINID: no entry below this ID stays
  bool approximate = false;  // only whole blocks go (`~`)
  uint64_t limit = 0;        // with `~`: at most this many entries are removed; 0 for no limit
};

// A stream: its entries, its counters, its consumer groups, its retention, and the messages that it
// remembers of idempotent producers.
//
// Commands call the const functions, decide, and put the decision into an effect. The effect calls
// one of the changes, which cannot fail and depend only on their arguments and the stream. Times
// are Unix milliseconds and are always arguments.
class Stream final : public Object {
 public:
  static constexpr ObjectType kType = ObjectType::kStream;

  using Groups = absl::btree_map<std::string, std::unique_ptr<ConsumerGroup>, std::less<>>;

  Stream() : Object(kType) {}
  // Reads what Encode wrote; nullptr if the bytes are no such payload.
  static std::unique_ptr<Object> Load(Decoder* in);

  // --- Entries ---

  // Live entries (XLEN).
  uint64_t length() const { return log_.length(); }
  // The ID of the first live entry (recorded-first-entry-id); 0-0 if there is none.
  StreamId first_id() const { return log_.first_id(); }
  // The highest ID ever given out, or set by XSETID.
  StreamId last_id() const { return last_id_; }
  // The highest ID in the blocks of the log, removed entries included. last_id() is never below it.
  StreamId newest_id() const { return log_.newest_id(); }
  // The highest ID ever deleted by XDEL and the like; trimming does not count. 0-0 for none.
  StreamId max_deleted_id() const { return max_deleted_id_; }
  // Entries ever added, or as set by XSETID.
  uint64_t entries_added() const { return entries_added_; }
  // Blocks that hold the entries (XINFO's radix-tree-keys).
  size_t blocks() const { return log_.blocks(); }

  bool Contains(StreamId id) const { return log_.Contains(id); }
  // Whether there is an entry that was not delivered to the group yet. Never misses.
  bool HasNew(const ConsumerGroup& group) const { return log_.HasAfter(group.last_delivered_); }
  // The first live entry with an ID not below `id`, the last one with an ID not above it, the first
  // one with an ID above it. A cursor and its views are valid until entries are added or removed;
  // changes of groups do not affect them.
  EntryCursor Seek(StreamId id) const { return log_.Seek(id); }
  EntryCursor SeekBack(StreamId id) const { return log_.SeekBack(id); }
  EntryCursor SeekAfter(StreamId id) const { return log_.SeekAfter(id, {}); }
  // The first entry that was not delivered to the group yet: what XREADGROUP `>` reads. Mostly one
  // step.
  EntryCursor SeekNew(const ConsumerGroup& group) const {
    return log_.SeekAfter(group.last_delivered_, group.last_place_);
  }

  // Entries on the disk (see EntryLog). A command that changes something after it has looked at
  // entries, or that looks at many entries, first fetches those that it is going to look at: by
  // planning a trim, or with these functions.
  bool has_cold() const { return log_.has_cold(); }
  void Require(std::span<const StreamId> ids) const { log_.Require(ids); }
  void RequireOldest(uint64_t count) const { log_.RequireOldest(count, true); }
  // For XINFO: live entries in memory and on the disk, and the bytes of their blocks.
  uint64_t hot_entries() const { return log_.length() - log_.cold_entries(); }
  uint64_t hot_bytes() const { return log_.hot_bytes(); }
  uint64_t cold_entries() const { return log_.cold_entries(); }
  uint64_t cold_bytes() const { return log_.cold_bytes(); }

  // How many of the oldest entries a trim removes: the argument of DropOldest. With `added` the
  // answer is for the stream after that entry was appended, as XADD trims.
  uint64_t PlanTrim(const StreamTrim& trim, const EntryLog::Addition* added = nullptr) const;
  // The same for a trim that looks at references one by one, so `approximate` only means that
  // `limit` holds. For DELREF, whose trims end with DropOldest(n, true).
  uint64_t PlanExactTrim(const StreamTrim& trim, const EntryLog::Addition* added = nullptr) const;
  // ACKED: the IDs of the entries to remove, oldest first, without those that a group still needs.
  // The entry `added` counts, and is removed itself if there is no group and the trim demands it.
  std::vector<StreamId> PlanAckedTrim(const StreamTrim& trim,
                                      const EntryLog::Addition* added = nullptr) const;

  // --- Groups ---

  const Groups& groups() const { return groups_; }  // sorted by name
  const ConsumerGroup* FindGroup(std::string_view name) const;
  ConsumerGroup* FindGroup(std::string_view name);

  // Whether a group still needs the entry: it was not delivered to the group, or is pending there.
  // Does not say whether the entry exists.
  bool IsReferenced(StreamId id) const;

  // How many entries were added up to and including `id`, if that is known without counting. The
  // rules are Redis's, because clients compare the numbers.
  std::optional<uint64_t> EstimateEntriesRead(StreamId id) const;
  // The number of entries that were not delivered to the group yet, if it is known.
  std::optional<int64_t> Lag(const ConsumerGroup& group) const;

  // --- Retention ---

  const Retention& retention() const { return retention_ ? *retention_ : kKeepAll; }
  // How many of the oldest entries are beyond the bounds at this time: the argument of DropOldest.
  // Never looks at entries on the disk.
  uint64_t PlanRetention(int64_t now) const;
  // The entries that ON-ACK DELETE removes, oldest first: every group has received and acknowledged
  // them. Looks at all entries up to the position of the group that lags most.
  std::vector<StreamId> PlanAcknowledged() const;

  // --- Idempotent producers ---

  // nullptr as long as there was no message of one and nothing was configured.
  const Idempotence* idempotence() const { return idempotence_.get(); }

  // --- Changes ---

  // Appends an entry; `fields` alternates names and values. REQUIRES: id > last_id(); an even
  // number of at least two.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);
  // XDEL, XDELEX, XACKDEL: removes an entry and raises max_deleted_id(). False if there is no such
  // entry.
  bool Delete(StreamId id);
  // Removes an entry as trimming does (ACKED). False if there is no such entry.
  bool Remove(StreamId id) { return log_.Remove(id); }
  // Removes the oldest `count` entries; with `references` also from the pending lists of all groups
  // (DELREF).
  void DropOldest(uint64_t count, bool references = false);
  // Removes `id` from the pending lists of all groups (DELREF); returns how many had it.
  uint64_t DropReferences(StreamId id);

  // XSETID. REQUIRES: last_id() is not below newest_id() afterwards, nor entries_added() below
  // length().
  void SetLastId(StreamId id) { last_id_ = id; }
  void SetEntriesAdded(uint64_t count) { entries_added_ = count; }
  void SetMaxDeletedId(StreamId id) { max_deleted_id_ = id; }

  // REQUIRES: there is no group of that name.
  ConsumerGroup& CreateGroup(std::string_view name, StreamId last_delivered,
                             std::optional<uint64_t> entries_read);
  // False if there is none.
  bool DestroyGroup(std::string_view name);

  // What XREADGROUP `>` does after it has read all entries after the group's position, up to and
  // including `last`. Unless `no_ack`, they become pending for the consumer, delivered once at
  // `time` (also those that were pending already), and the consumer counts as active. The group's
  // position and counter move. Returns the number of entries. REQUIRES: `group` is one of groups(),
  // `consumer` one of its consumers.
  uint64_t Deliver(ConsumerGroup* group, ConsumerIndex consumer, StreamId last, int64_t time,
                   bool no_ack);

  // The next PlanRetention uses the new bounds.
  void Retain(const Retention& retention);

  // Begins to remember idempotent producers, if it has not begun. The values are those of the
  // server's configuration or of XCFGSET; only those of the first call count.
  Idempotence& CreateIdempotence(int64_t duration_s, uint64_t max_size);
  // nullptr if not begun.
  Idempotence* mutable_idempotence() { return idempotence_.get(); }

  // --- Object ---

  std::string_view encoding() const override { return "stream"; }
  size_t MemoryBytes(size_t samples) const override;
  size_t FreeEffort() const override;
  std::unique_ptr<Object> Clone() const override;
  void Encode(Encoder* out) const override;
  void FetchAll() const override { RequireOldest(length()); }
  void Attach(HotBlocks* hot) override { log_.Attach(hot); }
  bool needs_upkeep() const override { return retention().bounded(); }
  // See EntryLog::SerializeWithRuns.
  void EncodeStored(Encoder* out) const override;
  void AddExtents(ColdExtents* extents) const override;
  static std::unique_ptr<Object> LoadWithRuns(Decoder* in, ColdSource& source);

 private:
  bool IsPending(StreamId id) const;
  bool HasTombstonesFrom(StreamId id) const;
  void AdvanceEntriesRead(ConsumerGroup* group, StreamId id) const;
  void WriteHead(Encoder* out) const;
  void WriteTail(Encoder* out) const;
  template <class LoadLog>
  static std::unique_ptr<Object> LoadAs(Decoder* in, LoadLog load_log);

  EntryLog log_;
  StreamId last_id_;
  StreamId max_deleted_id_;
  uint64_t entries_added_ = 0;
  Groups groups_;
  // The group that was looked up last: a command looks its group up, and its effect does so again.
  mutable const ConsumerGroup* last_found_ = nullptr;
  std::unique_ptr<Idempotence> idempotence_;
  std::unique_ptr<Retention> retention_;  // null: kKeepAll
};

}  // namespace runnel
