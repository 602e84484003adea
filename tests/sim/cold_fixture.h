#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cold/cold_store.h"
#include "data/stream/stream.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::sim {

// A store of cold entries on a model disk, with small sizes.
struct ColdWorld {
  static constexpr ColdSizes kSizes = {
      .run_bytes = 2000, .write_bytes = 8000, .file_bytes = 5'000, .least_cache = 40'000};

  explicit ColdWorld(uint64_t seed) : disk(seed) {
    settings.stream_memory = 30'000;
    Start();
  }
  // The store looks at the disk as one that begins.
  void Start() {
    store =
        std::make_unique<ColdStore>(disk, "streams", writer, reader, syncer, hot, settings, kSizes);
    CHECK(store->Open().ok());
  }
  // Ends turns, and does what the helpers have to do, until nothing is left of it.
  void Settle() {
    do {
      store->EndTurn(now_ms);
      writer.Drain();
      reader.Drain();
      syncer.Drain();
      store->EndTurn(now_ms);
    } while (!writer.idle() || !reader.idle() || !syncer.idle());
  }

  std::vector<std::string> Files() {
    const auto names = disk.List("streams");
    return names.ok() ? *names : std::vector<std::string>();
  }
  // As a snapshot does with the extents that it names.
  void SyncAndPin(const ColdExtents& extents) {
    ColdStore::Files files;
    store->NoteForSnapshot(extents, &files);
    Status synced = Status::Error("not yet");
    store->Sync(files, [&](Status status) { synced = status; });
    Settle();
    EXPECT_TRUE(synced.ok()) << synced.message();
    store->PinForSnapshots(std::move(files));
    store->EndSnapshot();
  }
  // The power is cut, and a store begins on what is left. No value may be there.
  void LosePower() {
    Settle();
    store.reset();
    disk.Restart(Crash::kPowerWorst);
    Start();
  }

  ModelDisk disk;
  SteppedWorker writer;
  SteppedWorker reader;
  SteppedWorker syncer;
  HotBlocks hot;
  ColdSettings settings;
  int64_t now_ms = 1000;
  std::unique_ptr<ColdStore> store;
};

}  // namespace runnel::sim
