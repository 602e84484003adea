#include "journal/segment_supply.h"

#include <utility>

#include "base/assert.h"
#include "journal/segment.h"

namespace runnel::journal {
namespace {

constexpr int64_t kRetryMicros = 1'000'000;

// A file with zeros and room for them.
Result<std::shared_ptr<File>> CreateReserved(Disk& disk, const std::string& directory,
                                             uint64_t bytes) {
  const std::string path = TemporarySegmentPath(directory);
  auto file = disk.Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  Status status = (*file)->Allocate(bytes);
  if (status.ok()) status = (*file)->Sync();
  if (status.ok()) return std::shared_ptr<File>(std::move(*file));
  // Others need the room more. If this fails too, the next try replaces the file.
  static_cast<void>(disk.Remove(path));
  return status;
}

}  // namespace

SegmentSupply::SegmentSupply(Disk* disk, Worker* helper, std::string directory)
    : disk_(disk), helper_(helper), directory_(std::move(directory)) {}

bool SegmentSupply::Prepare(int64_t now_us, uint64_t bytes) {
  if (ready() || preparing_ || now_us < retry_us_) return false;
  preparing_ = true;
  bytes_ = bytes;
  retry_us_ = now_us + kRetryMicros;
  auto prepared = std::make_shared<Result<std::shared_ptr<File>>>(std::shared_ptr<File>());
  helper_->Run([prepared, disk = disk_, directory = directory_,
                bytes] { *prepared = CreateReserved(*disk, directory, bytes); },
               [this, prepared, alive = std::weak_ptr<bool>(alive_)] {
                 if (alive.expired()) return;
                 preparing_ = false;
                 status_ = prepared->status();
                 if (prepared->ok()) file_ = **prepared;
               });
  return true;
}

Result<std::shared_ptr<File>> SegmentSupply::Take(Position base) {
  CHECK(ready());
  const Status named =
      disk_->Rename(TemporarySegmentPath(directory_), SegmentPath(directory_, base));
  if (!named.ok()) return named;
  retry_us_ = 0;
  return std::exchange(file_, nullptr);
}

Result<std::shared_ptr<File>> SegmentSupply::Create(Disk& disk, const std::string& directory,
                                                    Position base, uint64_t segment_bytes) {
  auto file = CreateReserved(disk, directory, segment_bytes);
  if (!file.ok()) return file;
  Status status = disk.Rename(TemporarySegmentPath(directory), SegmentPath(directory, base));
  if (status.ok()) status = disk.SyncDirectory(directory);
  if (!status.ok()) return status;
  return file;
}

}  // namespace runnel::journal
