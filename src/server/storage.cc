#include "server/storage.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "effects/batch.h"
#include "fmt/format.h"
#include "journal/segment.h"
#include "snapshot/cold_entries.h"
#include "snapshot/files.h"
#include "snapshot/load.h"

namespace runnel {
namespace {

constexpr const char* kJournalDirectory = "journal";
constexpr const char* kSnapshotDirectory = "snapshots";
constexpr const char* kColdDirectory = "streams";
// Work of some 100 microseconds.
constexpr uint64_t kRecordsPerBreath = 256;
constexpr uint64_t kKeysPerBreath = 4096;

}  // namespace

Storage::Storage(Disk& disk, Clock& clock, const Workers& workers, const ServerOptions& options,
                 const ColdSettings& cold, Keyspace& keyspace, const ColdSizes& sizes)
    : disk_(disk),
      clock_(clock),
      workers_(workers),
      options_(options),
      keyspace_(keyspace),
      cold_(std::make_unique<ColdStore>(disk, kColdDirectory, workers.cold_writer,
                                        workers.cold_reader, workers.cold_syncer,
                                        keyspace.hot_blocks(), cold, sizes)),
      stored_(std::make_unique<snapshot::ColdEntries>(cold_.get(), &workers.cold_syncer)),
      snapshotter_(std::make_unique<snapshot::Snapshotter>(&disk, &workers.snapshot, &keyspace,
                                                           kSnapshotDirectory, stored_.get())) {}

Storage::~Storage() {
  snapshotter_.reset();
  journal_.reset();
  // What it has captured may have entries in files.
  workers_.snapshot.Drain();
}

Status Storage::Open() {
  auto lock = disk_.Lock(options_.dir);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  return {};
}

Status Storage::Load(Loading& loading) {
  if (Status opened = cold_->Open(); !opened.ok()) return opened;
  if (Status loaded = LoadSnapshot(loading); !loaded.ok()) return loaded;
  // What the snapshot does not name is read from the journal again.
  if (Status removed = cold_->RemoveUnused(); !removed.ok()) return removed;
  const Status read = options_.journal ? OpenJournal(loading) : ReadJournal(loading);
  if (!read.ok()) return read;
  return NoteAccess(loading);
}

Status Storage::LoadSnapshot(Loading& loading) {
  if (Status removed = snapshot::RemoveLeftovers(disk_, kSnapshotDirectory); !removed.ok()) {
    return removed;
  }
  const auto journal_first = LookAtJournal();
  if (!journal_first.ok()) return journal_first.status();
  found_.snapshot_position = journal_first->value_or(0);
  const auto positions = snapshot::ListSnapshots(disk_, kSnapshotDirectory);
  if (!positions.ok()) return positions.status();
  journal_from_ = positions->empty() ? found_.snapshot_position : positions->front();

  const int64_t begin_us = clock_.SteadyMicros();
  const auto loaded = snapshot::LoadNewest(
      disk_, kSnapshotDirectory, *journal_first, &keyspace_,
      [&](uint64_t bytes, uint64_t total) {
        return loading.Reached(bytes, total + JournalBytesTo(journal_end_));
      },
      cold_.get());
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value()) return {};
  if (keyspace_.hot_blocks().cold_bytes() > 0) KeepWhatItNames();
  const snapshot::Loaded& snapshot = **loaded;
  found_.position = found_.snapshot_position = journal_from_ = snapshot.info.position;
  found_.epoch = snapshot.info.epoch;
  snapshot_bytes_ = snapshot.totals.file_bytes;
  LogNotice("The snapshot at position {} was loaded: {} keys, {} bytes in {:.1f} s",
            found_.position, snapshot.totals.keys, snapshot_bytes_,
            static_cast<double>(clock_.SteadyMicros() - begin_us) / 1e6);
  return {};
}

// What the loaded snapshot names stays, whatever the journal says of it.
void Storage::KeepWhatItNames() {
  for (uint32_t db = 0; db < keyspace_.databases(); db++) {
    keyspace_.table(db).ForEach([this](const KeyEntry* entry) {
      ColdExtents extents;
      entry->value().AddExtents(&extents);
      if (!extents.empty()) stored_->Note(extents);
    });
  }
  stored_->End(true);
}

// Where the journal begins; nothing if there is none. Notes about where it ends.
Result<std::optional<Position>> Storage::LookAtJournal() {
  const auto segments = journal::ListSegments(disk_, kJournalDirectory);
  if (!segments.ok() && segments.status().error_number() != ENOENT) return segments.status();
  if (!segments.ok() || segments->empty()) return std::optional<Position>();
  const auto end = journal::EstimateEnd(disk_, kJournalDirectory, segments->back());
  if (!end.ok()) return end.status();
  journal_end_ = *end;
  return std::optional<Position>(segments->front().base);
}

// Of the journal's bytes that have to be read, those before `position`.
uint64_t Storage::JournalBytesTo(Position position) const {
  return position - std::min(position, journal_from_);
}

// Without one of its own the server only reads what an earlier one has left.
Status Storage::ReadJournal(Loading& loading) {
  const auto found =
      journal::Inspect(disk_, kJournalDirectory, found_.position,
                       [&](const journal::Frame& frame) { return Replay(frame, loading); });
  if (!found.ok()) return found.status().error_number() == ENOENT ? Status() : found.status();
  if (found->row->decision == journal::Decision::kStop) {
    return Status::Error(found->text + " " + found->next_step);
  }
  found_.position = std::max(found_.position, found->end);
  found_.epoch = std::max(found_.epoch, found->epoch);
  return {};
}

Status Storage::OpenJournal(Loading& loading) {
  const int64_t begin_us = clock_.SteadyMicros();
  uint64_t records = 0;
  auto journal =
      journal::Journal::Open(&disk_, &workers_.log, &workers_.helper,
                             {kJournalDirectory, options_.journal_segment_bytes,
                              options_.appendfsync, found_.position, options_.journal_cut_damage},
                             [&](const journal::Frame& frame) {
                               records += frame.records;
                               return Replay(frame, loading);
                             });
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  if (journal_->epoch() < found_.epoch) journal_->set_epoch(found_.epoch);
  // It may have been changed while the journal was read.
  journal_->set_sync_policy(options_.appendfsync);
  LogNotice("The journal ends at {}; {} changes from {} on were read in {:.1f} s",
            journal_->appended(), records, std::max(journal_->first(), found_.position),
            static_cast<double>(clock_.SteadyMicros() - begin_us) / 1e6);
  return {};
}

Status Storage::Replay(const journal::Frame& frame, Loading& loading) {
  Status status;
  Status goes_on;
  bool whole = false;
  uint64_t records = 0;
  try {
    whole = Batch::ForEach(frame.payload, [&](const Record& record) {
      if (!status.ok() || !goes_on.ok()) return;
      status = runnel::Replay(record, keyspace_);
      if (++records % kRecordsPerBreath == 0) goes_on = loading.Breathe();
    });
  } catch (const ColdFailure& failure) {
    return Status::Error(failure.message);
  }
  if (!goes_on.ok()) return goes_on;
  if (!whole) status = Status::Error("its records do not fill it");
  if (!status.ok()) {
    return Status::Error(
        fmt::format("the frame at position {} of the journal: {}", frame.base, status.message()));
  }
  cold_->KeepUp(clock_.SteadyMicros() / 1000);
  return loading.Reached(snapshot_bytes_ + JournalBytesTo(frame.end()),
                         snapshot_bytes_ + JournalBytesTo(journal_end_));
}

// All keys were used now, as far as anybody knows.
Status Storage::NoteAccess(Loading& loading) {
  const uint32_t now_s = static_cast<uint32_t>(clock_.UnixMicros() / 1'000'000);
  Status goes_on;
  uint64_t keys = 0;
  for (uint32_t db = 0; db < keyspace_.databases(); db++) {
    keyspace_.table(db).ForEach([&](const KeyEntry* entry) {
      entry->NoteAccess(now_s);
      if (++keys % kKeysPerBreath == 0 && goes_on.ok()) goes_on = loading.Breathe();
    });
  }
  return goes_on;
}

void Storage::Sync() {
  if (journal_ != nullptr) journal_->SyncWritten();
}

void Storage::Close() {
  if (journal_ == nullptr) return;
  const Status closed = journal_->Close(clock_.SteadyMicros());
  if (!closed.ok()) LogWarning("The journal could not be ended well: {}", closed.message());
}

}  // namespace runnel
