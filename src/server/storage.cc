#include "server/storage.h"

#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "server/journal_length.h"
#include "snapshot/files.h"

namespace runnel {
namespace {

constexpr const char* kJournalDirectory = "journal";
constexpr const char* kSnapshotDirectory = "snapshots";
constexpr const char* kColdDirectory = "streams";

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

Result<bool> Storage::LoadSome(size_t budget) {
  if (startup_ == nullptr) {
    startup_ = std::make_unique<Startup>(
        Startup::Parts{disk_, clock_, workers_.log, workers_.helper, options_, keyspace_, *cold_,
                       *stored_, kJournalDirectory, kSnapshotDirectory});
  }
  const auto all = startup_->Step(budget);
  if (!all.ok() || !*all) return all;
  found_ = startup_->found();
  journal_ = startup_->TakeJournal();
  startup_.reset();
  if (journal_ != nullptr && !journal_->follows()) {
    if (Status led = BeginToLead(); !led.ok()) return led;
  }
  return true;
}

Status Storage::Lead() {
  const auto chance = static_cast<uint32_t>(RandomSeed());
  return journal_->Lead(journal::NextEpoch(journal_->epoch(), chance));
}

// A server that leads has an epoch of its own from its start on.
Status Storage::BeginToLead() {
  if (Status led = Lead(); !led.ok()) return led;
  journal_->Flush(clock_.SteadyMicros());
  journal_->SyncWritten();
  return journal_->failed() ? journal_->status() : Status();
}

Status Storage::Load() {
  for (;;) {
    const auto all = LoadSome(Startup::kEverything);
    if (!all.ok()) return all.status();
    if (*all) return {};
  }
}

Status Storage::TakeJournal(const journal::Identity& identity) {
  journal_.reset();
  workers_.log.Drain();
  workers_.helper.Drain();
  for (const Position position : found_.snapshots) {
    if (Status removed = snapshot::RemoveSnapshot(disk_, kSnapshotDirectory, position);
        !removed.ok()) {
      return removed;
    }
  }
  Status status = journal::RemoveFrames(disk_, kJournalDirectory);
  if (status.ok()) status = journal::WriteIdentity(disk_, kJournalDirectory, identity);
  if (!status.ok()) return status;
  found_ = FoundState();
  journal::JournalOptions options;
  options.directory = kJournalDirectory;
  options.segment_bytes = SegmentBytes(options_, 0);
  options.sync_policy = options_.appendfsync;
  options.follows = true;
  auto journal = journal::Journal::Open(&disk_, &workers_.log, &workers_.helper, std::move(options),
                                        [](const journal::Frame&) { return Status(); });
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  return {};
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
