#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "env/disk.h"
#include "env/loop.h"
#include "env/thread_worker.h"
#include "journal/journal.h"
#include "server/config_values.h"
#include "server/loading.h"
#include "server/saver.h"
#include "snapshot/snapshotter.h"

namespace runnel {

// The data directory of a server: snapshots, the journal. What was kept comes from it, and what
// shall be kept goes to it. Owns the threads that work for it.
class Storage {
 public:
  // Takes the directory when Open says so. Everything outlives the storage.
  Storage(Loop& loop, const ServerOptions& options, const ColdSettings& cold, Keyspace& keyspace);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Locks the directory, in which the process works already. Fails if somebody else has it.
  Status Open();
  // Makes the empty keyspace what the newest snapshot and the journal say. A journal is read also
  // if the server shall keep none: what it holds was acknowledged. Streams above the bound of
  // memory are written to files meanwhile, and from then on. Blocks for as long as all that takes,
  // and tells `loading` how far it is. Fails if what is there cannot be trusted, or as `loading`
  // does; then nothing that was kept has been changed but as Journal::Open says, and this can only
  // be destroyed. REQUIRES: Open() was successful.
  Status Load(Loading& loading);

  // nullptr before Load(), and if the server keeps none.
  journal::Journal* journal() { return journal_.get(); }
  // REQUIRES: Load() was successful.
  const FoundState& found() const { return found_; }
  snapshot::Snapshotter& snapshotter() { return *snapshotter_; }
  // Has the loop begin another round.
  void Wake() { wakeup_->Signal(); }
  // All streams of the keyspace must be gone before the storage.
  ColdStore* cold() { return cold_.get(); }

  // Waits until the disk has all that the journal was given: replies that wait for that can leave.
  void Sync();
  // The end: everything is on the disk when this returns, or the log says what is not. The journal
  // takes nothing more.
  void Close();

 private:
  Status LoadSnapshot(Loading& loading);
  Result<std::optional<Position>> LookAtJournal();
  uint64_t JournalBytesTo(Position position) const;
  Status OpenJournal(Loading& loading);
  Status ReadJournal(Loading& loading);
  Status Replay(const journal::Frame& frame, Loading& loading);
  Status NoteAccess(Loading& loading);

  const ServerOptions& options_;
  Keyspace& keyspace_;
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
  // What there is to load: the snapshot's bytes, from where on the journal is read, and where it
  // ends, about.
  uint64_t snapshot_bytes_ = 0;
  Position journal_from_ = 0;
  Position journal_end_ = 0;
};

}  // namespace runnel
