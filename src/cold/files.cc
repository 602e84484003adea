#include "cold/files.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "cold/settings.h"

namespace runnel::cold {
namespace {

// For a person who reads that a file lacks something.
constexpr const char* kPutBack = "put the file back, or go on with a whole copy of the directory";
constexpr uint64_t kMostKind = static_cast<uint64_t>(RunKind::kList);

}  // namespace

ColdFiles::ColdFiles(Disk& disk, std::string directory, Worker& remover, Worker& measurer)
    : disk_(disk), directory_(std::move(directory)), remover_(remover), measurer_(measurer) {}

ColdFiles::~ColdFiles() {
  remover_.Drain();
  measurer_.Drain();
}

// --- The start ---

Status ColdFiles::List() {
  // Whoever still refers to a file on its way to its end must not have it removed: it may be
  // referred to anew.
  unused_ = std::make_shared<UnusedFiles>();
  files_.clear();
  bytes_ = 0;
  found_.clear();
  resolved_.clear();
  last_resolved_ = {};
  unremoved_.clear();
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

Ref<StoredExtent> ColdFiles::Resolve(ColdSource* source, Decoder* in) {
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
        new StoredExtent(source, {file, place}, static_cast<RunKind>(kind),
                         static_cast<uint32_t>(raw_bytes), static_cast<uint32_t>(blocks)));
  }
  return last_resolved_;
}

// REQUIRES: the file is there.
const Ref<ColdFile>& ColdFiles::Resolved(const FileName& name) {
  Ref<ColdFile>& file = resolved_[name];
  if (!file) file = Ref<ColdFile>::Adopt(new ColdFile(name, unused_));
  return file;
}

bool ColdFiles::Hold(std::string_view text, FileRefs* files) {
  const std::optional<FileName> name = FileName::Parse(text);
  if (!name || !files_.contains(*name)) return false;
  files->push_back(Resolved(*name));
  return true;
}

Status ColdFiles::RemoveUnused() {
  Status status;
  std::vector<FileName> kept;
  for (const FileName& name : std::exchange(found_, {})) {
    if (resolved_.contains(name)) {
      kept.push_back(name);
      continue;
    }
    if (Status removed = disk_.Remove(PathOf(name)); !removed.ok()) status = std::move(removed);
    Forget(name);
  }
  resolved_.clear();
  last_resolved_ = {};
  if (!kept.empty()) Measure(std::move(kept));
  return status;
}

// Finds out how long files are of which only what was named is known.
void ColdFiles::Measure(std::vector<FileName> names) {
  struct Job {
    std::vector<FileName> names;
    std::vector<Result<uint64_t>> sizes;
  };
  auto job = std::make_shared<Job>();
  job->names = std::move(names);
  measurer_.Run(
      [this, job] {
        for (const FileName& name : job->names) {
          const auto file = Open(name, OpenMode::kRead);
          job->sizes.push_back(file.ok() ? (*file)->Size() : Result<uint64_t>(file.status()));
        }
      },
      [this, job] {
        for (size_t i = 0; i < job->names.size(); i++) {
          FinishMeasure(job->names[i], job->sizes[i]);
        }
      });
}

void ColdFiles::FinishMeasure(const FileName& name, const Result<uint64_t>& size) {
  const auto known = files_.find(name);
  if (known == files_.end()) return;  // it has gone meanwhile
  const std::string path = PathOf(name);
  if (!size.ok()) {
    LogWarning("Cold entries in {} cannot be read: {}. Commands that need them fail; {}", path,
               size.message(), kPutBack);
    return;
  }
  if (*size < known->second) {
    LogWarning(
        "The file {} of cold entries has {} bytes, but {} are needed of it. Commands that need "
        "what it lacks fail; {}",
        path, *size, known->second, kPutBack);
  }
  NoteSize(name, *size);
}

// --- Files that are written ---

Ref<ColdFile> ColdFiles::NewFile(uint64_t object) {
  return Ref<ColdFile>::Adopt(new ColdFile({object, ++last_file_}, unused_));
}

void ColdFiles::NoteSize(const FileName& name, uint64_t bytes) {
  uint64_t& known = files_[name];
  bytes_ += bytes - known;
  known = bytes;
}

void ColdFiles::NoteFailed(const FileName& name) {
  if (!files_.contains(name)) NoteSize(name, 0);
}

// --- Removal ---

// What cannot be removed is tried again later, and named once.
void ColdFiles::EndTurn(int64_t steady_ms) {
  std::vector<FileName> names = unused_->Take();
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
  removing_++;
  remover_.Run(
      [this, job] {
        for (const FileName& name : job->names) {
          job->removed.push_back(disk_.Remove(PathOf(name)));
        }
      },
      [this, job, steady_ms] {
        removing_--;
        for (size_t i = 0; i < job->names.size(); i++) {
          FinishRemove(job->names[i], job->removed[i], steady_ms);
        }
      });
}

void ColdFiles::FinishRemove(const FileName& name, const Status& removed, int64_t steady_ms) {
  if (removed.ok() || removed.error_number() == ENOENT) return Forget(name);
  if (unremoved_.empty()) LogWarning("A file of cold entries stays: {}", removed.message());
  unremoved_.push_back(name);
  no_removes_before_ms_ = steady_ms + kColdRetryMs;
}

// REQUIRES: the file counts.
void ColdFiles::Forget(const FileName& name) {
  const auto found = files_.find(name);
  bytes_ -= found->second;
  files_.erase(found);
}

// --- Any thread ---

std::string ColdFiles::PathOf(const FileName& name) const {
  return directory_ + "/" + name.ToString();
}

Result<std::unique_ptr<File>> ColdFiles::Open(const FileName& name, OpenMode mode) const {
  return disk_.Open(PathOf(name), mode);
}

Status ColdFiles::MakeDirectory() const {
  return disk_.CreateDirectory(directory_);
}

Status ColdFiles::SyncNames() const {
  Status synced = disk_.SyncDirectory(directory_);
  return synced.ok() ? disk_.SyncDirectory(ParentOf(directory_)) : synced;
}

}  // namespace runnel::cold
