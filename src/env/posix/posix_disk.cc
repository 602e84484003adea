#include "env/posix/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace runnel {
namespace {

// Repeats a system call that a signal has interrupted.
template <class Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) const override {
    size_t done = 0;
    while (done < bytes) {
      const ssize_t read = Retry([&] {
        return pread(fd_.get(), out + done, bytes - done, static_cast<off_t>(offset + done));
      });
      if (read < 0) return Failure("read", offset + done);
      if (read == 0) break;
      done += static_cast<size_t>(read);
    }
    return done;
  }

  Result<uint64_t> NextData(uint64_t offset) const override {
    const off_t next = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (next >= 0) return static_cast<uint64_t>(next);
    if (errno == ENXIO) return Size();
    if (errno == EINVAL) return offset;  // the file system cannot tell
    return Failure("look for data in", offset);
  }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = Retry([&] {
        return pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      });
      if (written < 0) return Failure("write", offset);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Status Sync() override {
    if (Retry([&] { return fdatasync(fd_.get()); }) < 0) return Failure("sync");
    return {};
  }

  Status Allocate(uint64_t bytes) override {
    int error;
    do {
      error = posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
    } while (error == EINTR);
    if (error == 0) return {};
    return Status::SystemError(fmt::format("cannot allocate {} bytes for {}", bytes, path_), error);
  }

  void Warm(uint64_t offset, uint64_t bytes) override {
#ifdef MADV_POPULATE_WRITE
    // Touches each page as if it were written, without writing it: what a write to fresh pages
    // spends most of its time on. Pages reach the disk once here, so that room which was only
    // reserved need not be made part of the file by the sync that a client waits for.
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t begin = offset / page * page;
    const size_t length = offset + bytes - begin;
    void* const memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(),
                              static_cast<off_t>(begin));
    if (memory == MAP_FAILED) return;
    const bool touched = madvise(memory, length, MADV_POPULATE_WRITE) == 0;
    munmap(memory, length);
    if (touched) {
      sync_file_range(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(length),
                      SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
#else
    static_cast<void>(offset), static_cast<void>(bytes);
#endif
  }

  void Forget(uint64_t offset, uint64_t bytes) override {
    // Its error is no failure: the memory is only freed later.
    (void)posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                        POSIX_FADV_DONTNEED);
  }

  Status Truncate(uint64_t bytes) override {
    if (Retry([&] { return ftruncate(fd_.get(), static_cast<off_t>(bytes)); }) < 0) {
      return Failure("cut", bytes);
    }
    return {};
  }

  Result<uint64_t> Size() const override {
    struct stat info;
    if (fstat(fd_.get(), &info) < 0) return Failure("look at");
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  Status Failure(const char* what) const {
    const int error = errno;
    return Status::SystemError(fmt::format("cannot {} {}", what, path_), error);
  }
  Status Failure(const char* what, uint64_t offset) const {
    const int error = errno;
    return Status::SystemError(fmt::format("cannot {} {} at offset {}", what, path_, offset),
                               error);
  }

  const Descriptor fd_;
  const std::string path_;
};

class PosixDirectoryLock final : public DirectoryLock {
 public:
  explicit PosixDirectoryLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // the kernel drops the lock when it is closed
};

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const int flags = mode == OpenMode::kRead        ? O_RDONLY
                      : mode == OpenMode::kReadWrite ? O_RDWR
                                                     : O_RDWR | O_CREAT | O_TRUNC;
    Descriptor fd(Retry([&] { return open(path.c_str(), flags | O_CLOEXEC, 0640); }));
    if (fd.get() < 0) return Failure(mode == OpenMode::kCreate ? "create" : "open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) < 0) return Failure("rename", from + " to " + to);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) < 0) return Failure("remove", path);
    return {};
  }

  Status CreateDirectory(const std::string& path) override {
    if (mkdir(path.c_str(), 0750) < 0 && errno != EEXIST) return Failure("create", path);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& directory) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), &closedir);
    if (stream == nullptr) return Failure("list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return Failure("list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status SyncDirectory(const std::string& directory) override {
    const Descriptor fd = OpenDirectory(directory);
    if (fd.get() < 0 || Retry([&] { return fsync(fd.get()); }) < 0)
      return Failure("sync", directory);
    return {};
  }

  Result<uint64_t> FreeBytes(const std::string& directory) override {
    struct statvfs info;
    if (statvfs(directory.c_str(), &info) < 0) return Failure("look at the room of", directory);
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

  std::string BootId() override {
    const Descriptor fd(
        Retry([] { return open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); }));
    char id[64];
    const ssize_t size = fd.get() < 0 ? -1 : Retry([&] { return read(fd.get(), id, sizeof(id)); });
    const std::string_view text(id, size > 0 ? static_cast<size_t>(size) : 0);
    return std::string(text.substr(0, text.find('\n')));
  }

  Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) override {
    const std::string path = directory + "/" + kLockName;
    Descriptor fd(Retry([&] { return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); }));
    if (fd.get() < 0) return Failure("open", path);
    if (Retry([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
      return errno == EWOULDBLOCK ? InUse(directory, fd.get()) : Failure("lock", path);
    }
    const std::string holder = fmt::format("{}\n", getpid());
    if (ftruncate(fd.get(), 0) < 0 || pwrite(fd.get(), holder.data(), holder.size(), 0) < 0) {
      return Failure("write", path);
    }
    return std::unique_ptr<DirectoryLock>(std::make_unique<PosixDirectoryLock>(std::move(fd)));
  }

 private:
  // The file that is locked in a directory. It holds the process's ID, for a process that finds it
  // locked.
  static constexpr const char* kLockName = "runnel.lock";

  static Status InUse(const std::string& directory, int fd) {
    char holder[32] = {};
    const ssize_t size = pread(fd, holder, sizeof(holder) - 1, 0);
    std::string_view pid(holder, size > 0 ? static_cast<size_t>(size) : 0);
    pid = pid.substr(0, pid.find('\n'));
    return Status::SystemError(fmt::format("the directory {} is in use by another process ({})",
                                           directory, pid.empty() ? "unknown" : pid),
                               EWOULDBLOCK);
  }
  static Descriptor OpenDirectory(const std::string& path) {
    return Descriptor(
        Retry([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  }
  static Status Failure(const char* what, const std::string& path) {
    const int error = errno;
    return Status::SystemError(fmt::format("cannot {} {}", what, path), error);
  }
};

}  // namespace

Disk& SystemDisk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace runnel
