#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/position.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "env/clock.h"
#include "env/disk.h"
#include "env/worker.h"
#include "journal/journal.h"
#include "replication/wire.h"
#include "server/config_values.h"
#include "server/found_state.h"
#include "server/full_sync.h"
#include "server/lost_data.h"
#include "server/startup.h"
#include "snapshot/cold_entries.h"
#include "snapshot/snapshotter.h"

namespace runnel {

// The data directory of a server: snapshots, the journal, cold entries. Data is loaded from it at
// the start and stored in it afterwards.
class Storage {
 public:
  // The helper threads of the storage. The results of their jobs are delivered on the loop's
  // thread.
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

  // Locks the directory, in which the process works already. Fails if somebody else has it. Ends a
  // full sync that was under way (full_sync.h).
  Status Open();
  // Makes the empty keyspace what the newest snapshot and the journal say, for about `budget` keys
  // or records: see Startup::Step. Returns whether all is loaded. A journal is read also if the
  // server shall keep none: what it holds was acknowledged. Streams above the bound of memory are
  // written to files meanwhile, and from then on. A follower whose files are damaged uses what can
  // be used of them, or sets them aside (lost_data.h). After a failure this can only be destroyed.
  // REQUIRES: Open() was successful; may_load().
  Result<bool> LoadSome(size_t budget);
  // Whether there is something to load, and LoadSome need not wait for what is still being done
  // with files of cold entries. From true to false only when all is loaded.
  bool may_load() const { return must_load_ && !taking_ && (startup_ != nullptr || cold_->idle()); }
  // All of it. Blocks.
  Status Load();
  // By default a server whose journal does not follow leads as soon as all is loaded. With this, it
  // does when BeginToLead is called. Before LoadSome.
  void LeadLater() { leads_later_ = true; }
  // By default all of the journal is applied. With this, it is up to where `limit` says for the
  // journal with this id, when loading comes to it: found().position may be before its end then.
  void ApplyUpTo(std::function<Position(uint64_t journal_id)> limit) { limit_ = std::move(limit); }
  // As Lead, and waits until that is synced. Blocks: for the start.
  Status BeginToLead();
  // What this server, a follower, has lost and not fetched again; nothing: nothing.
  const std::optional<LostData>& lost() const { return lost_; }
  // Notes beside the loop that it has lost something, and calls `done`; or that it has all again,
  // or else leads without. If it has all, no more damaged files stay than lost_data.h says.
  void NoteLost(LostData lost, std::function<void(const Status&)> done);
  void ForgetLost(bool has_all);
  // How far it is; nullptr before the first LoadSome and when all is loaded.
  const Startup* startup() const { return startup_.get(); }

  Disk& disk() { return disk_; }
  DataDirectories directories() const;
  // Of the journal, if the server keeps one.
  std::string journal_directory() const;
  // nullptr before all is loaded, and if the server keeps none.
  journal::Journal* journal() { return journal_.get(); }
  // For a server that has no data and is to follow another one: its journal is replaced by an empty
  // one with this identity, that follows, and its snapshots go. Blocks. After a failure there is no
  // journal. REQUIRES: all is loaded; there is a journal, and nobody else uses it; no snapshot is
  // being taken.
  Status TakeJournal(const journal::Identity& identity);
  // Cuts the journal off at `end`, where a frame ends: closes it, removes the snapshots beyond,
  // cuts it on the helper threads, and calls `done`. There is no journal from the call on. If all
  // went well and `load` is false, there is one again then, which ends at `end` and follows; if
  // `load` is true, the caller empties the keyspace and loads it again, with the journal. If
  // something failed, there is none until a restart, which finds the journal cut, or as it was, or
  // cut in part. REQUIRES: all is loaded; there is a journal that follows and holds `end`, and
  // nobody else uses it; no snapshot is being taken, and none is until `done`.
  void Cut(Position end, bool load, std::function<void(const Status&)> done);
  // A snapshot of the leader has arrived (full_sync.h): notes beside the loop that it takes the
  // place of what is here, and calls `done`. After success the caller calls GiveWay. REQUIRES:
  // there is a journal that follows, and nobody appends to it.
  void NoteArrived(ArrivedSnapshot snapshot, std::function<void(const Status&)> done);
  // The journal is closed; the caller empties the keyspace, and loads it again: what has arrived.
  // REQUIRES: NoteArrived was successful; nobody else uses the journal; no snapshot is being taken.
  void GiveWay();
  // The journal takes frames of this server from now on, in a new epoch. Fails if the journal has
  // failed. REQUIRES: all is loaded; there is a journal.
  Status Lead();
  // REQUIRES: all is loaded.
  const FoundState& found() const { return found_; }
  snapshot::Snapshotter& snapshotter() { return *snapshotter_; }
  ColdStore* cold() { return cold_.get(); }

  // See ListSnapshotFiles. Blocks; any thread.
  Result<std::vector<replication::SyncFile>> ListSnapshot(Position position) const;
  // Waits until the disk has all that the journal was given: replies that wait for that can leave.
  void Sync();
  // The end: everything is on the disk when this returns, or the log says what is not. The journal
  // takes nothing more.
  void Close();

 private:
  struct CutJob;

  Status LookForLoss();
  Result<bool> AfterFailure(const Status& failure);
  void TakeWhatArrived();
  journal::JournalOptions OptionsToFollow(uint64_t data_bytes) const;

  Disk& disk_;
  Clock& clock_;
  const Workers workers_;
  const ServerOptions& options_;
  Keyspace& keyspace_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<ColdStore> cold_;
  std::unique_ptr<snapshot::ColdEntries> stored_;  // of cold_, for the snapshotter
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<snapshot::Snapshotter> snapshotter_;
  FoundState found_;
  std::unique_ptr<Startup> startup_;
  bool leads_later_ = false;
  std::function<Position(uint64_t)> limit_;
  bool must_load_ = true;
  bool arrived_ = false;  // what has arrived is to be put in the place of what was here
  bool taking_ = false;   // the helper does that
  Status take_status_;
  std::optional<LostData> lost_;
  bool looked_for_loss_ = false;
  bool follows_ = false;    // what is loaded is that of a follower
  bool set_aside_ = false;  // in this process
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel
