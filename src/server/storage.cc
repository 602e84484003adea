#include "server/storage.h"

#include <utility>

#include "base/log.h"

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
  return true;
}

Status Storage::Load() {
  for (;;) {
    const auto all = LoadSome(Startup::kEverything);
    if (!all.ok()) return all.status();
    if (*all) return {};
  }
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
