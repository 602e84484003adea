#pragma once

#include <memory>
#include <string>

#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "env/disk.h"
#include "env/loop.h"
#include "env/thread_worker.h"
#include "journal/journal.h"
#include "server/config_values.h"
#include "server/saver.h"
#include "snapshot/snapshotter.h"

namespace runnel {

// The data directory of a server: snapshots, the journal. What was kept comes from it, and what
// shall be kept goes to it. Owns the threads that work for it.
class Storage {
 public:
  // The loop outlives the storage.
  explicit Storage(Loop& loop);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Locks the directory, in which the process works already, and makes the empty keyspace what the
  // newest snapshot and the journal say. A journal is read also if the server shall keep none:
  // what it holds was acknowledged. Streams above the bound of `cold` are written to files
  // meanwhile, and from then on. The keyspace outlives the storage. Blocks for as long as all that
  // takes, with a line in the log now and then. Fails if somebody else has the directory, or if
  // what is there cannot be trusted.
  Status Open(const ServerOptions& options, const ColdSettings& cold, Keyspace& keyspace);

  // nullptr if the server keeps none.
  journal::Journal* journal() { return journal_.get(); }

  // REQUIRES, for both: Open() was successful.
  snapshot::Snapshotter& snapshotter() { return *snapshotter_; }
  const FoundState& found() const { return found_; }
  // Has the loop begin another round.
  void Wake() { wakeup_->Signal(); }
  // There after Open. All streams of the keyspace must be gone before the storage.
  ColdStore* cold() { return cold_.get(); }

  // Waits until the disk has all that the journal was given: replies that wait for that can leave.
  void Sync();
  // The end: everything is on the disk when this returns, or the log says what is not. The journal
  // takes nothing more.
  void Close();

 private:
  Status LoadSnapshot(Keyspace& keyspace);
  Status OpenJournal(const ServerOptions& options, Keyspace& keyspace);
  Status ReadJournal(Keyspace& keyspace);
  Status Replay(const journal::Frame& frame, Keyspace& keyspace);
  bool IsTimeToTell();

  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<Wakeup> wakeup_;  // for all workers: the loop takes what they have done
  // Syncs the journal. Nothing else may keep it busy.
  std::unique_ptr<ThreadWorker> log_thread_;
  // All other work with files.
  std::unique_ptr<ThreadWorker> helper_;
  // Writes snapshots.
  std::unique_ptr<ThreadWorker> snapshot_thread_;
  // Write and read files of cold entries.
  std::unique_ptr<ThreadWorker> cold_writer_;
  std::unique_ptr<ThreadWorker> cold_reader_;
  std::unique_ptr<ColdStore> cold_;
  std::unique_ptr<snapshot::StoredEntries> stored_;  // of cold_, for the snapshotter
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<snapshot::Snapshotter> snapshotter_;
  FoundState found_;
  int64_t told_us_ = 0;  // when the log was last told how far loading is
};

}  // namespace runnel
