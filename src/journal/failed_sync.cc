#include "journal/failed_sync.h"

#include <cerrno>

#include "base/log.h"
#include "journal/copy_bytes.h"

namespace runnel::journal {
namespace {

std::string FailedSyncPath(const std::string& directory) {
  return directory + "/sync-failed";
}

Status WriteAnew(Disk& disk, const std::string& directory, const Segment& segment) {
  const std::string path = SegmentPath(directory, segment.base);
  const std::string temporary = TemporarySegmentPath(directory);
  const auto old = disk.Open(path, OpenMode::kRead);
  if (!old.ok()) return old.status();
  const auto copy = disk.Open(temporary, OpenMode::kCreate);
  if (!copy.ok()) return copy.status();
  const Status copied = CopyBytes(**old, 0, segment.file_bytes, &**copy);
  if (!copied.ok()) return copied;
  return disk.Rename(temporary, path);
}

}  // namespace

void NoteFailedSync(Disk& disk, const std::string& directory) {
  const auto note = disk.Open(FailedSyncPath(directory), OpenMode::kCreate);
  if (!note.ok()) LogWarning("journal: {}", note.status().message());
}

Result<bool> HasSyncFailed(Disk& disk, const std::string& directory) {
  const auto note = disk.Open(FailedSyncPath(directory), OpenMode::kRead);
  if (note.ok()) return true;
  if (note.status().error_number() != ENOENT) return note.status();
  return false;
}

Status MendFailedSync(Disk& disk, const std::string& directory,
                      const std::vector<Segment>& segments, Position synced) {
  const auto failed = HasSyncFailed(disk, directory);
  if (!failed.ok()) return failed.status();
  if (!*failed) return {};
  LogWarning("{}: a sync had failed: what may not be on the disk is written anew", directory);
  for (const Segment& segment : segments) {
    if (segment.base + segment.file_bytes <= synced) continue;
    const Status written = WriteAnew(disk, directory, segment);
    if (!written.ok()) return written;
  }
  const Status named = disk.SyncDirectory(directory);
  if (!named.ok()) return named;
  return disk.Remove(FailedSyncPath(directory));
}

}  // namespace runnel::journal
