#include "server/instance_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "fmt/format.h"

namespace runnel {

InstanceLock::~InstanceLock() {
  if (fd_ >= 0) close(fd_);
}

Status InstanceLock::Acquire(const std::string& dir) {
  const std::string path = dir + "/runnel.lock";
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) return Status::SystemError(fmt::format("cannot open {}", path), errno);
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Status::SystemError(fmt::format("cannot lock {}", path), errno);
    }
    char holder[32] = {};
    const ssize_t size = pread(fd_, holder, sizeof(holder) - 1, 0);
    std::string_view pid(holder, size > 0 ? static_cast<size_t>(size) : 0);
    pid = pid.substr(0, pid.find('\n'));
    return Status::Error(fmt::format("the directory {} is in use by another server (process {})",
                                     dir, pid.empty() ? "unknown" : pid));
  }
  const std::string text = fmt::format("{}\n", getpid());
  if (ftruncate(fd_, 0) != 0 || pwrite(fd_, text.data(), text.size(), 0) < 0) {
    return Status::SystemError(fmt::format("cannot write {}", path), errno);
  }
  return Status();
}

}  // namespace runnel
