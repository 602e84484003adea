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
// Requests to read ahead beyond this are dropped: a command that needs them then waits.
constexpr size_t kMostExpected = 256;
// After a write or a removal has failed, nothing is tried for so long.
constexpr int64_t kRetryMs = 1000;
// Extents for which the commands of one transaction may make the loop wait, because what the
// commands before them did has led them to where nobody looked before it began.
constexpr uint64_t kMostBlocking = 64;
// For a person who reads that a file lacks something.
constexpr const char* kPutBack = "put the file back, or go on with a whole copy of the directory";
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
                     Worker& syncer, HotBlocks& hot, const ColdSettings& settings,
                     const ColdSizes& sizes)
    : disk_(disk),
      directory_(std::move(directory)),
      writer_(writer),
      reader_(reader),
      syncer_(syncer),
      hot_(hot),
      settings_(settings),
      sizes_(sizes) {
  hot_.set_run_bytes(sizes.run_bytes);
}

ColdStore::~ColdStore() {
  waiting_.clear();
  wanted_.clear();
  expected_.clear();
  last_resolved_ = {};
  noted_.clear();
  to_rewrite_.clear();
  rewritten_.reset();
  reader_.Drain();
  writer_.Drain();
  syncer_.Drain();
}

Status ColdStore::Open() {
  const auto names = disk_.List(directory_);
  if (!names.ok()) return names.status().error_number() == ENOENT ? Status() : names.status();
  for (const std::string& text : *names) {
    const std::optional<FileName> name = FileName::Parse(text);
    if (!name) continue;
    NoteSize(*name, 0);
    found_.push_back(*name);
    last_object_ = std::max(last_object_, name->object);
    last_file_ = std::max(last_file_, name->file);
  }
  return {};
}

Status ColdStore::RemoveUnused() {
  Status status;
  std::vector<FileName> kept;
  for (const FileName& name : std::exchange(found_, {})) {
    if (resolved_.contains(name)) {
      kept.push_back(name);
      continue;
    }
    if (Status removed = disk_.Remove(PathOf(name)); !removed.ok()) status = std::move(removed);
    const auto file = files_.find(name);
    stats_.files_bytes -= file->second;
    files_.erase(file);
  }
  resolved_.clear();
  last_resolved_ = {};
  if (!kept.empty()) Measure(std::move(kept));
  return status;
}

// Finds out how long files are of which only what was named is known.
void ColdStore::Measure(std::vector<FileName> names) {
  struct Job {
    std::vector<FileName> names;
    std::vector<Result<uint64_t>> sizes;
  };
  auto job = std::make_shared<Job>();
  job->names = std::move(names);
  syncer_.Run(
      [this, job] {
        for (const FileName& name : job->names) {
          const auto file = disk_.Open(PathOf(name), OpenMode::kRead);
          job->sizes.push_back(file.ok() ? (*file)->Size() : Result<uint64_t>(file.status()));
        }
      },
      [this, job] {
        for (size_t i = 0; i < job->names.size(); i++) {
          const auto known = files_.find(job->names[i]);
          if (known == files_.end()) continue;  // it has gone meanwhile
          const Result<uint64_t>& size = job->sizes[i];
          const std::string path = PathOf(job->names[i]);
          if (!size.ok()) {
            LogWarning("Cold entries in {} cannot be read: {}. Commands that need them fail; {}",
                       path, size.message(), kPutBack);
          } else if (*size < known->second) {
            LogWarning(
                "The file {} of cold entries has {} bytes, but {} are needed of it. Commands that "
                "need what it lacks fail; {}",
                path, *size, known->second, kPutBack);
          }
          if (size.ok()) NoteSize(job->names[i], *size);
        }
      });
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

void ColdStore::NoteForSnapshot(const ColdExtents& extents, Files* files) {
  in_snapshot_ = true;
  for (const Ref<ColdExtent>& extent : extents) {
    noted_.push_back(Share(extent));
  }
  AddFiles(extents, files);
}

void ColdStore::AddFiles(const ColdExtents& extents, Files* files) {
  for (const Ref<ColdExtent>& extent : extents) {
    Ref<ColdFile> file = Stored(extent).location().file;
    // Extents of a file follow one another.
    if (files->empty() || files->back().get() != file.get()) files->push_back(std::move(file));
  }
}

void ColdStore::EndSnapshot() {
  in_snapshot_ = false;
  if (rewritten_) ApplyRewrite(*std::exchange(rewritten_, nullptr));
  for (Ref<StoredExtent>& extent : std::exchange(noted_, {})) {
    if (extent->location().file->doubtful) to_rewrite_.push_back(std::move(extent));
  }
  StartRewrite();
}

// What lay in doubtful files, in a new file of the same value.
struct ColdStore::RewriteJob {
  StoredExtents extents;
  std::vector<StoredExtent::Place> places;  // no bytes: that one cannot be read
  Ref<ColdFile> file;
  uint64_t offset = 0;
  uint64_t end = 0;
  Codec codec;
  Status status;
};

// One job at a time, of one value.
void ColdStore::StartRewrite() {
  if (rewriting_ || to_rewrite_.empty() || in_snapshot_) return;
  auto job = std::make_shared<RewriteJob>();
  const uint64_t object = to_rewrite_.back()->location().file->name.object;
  uint64_t bytes = 0;
  while (!to_rewrite_.empty() && bytes < sizes_.write_bytes) {
    StoredExtent& extent = *to_rewrite_.back();
    const ColdFile& file = *extent.location().file;
    if (file.name.object != object) break;
    // One that nobody else needs any more, or that was named twice, is done with.
    if (!extent.unique() && file.doubtful) {
      bytes += extent.raw_bytes();
      job->extents.push_back(to_rewrite_.back());
    }
    to_rewrite_.pop_back();
  }
  if (job->extents.empty()) return StartRewrite();
  const bool goes_on = rewritten_to_ && rewritten_to_->name.object == object &&
                       !rewritten_to_->doubtful && rewritten_to_->size < sizes_.file_bytes;
  if (!goes_on) {
    rewritten_to_ = Ref<ColdFile>::Adopt(new ColdFile({object, ++last_file_}, &unused_));
  }
  job->file = rewritten_to_;
  job->offset = job->file->size;
  job->codec = settings_.compression;
  rewriting_ = true;
  writer_.Run([this, job] { Rewrite(*job); }, [this, job] { FinishRewrite(job); });
}

// On the helper.
void ColdStore::Rewrite(RewriteJob& job) const {
  const bool is_new = job.offset == 0;
  const uint64_t object = job.file->name.object;
  std::string bytes;
  if (is_new) bytes = cold::EncodeFileHeader(object);
  for (const Ref<StoredExtent>& extent : job.extents) {
    const size_t begin = bytes.size();
    const uint64_t offset = job.offset + begin;
    auto run = ReadExtent(*extent);
    if (run.ok()) cold::AppendExtent(**run, job.codec, object, offset, &bytes);
    job.places.push_back(
        {static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes.size() - begin)});
  }
  job.end = job.offset + bytes.size();
  auto file = disk_.Open(PathOf(job.file->name), is_new ? OpenMode::kCreate : OpenMode::kReadWrite);
  job.status = file.ok() ? (*file)->WriteAt(job.offset, bytes) : file.status();
}

void ColdStore::FinishRewrite(std::shared_ptr<RewriteJob> job) {
  rewriting_ = false;
  if (!job->status.ok()) {
    // The next snapshot names them again.
    LogWarning("Cold entries could not be written again: {}", job->status.message());
    if (!files_.contains(job->file->name)) NoteSize(job->file->name, 0);
    rewritten_to_ = {};
    to_rewrite_.clear();
    return;
  }
  job->file->size = job->end;
  job->file->dirty = true;
  NoteSize(job->file->name, job->end);
  if (in_snapshot_) {
    rewritten_ = std::move(job);
  } else {
    ApplyRewrite(*job);
    StartRewrite();
  }
}

void ColdStore::ApplyRewrite(RewriteJob& job) {
  for (size_t i = 0; i < job.extents.size(); i++) {
    if (job.places[i].bytes > 0) job.extents[i]->Move({job.file, job.places[i]});
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
  syncer_.Run(
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
  const bool fits = in->ok() && kind <= kMostKind && raw_bytes <= UINT32_MAX &&
                    offset <= UINT32_MAX && bytes <= UINT32_MAX - offset && blocks <= UINT32_MAX;
  unresolved_.clear();
  if (!fits) return {};
  if (found == files_.end()) {
    unresolved_ = PathOf(name);
    return {};
  }
  const Ref<ColdFile>& file = Resolved(name);
  // No file is opened at the start: it has what is named of it, at least.
  if (offset + bytes > found->second) NoteSize(name, offset + bytes);
  const StoredExtent::Place place{static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)};
  // Parts of one run lie near each other, and share its extent.
  bool again = false;
  if (last_resolved_) {
    const StoredExtent::Location last = last_resolved_->location();
    again = last.file.get() == file.get() && last.place == place &&
            last_resolved_->kind() == static_cast<RunKind>(kind) &&
            last_resolved_->raw_bytes() == raw_bytes && last_resolved_->blocks() == blocks;
  }
  if (!again) {
    last_resolved_ = Ref<StoredExtent>::Adopt(
        new StoredExtent(this, {file, place}, static_cast<RunKind>(kind),
                         static_cast<uint32_t>(raw_bytes), static_cast<uint32_t>(blocks)));
  }
  last_resolved_->AddRef();
  return Ref<ColdExtent>::Adopt(last_resolved_.get());
}

// REQUIRES: the file is there.
const Ref<ColdFile>& ColdStore::Resolved(const FileName& name) {
  Ref<ColdFile>& file = resolved_[name];
  if (!file) {
    file = Ref<ColdFile>::Adopt(new ColdFile(name, &unused_));
  }
  return file;
}

bool ColdStore::Hold(std::string_view text, Files* files) {
  const std::optional<FileName> name = FileName::Parse(text);
  if (!name || !files_.contains(*name)) return false;
  files->push_back(Resolved(*name));
  return true;
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
    if (kept <= settings_.stream_memory) break;
    if (StartWrite(kept - settings_.stream_memory)) continue;
    // Nobody has anything to give: then what values keep for their ends goes too.
    if (hot_.tight() || writes_in_flight_ > 0) break;
    hot_.SetTight(true);
  }
  if (hot_.bytes() < settings_.stream_memory / 4 * 3) hot_.SetTight(false);
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
    const Ref<ColdFile> file = Stored(newest).location().file;
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
  file.open = !file.doubtful && job.end < sizes_.file_bytes;
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
        {std::move(run), Ref<ColdExtent>::Adopt(new StoredExtent(this, {job.file, job.places[i]},
                                                                 kind, raw_bytes, blocks))});
  }
  job.value->GiveAway(written);
}

// --- Reading ---

Result<std::shared_ptr<const BlockRun>> ColdStore::ReadExtent(const StoredExtent& extent) const {
  // The file stays as long as this has it.
  const auto [stored_in, place] = extent.location();
  const FileName& name = stored_in->name;
  const std::string path = PathOf(name);
  const auto fail = [&](std::string_view why) {
    return Status::Error(
        fmt::format("cold entries in {} at offset {}: {}", path, place.offset, why));
  };
  const auto file = disk_.Open(path, OpenMode::kRead);
  if (!file.ok()) return fail(file.message());
  const auto length = (*file)->Size();
  if (!length.ok()) return fail(length.message());
  if (*length < uint64_t{place.offset} + place.bytes) {
    return fail("the file ends before their end");
  }
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

void ColdStore::BeginCommand(const Rope& reply, bool nested) {
  if (!nested) {
    command_ = ++last_command_;
    needed_ = replied_ = blocking_ = 0;
  } else if (reply_begin_) {
    replied_ += reply_end_ - *reply_begin_;
  }
  reply_ = &reply;
  reply_begin_.reset();
}

void ColdStore::NoteUse(const ColdExtent& extent) {
  if (command_ == 0) return;
  if (extent.CountIn(command_)) needed_ += extent.raw_bytes();
  reply_end_ = reply_->size();
  if (!reply_begin_) reply_begin_ = reply_end_;
  CheckNeeded();
}

void ColdStore::NoteKept(uint64_t bytes) {
  if (command_ == 0) return;
  needed_ += bytes;
  CheckNeeded();
}

// A command that has begun to change something gets what it asks for: it has looked at the same
// before.
void ColdStore::CheckNeeded() const {
  const uint64_t limit = settings_.cold_read_limit;
  uint64_t needed = needed_ + replied_;
  if (reply_begin_) needed += reply_end_ - *reply_begin_;
  if (limit == 0 || needed <= limit || command_ == 0 || MustGet()) return;
  throw ColdFailure{fmt::format("the command needs at least {} bytes of cold data and of its reply "
                                "in memory at once, and cold-read-limit is {}",
                                needed, limit),
                    true};
}

void ColdStore::CheckFailed(const ColdExtent& extent) const {
  const auto failed = failures_.find(static_cast<const StoredExtent*>(&extent));
  if (failed != failures_.end()) throw ColdFailure{failed->second};
}

void ColdStore::Fetch(const ColdExtents& extents) {
  ColdExtents missing;
  for (const Ref<ColdExtent>& extent : extents) {
    if (command_ != 0 && extent->CountIn(command_)) needed_ += extent->raw_bytes();
    if (extent->loaded() != nullptr) continue;
    CheckFailed(*extent);
    missing.push_back(extent);
  }
  if (missing.empty()) return;
  CheckNeeded();
  if (phase() == Phase::kLooking) throw ColdMiss{std::move(missing)};
  // Commands look at everything before their first effect.
  ASSERT(phase() != Phase::kChanged);
  for (const Ref<ColdExtent>& extent : missing) {
    ReadOnLoop(extent);
  }
}

void ColdStore::CountBlockingRead() {
  if (command_ != 0 && phase() == Phase::kInside && blocking_ >= kMostBlocking) {
    throw ColdFailure{fmt::format("the transaction comes to need more than {} pieces of cold data "
                                  "that could not be foreseen",
                                  kMostBlocking),
                      true};
  }
  blocking_++;
  stats_.blocking_reads++;
}

void ColdStore::ReadOnLoop(const Ref<ColdExtent>& extent) {
  if (extent->loaded() != nullptr) return;
  CountBlockingRead();
  auto read = ReadExtent(Stored(extent));
  if (!read.ok()) throw ColdFailure{read.message()};
  cache_.Insert(Share(extent), std::move(*read), false);
}

std::shared_ptr<const BlockRun> ColdStore::Pass(const ColdExtents& window) {
  const StoredExtent& first = Stored(window.front());
  if (first.loaded() != nullptr) return cache_.Find(first);
  CheckFailed(first);
  if (phase() == Phase::kLooking) throw ColdMiss{{}, window};
  CountBlockingRead();
  return Read(first);
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
  Release(extents_);
  Release(passing_);
}

void ColdStore::Pins::Release(const StoredExtents& extents) {
  for (const Ref<StoredExtent>& extent : extents) {
    if (--extent->pins_ > 0) continue;
    // The next command that needs the extent makes another attempt.
    static_cast<ColdStore&>(extent->source()).failures_.erase(extent.get());
  }
}

void ColdStore::Load(const ColdMiss& miss, Pins* pins, std::function<void()> done) {
  Waiting& waiting = waiting_.emplace_back(Waiting{pins, {}, std::move(done)});
  const StoredExtents passed = std::exchange(pins->passing_, {});
  Pin(miss.missing, &pins->extents_, &waiting);
  Pin(miss.passing, &pins->passing_, &waiting);
  Pins::Release(passed);
  StartReads();
}

void ColdStore::Pin(const ColdExtents& missing, StoredExtents* pinned, Waiting* waiting) {
  for (const Ref<ColdExtent>& extent : missing) {
    const Ref<StoredExtent> stored = Share(extent);
    stored->pins_++;
    pinned->push_back(stored);
    waiting->extents.push_back(stored);
    if (!stored->reading_) wanted_.push_back(stored);
  }
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

// One job at a time, so that an extent for which a command waits is never queued after many that
// are only expected.
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
