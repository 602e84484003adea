#include "cold/cold_store.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "cold/extent.h"
#include "fmt/format.h"

namespace runnel {

using cold::ColdFile;
using cold::FileName;
using cold::StoredExtent;
using cold::StoredExtents;

namespace {

// Extents that are read in one go: those that somebody waits for, and those that are expected.
constexpr size_t kReadsWanted = 64;
constexpr size_t kReadsExpected = 8;
// What is expected beyond this is forgotten: whoever asks for it then waits.
constexpr size_t kMostExpected = 256;
// After a write or a removal has failed, nothing is tried for so long.
constexpr int64_t kRetryMs = 1000;
constexpr uint64_t kMostKind = static_cast<uint64_t>(RunKind::kList);

StoredExtent& Stored(const Ref<ColdExtent>& extent) {
  return static_cast<StoredExtent&>(*extent);
}

Ref<StoredExtent> Share(const Ref<ColdExtent>& extent) {
  extent->AddRef();
  return Ref<StoredExtent>::Adopt(static_cast<StoredExtent*>(extent.get()));
}

}  // namespace

ColdStore::ColdStore(Disk& disk, std::string directory, Worker& writer, Worker& reader,
                     HotBlocks& hot, const ColdSettings& settings, const ColdSizes& sizes)
    : disk_(disk),
      directory_(std::move(directory)),
      writer_(writer),
      reader_(reader),
      hot_(hot),
      settings_(settings),
      sizes_(sizes) {
  hot_.set_run_bytes(sizes.run_bytes);
}

ColdStore::~ColdStore() {
  waiting_.clear();
  wanted_.clear();
  expected_.clear();
  reader_.Drain();
  writer_.Drain();
}

Status ColdStore::Open() {
  const auto names = disk_.List(directory_);
  if (!names.ok()) return names.status().error_number() == ENOENT ? Status() : names.status();
  for (const std::string& text : *names) {
    const std::optional<FileName> name = FileName::Parse(text);
    if (!name) continue;
    const auto file = disk_.Open(PathOf(*name), OpenMode::kRead);
    if (!file.ok()) return file.status();
    const auto size = (*file)->Size();
    if (!size.ok()) return size.status();
    NoteSize(*name, *size);
    found_.push_back(*name);
    last_object_ = std::max(last_object_, name->object);
    last_file_ = std::max(last_file_, name->file);
  }
  return {};
}

Status ColdStore::RemoveUnused() {
  Status status;
  for (const FileName& name : std::exchange(found_, {})) {
    if (resolved_.contains(name)) continue;
    if (Status removed = disk_.Remove(PathOf(name)); !removed.ok()) status = std::move(removed);
    const auto file = files_.find(name);
    stats_.files_bytes -= file->second;
    files_.erase(file);
  }
  resolved_.clear();
  return status;
}

std::string ColdStore::PathOf(const FileName& name) const {
  return directory_ + "/" + name.ToString();
}

ColdStats ColdStore::stats() const {
  ColdStats stats = stats_;
  stats.files = files_.size();
  stats.cache_bytes = cache_.bytes();
  stats.ahead_hits = cache_.ahead_hits();
  stats.bytes_in_flight = bytes_in_flight_;
  return stats;
}

void ColdStore::EndTurn(int64_t steady_ms) {
  cache_.Evict(CacheBound());
  RemoveFiles(steady_ms);
  StartReads();
  StartWrites(steady_ms);
  const uint64_t bound = settings_.stream_memory + (behind_ ? 2 : 4) * sizes_.far_behind;
  behind_ = writes_in_flight_ > 0 && hot_.bytes() > bound;
}

size_t ColdStore::CacheBound() const {
  return std::max<size_t>(settings_.stream_memory / 8, sizes_.least_cache);
}

void ColdStore::KeepUp(int64_t steady_ms) {
  if (settings_.stream_memory == 0 || hot_.bytes() <= settings_.stream_memory) return;
  EndTurn(steady_ms);
  while (writes_in_flight_ > 0 && hot_.bytes() > settings_.stream_memory + sizes_.far_behind) {
    writer_.Drain();
    EndTurn(steady_ms);
  }
}

// --- Files ---

void ColdStore::NoteSize(const FileName& name, uint64_t size) {
  uint64_t& known = files_[name];
  stats_.files_bytes += size - known;
  known = size;
}

// What cannot be removed is tried again later, and named once.
void ColdStore::RemoveFiles(int64_t steady_ms) {
  std::vector<FileName> names = unused_.Take();
  if (!unremoved_.empty() && steady_ms >= no_removes_before_ms_) {
    names.insert(names.end(), unremoved_.begin(), unremoved_.end());
    unremoved_.clear();
  }
  // One that was never written is not there.
  std::erase_if(names, [this](const FileName& name) { return !files_.contains(name); });
  if (names.empty()) return;
  struct Job {
    std::vector<FileName> names;
    std::vector<Status> removed;
  };
  auto job = std::make_shared<Job>();
  job->names = std::move(names);
  writer_.Run(
      [this, job] {
        for (const FileName& name : job->names) {
          job->removed.push_back(disk_.Remove(PathOf(name)));
        }
      },
      [this, job, steady_ms] {
        for (size_t i = 0; i < job->names.size(); i++) {
          FinishRemove(job->names[i], job->removed[i], steady_ms);
        }
      });
}

void ColdStore::FinishRemove(const FileName& name, const Status& removed, int64_t steady_ms) {
  if (removed.ok() || removed.error_number() == ENOENT) {
    const auto found = files_.find(name);
    stats_.files_bytes -= found->second;
    files_.erase(found);
    return;
  }
  if (unremoved_.empty()) LogWarning("A file of cold entries stays: {}", removed.message());
  unremoved_.push_back(name);
  no_removes_before_ms_ = steady_ms + kRetryMs;
}

void ColdStore::AddFiles(const ColdExtents& extents, Files* files) {
  for (const Ref<ColdExtent>& extent : extents) {
    const Ref<ColdFile>& file = Stored(extent).file;
    // Extents of a file follow one another.
    if (files->empty() || files->back().get() != file.get()) files->push_back(file);
  }
}

// After a failed sync the system may have dropped the bytes, still show them, and call the next
// sync a success. So a file is not safe any more when one of its syncs has failed, whatever comes.
void ColdStore::Sync(const Files& files, std::function<void(Status)> done) {
  struct Job {
    Files files;
    Status status;
  };
  auto job = std::make_shared<Job>();
  for (const Ref<ColdFile>& file : files) {
    if (file->doubtful && job->status.ok()) {
      job->status =
          Status::Error(fmt::format("an earlier sync of {} has failed", PathOf(file->name)));
    }
    if (!file->dirty) continue;
    job->files.push_back(file);
    file->dirty = false;
  }
  writer_.Run(
      [this, job] {
        for (const Ref<ColdFile>& file : job->files) {
          if (!job->status.ok()) return;
          auto opened = disk_.Open(PathOf(file->name), OpenMode::kReadWrite);
          job->status = opened.ok() ? (*opened)->Sync() : opened.status();
        }
        if (!job->status.ok() || job->files.empty()) return;
        job->status = disk_.SyncDirectory(directory_);
        if (job->status.ok()) job->status = disk_.SyncDirectory(ParentOf(directory_));
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

Ref<ColdExtent> ColdStore::Resolve(Decoder* in) {
  FileName name;
  name.object = in->Varint();
  name.file = in->Varint();
  const uint64_t offset = in->Varint();
  const uint64_t bytes = in->Varint();
  const uint64_t kind = in->Varint();
  const uint64_t raw_bytes = in->Varint();
  const uint64_t blocks = in->Varint();
  const auto found = files_.find(name);
  const bool fits = in->ok() && found != files_.end() && offset <= found->second &&
                    bytes <= found->second - offset && kind <= kMostKind &&
                    raw_bytes <= UINT32_MAX && offset + bytes <= UINT32_MAX && blocks <= UINT32_MAX;
  if (!fits) return {};
  Ref<ColdFile>& file = resolved_[name];
  if (!file) {
    file = Ref<ColdFile>::Adopt(new ColdFile(name, &unused_));
    file->size = found->second;
  }
  return Ref<ColdExtent>::Adopt(new StoredExtent(
      this, file, {static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)},
      static_cast<RunKind>(kind), static_cast<uint32_t>(raw_bytes), static_cast<uint32_t>(blocks)));
}

// --- Writing ---

struct ColdStore::WriteJob {
  Spillable* value;  // null when it is gone
  std::vector<std::shared_ptr<const BlockRun>> runs;
  Ref<ColdFile> file;
  uint64_t offset = 0;  // where to write; 0: the file is new
  uint64_t bytes = 0;   // of memory
  Codec codec;
  std::vector<StoredExtent::Place> places;
  uint64_t end = 0;
  Status status;
};

void ColdStore::StartWrites(int64_t steady_ms) {
  constexpr int kMostJobs = 2;
  if (std::exchange(retry_later_, false)) no_writes_before_ms_ = steady_ms + kRetryMs;
  if (settings_.stream_memory == 0 || steady_ms < no_writes_before_ms_) return;
  while (writes_in_flight_ < kMostJobs) {
    const uint64_t kept = hot_.bytes() - std::min(hot_.bytes(), bytes_in_flight_);
    if (kept <= settings_.stream_memory || !StartWrite(kept - settings_.stream_memory)) return;
  }
}

// Begins to write of the value that has most. False if none has anything.
bool ColdStore::StartWrite(uint64_t excess) {
  auto job = std::make_shared<WriteJob>();
  const size_t wanted = std::clamp<size_t>(excess, 1, sizes_.write_bytes);
  while (job->runs.empty()) {
    Spillable* value = job->value = hot_.Largest();
    if (value == nullptr) return false;
    // Whole runs, because small ones cost as much to know of as large ones.
    job->runs = value->TakeRuns(sizes_.run_bytes, std::max(wanted, sizes_.run_bytes));
    if (job->runs.empty()) hot_.PassOver(value);
  }
  job->file = FileFor(*job->value);
  job->offset = job->file->size;
  job->codec = excess > sizes_.far_behind ? Codec::kNone : settings_.compression;
  for (const auto& run : job->runs) {
    job->bytes += run->block_bytes();
  }
  job->value->NoteWriting(&job->value);
  writes_in_flight_++;
  bytes_in_flight_ += job->bytes;
  writer_.Run([this, job] { Write(*job); }, [this, job] { FinishWrite(*job); });
  return true;
}

// The file of the value's newest extent if it takes more, or a new one.
Ref<ColdFile> ColdStore::FileFor(Spillable& value) {
  if (const Ref<ColdExtent> newest = value.newest_extent()) {
    const Ref<ColdFile>& file = Stored(newest).file;
    // A clone that has gone on in the same file may be writing to it now.
    if (file->open && file->name.object == value.object()) return file;
  }
  if (value.object() == 0) value.set_object(++last_object_);
  return Ref<ColdFile>::Adopt(new ColdFile({value.object(), ++last_file_}, &unused_));
}

// On the helper.
void ColdStore::Write(WriteJob& job) const {
  const bool is_new = job.offset == 0;
  const uint64_t object = job.file->name.object;
  std::string bytes;
  if (is_new) bytes = cold::EncodeFileHeader(object);
  for (const auto& run : job.runs) {
    const size_t begin = bytes.size();
    const uint64_t offset = job.offset + begin;
    cold::AppendExtent(*run, job.codec, object, offset, &bytes);
    job.places.push_back(
        {static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes.size() - begin)});
  }
  job.end = job.offset + bytes.size();
  if (is_new) {
    job.status = disk_.CreateDirectory(directory_);
    if (!job.status.ok()) return;
  }
  auto file = disk_.Open(PathOf(job.file->name), is_new ? OpenMode::kCreate : OpenMode::kReadWrite);
  job.status = file.ok() ? (*file)->WriteAt(job.offset, bytes) : file.status();
}

void ColdStore::FinishWrite(WriteJob& job) {
  writes_in_flight_--;
  bytes_in_flight_ -= job.bytes;
  if (job.value != nullptr) job.value->NoteWriting(nullptr);
  ColdFile& file = *job.file;
  if (!job.status.ok()) {
    if (!write_failed_) {
      LogWarning("Cold entries stay in memory, over stream-memory: {}", job.status.message());
    }
    write_failed_ = retry_later_ = true;
    file.open = false;
    // Part of a new file may be there.
    if (!files_.contains(file.name)) NoteSize(file.name, 0);
    return;
  }
  if (write_failed_) LogNotice("Cold entries are written again");
  write_failed_ = false;
  file.size = job.end;
  NoteSize(file.name, job.end);
  file.open = job.end < sizes_.file_bytes;
  file.dirty = true;
  if (job.value == nullptr) return;
  stats_.writes += job.runs.size();
  std::vector<Spillable::Written> written;
  for (size_t i = 0; i < job.runs.size(); i++) {
    std::shared_ptr<const BlockRun>& run = job.runs[i];
    const RunKind kind = run->kind();
    const auto raw_bytes = static_cast<uint32_t>(run->block_bytes());
    const auto blocks = static_cast<uint32_t>(run->blocks());
    written.push_back(
        {std::move(run), Ref<ColdExtent>::Adopt(new StoredExtent(this, job.file, job.places[i],
                                                                 kind, raw_bytes, blocks))});
  }
  job.value->GiveAway(written);
}

// --- Reading ---

Result<std::shared_ptr<const BlockRun>> ColdStore::ReadExtent(const StoredExtent& extent) const {
  const StoredExtent::Place place = extent.place;
  const FileName& name = extent.file->name;
  const std::string path = PathOf(name);
  const auto fail = [&](std::string_view why) {
    return Status::Error(
        fmt::format("cold entries in {} at offset {}: {}", path, place.offset, why));
  };
  const auto file = disk_.Open(path, OpenMode::kRead);
  if (!file.ok()) return fail(file.message());
  std::string bytes(place.bytes, '\0');
  const auto size = (*file)->ReadAt(place.offset, bytes.data(), bytes.size());
  if (!size.ok()) return fail(size.message());
  bytes.resize(*size);
  if (bytes.size() < place.bytes) return fail("the file ends before their end");
  auto run = cold::DecodeExtent(bytes, extent.kind(), name.object, place.offset);
  if (!run.ok()) return fail(run.message());
  return run;
}

std::shared_ptr<const BlockRun> ColdStore::Read(const ColdExtent& extent) {
  const auto& stored = static_cast<const StoredExtent&>(extent);
  if (std::shared_ptr<const BlockRun> blocks = cache_.Find(stored)) return blocks;
  auto read = ReadExtent(stored);
  if (!read.ok()) throw ColdFailure{read.message()};
  return *read;
}

void ColdStore::Fetch(const ColdExtents& extents) {
  ColdExtents missing;
  for (const Ref<ColdExtent>& extent : extents) {
    if (extent->loaded() != nullptr) continue;
    const auto failed = failures_.find(&Stored(extent));
    if (failed != failures_.end()) throw ColdFailure{failed->second};
    missing.push_back(extent);
  }
  if (missing.empty()) return;
  if (can_miss_ && can_miss_()) throw ColdMiss{std::move(missing)};
  for (const Ref<ColdExtent>& extent : missing) {
    if (extent->loaded() != nullptr) continue;
    auto read = ReadExtent(Stored(extent));
    stats_.blocking_reads++;
    if (!read.ok()) throw ColdFailure{read.message()};
    cache_.Insert(Share(extent), std::move(*read), false);
  }
}

void ColdStore::Expect(const ColdExtents& extents) {
  for (const Ref<ColdExtent>& extent : extents) {
    StoredExtent& stored = Stored(extent);
    if (stored.loaded() != nullptr || stored.reading_ || expected_.size() >= kMostExpected)
      continue;
    expected_.push_back(Share(extent));
  }
}

ColdStore::Pins::~Pins() {
  for (const Ref<StoredExtent>& extent : extents_) {
    if (--extent->pins_ > 0) continue;
    // Whoever asks again makes another attempt.
    static_cast<ColdStore&>(extent->source()).failures_.erase(extent.get());
  }
}

void ColdStore::Load(const ColdExtents& missing, Pins* pins, std::function<void()> done) {
  Waiting& waiting = waiting_.emplace_back(Waiting{pins, {}, std::move(done)});
  for (const Ref<ColdExtent>& extent : missing) {
    const Ref<StoredExtent> stored = Share(extent);
    stored->pins_++;
    pins->extents_.push_back(stored);
    waiting.extents.push_back(stored);
    if (!stored->reading_) wanted_.push_back(stored);
  }
  StartReads();
}

void ColdStore::Cancel(const Pins* pins) {
  std::erase_if(waiting_, [pins](const Waiting& waiting) { return waiting.pins == pins; });
}

struct ColdStore::ReadJob {
  struct Item {
    Ref<StoredExtent> extent;
    bool ahead = false;
    std::shared_ptr<const BlockRun> blocks;
    Status status;
  };
  std::vector<Item> items;
};

// One job at a time, so that what somebody waits for never stands behind a long row of what is only
// expected.
void ColdStore::StartReads() {
  if (reading_ || (wanted_.empty() && expected_.empty())) return;
  auto job = std::make_shared<ReadJob>();
  TakeReads(&wanted_, false, job.get());
  if (job->items.empty()) TakeReads(&expected_, true, job.get());
  if (job->items.empty()) return;
  reading_ = true;
  stats_.reads += job->items.size();
  reader_.Run(
      [this, job] {
        for (ReadJob::Item& item : job->items) {
          auto read = ReadExtent(*item.extent);
          if (read.ok()) {
            item.blocks = std::move(*read);
          } else {
            item.status = read.status();
          }
        }
      },
      [this, job] { FinishReads(*job); });
}

void ColdStore::TakeReads(StoredExtents* queue, bool ahead, ReadJob* job) {
  const size_t most = ahead ? kReadsExpected : kReadsWanted;
  size_t taken = 0;
  while (taken < queue->size() && job->items.size() < most) {
    Ref<StoredExtent>& extent = (*queue)[taken++];
    if (extent->loaded() != nullptr || extent->reading_ || (ahead && extent->unique())) continue;
    extent->reading_ = true;
    job->items.push_back({std::move(extent), ahead, nullptr, {}});
  }
  queue->erase(queue->begin(), queue->begin() + static_cast<ptrdiff_t>(taken));
}

void ColdStore::FinishReads(ReadJob& job) {
  reading_ = false;
  for (ReadJob::Item& item : job.items) {
    StoredExtent& extent = *item.extent;
    extent.reading_ = false;
    if (item.status.ok()) {
      cache_.Insert(item.extent, std::move(item.blocks), item.ahead && extent.pins_ == 0);
    } else if (extent.pins_ > 0) {
      LogWarning("A command fails: {}", item.status.message());
      failures_[&extent] = item.status.message();
    }
  }
  WakeWaiting();
  StartReads();
}

bool ColdStore::IsSettled(const StoredExtent& extent) const {
  return extent.loaded() != nullptr || failures_.contains(&extent);
}

void ColdStore::WakeWaiting() {
  std::vector<Waiting> woken;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const bool settled =
        std::all_of(it->extents.begin(), it->extents.end(),
                    [this](const Ref<StoredExtent>& extent) { return IsSettled(*extent); });
    if (!settled) {
      ++it;
      continue;
    }
    woken.push_back(std::move(*it));
    it = waiting_.erase(it);
  }
  for (const Waiting& waiting : woken) {
    waiting.done();
  }
}

}  // namespace runnel
