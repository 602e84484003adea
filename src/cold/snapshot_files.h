#pragma once

#include <functional>
#include <memory>

#include "base/status.h"
#include "cold/cold_file.h"
#include "cold/files.h"
#include "cold/settings.h"
#include "data/cold.h"
#include "env/worker.h"

namespace runnel::cold {

// What snapshots need of the files: that they survive a power cut, and that they stay. One snapshot
// is written at a time. For the loop's thread.
//
// After a failed sync the system may have dropped the bytes, still show them, and call the next
// sync a success. So a file is doubtful when one of its syncs has failed, whatever comes; its
// extents are written again to another file.
class SnapshotFiles {
 public:
  // Everything is borrowed and outlives this. `syncer` syncs, and `writer` writes extents again;
  // they may be the same.
  SnapshotFiles(ColdFiles& files, Worker& writer, Worker& syncer, const ColdSettings& settings,
                const ColdSizes& sizes);
  // Waits for both workers, which call what Sync was given.
  ~SnapshotFiles();
  SnapshotFiles(const SnapshotFiles&) = delete;
  SnapshotFiles& operator=(const SnapshotFiles&) = delete;

  // The four are described in ColdStore.
  void Note(const ColdExtents& extents, FileRefs* files);
  void Sync(const FileRefs& files, std::function<void(Status)> done);
  void End();
  void Pin(FileRefs files) { pinned_ = std::move(files); }

  // For ColdStore::Open: no snapshot is kept, as far as this knows. REQUIRES: idle().
  void Reset();
  // Whether no snapshot is being written, and nothing is written again.
  bool idle() const { return !in_snapshot_ && !rewriting_; }

 private:
  struct RewriteJob;

  void StartRewrite();
  bool TakeForRewrite(RewriteJob* job);
  void FinishRewrite(std::shared_ptr<RewriteJob> job);
  static void Apply(RewriteJob& job);

  ColdFiles& files_;
  Worker& writer_;
  Worker& syncer_;
  const ColdSettings& settings_;
  const ColdSizes& sizes_;
  FileRefs pinned_;           // of the snapshots that are kept
  bool in_snapshot_ = false;  // from Note to End
  StoredExtents noted_;       // by the snapshot that is being written
  StoredExtents to_rewrite_;  // in doubtful files
  Ref<ColdFile> rewritten_to_;
  std::shared_ptr<RewriteJob> rewritten_;  // done; waits for the end of a snapshot
  bool rewriting_ = false;
};

}  // namespace runnel::cold
