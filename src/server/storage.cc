#include "server/storage.h"

#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "fmt/format.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "journal/set_aside.h"
#include "server/full_sync.h"
#include "server/journal_length.h"
#include "snapshot/files.h"

namespace runnel {
namespace {

constexpr const char* kJournalDirectory = "journal";
constexpr const char* kSnapshotDirectory = "snapshots";
constexpr const char* kColdDirectory = "streams";

DataDirectories Directories() {
  return {kJournalDirectory, kSnapshotDirectory, kColdDirectory};
}

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
  return TakeArrived(disk_, Directories());
}

Result<std::vector<replication::SyncFile>> Storage::ListSnapshot(Position position) const {
  return ListSnapshotFiles(disk_, Directories(), position);
}

Result<bool> Storage::LoadSome(size_t budget) {
  if (!take_status_.ok()) return take_status_;
  if (arrived_) {
    TakeWhatArrived();
    return false;
  }
  if (startup_ == nullptr) {
    CHECK(may_load());
    if (Status looked = LookForLoss(); !looked.ok()) return looked;
    // What was loaded before is nobody's any more.
    stored_->ForgetFrom(0);
    startup_ = std::make_unique<Startup>(Startup::Parts{
        disk_, clock_, workers_.log, workers_.helper, options_, keyspace_, *cold_, *stored_,
        kJournalDirectory, kSnapshotDirectory, limit_, lost_.has_value(), follows_});
  }
  const auto all = startup_->Step(budget);
  if (!all.ok()) return AfterFailure(all.status());
  if (!*all) return all;
  found_ = startup_->found();
  journal_ = startup_->TakeJournal();
  startup_.reset();
  must_load_ = false;
  if (journal_ != nullptr && !journal_->follows() && !leads_later_) {
    if (Status led = BeginToLead(); !led.ok()) return led;
  }
  return true;
}

Status Storage::LookForLoss() {
  if (!std::exchange(looked_for_loss_, true)) {
    // Later it is loaded again only because it follows, whatever the configuration says by then.
    follows_ = !options_.leader_host.empty();
    auto lost = ReadLostData(disk_);
    if (!lost.ok()) return lost.status();
    lost_ = std::move(*lost);
  }
  if (!lost_) return {};
  if (!follows_) {
    if (!options_.unclean_leader_election) {
      return Status::Error(fmt::format(
          "this server was a follower, and lacks data which it has not fetched again ({}). Start "
          "it "
          "with `replicaof`; or, to lead with what is here, with `unclean-leader-election yes`",
          lost_->why));
    }
    LogWarning("This server leads though it has lost data, as unclean-leader-election says: {}",
               lost_->why);
    lost_.reset();
    return RemoveLostData(disk_);
  }
  if (!lost_->must_set_aside) return {};
  set_aside_ = true;
  LogWarning("None of the files here can be used: all are set aside with the suffix {}",
             kDamagedSuffix);
  Status aside = SetAllAside(disk_, Directories());
  lost_->must_set_aside = false;
  if (aside.ok()) aside = WriteLostData(disk_, *lost_);
  return aside;
}

// On a leader a start stops at damage: nobody else may have the data. A follower fetches it anew.
Result<bool> Storage::AfterFailure(const Status& failure) {
  const Startup::Damage damage = startup_->damage();
  if (!follows_ || damage == Startup::Damage::kNone || set_aside_) {
    return failure;
  }
  // The journal is used up to the damage, if it is only that.
  const bool all = damage == Startup::Damage::kAll || lost_.has_value();
  LogWarning("{} This server is a follower: it fetches from its leader what it has lost",
             failure.message());
  lost_ = LostData{all, failure.message(), all};
  if (Status noted = WriteLostData(disk_, *lost_); !noted.ok()) return noted;
  startup_.reset();
  keyspace_.Clear();
  return false;
}

void Storage::NoteLost(LostData lost, std::function<void(const Status&)> done) {
  lost_ = lost;
  auto status = std::make_shared<Status>();
  workers_.helper.Run(
      [status, lost = std::move(lost), &disk = disk_] { *status = WriteLostData(disk, lost); },
      [status, done = std::move(done), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) done(*status);
      });
}

void Storage::ForgetLost(bool has_all) {
  lost_.reset();
  auto status = std::make_shared<Status>();
  workers_.helper.Run(
      [status, has_all, &disk = disk_] {
        *status = RemoveLostData(disk);
        if (status->ok() && has_all) *status = RemoveOld(disk, Directories(), kDamagedSuffix);
      },
      [status] {
        if (status->ok()) return;
        LogWarning(
            "The note that this server had lost data, or too much that was set aside, stays: {}",
            status->message());
      });
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

DataDirectories Storage::directories() const {
  return Directories();
}

std::string Storage::journal_directory() const {
  return kJournalDirectory;
}

Status Storage::Load() {
  for (;;) {
    if (!may_load()) {
      for (Worker* const worker : {&workers_.cold_writer, &workers_.cold_reader,
                                   &workers_.cold_syncer, &workers_.helper}) {
        worker->Drain();
      }
    }
    const auto all = LoadSome(Startup::kEverything);
    if (!all.ok()) return all.status();
    if (*all) return {};
  }
}

Status Storage::TakeJournal(const journal::Identity& identity) {
  journal_.reset();
  workers_.log.Drain();
  workers_.helper.Drain();
  Status status = snapshot::RemoveFrom(disk_, kSnapshotDirectory, 0);
  stored_->ForgetFrom(0);
  if (status.ok()) status = journal::RemoveFrames(disk_, kJournalDirectory);
  if (status.ok()) status = journal::TakeIdentity(disk_, kJournalDirectory, identity);
  if (!status.ok()) return status;
  found_ = FoundState();
  auto journal = journal::Journal::Open(&disk_, &workers_.log, &workers_.helper, OptionsToFollow(0),
                                        [](const journal::Frame&) { return Status(); });
  if (!journal.ok()) return journal.status();
  journal_ = std::move(*journal);
  return {};
}

journal::JournalOptions Storage::OptionsToFollow(uint64_t data_bytes) const {
  journal::JournalOptions options;
  options.directory = kJournalDirectory;
  options.segment_bytes = SegmentBytes(options_, data_bytes);
  options.sync_policy = options_.appendfsync;
  options.follows = true;
  return options;
}

// What the helper does. It alone has the directory meanwhile.
struct Storage::CutJob {
  Disk& disk;
  const Workers workers;
  const Position end;
  const bool load;
  journal::JournalOptions options;
  std::unique_ptr<journal::Journal> journal;
  Status status;

  void Do() {
    status = journal::CutAt(disk, kJournalDirectory, end, journal::CutBytes::kDropped);
    if (!status.ok() || load) return;
    // What lies before `end` is known, so no more than a segment is read.
    auto opened = journal::Journal::Open(&disk, &workers.log, &workers.helper, options,
                                         [](const journal::Frame&) { return Status(); });
    if (opened.ok()) journal = std::move(*opened);
    status = opened.status();
  }
};

void Storage::Cut(Position end, bool load, std::function<void(const Status&)> done) {
  CHECK(journal_ != nullptr && journal_->follows() && journal_->first() <= end);
  auto job = std::make_shared<CutJob>(
      CutJob{disk_, workers_, end, load, OptionsToFollow(found_.snapshot_raw_bytes), nullptr, {}});
  job->options.from = end;
  job->options.epochs = journal_->epochs();
  job->options.epochs.CutAt(end);
  // What its jobs still do is done before: helpers do one job after the other. What the log thread
  // may still sync is good, but of no interest.
  journal_.reset();
  const auto finish = [this, job, done = std::move(done)] {
    journal_ = std::move(job->journal);
    must_load_ = job->status.ok() && job->load;
    follows_ = true;
    if (journal_ != nullptr) {
      const journal::Epoch newest = job->options.epochs.newest();
      if (journal_->epoch() < newest) journal_->set_epoch(newest);
      // It may have been changed meanwhile.
      journal_->set_sync_policy(options_.appendfsync);
    }
    done(job->status);
  };
  // The snapshots first: one whose position the journal does not reach must never be found. On
  // their own thread, where older ones may be about to be removed.
  workers_.snapshot.Run(
      [job] { job->status = snapshot::RemoveFrom(job->disk, kSnapshotDirectory, job->end + 1); },
      [this, job, finish, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        if (!job->status.ok()) return finish();
        stored_->ForgetFrom(job->end + 1);
        workers_.helper.Run([job] { job->Do(); },
                            [finish, alive] {
                              if (!alive.expired()) finish();
                            });
      });
}

void Storage::NoteArrived(ArrivedSnapshot snapshot, std::function<void(const Status&)> done) {
  auto status = std::make_shared<Status>();
  workers_.helper.Run([status, snapshot = std::move(snapshot),
                       &disk = disk_] { *status = runnel::NoteArrived(disk, snapshot); },
                      [status, done = std::move(done), alive = std::weak_ptr<bool>(alive_)] {
                        if (!alive.expired()) done(*status);
                      });
}

void Storage::GiveWay() {
  CHECK(journal_ != nullptr && journal_->follows());
  // Helpers do one job after the other: what the journal's jobs still do is done before the files
  // go.
  journal_.reset();
  must_load_ = arrived_ = follows_ = true;
}

void Storage::TakeWhatArrived() {
  arrived_ = false;
  taking_ = true;
  auto status = std::make_shared<Status>();
  workers_.helper.Run([status, &disk = disk_] { *status = TakeArrived(disk, Directories()); },
                      [this, status, alive = std::weak_ptr<bool>(alive_)] {
                        if (alive.expired()) return;
                        taking_ = false;
                        take_status_ = *status;
                      });
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
