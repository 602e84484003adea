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
#include "data/object.h"
#include "data/stream/consumer_group.h"
#include "data/stream/entry_log.h"
#include "data/stream/idempotence.h"
#include "data/stream/retention.h"
#include "data/topic/compaction.h"

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

// Where to look for entries that no consumer group needs any more, and how far.
struct AckedSearch {
  StreamId first = StreamId::Min();  // IDs of the entries, both included
  StreamId last = StreamId::Max();
  uint64_t most = UINT64_MAX;   // so many entries
  size_t effort = SIZE_MAX;     // so many blocks and entries looked at; the last block is finished
  size_t runs = SIZE_MAX;       // so many runs on the disk looked into
  size_t ranges = kMostRanges;  // so many ranges of entries

  // At most 160 MiB as an effect.
  static constexpr size_t kMostRanges = size_t{1} << 22;
};

// Entries that no consumer group needs any more.
struct AckedEntries {
  std::vector<StreamId> bounds;     // as Stream::RemoveRanges takes them
  uint64_t entries = 0;             // how many that are
  StreamId next = StreamId::Max();  // where to go on; Max() if the search has ended
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
  // The same for changes that come later: the runs on the disk, which say what is missing in memory
  // for a change; nullptr if there are none.
  const ColdRuns* cold_runs() const { return log_.cold(); }
  // For XINFO: live entries in memory and on the disk, and the bytes of their blocks.
  uint64_t hot_entries() const { return log_.length() - log_.cold_entries(); }
  uint64_t hot_bytes() const { return log_.hot_bytes(); }
  uint64_t cold_entries() const { return log_.cold_entries(); }
  uint64_t cold_bytes() const { return log_.cold_bytes(); }

  // How many of the oldest entries a trim removes: the argument of DropOldest. With `added` the
  // answer is for the stream after that entry was appended, as XADD trims.
  uint64_t PlanTrim(const StreamTrim& trim, const EntryLog::Addition* added = nullptr) const;
  // The same where `approximate` only means that `limit` holds: for DELREF.
  uint64_t PlanExactTrim(const StreamTrim& trim, const EntryLog::Addition* added = nullptr) const;
  // ACKED: the oldest entries that no group needs, as many as the trim demands. `with_one_more`
  // counts an entry that is to be added, but does not look at it: what is planned again after that
  // looks at nothing else that may be on the disk. No more than AckedSearch::kMostRanges ranges.
  AckedEntries PlanAckedTrim(const StreamTrim& trim, bool with_one_more = false) const;
  // The entries that no group needs any more, as far as `search` goes. What needs no look into a
  // run is found without one; the others are fetched, all at once.
  AckedEntries PlanAcked(const AckedSearch& search) const;

  // --- Groups ---

  const Groups& groups() const { return groups_; }  // sorted by name
  const ConsumerGroup* FindGroup(std::string_view name) const;
  ConsumerGroup* FindGroup(std::string_view name);

  // Whether a group still needs the entry: it was not delivered to the group, or is pending there.
  // Does not say whether the entry exists.
  bool IsReferenced(StreamId id) const { return IsReferencedIfAcked(id, nullptr); }
  // The same as it would be if `acked`, one of groups(), had acknowledged the entry.
  bool IsReferencedIfAcked(StreamId id, const ConsumerGroup* acked) const;

  // How many entries were added up to and including `id`, if that is known without counting. The
  // rules are Redis's, because clients compare the numbers.
  std::optional<uint64_t> EstimateEntriesRead(StreamId id) const;
  // The number of entries that were not delivered to the group yet, if it is known.
  std::optional<int64_t> Lag(const ConsumerGroup& group) const;

  // --- Retention ---

  const Retention& retention() const { return retention_; }
  // How many of the oldest entries are beyond the bounds at this time: the argument of DropOldest.
  // Never looks at entries on the disk.
  uint64_t PlanRetention(int64_t now) const;
  // The same for a compacted partition: the argument of DropBelowOffset; 0 if nothing is beyond the
  // bounds. It is said by an offset, because where the first record lies that stays is not known
  // without a look at it, and must not depend on what is on the disk.
  uint64_t PlanRetentionOffset(int64_t now) const;
  // The first time at which PlanRetention or PlanTombstones says that there is something to remove,
  // if nothing else
  // happens to the stream: 0 for now, kNeverDue if no time comes. (Going to the disk counts as
  // nothing: after that it may be later.)
  static constexpr int64_t kNeverDue = INT64_MAX;
  int64_t RetentionDue() const;
  // What the keyspace has noted of it: see Keyspace::NextDue. Not durable state.
  int64_t noted_due() const { return noted_due_; }
  void set_noted_due(int64_t due_ms) { noted_due_ = due_ms; }
  // ON-ACK DELETE: where to begin to look for entries that are kept though no group needs them any
  // more; nothing if there are none. There may be such after a group has gone or has moved, or a
  // consumer has gone with what was pending for it. They are removed in slices, by upkeep.
  std::optional<StreamId> unswept() const { return unswept_; }
  // The next slice, which looks into at most `runs` runs on the disk. REQUIRES: unswept().
  AckedEntries PlanSweep(size_t runs) const;

  // --- Idempotent producers ---

  // nullptr as long as there was no message of one and nothing was configured.
  const Idempotence* idempotence() const { return idempotence_.get(); }

  // --- Partitions of topics ---

  // A partition is a stream whose IDs are `<ms>-<offset>`: offsets begin at 0, and each entry has
  // the next one (data/topic/record.h says what its fields are). So entries_added() is the offset
  // of the next record.
  bool is_partition() const { return is_partition_; }
  // The lowest offset that may be read; trimming raises it. REQUIRES: is_partition(), for all here.
  uint64_t first_offset() const { return first_offset_; }
  uint64_t next_offset() const { return entries_added_; }
  // The first record whose offset is not below this.
  EntryCursor SeekOffset(uint64_t offset, ReadAhead ahead = ReadAhead::kYes) const {
    return log_.SeekFirst(BelowOffset{offset}, ahead);
  }
  // The offset of the first record that was appended at this Unix time or later; next_offset() if
  // there is none.
  uint64_t OffsetAt(uint64_t ms) const;
  // About when the first record was appended whose offset is not below this, as Unix time: of a
  // record on the disk, the time of the first one of its run. 0 if there is none. Never looks at
  // records on the disk.
  uint64_t TimeNear(uint64_t offset) const { return log_.FirstIdNear(BelowOffset{offset}).ms; }
  // How many records have an offset from this one on, but of those on the disk too many by a part
  // of one run. Never looks at records on the disk.
  uint64_t CountNear(uint64_t offset) const { return log_.CountNearOffset(offset); }
  // See EntryLog for the two.
  uint64_t ExpectOffset(uint64_t offset, uint64_t count) const {
    return log_.ExpectOffset(offset, count);
  }
  uint64_t LeftOfRun(uint64_t offset) const { return log_.LeftOfRun(offset); }
  // How many records have an offset below this.
  uint64_t CountBelowOffset(uint64_t offset) const;
  // The same before DropBelowOffset, which then needs nothing that is not in memory.
  uint64_t PlanDropBelow(uint64_t offset) const;
  // Adds to `missing` what DropBelowOffset would look at now, or after more records were added or
  // removed. REQUIRES: has_cold().
  void AddMissingBelowOffset(uint64_t offset, MissingExtents* missing) const;
  // Whether it keeps only the newest record of each key (data/topic/compaction.h); the keys that it
  // knows, those included whose record retention has removed lately.
  bool is_compacted() const { return compaction_ != nullptr; }
  size_t keys() const { return is_compacted() ? compaction_->keys() : 0; }
  // For a command that is going to append a record with this key: what that looks at is fetched
  // into the processor's cache meanwhile.
  void ExpectKey(std::string_view key) const {
    if (is_compacted()) compaction_->Expect(key);
  }
  // The offset after the last tombstone that has been there for too long; 0 if there is none. At
  // most Compaction::kMostTombstones of them.
  uint64_t PlanTombstones(int64_t now) const {
    return is_compacted() ? compaction_->PlanTombstones(now) : 0;
  }

  // --- Changes ---

  // Makes an empty stream, which was never used, a partition.
  void MakePartition() { is_partition_ = true; }
  // The partition, which never had a record, keeps only the newest record of each key from now on:
  // Append removes older ones, and each record must have a key.
  void KeepNewest(std::unique_ptr<Compaction> compaction) { compaction_ = std::move(compaction); }
  // REQUIRES, for the two: is_compacted().
  void SetTombstoneMs(uint64_t ms) { compaction_->set_tombstone_ms(ms); }
  // Removes all tombstones below this offset that are the newest records of their keys.
  void DropTombstones(uint64_t offset);
  // Removes all records below this offset. REQUIRES: it is not above next_offset().
  void DropBelowOffset(uint64_t offset);

  // Appends an entry; `fields` alternates names and values. REQUIRES: id > last_id(); an even
  // number of at least two.
  void Append(StreamId id, std::span<const std::string_view> fields, const StreamLimits& limits);
  // XDEL, XDELEX, XACKDEL: removes an entry and raises max_deleted_id(). False if there is no such
  // entry.
  bool Delete(StreamId id);
  // Removes an entry as trimming does (ACKED). False if there is no such entry.
  bool Remove(StreamId id) { return log_.Remove(id); }
  // The same for all entries in these ranges; see EntryLog::RemoveRanges. Returns their number.
  uint64_t RemoveRanges(std::span<const StreamId> bounds) { return log_.RemoveRanges(bounds); }
  // Removes the oldest `count` entries; with `references` also from the pending lists of all
  // groups, which only journals of earlier versions ask for. REQUIRES: !is_compacted().
  void DropOldest(uint64_t count, bool references = false);
  // Removes `id` from the pending lists of all groups (DELREF); returns how many had it.
  uint64_t DropReferences(StreamId id);
  // Removes all IDs up to `last` from the pending lists of all groups (DELREF).
  void ForgetUpTo(StreamId last);
  // True if ForgetUpTo would remove anything.
  bool IsPendingUpTo(StreamId last) const;

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

  // Bounds count from the next PlanRetention on, ON-ACK DELETE from the next PlanSweep on.
  void Retain(const Retention& retention);
  // A group or a consumer has gone, or a group has moved.
  void NoteUnswept();
  // Everything before `next` is swept; StreamId::Max() for everything.
  void SetSwept(StreamId next);

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
  void PrefetchGrowth() const override { log_.PrefetchGrowth(); }
  void Attach(HotBlocks* hot) override { log_.Attach(hot); }
  std::unique_ptr<Object> CloneForCapture() override;
  void LeaveKey() override { log_.LeaveKey(); }
  // See EntryLog::SerializeWithRuns.
  void EncodeStored(Encoder* out) const override;
  void AddExtents(ColdExtents* extents) const override;
  static std::unique_ptr<Object> LoadWithRuns(Decoder* in, ColdSource& source);

 private:
  bool HasTombstonesFrom(StreamId id) const;
  void RemoveReplaced(uint64_t offset, const StreamLimits& limits);
  int64_t EntriesDue() const;
  void AdvanceEntriesRead(ConsumerGroup* group, StreamId id) const;
  StreamId GivenToAll() const;
  void RequireForAcked(const AckedSearch& search, StreamId last) const;
  void WriteHead(uint8_t version, Encoder* out) const;
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
  Retention retention_;
  int64_t noted_due_ = kNeverDue;
  std::optional<StreamId> unswept_;
  bool is_partition_ = false;
  uint64_t first_offset_ = 0;               // of a partition
  std::unique_ptr<Compaction> compaction_;  // null: all records are kept
};

}  // namespace runnel
