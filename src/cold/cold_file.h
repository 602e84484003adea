#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "data/cold.h"

namespace runnel::cold {

// The name of a file: the number of the value, and the number of the file, which is unique.
struct FileName {
  uint64_t object = 0;
  uint64_t file = 0;

  auto operator<=>(const FileName&) const = default;
  // "<object>-<file>.seg", both with leading zeros so that names sort as the files do.
  std::string ToString() const;
  static std::optional<FileName> Parse(std::string_view text);
};

// Files to which nothing refers any more. The last reference may be dropped on any thread.
class UnusedFiles {
 public:
  void Add(FileName name);
  // Takes all.
  std::vector<FileName> Take();

 private:
  std::mutex mutex_;
  std::vector<FileName> names_;
};

// A file of extents, with a reference count: when no extent, snapshot or job refers to it any more,
// it is added to the unused files.
class ColdFile {
 public:
  ColdFile(const FileName& name, std::shared_ptr<UnusedFiles> unused)
      : name(name), unused_(std::move(unused)) {}
  ColdFile(const ColdFile&) = delete;
  ColdFile& operator=(const ColdFile&) = delete;

  const FileName name;
  // The loop's thread.
  uint64_t size = 0;      // bytes written so far
  bool open = false;      // a run may be appended
  bool dirty = false;     // written to since its last sync
  bool doubtful = false;  // a sync has failed: the content on the disk is not known

  // Bytes of the extents of the file that exist. Any thread.
  uint64_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }
  void AddLive(uint64_t bytes) { live_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void RemoveLive(uint64_t bytes) { live_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~ColdFile() { unused_->Add(name); }

  mutable std::atomic<uint32_t> references_{1};
  std::atomic<uint64_t> live_bytes_{0};
  const std::shared_ptr<UnusedFiles> unused_;
};

// Files that must stay. A file may occur more than once.
using FileRefs = std::vector<Ref<ColdFile>>;

// The store's extents.
class StoredExtent final : public ColdExtent {
 public:
  struct Place {
    uint32_t offset = 0;
    uint32_t bytes = 0;  // header and all

    bool operator==(const Place&) const = default;
  };

  struct Location {
    Ref<ColdFile> file;
    Place place;
  };

  StoredExtent(ColdSource* source, Location location, RunKind kind, uint32_t raw_bytes,
               uint32_t blocks)
      : ColdExtent(source, kind, raw_bytes, blocks), location_(std::move(location)) {
    location_.file->AddLive(location_.place.bytes);
  }
  ~StoredExtent() override { location_.file->RemoveLive(location_.place.bytes); }

  void Describe(Encoder* out) const override;
  // The file takes no further extents, and half of it is not used. For the loop's thread.
  bool IsLonely() const override;

  // Where it is now: it may be written again to another place. Any thread.
  Location location() const;
  // It has been written again to this place, with the same content.
  void Move(Location location);

 private:
  friend class ColdCache;
  friend class ColdReader;

  // By commands that wait, or have waited and not run yet, and by snapshots.
  uint32_t pins_ = 0;
  bool reading_ = false;  // the helper has been told to read it
  bool ahead_ = false;    // read ahead, and not used yet
  bool fresh_ = false;    // the hand of the cache's clock has not passed it yet
  std::shared_ptr<const BlockRun> blocks_;

  Location location_;  // under a mutex that all extents share
};

using StoredExtents = std::vector<Ref<StoredExtent>>;

// REQUIRES, for all three: the extents are the store's.
inline StoredExtent& Stored(ColdExtent& extent) {
  return static_cast<StoredExtent&>(extent);
}
Ref<StoredExtent> Share(ColdExtent& extent);
// Adds the files in which the extents are now.
void AddFiles(const ColdExtents& extents, FileRefs* files);

}  // namespace runnel::cold
