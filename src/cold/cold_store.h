#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "cold/cold_file.h"
#include "cold/files.h"
#include "cold/reader.h"
#include "cold/running_command.h"
#include "cold/settings.h"
#include "cold/snapshot_files.h"
#include "cold/writer.h"
#include "data/stream/hot_blocks.h"
#include "env/disk.h"
#include "env/worker.h"
#include "resp/rope.h"

namespace runnel {

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
//
// This class owns the parts, which do the work, and gives each its turn.
class ColdStore final : public ColdSource {
 public:
  // Everything is borrowed and outlives the store, which outlives all values. The files are in
  // `directory`.
  ColdStore(Disk& disk, std::string directory, Worker& writer, Worker& reader, Worker& syncer,
            HotBlocks& hot, const ColdSettings& settings, const ColdSizes& sizes = {});
  // Waits for the helpers. No value may refer to an extent any more.
  ~ColdStore() override = default;

  // --- For the start ---

  // Open lists the files of the directory (which is made when it is needed): extents of these files
  // can be resolved until RemoveUnused. RemoveUnused removes the files to which nothing refers by
  // then, and has a helper measure the others: a file that is too short is logged. Nothing is
  // written before RemoveUnused. Both wait for the disk, but open no file. Open may be called again
  // when all values have been given up, though not all need be destroyed: what these refer to is
  // then nobody's. REQUIRES for Open: idle(); nobody waits for a read, and there are no pins.
  Status Open();
  // Whether nothing is being read, written or removed.
  bool idle() const {
    return reader_.idle() && !writer_.busy() && snapshots_.idle() && files_.idle();
  }
  Status RemoveUnused() { return files_.RemoveUnused(); }
  // After each frame of the journal: the same as EndTurn, but waits for the writer if it is far
  // behind.
  void KeepUp(int64_t steady_ms);

  // --- For the broker ---

  using Phase = cold::Phase;
  // `phase` returns the phase of the running command. By default it is kChanging.
  void AskPhase(std::function<Phase()> phase) { command_.AskPhase(std::move(phase)); }
  // While one exists, outside of commands, looking at data on the disk may throw ColdMiss. Nothing
  // may be changed meanwhile. `store` may be nullptr.
  class Look {
   public:
    explicit Look(ColdStore* store) : store_(store) {
      if (store_ != nullptr) store_->command_.set_looking(true);
    }
    ~Look() {
      if (store_ != nullptr) store_->command_.set_looking(false);
    }
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;

   private:
    ColdStore* const store_;
  };
  // A command begins, or a command inside the running transaction (`nested`). It writes its reply
  // to the end of `reply`, which lives until the next command begins or EndCommand is called.
  void BeginCommand(const Rope& reply, bool nested) { command_.Begin(reply, nested); }
  void EndCommand() { command_.End(); }

  // `cold-read-limit`; 0 for none.
  uint64_t read_limit() const { return settings_.cold_read_limit; }
  // Keeps extents in memory as long as it lives.
  using Pins = cold::Pins;
  // Has a helper read the extents of the miss that are not in memory, pins them to `pins`, and
  // calls `done` later on the loop's thread. `pins` outlives this, or Cancel is called. If an
  // extent cannot be read, Fetch and Pass throw for it afterwards.
  void Load(const ColdMiss& miss, Pins* pins, std::function<void()> done) {
    reader_.Load(miss, pins, std::move(done));
  }
  void Cancel(const Pins* pins) { reader_.Cancel(pins); }
  // For the end of each turn: evicts extents above the bound of the cache, and begins writes and
  // reads. `steady_ms` is the time.
  void EndTurn(int64_t steady_ms);

  // Whether the writer lags: true from the end of a turn with much more in memory than the bound,
  // until the writer has caught up with a good part of it. Commands that add data should wait
  // meanwhile. Always false while nothing is being written, because the disk takes nothing or there
  // is nothing to write.
  bool behind() const { return writer_.behind(); }

  // --- For snapshots ---

  // Files of extents; a file may occur more than once.
  using Files = cold::FileRefs;
  // A snapshot is being written, and names these extents: adds their files to `files`. Until
  // EndSnapshot, extents are not moved to other files.
  void NoteForSnapshot(const ColdExtents& extents, Files* files) {
    snapshots_.Note(extents, files);
  }
  // Calls `done` when the content and the names of these files survive a power cut; or with the
  // reason why they do not.
  void Sync(const Files& files, std::function<void(Status)> done) {
    snapshots_.Sync(files, std::move(done));
  }
  // The snapshot has ended. Extents that it named in files whose sync has failed are written again,
  // so that a later snapshot can succeed.
  void EndSnapshot() { snapshots_.End(); }
  // The snapshots that are kept refer to these files, and keep them; files that were given before
  // are no longer kept for snapshots.
  void PinForSnapshots(Files files) { snapshots_.Pin(std::move(files)); }
  // Adds the file of this name (FileName::ToString) to `files`, if there is one. Only before
  // RemoveUnused, which then does not remove it.
  bool Hold(std::string_view name, Files* files) { return files_.Hold(name, files); }

  // --- ColdSource ---

  void Fetch(const ColdExtents& extents) override { reader_.Fetch(extents); }
  std::shared_ptr<const BlockRun> Pass(const ColdExtents& window) override {
    return reader_.Pass(window);
  }
  void NoteUse(const ColdExtent& extent) override { command_.NoteUse(extent); }
  void NoteKept(uint64_t bytes) override { command_.NoteKept(bytes); }
  void Expect(const ColdExtents& extents) override { reader_.Expect(extents); }
  std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) override {
    return reader_.Read(extent);
  }
  Ref<ColdExtent> Resolve(Decoder* in) override;

  // The path of the file whose lack is why the last Resolve has given nothing; empty if that has
  // another reason.
  const std::string& unresolved() const { return files_.unresolved(); }

  ColdStats stats() const;

 private:
  const ColdSettings& settings_;
  const ColdSizes sizes_;
  cold::ColdFiles files_;
  cold::RunningCommand command_;
  cold::ColdReader reader_;
  cold::ColdWriter writer_;
  cold::SnapshotFiles snapshots_;
};

}  // namespace runnel
