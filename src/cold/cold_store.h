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
  size_t run_bytes = 256 * 1024;           // of an extent, before it is packed
  size_t write_bytes = 4 * 1024 * 1024;    // at most so much is written at once
  uint64_t file_bytes = 64 * 1024 * 1024;  // a file that has reached this is not appended to
  size_t least_cache = 16 * 1024 * 1024;
  // What is so far above the bound is written without packing, which is several times faster. At
  // four times as much the store is behind().
  uint64_t far_behind = 16 * 1024 * 1024;
};

// What INFO shows.
struct ColdStats {
  uint64_t files_bytes = 0;  // that the files take
  uint64_t files = 0;
  uint64_t cache_bytes = 0;
  uint64_t reads = 0;            // extents that commands waited for, or were expected to ask for
  uint64_t ahead_hits = 0;       // those of them that were there when a command first asked
  uint64_t blocking_reads = 0;   // extents for which the loop itself waited
  uint64_t writes = 0;           // extents
  uint64_t bytes_in_flight = 0;  // of blocks that are being written
};

// Keeps streams and long lists within the bound of memory: gives blocks of them to files, and
// brings them back when somebody looks at them. Belongs to the loop's thread; what waits for the
// disk is done by helpers: one writes, one reads, and one syncs for snapshots, which may take long.
//
// A file is removed when no value, no clone of one, and no pin (see Pin) refers to it.
class ColdStore final : public ColdSource {
 public:
  // Everything is borrowed and outlives the store, which outlives all values. `directory` is where
  // the files are.
  ColdStore(Disk& disk, std::string directory, Worker& writer, Worker& reader, Worker& syncer,
            HotBlocks& hot, const ColdSettings& settings, const ColdSizes& sizes = {});
  // Waits for the helpers. No value may refer to an extent any more.
  ~ColdStore() override;

  // Lists what is in the directory (which is made when it is needed): extents of these files can be
  // resolved until RemoveUnused, which removes the files that nobody has referred to by then, and
  // has the others measured: one that is shorter than what was named of it is logged. Nothing is
  // written before that. Both wait for the disk, for the start, but open no file.
  Status Open();
  Status RemoveUnused();
  // While the start reads a journal, after each of its frames: the same as EndTurn, but waits for
  // the writer if it is far behind.
  void KeepUp(int64_t steady_ms);

  // --- For the broker ---

  // How far the command that runs has come.
  enum class Phase : uint8_t {
    kChanging,  // it has changed something: it must get what it asks for
    kInside,    // it has changed nothing yet, but others in its transaction may have
    kLooking,   // nothing has been changed: it can be run again from its start
  };
  // `phase` tells it for the command that runs. By default all are kChanging.
  void AskPhase(std::function<Phase()> phase) { phase_ = std::move(phase); }
  // A command, or one inside a transaction that runs (`nested`), begins and writes its reply to the
  // end of `reply`, which lives until the next begins or EndCommand is called.
  void BeginCommand(const Rope& reply, bool nested);
  void EndCommand() { command_ = 0; }

  // A hold on extents: they stay in memory.
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
  // Reads what is not in memory of the miss beside the loop, pins it to `pins`, and calls `done`
  // later, from Deliver. `pins` outlives that, or Cancel was called. An extent that could not be
  // read then makes Fetch and Pass throw.
  void Load(const ColdMiss& miss, Pins* pins, std::function<void()> done);
  void Cancel(const Pins* pins);
  // At the end of each turn: lets go of what is over the bound of the cache, and begins what there
  // is to write and to read. `steady_ms` is the time.
  void EndTurn(int64_t steady_ms);

  // True from the end of a turn in which much more was in memory than may be, until the writer has
  // caught up with a good part of it: whoever adds more should wait. Never while nothing is being
  // written, because the disk takes nothing or there is nothing to give.
  bool behind() const { return behind_; }

  // --- For snapshots ---

  // Files of extents; one may be there more than once.
  using Files = std::vector<Ref<cold::ColdFile>>;
  // A snapshot is being written, and names these extents: their files are added to `files`. Until
  // EndSnapshot, extents stay where they are.
  void NoteForSnapshot(const ColdExtents& extents, Files* files);
  // Calls `done` when what is in these files, and their names, would survive a power cut; or why
  // not.
  void Sync(const Files& files, std::function<void(Status)> done);
  // The snapshot has ended. If it is durable it refers to these files: they stay, those of the
  // snapshot before do not for its sake. What it named of files whose sync has failed is written
  // again, so that a later one can succeed.
  void EndSnapshot(bool durable, Files files);

  // --- ColdSource ---

  void Fetch(const ColdExtents& extents) override;
  std::shared_ptr<const BlockRun> Pass(const ColdExtents& window) override;
  void NoteUse(const ColdExtent& extent) override;
  void NoteKept(uint64_t bytes) override;
  void Expect(const ColdExtents& extents) override;
  std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) override;
  Ref<ColdExtent> Resolve(Decoder* in) override;

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

  Phase phase() const { return phase_ ? phase_() : Phase::kChanging; }
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

  // What the command that runs has needed until now.
  uint64_t command_ = 0;  // its number; 0: none runs
  uint64_t last_command_ = 0;
  uint64_t needed_ = 0;    // bytes of blocks
  uint64_t replied_ = 0;   // bytes of replies of the commands before it in its transaction
  uint64_t blocking_ = 0;  // extents for which it has made the loop wait
  const Rope* reply_ = nullptr;
  std::optional<size_t> reply_begin_;  // its size when cold data was first looked at
  size_t reply_end_ = 0;               // and when that was done last

  cold::UnusedFiles unused_;
  // Files of this name are there, with so many bytes: what Open found, and what was written since.
  absl::btree_map<cold::FileName, uint64_t> files_;
  std::vector<cold::FileName> found_;  // by Open, until RemoveUnused
  // Those that Resolve has made a reference to, until RemoveUnused.
  absl::btree_map<cold::FileName, Ref<cold::ColdFile>> resolved_;
  Ref<cold::StoredExtent> last_resolved_;
  std::vector<cold::FileName> unremoved_;
  int64_t no_removes_before_ms_ = 0;
  Files snapshot_files_;
  bool in_snapshot_ = false;
  cold::StoredExtents noted_;       // by the snapshot that is being written
  cold::StoredExtents to_rewrite_;  // they lie in doubtful files
  Ref<cold::ColdFile> rewritten_to_;
  std::shared_ptr<RewriteJob> rewritten_;  // done, and waits for the end of a snapshot
  bool rewriting_ = false;
  uint64_t last_object_ = 0;
  uint64_t last_file_ = 0;

  cold::ColdCache cache_;
  cold::StoredExtents wanted_;    // to be read, for somebody who waits
  cold::StoredExtents expected_;  // to be read when nothing else is
  absl::flat_hash_map<const cold::StoredExtent*, std::string> failures_;
  std::vector<Waiting> waiting_;
  bool reading_ = false;

  bool behind_ = false;
  int writes_in_flight_ = 0;
  uint64_t bytes_in_flight_ = 0;
  bool write_failed_ = false;  // and nothing was written since
  bool retry_later_ = false;   // set the time at the end of the turn
  int64_t no_writes_before_ms_ = 0;
  ColdStats stats_;
};

}  // namespace runnel
