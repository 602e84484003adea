#include <utility>

#include "base/log.h"
#include "journal/failed_sync.h"
#include "journal/journal.h"

// When and how a journal is synced.

namespace runnel::journal {
namespace {

// Under kEverySecond a sync begins when the oldest unsynced byte is so old: the other half of the
// second is for the sync.
constexpr int64_t kSyncAfterMicros = 500'000;
// Or when so much is unsynced. Pages that a sync sets free early are still known to the processor
// when they are written again.
constexpr uint64_t kSyncAfterBytes = uint64_t{16} << 20;
// How long a sync may wait for turns that bring more: about what one takes on a quick disk. A
// single turn that serves many clients may take longer; this bounds a row of small ones.
constexpr int64_t kGatherMicros = 200;
// How often the note says what was synced of another server's frames, which do not say it.
constexpr int64_t kNoteSyncedMicros = 1'000'000;

}  // namespace

// What one sync covers. The log thread sets the status.
struct Journal::SyncJob {
  std::vector<Sealed> sealed;
  Position base;      // of the active segment
  uint64_t reserved;  // for it
  std::shared_ptr<File> active;
  std::shared_ptr<const std::atomic<Position>> written;  // of `active`
  bool names_changed;
  Position up_to = 0;
  Status status;

  Status Do(Disk& disk, const std::string& directory) {
    up_to = written->load(std::memory_order_acquire);
    for (const Sealed& each : sealed) {
      const Status synced = each.file->Sync();
      if (!synced.ok()) return synced;
    }
    if (names_changed) {
      const Status synced = disk.SyncDirectory(directory);
      if (!synced.ok()) return synced;
    }
    return active->Sync();
  }
};

bool Journal::IsSyncDue(int64_t now_us) const {
  if (syncing_ || unsynced_since_us_ < 0) return false;
  if (sync_requested_) return true;
  if (!sealed_.empty()) return true;  // under every policy: what is sealed can be relied on soon
  switch (sync_policy_) {
    case SyncPolicy::kAlways:
      return true;
    case SyncPolicy::kEverySecond:
      return now_us - unsynced_since_us_ >= kSyncAfterMicros ||
             written_ - durable_ >= kSyncAfterBytes;
    case SyncPolicy::kNo:
      return false;
  }
  return false;
}

// Whether the sync that is due waits for changes that come at once: from clients whose replies the
// last sync has released, and from others whose requests are being read. Otherwise they would wait
// for the sync after the next, and each sync costs the processor as much as a dozen requests.
bool Journal::Gathers(int64_t now_us, bool more) {
  if (sync_policy_ != SyncPolicy::kAlways) return false;
  if (gathering_) return more && now_us < gather_until_us_;
  gather_until_us_ = now_us + kGatherMicros;
  return true;
}

void Journal::BeginSync() {
  syncing_ = true;
  gathering_ = false;
  sync_requested_ = false;
  unsynced_since_us_ = -1;
  auto job = std::make_shared<SyncJob>();
  job->sealed = std::exchange(sealed_, {});
  job->base = active_.base;
  job->reserved = active_.reserved;
  job->active = active_.file;
  job->written = active_.written;
  job->names_changed = std::exchange(names_changed_, false);
  log_thread_->Run(
      [job, disk = disk_, directory = options_.directory] {
        job->status = job->Do(*disk, directory);
        if (!job->status.ok()) NoteFailedSync(*disk, directory);
      },
      [this, job, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) OnSynced(*job);
      });
}

void Journal::OnSynced(const SyncJob& job) {
  syncing_ = false;
  if (failed_) return;
  if (!job.status.ok()) return Fail(job.status);
  durable_ = job.up_to;
  if (durable_ == written_) unsynced_since_us_ = -1;
  UpdateSafe();
  ForgetDurable();
  NoteSynced();
  if (job.sealed.empty()) return;
  note_.last = job.base;
  note_.last_bytes = job.reserved;
  note_.synced = durable_;
  // Then gives the reserve of what was sealed back. If that fails, recovery does it.
  helper_->Run(
      [sealed = job.sealed, note = note_, disk = disk_, directory = options_.directory] {
        // What the note says already stays true.
        const Status noted = WriteNote(*disk, directory, note);
        if (!noted.ok()) LogWarning("journal: {}", noted.message());
        for (const Sealed& each : sealed) {
          const Status cut = each.file->Truncate(each.bytes);
          if (!cut.ok()) LogWarning("journal: {}", cut.message());
          each.file->Forget(0, each.bytes);
        }
      },
      [] {});
}

// What the frames of this server do not say, the note does.
void Journal::NoteSynced() {
  const bool told = sync_policy_ == SyncPolicy::kAlways && wanted_policy_ == sync_policy_ &&
                    safe_ <= durable_ && !note_.told_synced;
  const bool foreign =
      follows_ && durable_ > note_.synced && now_us_ - noted_us_ >= kNoteSyncedMicros;
  if (!told && !foreign) return;
  noted_us_ = now_us_;
  note_.told_synced |= told;
  note_.synced = durable_;
  WriteNoteSoon();
}

}  // namespace runnel::journal
