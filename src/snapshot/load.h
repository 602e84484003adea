#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "data/keyspace.h"
#include "env/disk.h"
#include "snapshot/format.h"

namespace runnel::snapshot {

struct Loaded {
  SnapshotInfo info;
  SnapshotTotals totals;
};

// Is told from time to time how many bytes of the file have been used, of how many. A failure ends
// the loading. The keyspace must not be changed meanwhile.
using LoadProgress = std::function<Status(uint64_t loaded_bytes, uint64_t total_bytes)>;

// Reads the snapshot into the keyspace, which is empty. Blocks; takes a few MiB beside what the
// keyspace takes. Fails if the disk does, or naming the file and the offset if the snapshot is
// damaged, newer than this server or made with more databases than the keyspace has, or as
// `progress` does; then the keyspace is empty again. `stored` has the entries that it only names;
// without it, there may be none.
Result<Loaded> LoadSnapshot(Disk& disk, const std::string& path, Keyspace* keyspace,
                            const LoadProgress& progress, ColdSource* stored = nullptr);

// Loads the newest snapshot of the directory; nothing if there is none. What was loaded outlives a
// power cut when this returns. If it cannot be loaded, an older one will do as long as
// `journal_first` (the first position that the journal has; nothing if there is no journal) lies
// not behind it, since the journal then knows the rest: that is logged. Otherwise it fails as
// LoadSnapshot does, because going on would lose what was acknowledged. What `progress` ends is
// ended at once.
Result<std::optional<Loaded>> LoadNewest(Disk& disk, const std::string& directory,
                                         std::optional<Position> journal_first, Keyspace* keyspace,
                                         const LoadProgress& progress,
                                         ColdSource* stored = nullptr);

}  // namespace runnel::snapshot
