#include "cold/writer.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "cold/extent_io.h"

namespace runnel::cold {
namespace {

constexpr size_t kMostJobs = 2;

}  // namespace

struct ColdWriter::Job {
  Job(Spillable* owner, Ref<ColdFile> file, Codec codec)
      : value(owner), append(std::move(file), codec) {}
  // Reads what is rewritten, and writes the runs. For the worker.
  void Write(const ColdFiles& files);

  Spillable* value;  // null when it is gone
  std::vector<std::shared_ptr<const BlockRun>> runs;
  uint64_t bytes = 0;  // of memory
  ExtentAppend append;
  std::vector<StoredExtent::Place> places;
  // `runs` is what these runs become, once they are read; null if blocks of memory are written.
  std::shared_ptr<const RunRewrite> rewrite;
  Status read;
};

void ColdWriter::Job::Write(const ColdFiles& files) {
  if (rewrite) {
    try {
      runs.push_back(rewrite->Read());
    } catch (const ColdFailure& failure) {
      read = Status::Error(failure.message);
      return;
    }
  }
  for (const auto& run : runs) {
    places.push_back(append.Add(*run));
  }
  append.Write(files);
}

ColdWriter::ColdWriter(ColdSource* source, ColdFiles& files, Worker& worker, HotBlocks& hot,
                       const ColdSettings& settings, const ColdSizes& sizes)
    : source_(source),
      files_(files),
      worker_(worker),
      hot_(hot),
      settings_(settings),
      sizes_(sizes) {
  hot_.set_run_bytes(sizes.run_bytes);
}

ColdWriter::~ColdWriter() {
  worker_.Drain();
}

uint64_t ColdWriter::bytes() const {
  return hot_.bytes() + hot_.held_bytes() + ownerless_bytes();
}

uint64_t ColdWriter::ownerless_bytes() const {
  uint64_t bytes = 0;
  for (const auto& job : jobs_) {
    if (job->value == nullptr) bytes += job->bytes;
  }
  return bytes;
}

uint64_t ColdWriter::excess() const {
  const uint64_t bound = settings_.stream_memory;
  return bound == 0 || bytes() <= bound ? 0 : bytes() - bound;
}

void ColdWriter::EndTurn(int64_t steady_ms) {
  StartWrites(steady_ms);
  // Nobody waits unless memory is going to be freed by itself: what is written, also by a snapshot,
  // and what another thread frees comes to an end, be it a bad one.
  const bool will_fall = busy() || hot_.held_bytes() > 0;
  const uint64_t bound = settings_.stream_memory + (behind_ ? 2 : 4) * sizes_.far_behind;
  behind_ = will_fall && settings_.stream_memory != 0 && bytes() > bound;
}

// What should be written now. What others have of values, a snapshot above all, is freed without
// that, and the blocks that it shares with values are not freed earlier by being written: so it
// counts only as far as it is much.
uint64_t ColdWriter::surplus() const {
  const uint64_t writing = bytes_in_flight_ - ownerless_bytes();
  const uint64_t kept = hot_.bytes() - std::min(hot_.bytes(), writing);
  const uint64_t held = hot_.held_bytes() - std::min(hot_.held_bytes(), sizes_.far_behind);
  const uint64_t bytes = kept + held;
  return bytes <= settings_.stream_memory ? 0 : bytes - settings_.stream_memory;
}

void ColdWriter::StartWrites(int64_t steady_ms) {
  if (std::exchange(retry_later_, false)) no_writes_before_ms_ = steady_ms + kColdRetryMs;
  if (settings_.stream_memory == 0 || steady_ms < no_writes_before_ms_) return;
  while (jobs_.size() < kMostJobs) {
    const uint64_t excess = surplus();
    if (excess == 0) break;
    if (StartWrite(excess)) continue;
    // Nobody has anything to give: then what values keep for their ends goes too, if it is they
    // who have too much.
    if (hot_.tight() || busy() || hot_.bytes() <= settings_.stream_memory) break;
    hot_.SetTight(true);
  }
  if (hot_.bytes() < settings_.stream_memory / 4 * 3) hot_.SetTight(false);
  if (jobs_.empty()) StartRewrite();
}

// Begins to write of the value that has most. False if none has anything.
bool ColdWriter::StartWrite(uint64_t excess) {
  const size_t wanted = std::clamp<size_t>(excess, 1, sizes_.write_bytes);
  Spillable* value = nullptr;
  std::vector<std::shared_ptr<const BlockRun>> runs;
  while (runs.empty()) {
    value = hot_.Largest();
    if (value == nullptr) return false;
    // Whole runs, because small ones cost as much to know of as large ones.
    runs = value->TakeRuns(sizes_.run_bytes, std::max(wanted, sizes_.run_bytes));
    if (runs.empty()) hot_.PassOver(value);
  }
  const Codec codec = excess > sizes_.far_behind ? Codec::kNone : settings_.compression;
  auto job = std::make_shared<Job>(value, FileFor(*value), codec);
  for (const auto& run : runs) {
    job->bytes += run->block_bytes();
  }
  job->runs = std::move(runs);
  Start(std::move(job));
  return true;
}

// Begins to write runs again of which much is dead. False if there are none.
bool ColdWriter::StartRewrite() {
  Spillable* value = nullptr;
  std::shared_ptr<const RunRewrite> rewrite;
  while (!rewrite) {
    value = hot_.TakeSparse();
    if (value == nullptr) return false;
    rewrite = value->TakeSparse();
  }
  auto job = std::make_shared<Job>(value, FileFor(*value), settings_.compression);
  job->rewrite = std::move(rewrite);
  Start(std::move(job));
  return true;
}

// Gives the job to the worker.
void ColdWriter::Start(std::shared_ptr<Job> job) {
  job->value->NoteWriting(&job->value);
  bytes_in_flight_ += job->bytes;
  jobs_.push_back(job);
  worker_.Run([this, job] { job->Write(files_); }, [this, job] { Finish(*job); });
}

// The file of the value's newest extent if it takes more, or a new one.
Ref<ColdFile> ColdWriter::FileFor(Spillable& value) {
  if (const Ref<ColdExtent> newest = value.newest_extent()) {
    Ref<ColdFile> file = Stored(*newest).location().file;
    // A clone that has gone on in the same file may be writing to it now.
    if (file->open && file->name.object == value.object()) return file;
  }
  if (value.object() == 0) value.set_object(files_.NewObject());
  return files_.NewFile(value.object());
}

void ColdWriter::Finish(Job& job) {
  std::erase_if(jobs_, [&job](const auto& running) { return running.get() == &job; });
  bytes_in_flight_ -= job.bytes;
  if (job.value != nullptr) job.value->NoteWriting(nullptr);
  const Ref<ColdFile>& file = job.append.file();
  if (!job.read.ok()) {
    // The commands that need these entries say so, too. The runs stay as they are.
    LogWarning("Cold entries are not written again: {}", job.read.message());
    return;
  }
  if (const Status status = job.append.Finish(&files_); !status.ok()) {
    if (!failed_) {
      LogWarning("Cold entries stay in memory, over stream-memory: {}", status.message());
    }
    failed_ = retry_later_ = true;
    file->open = false;
    return;
  }
  if (failed_) LogNotice("Cold entries are written again");
  failed_ = false;
  file->open = !file->doubtful && file->size < sizes_.file_bytes;
  if (job.value == nullptr) return;
  writes_ += job.runs.size();
  std::vector<Spillable::Written> written;
  for (size_t i = 0; i < job.runs.size(); i++) {
    std::shared_ptr<const BlockRun>& run = job.runs[i];
    const RunKind kind = run->kind();
    const auto raw_bytes = static_cast<uint32_t>(run->block_bytes());
    const auto blocks = static_cast<uint32_t>(run->blocks());
    auto* extent = new StoredExtent(source_, {file, job.places[i]}, kind, raw_bytes, blocks);
    written.push_back({std::move(run), Ref<ColdExtent>::Adopt(extent)});
  }
  job.rewrite ? job.value->Replace(*job.rewrite, written.front()) : job.value->GiveAway(written);
}

}  // namespace runnel::cold
