#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cold/cold_store.h"
#include "data/stream.h"
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
    store = std::make_unique<ColdStore>(disk, "streams", writer, reader, hot, settings, kSizes);
    CHECK(store->Open().ok());
  }
  // Ends turns, and does what the helpers have to do, until nothing is left of it.
  void Settle() {
    do {
      store->EndTurn(now_ms);
      writer.Drain();
      reader.Drain();
      store->EndTurn(now_ms);
    } while (!writer.idle() || !reader.idle());
  }

  ModelDisk disk;
  SteppedWorker writer;
  SteppedWorker reader;
  HotBlocks hot;
  ColdSettings settings;
  int64_t now_ms = 1000;
  std::unique_ptr<ColdStore> store;
};

}  // namespace runnel::sim
