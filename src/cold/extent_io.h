#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "cold/cold_file.h"
#include "cold/extent.h"
#include "cold/files.h"

// Extents and the disk: one is read, several are appended.

namespace runnel::cold {

// Reads the extent from where it is now and verifies it. The message of a failure names the file
// and the offset. Waits for the disk. Any thread that has a reference to the extent.
Result<std::shared_ptr<const BlockRun>> ReadExtent(const ColdFiles& files,
                                                   const StoredExtent& extent);

// Extents that are appended to a file with one write. At most one exists for a file at a time.
class ExtentAppend {
 public:
  // For the loop's thread. The extents will lie at the file's end; a file that is empty is made,
  // with a header.
  ExtentAppend(Ref<ColdFile> file, Codec codec);

  const Ref<ColdFile>& file() const { return file_; }

  // The next two are for a helper.
  //
  // Encodes a run after those that were added before; returns where it will be.
  StoredExtent::Place Add(const BlockRun& run);
  // Writes what was added. Waits for the disk.
  void Write(const ColdFiles& files);

  // For the loop's thread, after Write. Returns whether that has succeeded: then the file is larger
  // and must be synced. Otherwise the file is as it was, as far as anybody may look at it.
  Status Finish(ColdFiles* files);

 private:
  const Ref<ColdFile> file_;
  const uint64_t begin_;  // in the file; 0: the file is new
  const Codec codec_;
  std::string bytes_;
  uint64_t end_ = 0;
  Status written_;
};

}  // namespace runnel::cold
