#include "replication/snapshot_transfer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/block.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/ref.h"
#include "env/damage.h"
#include "fmt/format.h"
#include "snapshot/files.h"
#include "snapshot/format.h"
#include "snapshot/section_reader.h"

namespace runnel::replication {
namespace {

// Files that one message lists.
constexpr size_t kFilesAtOnce = 1000;

// Where a file lies until all have come.
std::string StagedPath(const std::string& path) {
  return path + std::string(SnapshotFetch::kStagedSuffix);
}

}  // namespace

// --- SnapshotSender ---

struct SnapshotSender::Job {
  FetchRequest request;
  std::shared_ptr<File> file;
  // The answer, but for its head.
  std::string head;
  Ref<Block> block;
  Status status;

  std::string_view bytes() const { return {block->data(), request.bytes}; }

  // For a helper.
  Status Read(Disk& disk, const std::string& path) {
    if (file == nullptr) {
      auto opened = disk.Open(path, OpenMode::kRead);
      if (!opened.ok()) return opened.status();
      file = std::move(*opened);
    }
    block = Block::Create(request.bytes);
    const auto read = file->ReadAt(request.offset, block->data(), request.bytes);
    if (!read.ok()) return read.status();
    if (*read != request.bytes) {
      return Status::Error(
          fmt::format("{} ends within the {} bytes at {}", path, request.bytes, request.offset));
    }
    FilePiece{request.file, request.offset, bytes()}.EncodeHead(&head);
    return {};
  }
};

Status SnapshotSender::OnFetch(const FetchRequest& request) {
  if (!told_all_ || request.file >= files_.size()) {
    return Status::Error(fmt::format("a request for file {} of {}", request.file, files_.size()));
  }
  const SyncFile& file = files_[request.file];
  if (request.bytes == 0 || request.bytes > kMostPieceBytes || request.offset > file.bytes ||
      request.bytes > file.bytes - request.offset) {
    return Status::Error(fmt::format("a request for {} bytes at {} of the {} of {}", request.bytes,
                                     request.offset, file.bytes, file.path));
  }
  if (requests_.size() >= kMostFetchRequests) {
    return Status::Error(fmt::format("more than {} requests at a time", kMostFetchRequests));
  }
  requests_.push_back(request);
  return {};
}

Status SnapshotSender::Turn(Link& link) {
  if (!status_.ok()) return status_;
  if (!listed_ && !reading_) List();
  if (reading_) return {};
  while (listed_ && !told_all_) {
    FileList list;
    const size_t end = std::min(told_ + kFilesAtOnce, files_.size());
    list.files.assign(files_.begin() + static_cast<std::ptrdiff_t>(told_),
                      files_.begin() + static_cast<std::ptrdiff_t>(end));
    told_ = end;
    told_all_ = list.last = end == files_.size();
    std::string body;
    list.Encode(&body);
    link.Send(MessageType::kFiles, body);
  }
  if (job_ != nullptr) {
    const std::shared_ptr<Job> job = std::exchange(job_, nullptr);
    link.SendSlice(MessageType::kFilePiece, job->head, job->block, job->bytes());
    sent_bytes_ += job->request.bytes;
  }
  return {};
}

uint64_t SnapshotSender::next_bytes() const {
  return reading_ || requests_.empty() ? 0 : requests_.front().bytes;
}

void SnapshotSender::ReadNext() {
  const FetchRequest next = requests_.front();
  requests_.pop_front();
  Read(next);
}

void SnapshotSender::List() {
  reading_ = true;
  struct Listing {
    std::vector<SyncFile> files;
    Status status;
  };
  auto listing = std::make_shared<Listing>();
  reader_.Run(
      [listing, list = snapshot_.list] {
        auto files = list();
        listing->status = files.status();
        if (files.ok()) listing->files = std::move(*files);
      },
      [this, listing, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        reading_ = false;
        listed_ = true;
        files_ = std::move(listing->files);
        status_ = listing->status;
      });
}

void SnapshotSender::Read(const FetchRequest& request) {
  reading_ = true;
  auto job = std::make_shared<Job>();
  job->request = request;
  if (open_index_ == request.file) job->file = open_;
  reader_.Run([job, &disk = disk_,
               path = files_[request.file].path] { job->status = job->Read(disk, path); },
              [this, job, alive = std::weak_ptr<bool>(alive_)] {
                if (alive.expired()) return;
                reading_ = false;
                open_ = job->file;
                open_index_ = job->request.file;
                status_ = job->status;
                job_ = job;
              });
}

// --- SnapshotFetch ---

void SnapshotFetch::OnConnected() {
  listing_.clear();
  listed_ = false;
  // What has arrived is being written; what was asked for after it is asked for again.
  uint64_t lost = 0;
  for (const uint64_t bytes : expected_) {
    lost += bytes;
  }
  outstanding_ -= lost;
  expected_.clear();
  asked_ = arrived_;
  compares_ = !header_.empty();
  asked_header_ = false;
}

Status SnapshotFetch::OnFiles(const FileList& list) {
  if (listed_) return Status::Error("a list of files came a second time");
  listing_.insert(listing_.end(), list.files.begin(), list.files.end());
  if (!list.last) return {};
  listed_ = is_another_ = true;
  if (listing_.empty()) return Status::Error("the list of files is empty");
  if (listing_.front().path != snapshot::SnapshotPath("snapshots", position_)) {
    return Status::Error(
        fmt::format("the list of files does not begin with the snapshot at {}", position_));
  }
  if (files_.empty()) {
    files_ = listing_;
    for (const SyncFile& file : files_) {
      total_bytes_ += file.bytes;
    }
    is_another_ = false;
    return {};
  }
  // Files of cold entries may have grown meanwhile, by what the snapshot does not name.
  const auto same = [](const SyncFile& now, const SyncFile& before) {
    return now.path == before.path && now.bytes >= before.bytes;
  };
  is_another_ = !std::equal(listing_.begin(), listing_.end(), files_.begin(), files_.end(), same);
  if (!is_another_) return {};
  return Status::Error("the leader lists other files for the same snapshot than before");
}

SnapshotFetch::Place SnapshotFetch::Behind(Place place, uint64_t bytes) const {
  place.offset += bytes;
  if (place.offset == files_[place.file].bytes) place = {place.file + 1, 0};
  return place;
}

Status SnapshotFetch::OnPiece(const FilePiece& piece) {
  if (compares_ && asked_header_ && piece.file == 0 && piece.offset == 0) {
    compares_ = false;
    is_another_ = piece.bytes != header_;
    if (!is_another_) return {};
    return Status::Error("the leader has another snapshot at the same position than before");
  }
  if (expected_.empty() || piece.file != arrived_.file || piece.offset != arrived_.offset ||
      piece.bytes.size() != expected_.front()) {
    return Status::Error(
        fmt::format("a piece of file {} at {} came out of turn", piece.file, piece.offset));
  }
  expected_.pop_front();
  if (piece.file == 0 && piece.offset == 0) header_ = piece.bytes.substr(0, snapshot::kHeaderBytes);
  const Place next = Behind(arrived_, piece.bytes.size());
  Write(piece, next.file != arrived_.file);
  arrived_ = next;
  return {};
}

// What the writer's jobs have in common. Only they use it.
struct SnapshotFetch::Target {
  std::unique_ptr<File> open;  // the file that is written
  bool failed = false;         // what comes after a failure is not written
};

std::shared_ptr<SnapshotFetch::Target> SnapshotFetch::MakeTarget() {
  return std::make_shared<Target>();
}

void SnapshotFetch::Write(const FilePiece& piece, bool last) {
  struct Job {
    std::string path;
    uint64_t offset;
    std::string bytes;
    bool last;
    bool sync_failed = false;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->path = StagedPath(files_[piece.file].path);
  job->offset = piece.offset;
  job->bytes = piece.bytes;
  job->last = last;
  writing_++;
  writer_.Run(
      [job, target = target_, &disk = disk_] {
        if (target->failed) return;
        if (job->offset == 0) {
          job->status = disk.CreateDirectory(ParentOf(job->path));
          target->open.reset();
        }
        if (job->status.ok() && target->open == nullptr) {
          const OpenMode mode = job->offset == 0 ? OpenMode::kCreate : OpenMode::kReadWrite;
          auto opened = disk.Open(job->path, mode);
          job->status = opened.status();
          if (opened.ok()) target->open = std::move(*opened);
        }
        if (job->status.ok()) job->status = target->open->WriteAt(job->offset, job->bytes);
        if (job->status.ok() && job->last) {
          job->status = target->open->Sync();
          job->sync_failed = !job->status.ok();
        }
        if (job->last || !job->status.ok()) target->open.reset();
        target->failed = !job->status.ok();
      },
      [this, job, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) OnWritten(job->bytes.size(), job->status, job->sync_failed);
      });
}

void SnapshotFetch::OnWritten(size_t bytes, const Status& status, bool sync_failed) {
  writing_--;
  outstanding_ -= bytes;
  sync_failed_ |= sync_failed;
  if (!status.ok()) status_ = status;
  if (!status_.ok()) return;
  written_ = Behind(written_, bytes);
  written_bytes_ += bytes;
}

namespace {

// Whether a file has come as a whole. Somebody may have removed it.
Status LookAtStaged(Disk& disk, const SyncFile& file) {
  const std::string path = StagedPath(file.path);
  const auto opened = disk.Open(path, OpenMode::kRead);
  if (!opened.ok()) return opened.status();
  const auto bytes = (*opened)->Size();
  if (!bytes.ok()) return bytes.status();
  if (*bytes == file.bytes) return {};
  return Status::Error(fmt::format("{} has {} bytes, not {}", path, *bytes, file.bytes));
}

}  // namespace

// All pieces are written: the names get durable, and the snapshot is read once to verify it. Files
// of cold entries are verified when they are read, extent by extent.
void SnapshotFetch::Finish() {
  writing_++;
  finishing_ = true;
  auto status = std::make_shared<Status>();
  writer_.Run(
      [status, &disk = disk_, files = files_] {
        std::string synced;
        for (const SyncFile& file : files) {
          const std::string directory = ParentOf(file.path);
          if (status->ok() && directory != synced) *status = disk.SyncDirectory(directory);
          synced = directory;
          if (status->ok()) *status = LookAtStaged(disk, file);
        }
        if (!status->ok()) return;
        auto reader = snapshot::SectionReader::Open(disk, StagedPath(files.front().path));
        *status = reader.status();
        for (bool more = status->ok(); more;) {
          const auto next = (*reader)->Next();
          *status = next.status();
          more = next.ok() && *next;
        }
      },
      [this, status, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        writing_--;
        finishing_ = false;
        complete_ = status->ok();
        was_damaged_ = !complete_ && IsDamage(*status);
        // It is fetched again from its beginning.
        if (!complete_) written_ = {};
        if (!complete_) written_bytes_ = 0;
        status_ = *status;
      });
}

void SnapshotFetch::RemoveStaged() {
  writer_.Run(
      [&disk = disk_, files = files_] {
        for (const SyncFile& file : files) {
          const std::string path = StagedPath(file.path);
          const Status removed = RemoveIfThere(disk, path);
          if (removed.ok()) continue;
          LogWarning("{} is of no use and stays until the next start: {}", path, removed.message());
        }
      },
      [] {});
}

Status SnapshotFetch::Turn(Link& link) {
  if (!status_.ok()) {
    if (writing_ > 0) return {};
    // The fetch goes on from what was written. After a failed sync nobody knows what the disk has
    // of the file, though the next one may succeed.
    if (std::exchange(sync_failed_, false)) {
      written_bytes_ -= written_.offset;
      written_.offset = 0;
    }
    // What had come was removed.
    if (status_.error_number() == ENOENT) {
      written_ = {};
      written_bytes_ = 0;
    }
    target_ = MakeTarget();
    asked_ = arrived_ = written_;
    return std::exchange(status_, Status());
  }
  if (!listed_ || complete_ || finishing_) return {};
  if (compares_) {
    if (std::exchange(asked_header_, true)) return {};
    std::string body;
    FetchRequest{0, 0, header_.size()}.Encode(&body);
    link.Send(MessageType::kFetch, body);
    return {};
  }
  while (asked_.file < files_.size() && outstanding_ < window_ &&
         expected_.size() < kMostFetchRequests) {
    const uint64_t rest = files_[asked_.file].bytes - asked_.offset;
    FetchRequest request;
    request.file = asked_.file;
    request.offset = asked_.offset;
    request.bytes = std::min<uint64_t>(rest, kPieceBytes);
    std::string body;
    request.Encode(&body);
    link.Send(MessageType::kFetch, body);
    expected_.push_back(request.bytes);
    outstanding_ += request.bytes;
    asked_ = Behind(asked_, request.bytes);
  }
  if (written_.file == files_.size()) Finish();
  return {};
}

}  // namespace runnel::replication
