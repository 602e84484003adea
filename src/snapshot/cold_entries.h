#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

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
  std::vector<std::string> FileNames() const override {
    std::vector<std::string> names;
    for (const Ref<cold::ColdFile>& file : files_) {
      names.push_back(file->name.ToString());
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }
  void KeepNewest(size_t kept) override {
    while (by_snapshot_.size() > kept) {
      by_snapshot_.erase(by_snapshot_.begin());
    }
    Pin();
  }
  void End(bool durable, Position position, size_t kept) override {
    ColdStore::Files files = std::exchange(files_, {});
    if (durable) {
      by_snapshot_[position] = std::move(files);
      KeepNewest(kept);
    }
    store_->EndSnapshot();
  }
  // The snapshots from this position on are removed.
  void ForgetFrom(Position position) {
    by_snapshot_.erase(by_snapshot_.lower_bound(position), by_snapshot_.end());
    Pin();
  }
  // A snapshot that was found at the start and stays names these files.
  void Keep(Position position, ColdStore::Files files) {
    by_snapshot_[position] = std::move(files);
    Pin();
  }

 private:
  void Pin() {
    ColdStore::Files all;
    for (const auto& [position, files] : by_snapshot_) {
      all.insert(all.end(), files.begin(), files.end());
    }
    store_->PinForSnapshots(std::move(all));
  }

  ColdStore* const store_;
  Worker* const syncer_;
  ColdStore::Files files_;                            // of the snapshot that is being taken
  std::map<Position, ColdStore::Files> by_snapshot_;  // of those that are kept
};

}  // namespace runnel::snapshot
