#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "cold/cache.h"
#include "cold/cold_file.h"
#include "cold/settings.h"
#include "data/hot_blocks.h"
#include "env/disk.h"
#include "env/worker.h"
#include "resp/rope.h"

namespace runnel {

// Sizes that tests make small.
struct ColdSizes {
  size_t run_bytes = 256 * 1024;           // of an extent, before compression
  size_t write_bytes = 4 * 1024 * 1024;    // most bytes that are written at once
  uint64_t file_bytes = 64 * 1024 * 1024;  // a file that has reached this is not appended to
  size_t least_cache = 16 * 1024 * 1024;
  // When memory is this far above the bound, runs are written without compression, which is several
  // times faster. At four times this the store is behind().
  uint64_t far_behind = 16 * 1024 * 1024;
};

// What INFO shows.
struct ColdStats {
  uint64_t files_bytes = 0;  // bytes of the files
  uint64_t files = 0;
  uint64_t cache_bytes = 0;
  uint64_t reads = 0;            // extents that commands waited for, or that were read ahead
  uint64_t ahead_hits = 0;       // extents that were read ahead and then used
  uint64_t blocking_reads = 0;   // extents for which the loop itself waited
  uint64_t writes = 0;           // extents
  uint64_t bytes_in_flight = 0;  // of blocks that are being written
};

// Keeps streams and long lists within the bound of memory: writes blocks of them to files, and
// reads them back when a command looks at them. For the loop's thread. Helpers wait for the disk:
// one writes, one reads, and one syncs for snapshots, which may take long.
//
// A file is removed when no value, no clone of one, and no pin (see Pin) refers to it.
class ColdStore final : public ColdSource {
 public:
  // Everything is borrowed and outlives the store, which outlives all values. The files are in
  // `directory`.
  ColdStore(Disk& disk, std::string directory, Worker& writer, Worker& reader, Worker& syncer,
            HotBlocks& hot, const ColdSettings& settings, const ColdSizes& sizes = {});
  // Waits for the helpers. No value may refer to an extent any more.
  ~ColdStore() override;

  // Open lists the files of the directory (which is made when it is needed): extents of these files
  // can be resolved until RemoveUnused. RemoveUnused removes the files to which nothing refers by
  // then, and has a helper measure the others: a file that is too short is logged. Nothing is
  // written before RemoveUnused. Both wait for the disk, but open no file. For the start.
  Status Open();
  Status RemoveUnused();
  // For the start, after each frame of the journal: the same as EndTurn, but waits for the writer
  // if it is far behind.
  void KeepUp(int64_t steady_ms);

  // --- For the broker ---

  // How far the running command has come.
  enum class Phase : uint8_t {
    kChanged,   // it has changed something, and is not in a transaction: that it asks is a fault
    kChanging,  // it has changed something: it must get the data that it asks for
    kInside,    // it has changed nothing yet, but others in its transaction may have
    kLooking,   // nothing has been changed: it can run again from its start
  };
  // `phase` returns the phase of the running command. By default it is kChanging.
  void AskPhase(std::function<Phase()> phase) { phase_ = std::move(phase); }
  // While one exists, outside of commands, looking at data on the disk may throw ColdMiss. Nothing
  // may be changed meanwhile. `store` may be nullptr.
  class Look {
   public:
    explicit Look(ColdStore* store) : store_(store) {
      if (store_ != nullptr) store_->looking_ = true;
    }
    ~Look() {
      if (store_ != nullptr) store_->looking_ = false;
    }
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;

   private:
    ColdStore* const store_;
  };
  // A command begins, or a command inside the running transaction (`nested`). It writes its reply
  // to the end of `reply`, which lives until the next command begins or EndCommand is called.
  void BeginCommand(const Rope& reply, bool nested);
  void EndCommand() { command_ = 0; }

  // Keeps extents in memory as long as it lives.
  class Pins {
   public:
    Pins() = default;
    Pins(Pins&& other) noexcept
        : extents_(std::exchange(other.extents_, {})),
          passing_(std::exchange(other.passing_, {})) {}
    Pins& operator=(Pins&& other) noexcept {
      std::swap(extents_, other.extents_);
      std::swap(passing_, other.passing_);
      return *this;
    }
    ~Pins();

   private:
    friend class ColdStore;
    static void Release(const cold::StoredExtents& extents);
    cold::StoredExtents extents_;
    cold::StoredExtents passing_;  // until the next Load
  };
  // Has a helper read the extents of the miss that are not in memory, pins them to `pins`, and
  // calls `done` later on the loop's thread. `pins` outlives this, or Cancel is called. If an
  // extent cannot be read, Fetch and Pass throw for it afterwards.
  void Load(const ColdMiss& miss, Pins* pins, std::function<void()> done);
  void Cancel(const Pins* pins);
  // For the end of each turn: evicts extents above the bound of the cache, and begins writes and
  // reads. `steady_ms` is the time.
  void EndTurn(int64_t steady_ms);

  // Whether the writer lags: true from the end of a turn with much more in memory than the bound,
  // until the writer has caught up with a good part of it. Commands that add data should wait
  // meanwhile. Always false while nothing is being written, because the disk takes nothing or there
  // is nothing to write.
  bool behind() const { return behind_; }

  // --- For snapshots ---

  // Files of extents; a file may occur more than once.
  using Files = std::vector<Ref<cold::ColdFile>>;
  // A snapshot is being written, and names these extents: adds their files to `files`. Until
  // EndSnapshot, extents are not moved to other files.
  void NoteForSnapshot(const ColdExtents& extents, Files* files);
  // Calls `done` when the content and the names of these files survive a power cut; or with the
  // reason why they do not.
  void Sync(const Files& files, std::function<void(Status)> done);
  // The snapshot has ended. Extents that it named in files whose sync has failed are written again,
  // so that a later snapshot can succeed.
  void EndSnapshot();
  // The snapshots that are kept refer to these files, and keep them; files that were given before
  // are no longer kept for snapshots.
  void PinForSnapshots(Files files) { snapshot_files_ = std::move(files); }
  // Adds the files of these extents.
  static void AddFiles(const ColdExtents& extents, Files* files);
  // Adds the file of this name (FileName::ToString) to `files`, if there is one. Only before
  // RemoveUnused, which then does not remove it.
  bool Hold(std::string_view name, Files* files);

  // --- ColdSource ---

  void Fetch(const ColdExtents& extents) override;
  std::shared_ptr<const BlockRun> Pass(const ColdExtents& window) override;
  void NoteUse(const ColdExtent& extent) override;
  void NoteKept(uint64_t bytes) override;
  void Expect(const ColdExtents& extents) override;
  std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) override;
  Ref<ColdExtent> Resolve(Decoder* in) override;

  // The path of the file whose lack is why the last Resolve has given nothing; empty if that has
  // another reason.
  const std::string& unresolved() const { return unresolved_; }

  ColdStats stats() const;

 private:
  struct WriteJob;
  struct ReadJob;
  struct Waiting {
    const Pins* pins;
    cold::StoredExtents extents;
    std::function<void()> done;
  };

  std::string PathOf(const cold::FileName& name) const;
  const Ref<cold::ColdFile>& Resolved(const cold::FileName& name);
  Result<std::shared_ptr<const BlockRun>> ReadExtent(const cold::StoredExtent& extent) const;
  size_t CacheBound() const;

  struct RewriteJob;
  void StartRewrite();
  void Rewrite(RewriteJob& job) const;
  void FinishRewrite(std::shared_ptr<RewriteJob> job);
  void ApplyRewrite(RewriteJob& job);
  void Measure(std::vector<cold::FileName> names);

  void StartWrites(int64_t steady_ms);
  bool StartWrite(uint64_t excess);
  Ref<cold::ColdFile> FileFor(Spillable& value);
  void Write(WriteJob& job) const;
  void FinishWrite(WriteJob& job);

  Phase phase() const {
    if (looking_) return Phase::kLooking;
    return phase_ ? phase_() : Phase::kChanging;
  }
  bool MustGet() const { return phase() == Phase::kChanging || phase() == Phase::kChanged; }
  void CheckNeeded() const;
  void CheckFailed(const ColdExtent& extent) const;
  void CountBlockingRead();
  void ReadOnLoop(const Ref<ColdExtent>& extent);
  void Pin(const ColdExtents& missing, cold::StoredExtents* pinned, Waiting* waiting);
  void StartReads();
  void TakeReads(cold::StoredExtents* queue, bool ahead, ReadJob* job);
  void FinishReads(ReadJob& job);
  bool IsSettled(const cold::StoredExtent& extent) const;
  void WakeWaiting();
  void NoteSize(const cold::FileName& name, uint64_t size);
  void RemoveFiles(int64_t steady_ms);
  void FinishRemove(const cold::FileName& name, const Status& removed, int64_t steady_ms);

  Disk& disk_;
  const std::string directory_;
  Worker& writer_;
  Worker& reader_;
  Worker& syncer_;
  HotBlocks& hot_;
  const ColdSettings& settings_;
  const ColdSizes sizes_;
  std::function<Phase()> phase_;
  bool looking_ = false;  // see Look

  // What the running command has needed so far.
  uint64_t command_ = 0;  // its number; 0: none runs
  uint64_t last_command_ = 0;
  uint64_t needed_ = 0;    // bytes of blocks
  uint64_t replied_ = 0;   // reply bytes of earlier commands of its transaction
  uint64_t blocking_ = 0;  // extents for which the loop has waited
  const Rope* reply_ = nullptr;
  std::optional<size_t> reply_begin_;  // its size when the command first looked at cold data
  size_t reply_end_ = 0;               // and when it last did so

  cold::UnusedFiles unused_;
  // The files that exist, with their sizes: those that Open has found, and those written since.
  absl::btree_map<cold::FileName, uint64_t> files_;
  std::vector<cold::FileName> found_;  // by Open, until RemoveUnused
  // The files to which Resolve has made references, until RemoveUnused.
  absl::btree_map<cold::FileName, Ref<cold::ColdFile>> resolved_;
  Ref<cold::StoredExtent> last_resolved_;
  std::vector<cold::FileName> unremoved_;
  int64_t no_removes_before_ms_ = 0;
  Files snapshot_files_;
  bool in_snapshot_ = false;
  cold::StoredExtents noted_;       // by the snapshot that is being written
  cold::StoredExtents to_rewrite_;  // in doubtful files
  Ref<cold::ColdFile> rewritten_to_;
  std::shared_ptr<RewriteJob> rewritten_;  // done; waits for the end of a snapshot
  bool rewriting_ = false;
  uint64_t last_object_ = 0;
  uint64_t last_file_ = 0;

  cold::ColdCache cache_;
  cold::StoredExtents wanted_;    // to be read, for a command that waits
  cold::StoredExtents expected_;  // to be read ahead, when nothing is wanted
  absl::flat_hash_map<const cold::StoredExtent*, std::string> failures_;
  std::vector<Waiting> waiting_;
  bool reading_ = false;

  bool behind_ = false;
  int writes_in_flight_ = 0;
  uint64_t bytes_in_flight_ = 0;
  bool write_failed_ = false;  // true until a write succeeds
  bool retry_later_ = false;   // set the time at the end of the turn
  int64_t no_writes_before_ms_ = 0;
  ColdStats stats_;
  std::string unresolved_;
};

}  // namespace runnel
