#pragma once

#include <functional>

#include "cold/cold_store.h"
#include "env/worker.h"
#include "snapshot/snapshotter.h"

namespace runnel::snapshot {

// The cold store as snapshots see it.
class ColdEntries final : public StoredEntries {
 public:
  // Both outlive it. `syncer` is the store's own.
  ColdEntries(ColdStore* store, Worker* syncer) : store_(store), syncer_(syncer) {}

  void Note(const ColdExtents& extents) override { store_->NoteForSnapshot(extents, &files_); }
  void Sync(std::function<void(const Status&)> done) override {
    store_->Sync(files_, std::move(done));
  }
  void Drain() override { syncer_->Drain(); }
  void End(bool durable) override { store_->EndSnapshot(durable, std::exchange(files_, {})); }

 private:
  ColdStore* const store_;
  Worker* const syncer_;
  ColdStore::Files files_;
};

}  // namespace runnel::snapshot
