#include "cold/snapshot_files.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/log.h"
#include "cold/extent_io.h"
#include "fmt/format.h"

namespace runnel::cold {

SnapshotFiles::SnapshotFiles(ColdFiles& files, Worker& writer, Worker& syncer,
                             const ColdSettings& settings, const ColdSizes& sizes)
    : files_(files), writer_(writer), syncer_(syncer), settings_(settings), sizes_(sizes) {}

SnapshotFiles::~SnapshotFiles() {
  noted_.clear();
  to_rewrite_.clear();
  rewritten_.reset();
  writer_.Drain();
  syncer_.Drain();
}

void SnapshotFiles::Note(const ColdExtents& extents, FileRefs* files) {
  in_snapshot_ = true;
  for (const Ref<ColdExtent>& extent : extents) {
    noted_.push_back(Share(*extent));
  }
  AddFiles(extents, files);
}

void SnapshotFiles::End() {
  in_snapshot_ = false;
  if (rewritten_) Apply(*std::exchange(rewritten_, nullptr));
  for (Ref<StoredExtent>& extent : std::exchange(noted_, {})) {
    if (extent->location().file->doubtful) to_rewrite_.push_back(std::move(extent));
  }
  StartRewrite();
}

void SnapshotFiles::Reset() {
  CHECK(idle());
  pinned_.clear();
  to_rewrite_.clear();
  rewritten_to_ = {};
}

void SnapshotFiles::Sync(const FileRefs& files, std::function<void(Status)> done) {
  struct Job {
    FileRefs files;
    Status status;
  };
  auto job = std::make_shared<Job>();
  for (const Ref<ColdFile>& file : files) {
    if (file->doubtful && job->status.ok()) {
      job->status =
          Status::Error(fmt::format("an earlier sync of {} has failed", files_.PathOf(file->name)));
    }
    if (!file->dirty) continue;
    job->files.push_back(file);
    file->dirty = false;
  }
  syncer_.Run(
      [this, job] {
        for (const Ref<ColdFile>& file : job->files) {
          if (!job->status.ok()) return;
          auto opened = files_.Open(file->name, OpenMode::kReadWrite);
          job->status = opened.ok() ? (*opened)->Sync() : opened.status();
        }
        if (job->status.ok() && !job->files.empty()) job->status = files_.SyncNames();
      },
      [job, done = std::move(done)] {
        for (const Ref<ColdFile>& file : job->files) {
          if (job->status.ok()) continue;
          file->doubtful = true;
          file->open = false;
        }
        done(std::move(job->status));
      });
}

// --- Writing again ---

// What lay in doubtful files, in a new file of the same value.
struct SnapshotFiles::RewriteJob {
  StoredExtents extents;
  std::vector<StoredExtent::Place> places;  // no bytes: that one cannot be read
  std::optional<ExtentAppend> append;
};

// One job at a time, of one value.
void SnapshotFiles::StartRewrite() {
  if (rewriting_ || in_snapshot_) return;
  const auto job = std::make_shared<RewriteJob>();
  if (!TakeForRewrite(job.get())) return;
  rewriting_ = true;
  writer_.Run(
      [this, job] {
        for (const Ref<StoredExtent>& extent : job->extents) {
          const auto run = ReadExtent(files_, *extent);
          job->places.push_back(run.ok() ? job->append->Add(**run) : StoredExtent::Place());
        }
        job->append->Write(files_);
      },
      [this, job] { FinishRewrite(job); });
}

// False if there is nothing to be written again.
bool SnapshotFiles::TakeForRewrite(RewriteJob* job) {
  uint64_t object = 0;
  uint64_t bytes = 0;
  while (!to_rewrite_.empty() && bytes < sizes_.write_bytes) {
    StoredExtent& extent = *to_rewrite_.back();
    const Ref<ColdFile> file = extent.location().file;
    if (job->extents.empty()) object = file->name.object;
    if (file->name.object != object) break;
    // One that nobody else needs any more, or that was named twice, is done with.
    if (!extent.unique() && file->doubtful) {
      bytes += extent.raw_bytes();
      job->extents.push_back(to_rewrite_.back());
    }
    to_rewrite_.pop_back();
  }
  if (job->extents.empty()) return false;
  const bool goes_on = rewritten_to_ && rewritten_to_->name.object == object &&
                       !rewritten_to_->doubtful && rewritten_to_->size < sizes_.file_bytes;
  if (!goes_on) rewritten_to_ = files_.NewFile(object);
  job->append.emplace(rewritten_to_, settings_.compression);
  return true;
}

void SnapshotFiles::FinishRewrite(std::shared_ptr<RewriteJob> job) {
  rewriting_ = false;
  if (const Status status = job->append->Finish(&files_); !status.ok()) {
    // The next snapshot names them again.
    LogWarning("Cold entries could not be written again: {}", status.message());
    rewritten_to_ = {};
    to_rewrite_.clear();
    return;
  }
  if (in_snapshot_) {
    rewritten_ = std::move(job);
  } else {
    Apply(*job);
    StartRewrite();
  }
}

void SnapshotFiles::Apply(RewriteJob& job) {
  for (size_t i = 0; i < job.extents.size(); i++) {
    if (job.places[i].bytes > 0) job.extents[i]->Move({job.append->file(), job.places[i]});
  }
}

}  // namespace runnel::cold
