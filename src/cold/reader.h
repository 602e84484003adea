#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "cold/cache.h"
#include "cold/cold_file.h"
#include "cold/files.h"
#include "cold/running_command.h"
#include "cold/settings.h"
#include "data/cold.h"
#include "env/worker.h"

namespace runnel::cold {

class ColdReader;

// Keeps extents in memory as long as it lives. Filled by ColdReader::Load; the reader outlives it,
// unless it is empty. For the loop's thread.
class Pins {
 public:
  Pins() = default;
  Pins(Pins&& other) noexcept { Swap(other); }
  Pins& operator=(Pins&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~Pins();

 private:
  friend class ColdReader;

  void Swap(Pins& other) {
    std::swap(reader_, other.reader_);
    std::swap(extents_, other.extents_);
    std::swap(passing_, other.passing_);
  }

  ColdReader* reader_ = nullptr;  // of the extents; null if there never were any
  StoredExtents extents_;
  StoredExtents passing_;  // until the next Load
};

// Brings extents into memory and keeps them there for a while. A helper reads them; where a command
// cannot run again, the loop itself does. For the loop's thread, if nothing else is said.
class ColdReader {
 public:
  // Everything is borrowed and outlives this. `worker` reads.
  ColdReader(const ColdFiles& files, Worker& worker, RunningCommand& command,
             const ColdSettings& settings, const ColdSizes& sizes);
  // Waits for the worker. Those that wait are not called.
  ~ColdReader();
  ColdReader(const ColdReader&) = delete;
  ColdReader& operator=(const ColdReader&) = delete;

  // See ColdSource for these. Fetch and Pass throw ColdMiss if the running command can run again;
  // if not, they wait for the disk.
  void Fetch(const ColdExtents& extents);
  std::shared_ptr<const BlockRun> Pass(const ColdExtents& window);
  void Expect(const ColdExtents& extents);
  // Any thread.
  std::shared_ptr<const BlockRun> Read(const ColdExtent& extent) const;

  // Has the worker read the extents of the miss that are not in memory, pins them to `pins`, and
  // calls `done` later on the loop's thread. `pins` outlives this, or Cancel is called. If an
  // extent cannot be read, Fetch and Pass throw for it as long as it is pinned.
  void Load(const ColdMiss& miss, Pins* pins, std::function<void()> done);
  void Cancel(const Pins* pins);

  // For ColdStore::Open. REQUIRES: nobody waits, and there are no pins.
  void Reset();
  // Whether nothing is being read.
  bool idle() const { return !reading_; }

  // Evicts extents above the bound of the cache, and begins reads: of what was missed or, if
  // nothing is, of what is expected.
  void EndTurn();

  // Bytes of the extents in memory; how many were read by the worker; and how many of these were
  // read ahead and then used.
  uint64_t cache_bytes() const { return cache_.bytes(); }
  uint64_t reads() const { return reads_; }
  uint64_t ahead_hits() const { return cache_.ahead_hits(); }

 private:
  friend class Pins;

  struct Job;
  struct Waiting {
    const Pins* pins;
    StoredExtents extents;
    std::function<void()> done;
  };

  void CheckFailed(const ColdExtent& extent) const;
  void ReadNow(const Ref<ColdExtent>& extent);
  void Pin(const ColdExtents& missing, StoredExtents* pinned, Waiting* waiting);
  void Unpin(const StoredExtents& extents);
  void UnpinUnneeded(StoredExtents* pinned);
  void StartReads();
  static void Take(StoredExtents* queue, bool ahead, Job* job);
  void FinishReads(Job& job);
  bool IsSettled(const StoredExtent& extent) const;
  void WakeWaiting();

  const ColdFiles& files_;
  Worker& worker_;
  RunningCommand& command_;
  const ColdSettings& settings_;
  const ColdSizes& sizes_;
  ColdCache cache_;
  StoredExtents wanted_;    // to be read, for a command that waits
  StoredExtents expected_;  // to be read ahead, when nothing is wanted
  // Why pinned extents could not be read.
  absl::flat_hash_map<const StoredExtent*, std::string> failures_;
  std::vector<Waiting> waiting_;
  bool reading_ = false;
  uint64_t reads_ = 0;
};

}  // namespace runnel::cold
