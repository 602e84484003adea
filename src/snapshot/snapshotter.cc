#include "snapshot/snapshotter.h"

#include <atomic>
#include <limits>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "snapshot/files.h"
#include "snapshot/snapshot_writer.h"

namespace runnel::snapshot {
namespace {

// A batch goes to the worker when it has so much, even in the middle of a turn, so that a flush of
// millions of keys does not pile up here.
constexpr size_t kBatchKeys = 1000;
constexpr size_t kBatchBytes = size_t{1} << 20;
// Of a value that is made of many parts, as many are measured.
constexpr size_t kSamples = 5;

}  // namespace

// What the worker knows of a snapshot. It outlives the snapshotter if that goes first.
struct Snapshotter::Run {
  // The worker's. Destroyed by its last job.
  std::optional<SnapshotWriter> writer;
  // Set by the loop: what is still to come is not written any more, only freed.
  std::atomic<bool> aborted{false};
  std::string why;  // it was aborted; set before
  // Told by the worker.
  std::atomic<uint64_t> written_bytes{0};
};

Snapshotter::Snapshotter(Disk* disk, Worker* worker, Keyspace* keyspace, std::string directory,
                         StoredEntries* stored)
    : disk_(disk),
      worker_(worker),
      keyspace_(keyspace),
      directory_(std::move(directory)),
      stored_(stored) {}

Snapshotter::~Snapshotter() {
  *alive_ = false;
  if (busy()) Abort("the server ends");
}

void Snapshotter::Begin(SnapshotInfo info, Done done) {
  CHECK(!busy());
  info.databases = keyspace_->databases();
  info.has_libraries = !keyspace_->functions().empty();
  run_ = std::make_shared<Run>();
  run_->writer.emplace(disk_, directory_, info, kept_);
  position_ = info.position;
  run_kept_ = kept_;
  done_ = std::move(done);
  keys_ = 0;
  captured_ = 0;
  for (uint32_t db = 0; db < info.databases; db++) {
    keys_ += keyspace_->size(db);
  }
  worker_->Run([run = run_] { run->writer->Open(); }, [] {});
  keyspace_->BeginCapture(this);
}

// They are few, and what they take is shared with the keyspace: the walk need not wait for them.
void Snapshotter::TakeLibraries(std::shared_ptr<const FunctionCatalog::Entries> libraries) {
  if (libraries->empty()) return;
  struct Job {
    std::shared_ptr<const FunctionCatalog::Entries> libraries;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->libraries = std::move(libraries);
  worker_->Run(
      [run = run_, job] {
        for (const auto& [name, entry] : *job->libraries) {
          if (run->aborted.load(std::memory_order_relaxed)) break;
          run->writer->Add(*entry.library);
        }
        job->libraries.reset();
        run->written_bytes = run->writer->totals().file_bytes;
        job->status = run->writer->status();
      },
      [this, job, alive = alive_] {
        if (*alive) OnWritten(0, job->status);
      });
}

void Snapshotter::Take(uint32_t db, std::string_view name, int64_t expire_at_ms,
                       std::unique_ptr<Object> value) {
  captured_++;
  if (stored_ != nullptr) {
    ColdExtents extents;
    value->AddExtents(&extents);
    if (!extents.empty()) stored_->Note(extents);
  }
  batch_.bytes += sizeof(Key) + name.size() + value->MemoryBytes(kSamples);
  batch_.keys.push_back({db, expire_at_ms, std::string(name), std::move(value)});
  if (batch_.keys.size() >= kBatchKeys || batch_.bytes >= kBatchBytes) HandOver();
}

bool Snapshotter::Step(size_t effort) {
  if (!keyspace_->capturing() || run_ == nullptr) return false;
  const bool ended = waiting_bytes_ < kMaxWaitingBytes && keyspace_->CaptureSome(effort);
  HandOver();
  if (ended) End();
  return !ended && waiting_bytes_ < kMaxWaitingBytes;
}

void Snapshotter::HandOver() {
  if (batch_.keys.empty()) return;
  waiting_bytes_ += batch_.bytes;
  struct Job {
    Batch batch;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->batch = std::exchange(batch_, Batch());
  worker_->Run(
      [run = run_, job] {
        for (const Key& key : job->batch.keys) {
          if (run->aborted.load(std::memory_order_relaxed)) break;
          run->writer->Add(key.db, key.name, key.expire_at_ms, *key.value);
        }
        job->batch.keys.clear();
        run->written_bytes = run->writer->totals().file_bytes;
        job->status = run->writer->status();
      },
      [this, job, alive = alive_] {
        if (*alive) OnWritten(job->batch.bytes, job->status);
      });
}

// All is captured. What the snapshot names must be on the disk before the snapshot is.
void Snapshotter::End() {
  if (stored_ == nullptr) return HandOverLast();
  syncing_ = true;
  stored_->Sync([this, alive = alive_](const Status& status) {
    if (!*alive) return;
    syncing_ = false;
    if (!status.ok()) Abort(status.message());
    if (!ending_) HandOverLast();
  });
}

// The worker's last job: the end of the snapshot, good or bad.
void Snapshotter::HandOverLast() {
  ending_ = true;
  struct Job {
    Status status;
    SnapshotTotals totals;
    std::vector<std::string> names;
  };
  auto job = std::make_shared<Job>();
  if (stored_ != nullptr) job->names = stored_->FileNames();
  worker_->Run(
      [run = run_, job] {
        if (run->aborted) {
          job->status = run->writer->status();
          if (job->status.ok()) job->status = Status::Error(run->why);
        } else {
          run->writer->Finish(job->names);
          job->status = run->writer->status();
          job->totals = run->writer->totals();
        }
        run->writer.reset();
      },
      [this, job, alive = alive_] {
        if (*alive) OnFinished(job->status, job->totals);
      });
}

void Snapshotter::KeepNewest(size_t kept) {
  worker_->Run([disk = disk_, directory = directory_,
                kept] { snapshot::KeepNewest(*disk, directory, kept); },
               [this, kept, alive = alive_] {
                 if (*alive && stored_ != nullptr) stored_->KeepNewest(kept);
               });
}

void Snapshotter::OnWritten(size_t bytes, const Status& status) {
  waiting_bytes_ -= bytes;
  if (!status.ok()) Abort(status.message());
}

void Snapshotter::OnFinished(const Status& status, const SnapshotTotals& totals) {
  run_.reset();
  ending_ = false;
  ASSERT(waiting_bytes_ == 0);
  if (stored_ != nullptr) stored_->End(status.ok(), position_, run_kept_);
  // `done` may begin the next one.
  std::exchange(done_, nullptr)(status, totals);
}

void Snapshotter::Abort(const std::string& why) {
  if (run_ == nullptr || run_->aborted) return;
  keyspace_->EndCapture();
  run_->why = why;
  run_->aborted = true;
  HandOver();
  if (!ending_ && !syncing_) HandOverLast();
}

void Snapshotter::RunToEnd(const std::function<void()>& look) {
  while (busy()) {
    if (look) look();
    if (Step(std::numeric_limits<size_t>::max())) continue;
    if (syncing_) stored_->Drain();
    worker_->Drain();
  }
}

Snapshotter::Progress Snapshotter::progress() const {
  if (run_ == nullptr) return {};
  return {keys_, captured_, run_->written_bytes.load(std::memory_order_relaxed)};
}

}  // namespace runnel::snapshot
