#pragma once

#include <functional>

#include "cold/cold_store.h"
#include "env/worker.h"
#include "snapshot/snapshotter.h"

namespace runnel::snapshot {

// The cold store as snapshots see it.
class ColdEntries final : public StoredEntries {
 public:
  // Both outlive it. `writer` is the store's own.
  ColdEntries(ColdStore* store, Worker* writer) : store_(store), writer_(writer) {}

  void Note(const ColdExtents& extents) override { ColdStore::AddFiles(extents, &files_); }
  void Sync(std::function<void(const Status&)> done) override {
    store_->Sync(files_, std::move(done));
  }
  void Drain() override { writer_->Drain(); }
  void End(bool durable) override {
    ColdStore::Files files = std::exchange(files_, {});
    if (durable) store_->PinForSnapshot(std::move(files));
  }

 private:
  ColdStore* const store_;
  Worker* const writer_;
  ColdStore::Files files_;
};

}  // namespace runnel::snapshot
