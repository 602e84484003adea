#pragma once

#include <string>

#include "base/status.h"

namespace runnel {

// Holds a data directory for one process: a lock on the file `runnel.lock` in it, which the kernel
// lets go of when the process ends, however it ends.
class InstanceLock {
 public:
  InstanceLock() = default;
  ~InstanceLock();
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;

  // Fails, naming the process that has it, if the directory is taken. Writes this process's ID into
  // the file.
  Status Acquire(const std::string& dir);

 private:
  int fd_ = -1;
};

}  // namespace runnel
