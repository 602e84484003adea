#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/position.h"
#include "env/disk.h"
#include "env/worker.h"

namespace runnel::journal {

// The file of the next segment, which a helper prepares before it is needed: it creates it,
// reserves its room and syncs it. The file gets its name when it is taken, because only then its
// position is known; until then it is "next.tmp".
class SegmentSupply {
 public:
  // A "next.tmp" of an earlier process is replaced. `disk` and `helper` outlive the supply.
  SegmentSupply(Disk* disk, Worker* helper, std::string directory);

  // Has a file of this many bytes prepared, if there is none and none is being prepared. After a
  // failure it waits a second before it tries again. Returns whether the helper was given work.
  bool Prepare(int64_t now_us, uint64_t bytes);
  bool ready() const { return file_ != nullptr; }
  // What was reserved for the file that is ready; 0 if there is none.
  uint64_t bytes() const { return ready() ? bytes_ : 0; }
  // Why there is none, if the last try failed.
  const Status& status() const { return status_; }

  // Gives the file its name; the directory is not synced yet. If this fails, the file stays ready.
  // REQUIRES: ready().
  Result<std::shared_ptr<File>> Take(Position base);

  // The same at once, for the first segment of a new journal: named and durable when it returns.
  static Result<std::shared_ptr<File>> Create(Disk& disk, const std::string& directory,
                                              Position base, uint64_t segment_bytes);

 private:
  Disk* const disk_;
  Worker* const helper_;
  const std::string directory_;
  uint64_t bytes_ = 0;  // of file_, or of the one that is on its way
  std::shared_ptr<File> file_;
  Status status_;
  bool preparing_ = false;
  int64_t retry_us_ = 0;
  // Tells a helper that comes back whether the supply is still there.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::journal
