#include "data/stream/stream.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/coding.h"
#include "data/stream/id_coding.h"
#include "data/topic/record.h"

namespace runnel {

// --- Trimming ---

uint64_t Stream::PlanTrim(const StreamTrim& trim, const EntryLog::Addition* added) const {
  if (!trim.approximate) return PlanExactTrim(trim, added);
  if (trim.by == StreamTrim::By::kLength) {
    return log_.CountBlocksBeyond(trim.max_length, trim.limit, added);
  }
  return log_.CountBlocksBelow(trim.min_id, trim.limit, added);
}

uint64_t Stream::PlanExactTrim(const StreamTrim& trim, const EntryLog::Addition* added) const {
  const uint64_t length = log_.length() + (added != nullptr ? 1 : 0);
  uint64_t count = 0;
  if (trim.by == StreamTrim::By::kLength) {
    count = length - std::min(length, trim.max_length);
  } else {
    count = log_.CountBelow(trim.min_id);
    if (added != nullptr && added->id < trim.min_id) count++;
  }
  const bool limited = trim.approximate && trim.limit != 0;
  if (limited) count = std::min(count, trim.limit);
  log_.RequireOldest(count, false);
  return count;
}

// --- Retention ---

uint64_t Stream::PlanRetention(int64_t now) const {
  const Retention& keep = retention();
  if (!keep.bounded()) return 0;
  const auto time = static_cast<uint64_t>(std::max<int64_t>(now, 0));
  const uint64_t from_ms = keep.ms != 0 && time > keep.ms ? time - keep.ms : 0;
  // The usual answer, asked after each append.
  const bool young = first_id().ms >= from_ms || length() == 0;
  const bool few = keep.entries == 0 || length() <= keep.entries;
  if (young && few && (keep.bytes == 0 || hot_bytes() + cold_bytes() <= keep.bytes)) return 0;
  EntryLog::Bounds bounds;
  if (keep.entries != 0) bounds.entries = keep.entries;
  if (keep.bytes != 0) bounds.bytes = keep.bytes;
  bounds.from = {from_ms, 0};
  return log_.CountBeyond(bounds);
}

uint64_t Stream::PlanRetentionOffset(int64_t now) const {
  const uint64_t count = PlanRetention(now);
  return count == 0 ? 0 : std::min(log_.OffsetAfterOldest(count), next_offset());
}

int64_t Stream::RetentionDue() const {
  const int64_t due = EntriesDue();
  return is_compacted() ? std::min(due, compaction_->DueMs()) : due;
}

// The same for PlanRetention alone.
int64_t Stream::EntriesDue() const {
  const Retention& keep = retention();
  if (!keep.bounded() || length() == 0) return kNeverDue;
  const bool many = keep.entries != 0 && length() > keep.entries;
  const bool large = keep.bytes != 0 && hot_bytes() + cold_bytes() > keep.bytes;
  // At this time no entry is too old.
  if ((many || large) && PlanRetention(0) > 0) return 0;
  if (keep.ms == 0) return kNeverDue;
  // An entry goes when more than `keep.ms` have passed.
  const uint64_t least = log_.first_to_go().ms;
  constexpr auto kMost = static_cast<uint64_t>(kNeverDue);
  if (keep.ms >= kMost || least >= kMost - keep.ms) return kNeverDue;
  return static_cast<int64_t>(least + keep.ms + 1);
}

void Stream::Retain(const Retention& retention) {
  const bool begins = retention.delete_on_ack && !this->retention().delete_on_ack;
  retention_ = retention;
  if (begins || !retention.delete_on_ack) NoteUnswept();
}

// --- Partitions of topics ---

uint64_t Stream::OffsetAt(uint64_t ms) const {
  const EntryCursor at = log_.SeekFirst([ms](StreamId id) { return id.ms < ms; });
  return at.valid() ? at->id().seq : next_offset();
}

uint64_t Stream::CountBelowOffset(uint64_t offset) const {
  if (length() == 0 || first_id().seq >= offset) return 0;
  if (offset >= next_offset()) return length();
  // Where no record is missing, counting is subtracting.
  if (length() == next_offset() - first_id().seq) return offset - first_id().seq;
  const EntryCursor at = SeekOffset(offset);
  return at.valid() ? log_.CountBelow(at->id()) : length();
}

uint64_t Stream::PlanDropBelow(uint64_t offset) const {
  const uint64_t count = CountBelowOffset(offset);
  log_.RequireOldest(count, false);
  return count;
}

void Stream::DropBelowOffset(uint64_t offset) {
  ASSERT(offset <= next_offset());
  is_compacted() ? log_.DropBelowOffset(offset) : log_.DropOldest(CountBelowOffset(offset));
  first_offset_ = std::max(first_offset_, offset);
  if (is_compacted()) compaction_->Trim(first_offset(), length() == 0);
}

void Stream::AddMissingBelowOffset(uint64_t offset, MissingExtents* missing) const {
  const ColdRuns& runs = *cold_runs();
  // Where records are missing, those below the offset are counted.
  const bool counts = !is_compacted() && length() != next_offset() - first_id().seq;
  counts ? runs.AddMissingFrom(offset, missing) : runs.AddMissingBelowOffset(offset, missing);
}

// A newer record of its key has been appended, or the time of a tombstone is over. Its ID is not
// known without a look at it: what counts deletions is told of one that is not lower.
void Stream::RemoveReplaced(uint64_t offset, const StreamLimits& limits) {
  if (!log_.RemoveOffset(offset, limits)) return;
  max_deleted_id_ = std::max(max_deleted_id_, StreamId{last_id_.ms, offset});
}

void Stream::DropTombstones(uint64_t offset) {
  for (;;) {
    const uint64_t gone = compaction_->TakeTombstone(offset);
    if (gone == Compaction::kNone) return;
    RemoveReplaced(gone, kPartitionLimits);
  }
}

// --- Groups ---

const ConsumerGroup* Stream::FindGroup(std::string_view name) const {
  if (last_found_ != nullptr && last_found_->name() == name) return last_found_;
  const auto found = groups_.find(name);
  if (found == groups_.end()) return nullptr;
  last_found_ = found->second.get();
  return last_found_;
}

ConsumerGroup* Stream::FindGroup(std::string_view name) {
  return const_cast<ConsumerGroup*>(std::as_const(*this).FindGroup(name));
}

bool Stream::IsReferencedIfAcked(StreamId id, const ConsumerGroup* acked) const {
  const auto awaits = [id](const auto& named) { return named.second->last_delivered() < id; };
  if (std::any_of(groups_.begin(), groups_.end(), awaits)) return true;
  return std::any_of(groups_.begin(), groups_.end(), [id, acked](const auto& named) {
    return named.second.get() != acked && named.second->pending().Contains(id);
  });
}

// An entry at or after `id` was deleted, so the number of entries after it cannot be found by
// subtraction. Only the highest deleted ID is known, so the answer may be true without need.
bool Stream::HasTombstonesFrom(StreamId id) const {
  return length() != 0 && max_deleted_id_ != StreamId() && id <= max_deleted_id_;
}

std::optional<uint64_t> Stream::EstimateEntriesRead(StreamId id) const {
  if (entries_added_ == 0) return 0;
  if (length() == 0 && id <= last_id_) return entries_added_;
  if (id != StreamId() && id < max_deleted_id_) return std::nullopt;
  if (id == last_id_) return entries_added_;
  if (id > last_id_) return std::nullopt;
  // Entries are missing only before the first one, if at all: up to there counting is subtracting.
  if (max_deleted_id_ == StreamId() || max_deleted_id_ < first_id()) {
    if (id < first_id()) return entries_added_ - length();
    if (id == first_id()) return entries_added_ - length() + 1;
  }
  return std::nullopt;
}

std::optional<int64_t> Stream::Lag(const ConsumerGroup& group) const {
  if (entries_added_ == 0 || length() == 0) return 0;
  const StreamId position = group.last_delivered();
  if (position < first_id() && max_deleted_id_ < first_id()) {
    return static_cast<int64_t>(length());
  }
  std::optional<uint64_t> read = group.entries_read();
  if (!read || HasTombstonesFrom(position)) read = EstimateEntriesRead(position);
  if (!read) return std::nullopt;
  return static_cast<int64_t>(entries_added_ - *read);
}

// The group's counter when `id` is delivered, the first entry after its position.
void Stream::AdvanceEntriesRead(ConsumerGroup* group, StreamId id) const {
  const StreamId position = group->last_delivered_;
  if (group->entries_read_ && position >= first_id() && !HasTombstonesFrom(position)) {
    ++*group->entries_read_;
  } else if (entries_added_ != 0) {
    group->entries_read_ = EstimateEntriesRead(id);
  }
}

uint64_t Stream::Deliver(ConsumerGroup* group, ConsumerIndex consumer, StreamId last, int64_t time,
                         bool no_ack) {
  uint64_t count = 0;
  for (EntryCursor at = SeekNew(*group); at.valid() && at->id() <= last; at.Next()) {
    const StreamId id = at->id();
    AdvanceEntriesRead(group, id);
    group->last_delivered_ = id;
    group->last_place_ = at.place();
    if (!no_ack) group->Deliver(id, consumer, time);
    count++;
    if (id == last) break;  // what follows may not be in memory
  }
  group->MarkSeen(consumer, time);
  if (!no_ack) group->MarkActive(consumer, time);
  return count;
}

// --- Changes ---

namespace {

// Of a record that has one, as data/topic/record.h says.
std::string_view RecordKeyOf(std::span<const std::string_view> fields) {
  ASSERT(fields[0] == kRecordKey);
  return fields[1];
}

}  // namespace

void Stream::Append(StreamId id, std::span<const std::string_view> fields,
                    const StreamLimits& limits) {
  ASSERT(id > last_id_);
  ASSERT(fields.size() >= 2 && fields.size() % 2 == 0);
  RecordKeyHash key;
  if (is_compacted()) key = compaction_->Fetch(RecordKeyOf(fields));
  log_.Append(id, fields, limits);
  last_id_ = id;
  entries_added_++;
  if (!is_compacted()) return;
  const uint64_t replaced = compaction_->Append(id, key, fields.size() == 2, first_offset());
  if (replaced != Compaction::kNone) RemoveReplaced(replaced, limits);
}

bool Stream::Delete(StreamId id) {
  if (!log_.Remove(id)) return false;
  max_deleted_id_ = std::max(max_deleted_id_, id);
  return true;
}

void Stream::DropOldest(uint64_t count, bool references) {
  if (references && !groups_.empty()) {
    uint64_t left = std::min(count, length());
    EntryCursor at = left > 0 ? log_.Seek(StreamId::Min()) : EntryCursor();
    for (; left > 0; left--) {
      DropReferences(at->id());
      // What follows the last one may not be in memory.
      if (left > 1) at.Next();
    }
  }
  ASSERT(!is_compacted());
  log_.DropOldest(count);
  if (count > 0 && is_partition()) {
    first_offset_ = length() == 0 ? next_offset() : first_id().seq;
  }
}

uint64_t Stream::DropReferences(StreamId id) {
  uint64_t count = 0;
  for (const auto& [name, group] : groups_) {
    count += group->Ack(id) ? 1 : 0;
  }
  return count;
}

void Stream::ForgetUpTo(StreamId last) {
  for (const auto& [name, group] : groups_) {
    group->AckUpTo(last);
  }
}

bool Stream::IsPendingUpTo(StreamId last) const {
  return std::any_of(groups_.begin(), groups_.end(), [last](const auto& named) {
    const PendingList& pending = named.second->pending();
    return !pending.empty() && pending.first_id() <= last;
  });
}

ConsumerGroup& Stream::CreateGroup(std::string_view name, StreamId last_delivered,
                                   std::optional<uint64_t> entries_read) {
  ASSERT(FindGroup(name) == nullptr);
  auto group = std::make_unique<ConsumerGroup>(name, last_delivered, entries_read);
  return *groups_.emplace(name, std::move(group)).first->second;
}

bool Stream::DestroyGroup(std::string_view name) {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return false;
  last_found_ = nullptr;
  groups_.erase(found);
  return true;
}

Idempotence& Stream::CreateIdempotence(int64_t duration_s, uint64_t max_size) {
  if (!idempotence_) idempotence_ = std::make_unique<Idempotence>(duration_s, max_size);
  return *idempotence_;
}

// --- Object ---

size_t Stream::MemoryBytes(size_t samples) const {
  size_t bytes = sizeof(*this) + log_.MemoryBytes();
  size_t seen = 0;
  size_t group_bytes = 0;
  for (const auto& [name, group] : groups_) {
    if (samples != 0 && seen == samples) break;
    group_bytes += sizeof(Groups::value_type) + group->MemoryBytes();
    seen++;
  }
  if (seen > 0) bytes += group_bytes * groups_.size() / seen;
  if (idempotence_) bytes += idempotence_->MemoryBytes();
  if (is_compacted()) bytes += compaction_->MemoryBytes();
  return bytes;
}

size_t Stream::FreeEffort() const {
  size_t effort = 1 + log_.FreeEffort();
  for (const auto& [name, group] : groups_) {
    effort += group->FreeEffort();
  }
  if (idempotence_) effort += idempotence_->FreeEffort();
  if (is_compacted()) effort += compaction_->FreeEffort();
  return effort;
}

std::unique_ptr<Object> Stream::Clone() const {
  auto copy = std::make_unique<Stream>();
  copy->log_ = log_.Clone();
  copy->last_id_ = last_id_;
  copy->max_deleted_id_ = max_deleted_id_;
  copy->entries_added_ = entries_added_;
  for (const auto& [name, group] : groups_) {
    copy->groups_.emplace(name, group->Clone());
  }
  if (idempotence_) copy->idempotence_ = idempotence_->Clone();
  copy->Retain(retention());
  copy->unswept_ = unswept_;
  if (is_partition()) {
    copy->MakePartition();
    copy->first_offset_ = first_offset();
    if (is_compacted()) copy->KeepNewest(compaction_->Clone());
  }
  return copy;
}

std::unique_ptr<Object> Stream::CloneForCapture() {
  std::unique_ptr<Object> copy = Clone();
  static_cast<Stream&>(*copy).log_.Hold(log_.Share());
  return copy;
}

// --- Stored form ---
//
//   stream := byte version | last ID | max deleted ID | varint entries added | entry log
//             | varint groups | group... | byte parts | idempotence, if 1 is among the parts
//             | varint ms | varint bytes | varint entries | byte delete on ack, if 2 is
//             | ID from which on to sweep, if 4 is | varint first offset, if 8 is
//             | compaction, if 16 is
//
// The version is 1, or 2 if entries on the disk were removed by their offset. With runs, the entry
// log is as EntryLog::SerializeWithRuns writes it, with holes in version 2.

namespace {

constexpr uint8_t kStreamVersion = 1;
constexpr uint8_t kVersionWithHoles = 2;
constexpr uint8_t kHasIdempotence = 1;
constexpr uint8_t kHasRetention = 2;
constexpr uint8_t kHasUnswept = 4;
constexpr uint8_t kIsPartition = 8;
constexpr uint8_t kIsCompacted = 16;
constexpr uint8_t kParts =
    kHasIdempotence | kHasRetention | kHasUnswept | kIsPartition | kIsCompacted;

}  // namespace

void Stream::WriteHead(uint8_t version, Encoder* out) const {
  out->Byte(version);
  WriteStreamId(out, last_id_);
  WriteStreamId(out, max_deleted_id_);
  out->Varint(entries_added_);
}

void Stream::WriteTail(Encoder* out) const {
  out->Varint(groups_.size());
  for (const auto& [name, group] : groups_) {
    group->Serialize(out);
  }
  const bool retains = retention_ != kKeepAll;
  out->Byte((idempotence_ ? kHasIdempotence : 0) | (retains ? kHasRetention : 0) |
            (unswept_ ? kHasUnswept : 0) | (is_partition() ? kIsPartition : 0) |
            (is_compacted() ? kIsCompacted : 0));
  if (idempotence_) idempotence_->Serialize(out);
  if (retains) {
    out->Varint(retention_.ms);
    out->Varint(retention_.bytes);
    out->Varint(retention_.entries);
    out->Byte(retention_.delete_on_ack ? 1 : 0);
  }
  if (unswept_) WriteStreamId(out, *unswept_);
  if (is_partition()) out->Varint(first_offset_);
  if (is_compacted()) compaction_->Serialize(out, first_offset());
}

void Stream::Encode(Encoder* out) const {
  WriteHead(kStreamVersion, out);
  log_.Serialize(out);
  WriteTail(out);
}

void Stream::AddExtents(ColdExtents* extents) const {
  log_.ForEachExtent([&](const Ref<ColdExtent>& extent) { extents->push_back(extent); });
}

void Stream::EncodeStored(Encoder* out) const {
  const bool with_holes = log_.has_holes();
  WriteHead(with_holes ? kVersionWithHoles : kStreamVersion, out);
  log_.SerializeWithRuns(with_holes, out);
  WriteTail(out);
}

template <class LoadLog>
std::unique_ptr<Object> Stream::LoadAs(Decoder* in, LoadLog load_log) {
  const uint8_t version = in->Byte();
  if (version != kStreamVersion && version != kVersionWithHoles) return nullptr;
  auto stream = std::make_unique<Stream>();
  stream->last_id_ = ReadStreamId(in);
  stream->max_deleted_id_ = ReadStreamId(in);
  stream->entries_added_ = in->Varint();
  if (!load_log(in, version == kVersionWithHoles, &stream->log_) ||
      stream->log_.newest_id() > stream->last_id_ || stream->entries_added_ < stream->length()) {
    return nullptr;
  }
  const uint64_t groups = in->Count(1);
  for (uint64_t i = 0; i < groups; i++) {
    std::unique_ptr<ConsumerGroup> group = ConsumerGroup::Load(in);
    if (!group || stream->FindGroup(group->name()) != nullptr) return nullptr;
    stream->groups_.emplace(group->name(), std::move(group));
  }
  const uint8_t parts = in->Byte();
  if ((parts & ~kParts) != 0) return nullptr;
  if ((parts & kHasIdempotence) != 0) {
    stream->idempotence_ = Idempotence::Load(in);
    if (!stream->idempotence_) return nullptr;
  }
  if ((parts & kHasRetention) != 0) {
    Retention retention;
    retention.ms = in->Varint();
    retention.bytes = in->Varint();
    retention.entries = in->Varint();
    const uint8_t delete_on_ack = in->Byte();
    retention.delete_on_ack = delete_on_ack != 0;
    // There is exactly one payload for a stream.
    if (delete_on_ack > 1 || retention == kKeepAll) return nullptr;
    stream->Retain(retention);
  }
  stream->unswept_.reset();
  if ((parts & kHasUnswept) != 0) {
    stream->unswept_ = ReadStreamId(in);
    if (!stream->retention().delete_on_ack || stream->groups_.empty()) return nullptr;
  }
  if ((parts & kIsPartition) != 0) {
    stream->MakePartition();
    const uint64_t first = in->Varint();
    stream->first_offset_ = first;
    const bool used = stream->entries_added_ > 0;
    if (first > stream->entries_added_ || used != (stream->last_id_ != StreamId()) ||
        (used && stream->last_id_.seq != stream->entries_added_ - 1) ||
        (stream->length() > 0 && !stream->log_.has_holes() && stream->first_id().seq < first)) {
      return nullptr;
    }
  }
  if ((parts & kIsCompacted) != 0) {
    if (!stream->is_partition()) return nullptr;
    stream->KeepNewest(Compaction::Load(in, stream->first_offset(), stream->next_offset()));
    if (!stream->is_compacted()) return nullptr;
  }
  if (!in->ok() || (stream->log_.has_holes() && !stream->is_compacted())) return nullptr;
  return stream;
}

std::unique_ptr<Object> Stream::Load(Decoder* in) {
  return LoadAs(in, [](Decoder* from, bool with_holes, EntryLog* log) {
    return !with_holes && log->Load(from);
  });
}

std::unique_ptr<Object> Stream::LoadWithRuns(Decoder* in, ColdSource& source) {
  return LoadAs(in, [&](Decoder* from, bool with_holes, EntryLog* log) {
    return log->LoadWithRuns(from, with_holes, source);
  });
}

}  // namespace runnel
