#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "env/disk.h"
#include "snapshot/format.h"

namespace runnel::snapshot {

// Reads the sections of a snapshot in their order. A thread of its own reads, verifies and
// decompresses some of them ahead, while the owner's thread uses the one before. Other threads may
// use the disk meanwhile.
class SectionReader {
 public:
  // Opens the file and reads its header. Fails, naming the file and the offset, if this is not a
  // whole header of a known version. The disk outlives the reader.
  static Result<std::unique_ptr<SectionReader>> Open(Disk& disk, const std::string& path);
  ~SectionReader();
  SectionReader(const SectionReader&) = delete;
  SectionReader& operator=(const SectionReader&) = delete;

  const SnapshotInfo& info() const { return info_; }
  uint64_t file_bytes() const { return file_bytes_; }

  // The next section: true, and the bytes are valid until the next call; false after the last one,
  // after which totals() is set; or a failure, which names the file and the offset. After a failure
  // or the end the same comes again.
  Result<bool> Next();
  std::string_view bytes() const { return {current_->raw.get(), current_->size}; }
  // Where in the file the section begins that Next gave last.
  uint64_t offset() const { return current_ == nullptr ? 0 : current_->offset; }
  const SnapshotTotals& totals() const { return totals_; }

  // "PATH, offset N: what".
  Status DamagedAt(uint64_t offset, std::string_view what) const;

 private:
  struct Section {
    uint64_t offset = 0;
    size_t size = 0;
    // Room for the largest section. The owner's thread allocates all that the other one writes to,
    // so that memory accounting need not know that thread.
    std::unique_ptr<char[]> raw;
  };

  SectionReader(std::string path, std::unique_ptr<File> file, uint64_t file_bytes)
      : path_(std::move(path)), file_(std::move(file)), file_bytes_(file_bytes) {}

  Status ReadHeader();
  Status ReadEpochs(size_t size);
  void Loop();
  Result<bool> Read(Section* section);
  Result<bool> ReadFooter();

  const std::string path_;
  const std::unique_ptr<File> file_;
  const uint64_t file_bytes_;
  SnapshotInfo info_;
  uint64_t seed_ = 0;

  // The reading thread's.
  uint64_t offset_ = kHeaderBytes;
  SnapshotTotals found_;
  std::string stored_;

  // The owner's.
  std::unique_ptr<Section> current_;
  SnapshotTotals totals_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Section>> ready_;
  std::vector<std::unique_ptr<Section>> spare_;  // to be read into
  bool ended_ = false;                           // nothing follows what is ready...
  Status end_;                                   // ...because of this, or because that was all
  bool stop_ = false;
  std::thread thread_;  // last: begins when all else is there
};

// Whether the file is a snapshot of a format that this server is too old for.
bool IsOfNewerFormat(Disk& disk, const std::string& path);

}  // namespace runnel::snapshot
