#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cold/cold_file.h"
#include "cold/files.h"
#include "cold/settings.h"
#include "data/cold.h"
#include "data/stream/hot_blocks.h"
#include "env/worker.h"

namespace runnel::cold {

// Keeps the blocks of streams and long lists in memory within the bound: chooses values that have
// much, and has a worker write runs of their blocks to files. A value gives up its blocks when they
// have been written. For the loop's thread.
class ColdWriter {
 public:
  // Everything is borrowed and outlives this. The extents that are written belong to `source`.
  ColdWriter(ColdSource* source, ColdFiles& files, Worker& worker, HotBlocks& hot,
             const ColdSettings& settings, const ColdSizes& sizes);
  // Waits for the worker.
  ~ColdWriter();
  ColdWriter(const ColdWriter&) = delete;
  ColdWriter& operator=(const ColdWriter&) = delete;

  // Begins to write what is above the bound, without waiting: at most two jobs at a time, each of
  // one value. After a failed write, which is logged once, nothing is begun for a second.
  // `steady_ms` is the time.
  void EndTurn(int64_t steady_ms);
  // For ColdStore::Open. REQUIRES: !busy().
  void Reset() { behind_ = false; }
  // Waits for the worker.
  void Drain() { worker_.Drain(); }

  // Bytes of blocks in memory: those of values, those that only others still have
  // (HotBlocks::held_bytes), and those that are being written of values that are gone.
  uint64_t bytes() const;
  // So many are above the bound; 0 if there is no bound.
  uint64_t excess() const;
  // Whether something is being written.
  bool busy() const { return !jobs_.empty(); }
  // The brake: see ColdStore::behind.
  bool behind() const { return behind_; }

  // Bytes of blocks that are being written, and how many extents were written.
  uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  uint64_t writes() const { return writes_; }

 private:
  struct Job;

  uint64_t ownerless_bytes() const;
  uint64_t surplus() const;
  void StartWrites(int64_t steady_ms);
  bool StartWrite(uint64_t excess);
  bool StartRewrite();
  void Start(std::shared_ptr<Job> job);
  Ref<ColdFile> FileFor(Spillable& value);
  void Finish(Job& job);

  ColdSource* const source_;
  ColdFiles& files_;
  Worker& worker_;
  HotBlocks& hot_;
  const ColdSettings& settings_;
  const ColdSizes& sizes_;
  bool behind_ = false;
  std::vector<std::shared_ptr<Job>> jobs_;  // not finished
  uint64_t bytes_in_flight_ = 0;
  bool failed_ = false;       // true until a write succeeds
  bool retry_later_ = false;  // set the time at the end of the turn
  int64_t no_writes_before_ms_ = 0;
  uint64_t writes_ = 0;
};

}  // namespace runnel::cold
