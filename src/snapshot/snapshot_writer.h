#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "data/function_catalog.h"
#include "data/object.h"
#include "env/disk.h"
#include "snapshot/format.h"

namespace runnel::snapshot {

// Writes one snapshot, key by key. All calls block, so they belong to a helper thread. They may
// come from several threads, one after the other.
//
// The first failure is final: later calls do nothing, and status() keeps the reason.
class SnapshotWriter : private EncoderSink {
 public:
  // Nothing is touched yet. The disk outlives the writer. `kept` finished snapshots stay, this one
  // included.
  SnapshotWriter(Disk* disk, std::string directory, const SnapshotInfo& info, size_t kept = 1);
  // Removes the file unless it was finished.
  ~SnapshotWriter() override;
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  // Makes the directory, if it is missing, and the temporary file. To be called first.
  void Open();
  // Takes memory for a section or two, however large the value is.
  void Add(uint32_t db, std::string_view name, int64_t expire_at_ms, const Object& value);
  // REQUIRES: the snapshot's info says that it has libraries.
  void Add(const StoredLibrary& library);
  // Makes the file durable under its name, then removes older snapshots. `files` are the names of
  // the files of cold entries that the snapshot names. When this returns without a failure, the
  // snapshot outlives a power cut.
  void Finish(const std::vector<std::string>& files = {});

  const Status& status() const { return status_; }
  // Bytes given to the disk so far, and the rest of the totals.
  const SnapshotTotals& totals() const { return totals_; }

 private:
  void Take(std::string_view bytes) override;
  void EndKey();
  void AddPiece(std::string_view bytes, bool more);
  void WriteSection();
  void Write(std::string_view bytes);
  void Check(Status status);

  Disk* const disk_;
  const std::string directory_;
  const SnapshotInfo info_;
  const size_t kept_;
  uint64_t seed_ = 0;
  std::unique_ptr<File> file_;
  bool is_temporary_ = false;  // there may be a file to be removed
  Status status_;
  SnapshotTotals totals_;
  uint64_t synced_ = 0;   // bytes given to the disk before the last sync
  std::string gathered_;  // the end of a key's encoding
  std::string section_;
  std::string compressed_;
  std::string head_;
};

}  // namespace runnel::snapshot
