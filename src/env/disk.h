#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

// What the journal, snapshots and cold blocks need of a file system. Replaced by a model in
// simulations, which also says what a power cut may do: until a file is synced, each of its changes
// may be lost or half there, whatever became of the others; until a directory is synced, so may
// each name in it.
//
// Failures keep the errno (Status::error_number). Every call blocks for as long as the disk takes.

namespace runnel {

// An open file. Closed by the destructor, which does not sync. The name may be changed or removed
// meanwhile: the file stays readable and writable here. One thread may write (WriteAt, Allocate,
// Truncate) while others read and sync.
class File {
 public:
  virtual ~File() = default;

  // Reads `bytes` bytes at `offset` to `out`; returns how many there were, fewer only at the end of
  // the file.
  virtual Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) const = 0;
  // The first place at `offset` or after it that may hold bytes other than zero; the size if there
  // is none. Reserved room that was never written is skipped without being read, if the system can
  // tell.
  virtual Result<uint64_t> NextData(uint64_t offset) const = 0;
  // Writes all of `bytes` at `offset`. The file grows if it was shorter; a gap reads as zeros.
  // After a failure any part may have been written.
  virtual Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // Returns when everything written before the call is on the disk, including the size (fdatasync).
  // After a failure it is not known what is on the disk, even if a later call succeeds.
  virtual Status Sync() = 0;
  // Reserves room on the disk for the first `bytes` bytes and makes the file at least that long:
  // writes there need neither room nor a new size. New bytes read as zeros; existing bytes stay.
  // Never shortens the file.
  virtual Status Allocate(uint64_t bytes) = 0;
  // Makes writes to the bytes [offset, offset + bytes) of an allocated file quick, if the system
  // can: prepares memory and the file's extents, so that a later sync writes only the written
  // bytes. Does not change the content, whatever is written there meanwhile. A hint, so it cannot
  // fail. Any thread.
  virtual void Warm(uint64_t offset, uint64_t bytes) = 0;
  // The bytes [offset, offset + bytes) are synced and will probably not be read soon: the system
  // need not keep them in memory, and can use that memory for the next writes. Does not change the
  // content. A hint, so it cannot fail. Any thread.
  virtual void Forget(uint64_t offset, uint64_t bytes) = 0;
  // Sets the size: cuts what follows, or adds zeros (without reserving room).
  virtual Status Truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> Size() const = 0;
};

// Keeps other processes from taking the same lock, as long as the object lives and the process
// runs.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

enum class OpenMode {
  kRead,       // an existing file, not to be changed
  kReadWrite,  // an existing file
  kCreate,     // a new, empty file (mode 0640), in place of one of that name
};

// Callable from any thread. Outlives the files and locks that it returns. Paths are as the process
// sees them.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Gives the file another name of the same directory, in one step, in place of a file of that
  // name.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Does nothing if it is there (mode 0750 if it is new). Its parent must exist.
  virtual Status CreateDirectory(const std::string& path) = 0;
  // The names in a directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> List(const std::string& directory) = 0;
  // Returns when all names that were made, changed or removed in the directory before the call are
  // durable.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // How many more bytes the file system of the directory can hold, for this process; reserved room
  // counts as used. Other processes may take the room at any moment.
  virtual Result<uint64_t> FreeBytes(const std::string& directory) = 0;
  // Identifies the run of the machine since its last start. If two processes read the same text,
  // there was no power cut between them, so the second reads everything that the first wrote to
  // files. Empty if it is not known.
  virtual std::string BootId() = 0;
  // Fails with EWOULDBLOCK, naming the holder, if another process (or this one) holds the lock. The
  // lock is a file `runnel.lock` in the directory, which stays there.
  virtual Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) = 0;
};

// Whether the failure says that there is no room (disk full, or quota reached). It may pass.
bool IsDiskFull(const Status& status);

// The same as the calls of these names, but that there is no such file or directory is no failure.
// ListIfThere gives no names then, and SizeIfThere nothing.
Result<std::vector<std::string>> ListIfThere(Disk& disk, const std::string& directory);
Status RemoveIfThere(Disk& disk, const std::string& path);
Status SyncDirectoryIfThere(Disk& disk, const std::string& directory);
// How large the file is.
Result<std::optional<uint64_t>> SizeIfThere(Disk& disk, const std::string& path);

// The directory of the path's last name: "." or "/" if the path has no other name.
std::string ParentOf(const std::string& path);

}  // namespace runnel
