#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "env/clock.h"
#include "env/disk.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "server/config_values.h"
#include "server/loading.h"
#include "server/saver.h"
#include "snapshot/snapshotter.h"

namespace runnel {

// The data directory of a server: snapshots, the journal, cold entries. What was kept comes from
// it, and what shall be kept goes to it.
class Storage {
 public:
  // Those that work for it. Their jobs are delivered on the loop's thread.
  struct Workers {
    Worker& log;          // syncs the journal; nothing else may keep it busy
    Worker& helper;       // all other work with the journal's files
    Worker& snapshot;     // writes snapshots
    Worker& cold_writer;  // write and read files of cold entries
    Worker& cold_reader;
    Worker& cold_syncer;  // syncs them for snapshots
  };

  // Paths count from where the process works; the directory is taken when Open says so. Everything
  // outlives the storage; the keyspace is emptied before its end.
  Storage(Disk& disk, Clock& clock, const Workers& workers, const ServerOptions& options,
          const ColdSettings& cold, Keyspace& keyspace, const ColdSizes& sizes = {});
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
  ColdStore* cold() { return cold_.get(); }

  // Waits until the disk has all that the journal was given: replies that wait for that can leave.
  void Sync();
  // The end: everything is on the disk when this returns, or the log says what is not. The journal
  // takes nothing more.
  void Close();

 private:
  Status LoadSnapshot(Loading& loading);
  void KeepWhatItNames();
  Result<std::optional<Position>> LookAtJournal();
  uint64_t JournalBytesTo(Position position) const;
  Status OpenJournal(Loading& loading);
  Status ReadJournal(Loading& loading);
  Status Replay(const journal::Frame& frame, Loading& loading);
  Status NoteAccess(Loading& loading);

  Disk& disk_;
  Clock& clock_;
  const Workers workers_;
  const ServerOptions& options_;
  Keyspace& keyspace_;
  std::unique_ptr<DirectoryLock> lock_;
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
