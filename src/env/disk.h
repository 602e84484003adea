#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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
  // The first place at `offset` or behind it where something else than zeros may lie; the size if
  // there is none. What was only reserved is passed over without being read, if the system can
  // tell.
  virtual Result<uint64_t> NextData(uint64_t offset) const = 0;
  // Writes all of `bytes` at `offset`. The file grows if it was shorter; a gap reads as zeros.
  // After a failure any part may have been written.
  virtual Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // Returns when all that was written before the call is on the disk, as is the size (fdatasync).
  // After a failure it is unknown which of it is, also if a later call succeeds.
  virtual Status Sync() = 0;
  // Reserves room on the disk for the first `bytes` bytes and makes the file at least so long:
  // writes there need neither room nor a new size. New bytes read as zeros, bytes that were there
  // stay. Never shortens.
  virtual Status Allocate(uint64_t bytes) = 0;
  // Makes writes to the bytes [offset, offset + bytes) of an allocated file quick, if the system
  // can: has memory for them ready and the disk's own bookkeeping done, so that a sync afterwards
  // writes nothing but what was written. Changes nothing, whatever is written there meanwhile; a
  // hint, so it cannot fail. From any thread.
  virtual void Warm(uint64_t offset, uint64_t bytes) = 0;
  // What lies in the bytes [offset, offset + bytes) is synced and will hardly be read soon: the
  // system need not keep it in memory, and takes that memory for what is written next. Changes
  // nothing; a hint, so it cannot fail. From any thread.
  virtual void Forget(uint64_t offset, uint64_t bytes) = 0;
  // Sets the size: cuts what is behind, or adds zeros (without reserving room).
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

// Callable from every thread; lives longer than the files and locks that it hands out. Paths are as
// the process sees them.
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
  // Returns when the names that were made, changed or removed in the directory before the call are
  // so on the disk.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // How many bytes more the file system of the directory can hold, for this process: what was only
  // reserved counts as held. Others may take it at any moment.
  virtual Result<uint64_t> FreeBytes(const std::string& directory) = 0;
  // What names the run of the machine since it was last started: two processes that read the same
  // text saw no power cut between them, so whatever one wrote to a file the other reads. Empty if
  // it is not known.
  virtual std::string BootId() = 0;
  // Fails with EWOULDBLOCK, naming the holder, if another process (or this one) holds the lock. The
  // lock is a file `runnel.lock` in the directory, which stays there.
  virtual Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) = 0;
};

// Whether the failure says that there is no room (disk full, or the user's share of it): it passes
// when there is.
bool IsDiskFull(const Status& status);

// The directory that the path's last name is in: "." and "/" where it does not say.
std::string ParentOf(const std::string& path);

}  // namespace runnel
