#include "server/storage.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "effects/batch.h"
#include "env/clock.h"
#include "env/posix/posix_disk.h"
#include "fmt/format.h"
#include "journal/segment.h"
#include "snapshot/files.h"
#include "snapshot/load.h"

namespace runnel {
namespace {

constexpr const char* kJournalDirectory = "journal";
constexpr const char* kSnapshotDirectory = "snapshots";
constexpr const char* kColdDirectory = "streams";
constexpr int64_t kTellEveryMicros = 2'000'000;

// The cold store as snapshots see it.
class ColdEntries final : public snapshot::StoredEntries {
 public:
  ColdEntries(ColdStore* store, ThreadWorker* writer) : store_(store), writer_(writer) {}

  void Note(const ColdExtents& extents) override { ColdStore::AddFiles(extents, &files_); }
  void Sync(std::function<void(const Status&)> done) override {
    store_->Sync(files_, std::move(done));
  }
  void Drain() override { writer_->Drain(); }
  void End(bool durable) override {
    ColdStore::Files files = std::exchange(files_, {});
    if (durable) store_->PinForSnapshot(std::move(files));
  }

 private:
  ColdStore* const store_;
  ThreadWorker* const writer_;
  ColdStore::Files files_;
};

}  // namespace

Storage::Storage(Loop& loop) {
  wakeup_ = loop.NewWakeup([this] {
    log_thread_->Deliver();
    helper_->Deliver();
    snapshot_thread_->Deliver();
    cold_writer_->Deliver();
    cold_reader_->Deliver();
  });
  const auto wake = [wakeup = wakeup_.get()] { wakeup->Signal(); };
  log_thread_ = std::make_unique<ThreadWorker>(wake);
  helper_ = std::make_unique<ThreadWorker>(wake);
  snapshot_thread_ = std::make_unique<ThreadWorker>(wake, ThreadWorker::Haste::kBackground);
  cold_writer_ = std::make_unique<ThreadWorker>(wake);
  cold_reader_ = std::make_unique<ThreadWorker>(wake);
}

// The threads end before what they signal, and what they have not delivered finds nobody.
Storage::~Storage() {
  snapshotter_.reset();
  journal_.reset();
  snapshot_thread_.reset();
  stored_.reset();
  cold_.reset();
  cold_reader_.reset();
  cold_writer_.reset();
  log_thread_.reset();
  helper_.reset();
}

Status Storage::Open(const ServerOptions& options, const ColdSettings& cold, Keyspace& keyspace) {
  auto lock = SystemDisk().Lock(options.dir);
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  cold_ = std::make_unique<ColdStore>(SystemDisk(), kColdDirectory, *cold_writer_, *cold_reader_,
                                      keyspace.hot_streams(), cold);
  if (Status opened = cold_->Open(); !opened.ok()) return opened;
  stored_ = std::make_unique<ColdEntries>(cold_.get(), cold_writer_.get());
  if (Status loaded = LoadSnapshot(keyspace); !loaded.ok()) return loaded;
  // What the snapshot does not name is read from the journal again.
  if (Status removed = cold_->RemoveUnused(); !removed.ok()) return removed;
  const Status read = options.journal ? OpenJournal(options, keyspace) : ReadJournal(keyspace);
  if (!read.ok()) return read;
  const uint32_t now_s = static_cast<uint32_t>(SystemClock().UnixMicros() / 1'000'000);
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    keyspace.table(db).ForEach([now_s](const Entry* entry) { entry->NoteAccess(now_s); });
  }
  snapshotter_ = std::make_unique<snapshot::Snapshotter>(
      &SystemDisk(), snapshot_thread_.get(), &keyspace, kSnapshotDirectory, stored_.get());
  return {};
}

Status Storage::LoadSnapshot(Keyspace& keyspace) {
  Disk& disk = SystemDisk();
  if (Status removed = snapshot::RemoveLeftovers(disk, kSnapshotDirectory); !removed.ok()) {
    return removed;
  }
  const auto segments = journal::ListSegments(disk, kJournalDirectory);
  if (!segments.ok() && segments.status().error_number() != ENOENT) return segments.status();
  std::optional<Position> journal_first;
  if (segments.ok() && !segments->empty()) journal_first = segments->front().base;

  const int64_t begin_us = told_us_ = SystemClock().SteadyMicros();
  const auto loaded = snapshot::LoadNewest(
      disk, kSnapshotDirectory, journal_first, &keyspace,
      [&](uint64_t bytes, uint64_t total) {
        if (IsTimeToTell()) LogNotice("Loading the snapshot: {} of {} bytes", bytes, total);
      },
      cold_.get());
  if (!loaded.ok()) return loaded.status();
  found_.snapshot_position = journal_first.value_or(0);
  if (!loaded->has_value()) return {};
  // What it names stays, whatever the journal says of it.
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    keyspace.table(db).ForEach([this](const Entry* entry) {
      ColdExtents extents;
      entry->value().AddExtents(&extents);
      if (!extents.empty()) stored_->Note(extents);
    });
  }
  stored_->End(true);
  const snapshot::Loaded& snapshot = **loaded;
  found_.position = found_.snapshot_position = snapshot.info.position;
  found_.epoch = snapshot.info.epoch;
  LogNotice("The snapshot at position {} was loaded: {} keys, {} bytes in {:.1f} s",
            found_.position, snapshot.totals.keys, snapshot.totals.file_bytes,
            static_cast<double>(SystemClock().SteadyMicros() - begin_us) / 1e6);
  return {};
}

// Without one of its own the server only reads what an earlier one has left.
Status Storage::ReadJournal(Keyspace& keyspace) {
  const auto found =
      journal::Inspect(SystemDisk(), kJournalDirectory, found_.position,
                       [&](const journal::Frame& frame) { return Replay(frame, keyspace); });
  if (!found.ok()) return found.status().error_number() == ENOENT ? Status() : found.status();
  if (found->row->decision == journal::Decision::kStop) return Status::Error(found->text);
  found_.position = std::max(found_.position, found->end);
  found_.epoch = std::max(found_.epoch, found->epoch);
  return {};
}

Status Storage::OpenJournal(const ServerOptions& options, Keyspace& keyspace) {
  const int64_t begin_us = told_us_ = SystemClock().SteadyMicros();
  uint64_t records = 0;
  auto journal = journal::Journal::Open(
      &SystemDisk(), log_thread_.get(), helper_.get(),
      {kJournalDirectory, options.journal_segment_bytes, options.appendfsync, found_.position},
      [&](const journal::Frame& frame) {
        records += frame.records;
        return Replay(frame, keyspace);
      });
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  if (journal_->epoch() < found_.epoch) journal_->set_epoch(found_.epoch);
  LogNotice("The journal ends at {}; {} changes from {} on were read in {:.1f} s",
            journal_->appended(), records, std::max(journal_->first(), found_.position),
            static_cast<double>(SystemClock().SteadyMicros() - begin_us) / 1e6);
  return {};
}

Status Storage::Replay(const journal::Frame& frame, Keyspace& keyspace) {
  Status status;
  bool whole = false;
  try {
    whole = Batch::ForEach(frame.payload, [&](std::string_view record) {
      if (status.ok()) status = runnel::Replay(record, keyspace);
    });
  } catch (const ColdFailure& failure) {
    return Status::Error(failure.message);
  }
  if (!whole) status = Status::Error("its records do not fill it");
  if (!status.ok()) {
    return Status::Error(
        fmt::format("the frame at position {} of the journal: {}", frame.base, status.message()));
  }
  cold_->KeepUp(SystemClock().SteadyMicros() / 1000);
  if (IsTimeToTell()) LogNotice("Reading the journal: at position {}", frame.base);
  return {};
}

bool Storage::IsTimeToTell() {
  const int64_t now_us = SystemClock().SteadyMicros();
  if (now_us - told_us_ <= kTellEveryMicros) return false;
  told_us_ = now_us;
  return true;
}

void Storage::Sync() {
  log_thread_->Drain();
}

void Storage::Close() {
  if (journal_ == nullptr) return;
  const Status closed = journal_->Close(SystemClock().SteadyMicros());
  if (!closed.ok()) LogWarning("The journal could not be ended well: {}", closed.message());
}

}  // namespace runnel
