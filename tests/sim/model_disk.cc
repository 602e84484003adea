#include "tests/sim/model_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace runnel::sim {
namespace {

constexpr uint64_t kSectorBytes = 512;

Status Failure(const std::string& path, int error_number) {
  return Status::SystemError("model disk: " + path, error_number);
}

}  // namespace

class ModelFile final : public File {
 public:
  ModelFile(ModelDisk* disk, std::shared_ptr<ModelDisk::Inode> inode, std::string path,
            bool writable)
      : disk_(disk),
        boot_(disk->boot_),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) const override {
    const auto fate = NextCall("read");
    if (fate.error_number != 0) return Failure(path_, fate.error_number);
    const std::string& content = inode_->now;
    if (offset >= content.size()) return size_t{0};
    return content.copy(out, bytes, offset);
  }

  // Tells in sectors.
  Result<uint64_t> NextData(uint64_t offset) const override {
    if (IsDead()) return Failure(path_, EIO);
    const size_t next = inode_->now.find_first_not_of('\0', offset);
    if (next == std::string::npos) return std::max<uint64_t>(offset, inode_->now.size());
    return std::max(offset, next / kSectorBytes * kSectorBytes);
  }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    auto fate = NextCall("write", true);
    const uint64_t before = std::max<uint64_t>(offset, inode_->now.size());
    const uint64_t after = std::max<uint64_t>(offset + bytes.size(), inode_->now.size());
    if (fate.error_number == 0 && !disk_->Fits(after - inode_->now.size())) {
      fate.error_number = ENOSPC;
      bytes = bytes.substr(0, std::min<uint64_t>(bytes.size(), before - offset));
    } else if (fate.error_number != 0) {
      bytes = bytes.substr(0, fate.done ? disk_->random_.Below(bytes.size() + 1) : 0);
    }
    if (!bytes.empty()) disk_->Do(*inode_, {ModelDisk::Change::kWrite, offset, std::string(bytes)});
    return fate.error_number == 0 ? Status() : Failure(path_, fate.error_number);
  }

  Status Sync() override {
    const auto fate = NextCall("sync");
    if (fate.error_number == 0 || fate.done) {
      for (const auto& change : inode_->changes) {
        ModelDisk::Apply(change, &inode_->synced);
      }
      inode_->changes.clear();
    }
    if (fate.error_number == 0) return {};
    // A process that ends in its sync does not keep the system from writing later.
    if (!disk_->stopped_) disk_->LoseUnsynced(*inode_, 50);
    return Failure(path_, fate.error_number);
  }

  Status Allocate(uint64_t bytes) override { return Resize(ModelDisk::Change::kGrow, bytes); }
  void Warm(uint64_t, uint64_t) override {}
  void Forget(uint64_t offset, uint64_t bytes) override {
    if (IsDead()) return;
    for (const auto& change : inode_->changes) {
      if (change.kind != ModelDisk::Change::kWrite) continue;
      CHECK(change.offset >= offset + bytes || change.offset + change.bytes.size() <= offset);
    }
  }
  Status Truncate(uint64_t bytes) override { return Resize(ModelDisk::Change::kResize, bytes); }

  Result<uint64_t> Size() const override {
    if (IsDead()) return Failure(path_, EIO);
    return uint64_t{inode_->now.size()};
  }

 private:
  bool IsDead() const { return boot_ != disk_->boot_ || (disk_->stopped_ && disk_->asides_ == 0); }

  ModelDisk::Fate NextCall(std::string_view what, bool writes = false) const {
    if (boot_ != disk_->boot_) return {EIO, false};
    if (writes && !writable_) return {EBADF, false};
    return disk_->NextCall(what, path_);
  }

  Status Resize(ModelDisk::Change::Kind kind, uint64_t bytes) {
    auto fate = NextCall("resize", true);
    if (fate.error_number == 0 && bytes > inode_->now.size() && kind == ModelDisk::Change::kGrow &&
        !disk_->Fits(bytes - inode_->now.size())) {
      fate = {ENOSPC, false};
    }
    if (fate.error_number == 0 || fate.done) disk_->Do(*inode_, {kind, bytes, ""});
    return fate.error_number == 0 ? Status() : Failure(path_, fate.error_number);
  }

  ModelDisk* const disk_;
  const uint64_t boot_;
  const std::shared_ptr<ModelDisk::Inode> inode_;
  const std::string path_;
  const bool writable_;
};

class ModelLock final : public DirectoryLock {
 public:
  ModelLock(ModelDisk* disk, std::string path)
      : disk_(disk), boot_(disk->boot_), path_(std::move(path)) {}
  ~ModelLock() override {
    if (boot_ == disk_->boot_) disk_->locks_.erase(path_);
  }

 private:
  ModelDisk* const disk_;
  const uint64_t boot_;
  const std::string path_;
};

void ModelDisk::FailCalls(uint64_t first, uint64_t count, int error_number) {
  fail_first_ = first;
  fail_count_ = count;
  fail_error_ = error_number;
}

ModelDisk::Fate ModelDisk::NextCall(std::string_view what, const std::string& path) {
  if (asides_ > 0) return {};
  if (stopped_) return {EIO, false};
  calls_++;
  if (calls_ == stop_at_) {
    stopped_ = true;
    stopped_in_ = std::string(what) + " " + path;
    return {EIO, Chance(50)};
  }
  if (calls_ >= fail_first_ && calls_ - fail_first_ < fail_count_) {
    return {fail_error_, fail_error_ == EIO && Chance(50)};
  }
  return {};
}

uint64_t ModelDisk::used() const {
  uint64_t bytes = 0;
  for (const auto& [name, inode] : names_) {
    bytes += inode->now.size();
  }
  return bytes;
}

Result<uint64_t> ModelDisk::FreeBytes(const std::string& directory) {
  if (stopped_ && asides_ == 0) return Failure(directory, EIO);
  if (!IsDirectory(directory)) return Failure(directory, ENOENT);
  return capacity_ - std::min(capacity_, used());
}

bool ModelDisk::Fits(uint64_t more_bytes) const {
  return more_bytes == 0 || used() + more_bytes <= capacity_;
}

void ModelDisk::Apply(const Change& change, std::string* bytes) {
  switch (change.kind) {
    case Change::kWrite:
      if (bytes->size() < change.offset + change.bytes.size()) {
        bytes->resize(change.offset + change.bytes.size());
      }
      bytes->replace(change.offset, change.bytes.size(), change.bytes);
      break;
    case Change::kGrow:
      if (bytes->size() < change.offset) bytes->resize(change.offset);
      break;
    case Change::kResize:
      bytes->resize(change.offset);
      break;
  }
}

void ModelDisk::Do(Inode& inode, Change change) {
  Apply(change, &inode.now);
  inode.changes.push_back(std::move(change));
}

void ModelDisk::ApplySurvivors(const Change& change, int survival, std::string* bytes) {
  if (change.kind != Change::kWrite) {
    if (Chance(survival)) Apply(change, bytes);
    return;
  }
  for (uint64_t at = 0; at < change.bytes.size();) {
    const uint64_t offset = change.offset + at;
    const uint64_t sector_end = (offset / kSectorBytes + 1) * kSectorBytes;
    std::string piece = change.bytes.substr(at, sector_end - offset);
    at += piece.size();
    if (!Chance(survival)) {
      if (survival == 0 || Chance(50)) continue;  // as before
      if (Chance(75)) {
        piece.resize(random_.Below(piece.size()) + 1);
      } else {
        for (char& byte : piece) {
          byte = static_cast<char>(random_.Next());
        }
      }
    }
    Apply({Change::kWrite, offset, std::move(piece)}, bytes);
  }
}

void ModelDisk::LoseUnsynced(Inode& inode, int survival) {
  for (const Change& change : inode.changes) {
    ApplySurvivors(change, survival, &inode.synced);
  }
  inode.changes.clear();
}

void ModelDisk::Restart(Crash crash) {
  boot_++;
  locks_.clear();
  stopped_ = false;
  stopped_in_.clear();
  stop_at_ = fail_first_ = fail_count_ = 0;
  capacity_ = std::numeric_limits<uint64_t>::max();
  if (crash == Crash::kProcess) return;  // what was not synced still is not
  power_cuts_++;
  // How kind the disk is this time: most cuts lose a little, some nearly all.
  constexpr int kSurvival[] = {5, 50, 90, 98};
  const int survival = crash == Crash::kPowerWorst ? 0 : kSurvival[random_.Below(4)];
  for (const NameChange& change : name_changes_) {
    if (Chance(survival)) ApplyNames(change, &synced_names_);
  }
  name_changes_.clear();
  // What lies in a directory that is not there cannot be found.
  for (auto at = synced_names_.begin(); at != synced_names_.end();) {
    const std::string parent = ParentOf(at->first);
    at = parent == "." || synced_names_.count(parent) > 0 ? std::next(at) : synced_names_.erase(at);
  }
  names_ = synced_names_;
  for (auto& [name, inode] : names_) {
    LoseUnsynced(*inode, survival);
    inode->now = inode->synced;
  }
}

bool ModelDisk::IsDirectory(const std::string& path) const {
  const auto found = names_.find(path);
  return path == "." || (found != names_.end() && found->second->is_directory);
}

void ModelDisk::ApplyNames(const NameChange& change, Names* names) {
  for (const auto& [name, inode] : change) {
    if (inode == nullptr) {
      names->erase(name);
    } else {
      (*names)[name] = inode;
    }
  }
}

void ModelDisk::DoNames(NameChange change) {
  ApplyNames(change, &names_);
  name_changes_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> ModelDisk::Open(const std::string& path, OpenMode mode) {
  const Fate fate = NextCall(mode == OpenMode::kCreate ? "create" : "open", path);
  if (fate.error_number != 0 && !(mode == OpenMode::kCreate && fate.done)) {
    return Failure(path, fate.error_number);
  }
  if (mode == OpenMode::kCreate) {
    if (!IsDirectory(ParentOf(path))) return Failure(path, ENOENT);
    const auto found = names_.find(path);
    if (found != names_.end()) {
      Do(*found->second, {Change::kResize, 0, ""});
    } else {
      DoNames({{path, std::make_shared<Inode>()}});
    }
  }
  if (fate.error_number != 0) return Failure(path, fate.error_number);
  const auto found = names_.find(path);
  if (found == names_.end()) return Failure(path, ENOENT);
  if (found->second->is_directory) return Failure(path, EISDIR);
  return std::unique_ptr<File>(
      std::make_unique<ModelFile>(this, found->second, path, mode != OpenMode::kRead));
}

Status ModelDisk::Rename(const std::string& from, const std::string& to) {
  const Fate fate = NextCall("rename", to);
  const auto found = names_.find(from);
  if (fate.error_number == 0 && found == names_.end()) return Failure(from, ENOENT);
  if (fate.done && found != names_.end()) {
    CHECK(ParentOf(from) == ParentOf(to));
    DoNames({{to, found->second}, {from, nullptr}});
  }
  return fate.error_number == 0 ? Status() : Failure(from, fate.error_number);
}

void ModelDisk::Wipe() {
  names_.clear();
  synced_names_.clear();
  name_changes_.clear();
}

Status ModelDisk::Remove(const std::string& path) {
  const Fate fate = NextCall("remove", path);
  const auto found = names_.find(path);
  if (fate.error_number == 0 && found == names_.end()) return Failure(path, ENOENT);
  if (fate.done && found != names_.end()) DoNames({{path, nullptr}});
  return fate.error_number == 0 ? Status() : Failure(path, fate.error_number);
}

Status ModelDisk::CreateDirectory(const std::string& path) {
  const Fate fate = NextCall("make directory", path);
  if (fate.error_number == 0 && !IsDirectory(ParentOf(path))) return Failure(path, ENOENT);
  if (fate.done && names_.count(path) == 0) {
    auto directory = std::make_shared<Inode>();
    directory->is_directory = true;
    DoNames({{path, std::move(directory)}});
  }
  return fate.error_number == 0 ? Status() : Failure(path, fate.error_number);
}

Result<std::vector<std::string>> ModelDisk::List(const std::string& directory) {
  const Fate fate = NextCall("list", directory);
  if (fate.error_number != 0) return Failure(directory, fate.error_number);
  if (!IsDirectory(directory)) return Failure(directory, ENOENT);
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (ParentOf(path) == directory) names.push_back(path.substr(path.rfind('/') + 1));
  }
  return names;
}

Status ModelDisk::SyncDirectory(const std::string& directory) {
  const Fate fate = NextCall("sync directory", directory);
  if (fate.error_number == 0 && !IsDirectory(directory)) return Failure(directory, ENOENT);
  if (fate.done) {
    std::vector<NameChange> others;
    for (NameChange& change : name_changes_) {
      if (ParentOf(change.front().first) == directory) {
        ApplyNames(change, &synced_names_);
      } else {
        others.push_back(std::move(change));
      }
    }
    name_changes_ = std::move(others);
  }
  return fate.error_number == 0 ? Status() : Failure(directory, fate.error_number);
}

Result<std::unique_ptr<DirectoryLock>> ModelDisk::Lock(const std::string& directory) {
  const Fate fate = NextCall("lock", directory);
  if (fate.error_number != 0) return Failure(directory, fate.error_number);
  if (!IsDirectory(directory)) return Failure(directory, ENOENT);
  if (!locks_.insert(directory).second) return Failure(directory, EWOULDBLOCK);
  return std::unique_ptr<DirectoryLock>(std::make_unique<ModelLock>(this, directory));
}

}  // namespace runnel::sim
