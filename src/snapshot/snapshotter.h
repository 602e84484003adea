#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/keyspace.h"
#include "env/disk.h"
#include "env/worker.h"
#include "snapshot/format.h"

namespace runnel::snapshot {

// The files of entries that a snapshot names instead of holding the entries (Object::EncodeStored).
// For the loop's thread.
class StoredEntries {
 public:
  virtual ~StoredEntries() = default;
  // The snapshot that is being taken names these extents: their files stay until it ends.
  virtual void Note(const ColdExtents& extents) = 0;
  // Calls `done` later, when the noted files would survive a power cut, or with the reason why they
  // would not.
  virtual void Sync(std::function<void(const Status&)> done) = 0;
  // Returns when Sync has ended. Blocks.
  virtual void Drain() = 0;
  // The names of the files that were noted.
  virtual std::vector<std::string> FileNames() const = 0;
  // Of the finished snapshots only the `kept` newest are there now.
  virtual void KeepNewest(size_t kept) = 0;
  // The snapshot of the state at `position` has ended. If it is durable, what it names stays for
  // its sake from now on; of the snapshots before it, what the `kept` - 1 newest name stays too.
  virtual void End(bool durable, Position position, size_t kept) = 0;
};

// Takes snapshots of a keyspace that goes on changing, without a pause and without a second
// process. The loop walks over the keys in small steps and captures their values as clones, which
// share sealed blocks. The keyspace captures a value that is about to change before the walk has
// reached it. A worker writes the captured values and frees them.
//
// All calls come from the loop's thread.
class Snapshotter : private KeyspaceCapture {
 public:
  // The result of a snapshot. If the status is OK, the snapshot survives a power cut.
  using Done = std::function<void(const Status& status, const SnapshotTotals& totals)>;

  // The walk stops while more than this many bytes of values wait to be written. (Values that are
  // captured because they change cannot wait, but they share their blocks.)
  static constexpr size_t kMaxWaitingBytes = size_t{8} << 20;

  // All outlive the snapshotter; `stored` may be null if no value is ever on the disk. The worker
  // should have no other urgent work: a snapshot keeps it busy as long as the disk takes.
  Snapshotter(Disk* disk, Worker* worker, Keyspace* keyspace, std::string directory,
              StoredEntries* stored = nullptr);
  // Gives up a running snapshot; its Done is not called. The remaining work of the worker for it
  // does not need the snapshotter.
  ~Snapshotter() override;
  Snapshotter(const Snapshotter&) = delete;
  Snapshotter& operator=(const Snapshotter&) = delete;

  // How many finished snapshots stay, the new one included. At least 1. For the next Begin.
  void set_kept(size_t kept) { kept_ = kept; }
  // Beside the loop removes all finished snapshots but the `kept` newest, then what only those
  // removed named. Nothing waits for that; what is begun later comes after it.
  void KeepNewest(size_t kept);

  // Begins a snapshot of the state that the keyspace has now; `info` says which that is (databases
  // is filled in). `done` is called once, later. REQUIRES: !busy().
  void Begin(SnapshotInfo info, Done done);

  // Goes on with the walk for about `effort` allocations (Keyspace::CaptureSome), and hands what
  // was captured to the worker. Call it once in every turn while busy(). Returns whether it could
  // go on at once; if not, it waits for the worker, or there is nothing to do.
  bool Step(size_t effort);

  // From Begin until `done` is called.
  bool busy() const { return run_ != nullptr; }

  // Gives up the running snapshot, if there is one: `done` is called later, with a failure that
  // says `why`.
  void Abort(const std::string& why);

  // Continues until the snapshot has ended and `done` has been called. Blocks: for the end of the
  // process. Now and then calls `look`, which may abort the snapshot.
  void RunToEnd(const std::function<void()>& look = {});

  // Of the running snapshot; zeros if there is none: the number of keys at its beginning, of keys
  // captured, and of bytes written.
  struct Progress {
    uint64_t keys = 0;
    uint64_t captured = 0;
    uint64_t written_bytes = 0;
  };
  Progress progress() const;

 private:
  // Values of one key that was captured, on its way to the worker.
  struct Key {
    uint32_t db;
    int64_t expire_at_ms;
    std::string name;
    std::unique_ptr<Object> value;
  };
  struct Batch {
    std::vector<Key> keys;
    size_t bytes = 0;
  };
  struct Run;

  void Take(uint32_t db, std::string_view name, int64_t expire_at_ms,
            std::unique_ptr<Object> value) override;
  void TakeLibraries(std::shared_ptr<const FunctionCatalog::Entries> libraries) override;
  void HandOver();
  void End();
  void HandOverLast();
  void OnWritten(size_t bytes, const Status& status);
  void OnFinished(const Status& status, const SnapshotTotals& totals);

  Disk* const disk_;
  Worker* const worker_;
  Keyspace* const keyspace_;
  const std::string directory_;
  StoredEntries* const stored_;

  size_t kept_ = 1;
  std::shared_ptr<Run> run_;  // null when not busy
  Position position_ = 0;     // of run_
  size_t run_kept_ = 1;
  Done done_;
  Batch batch_;
  size_t waiting_bytes_ = 0;  // that the worker has not written yet
  bool syncing_ = false;      // all is captured; what it names is being synced
  bool ending_ = false;       // the worker has been told that no more comes
  uint64_t keys_ = 0;
  uint64_t captured_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::snapshot
