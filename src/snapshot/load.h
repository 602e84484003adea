#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/position.h"
#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "env/disk.h"
#include "snapshot/format.h"

namespace runnel::snapshot {

struct Loaded {
  SnapshotInfo info;
  SnapshotTotals totals;
};

class Pieces;
class SectionReader;

// Reads one snapshot into a keyspace, some keys at a time. Takes a few MiB beside what the keyspace
// takes. One value is read in one piece.
class SnapshotLoad {
 public:
  static constexpr size_t kAllKeys = std::numeric_limits<size_t>::max();

  // Begins with the snapshot at `path`. The keyspace is empty. `stored` has the entries that the
  // snapshot only names; without it, there may be none. All outlive the load. Fails, naming the
  // file and the offset, if the disk does, or if the file is no snapshot or one of a newer format.
  static Result<std::unique_ptr<SnapshotLoad>> Open(Disk& disk, const std::string& path,
                                                    Keyspace* keyspace, ColdStore* stored);
  ~SnapshotLoad();
  SnapshotLoad(const SnapshotLoad&) = delete;
  SnapshotLoad& operator=(const SnapshotLoad&) = delete;

  // Loads the next `keys` keys at most; returns whether all are loaded. Fails, naming the file and
  // the offset, if the disk does, if the snapshot is damaged, or if it has a key in a database that
  // the keyspace does not have. After a failure the keyspace is empty again, and this can only be
  // destroyed.
  Result<bool> Step(size_t keys);

  const SnapshotInfo& info() const;
  // Set when all is loaded.
  const SnapshotTotals& totals() const;
  // Bytes of the file that were used so far, and all of them.
  uint64_t loaded_bytes() const;
  uint64_t file_bytes() const;

  // The files of cold entries that the keys loaded so far refer to.
  ColdStore::Files TakeFiles() { return std::move(files_); }

  // How many databases the keyspace must have, if Step has failed because it has too few; else 0.
  uint64_t databases_needed() const { return databases_needed_; }

 private:
  SnapshotLoad(std::unique_ptr<SectionReader> reader, Keyspace* keyspace, ColdStore* stored);

  Result<bool> LoadKeys(size_t keys);
  Status LoadKey();
  bool LoadLibrary(Decoder* in);
  Status Damaged(uint64_t offset, const std::string& what) const;
  std::unique_ptr<Object> LoadStored(const ObjectKind& kind, Decoder* in);

  const std::unique_ptr<SectionReader> reader_;
  Keyspace* const keyspace_;
  ColdStore* const stored_;
  const std::unique_ptr<Pieces> pieces_;
  std::string name_;
  uint64_t keys_ = 0;
  uint64_t databases_needed_ = 0;
  ColdStore::Files files_;
  bool all_ = false;
};

// Loads the newest snapshot of a directory that can be loaded, some keys at a time.
//
// If the newest is damaged, an older one will do as long as the journal goes on from it. Otherwise
// loading fails, because going on would lose what was acknowledged. A snapshot of a newer format,
// or with more databases than the keyspace has, is not damaged: then nothing else is tried.
class NewestLoad {
 public:
  // `journal_first` is the first position that the journal has; nothing if there is no journal. As
  // for SnapshotLoad::Open otherwise. Reads the names in the directory only.
  static Result<std::unique_ptr<NewestLoad>> Begin(Disk& disk, std::string directory,
                                                   std::optional<Position> journal_first,
                                                   Keyspace* keyspace, ColdStore* stored);

  // Loads the next `keys` keys at most; returns whether all is loaded, and what was loaded would
  // survive a power cut then. After a failure the keyspace is empty, and this can only be
  // destroyed.
  Result<bool> Step(size_t keys);

  // What was loaded, when Step has returned true; nothing if there is no snapshot.
  const std::optional<Loaded>& loaded() const { return loaded_; }
  // The files of cold entries that it names. REQUIRES: loaded().
  ColdStore::Files TakeFiles() { return load_->TakeFiles(); }
  // Positions of all snapshots in the directory, the newest first.
  const std::vector<Position>& positions() const { return positions_; }
  // Those that were found to be damaged, with the reason.
  struct Damaged {
    Position position;
    Status why;
  };
  const std::vector<Damaged>& damaged() const { return damaged_; }
  // Bytes of the snapshot that is being loaded.
  uint64_t loaded_bytes() const { return load_ == nullptr ? 0 : load_->loaded_bytes(); }
  uint64_t file_bytes() const { return load_ == nullptr ? 0 : load_->file_bytes(); }

 private:
  NewestLoad(Disk& disk, std::string directory, std::optional<Position> journal_first,
             Keyspace* keyspace, ColdStore* stored);

  Status OpenNext();
  Status PassOver(Status why);
  Status Finish();

  Disk& disk_;
  const std::string directory_;
  const std::optional<Position> journal_first_;
  Keyspace* const keyspace_;
  ColdStore* const stored_;
  std::vector<Position> positions_;
  std::vector<Damaged> damaged_;
  std::unique_ptr<SnapshotLoad> load_;
  std::optional<Loaded> loaded_;
};

// SnapshotLoad and NewestLoad in one call. Both block.
Result<Loaded> LoadSnapshot(Disk& disk, const std::string& path, Keyspace* keyspace,
                            ColdStore* stored = nullptr);
Result<std::optional<Loaded>> LoadNewest(Disk& disk, const std::string& directory,
                                         std::optional<Position> journal_first, Keyspace* keyspace,
                                         ColdStore* stored = nullptr);

}  // namespace runnel::snapshot
