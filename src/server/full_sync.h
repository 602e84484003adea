#pragma once

#include <string>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "env/disk.h"
#include "journal/note.h"
#include "replication/wire.h"

// A full sync in the directory of a server: which files make a snapshot, and how the files that
// have come take the place of what was there.
//
// The files come beside the old ones, with another suffix. Then a note is written: from that moment
// on they count. What the note says is done at once, and again at each start until it is done. So
// after a crash at any moment the directory has the old state or the new one.

namespace runnel {

// The directories of a server, by their paths.
struct DataDirectories {
  std::string journal;
  std::string snapshots;
  std::string cold;
};

// The files of the snapshot, itself first. It and they stay as they are meanwhile. Blocks; any
// thread.
Result<std::vector<replication::SyncFile>> ListSnapshotFiles(Disk& disk,
                                                             const DataDirectories& directories,
                                                             Position position);

// Whether the disk has room for so many bytes of files that are to come. If not, those that have
// come are removed, because they are of no use, and those that were set aside and are too many or
// too large. The present state may be used meanwhile. Blocks;
// any thread, while no files come.
struct Room {
  bool removed_staged = false;  // there was not
  uint64_t free_bytes = 0;
  uint64_t own_bytes = 0;  // of files that would go if an empty state took the place of the present
  uint64_t set_aside_bytes = 0;  // of files that were set aside, and would stay
};
Result<Room> LookForRoom(Disk& disk, const DataDirectories& directories, uint64_t bytes);

// A file that is set aside: it gets another name, which no file has.
struct SetAsideFile {
  std::string from;
  std::string to;
};
// What takes the place of the old state.
struct ArrivedSnapshot {
  journal::Identity identity;  // of the journal that it belongs to
  Position position = 0;
  std::vector<std::string> paths;  // without the suffix; none: there is no data
  // Files of the old state that are set aside instead of being removed (lost_data.h).
  std::vector<SetAsideFile> set_aside;
};
// Writes the note. When this returns success, the new state counts; after a failure it does not, if
// the disk lets the note be removed. REQUIRES: the files are synced,
// and so are their names. Blocks.
Status NoteArrived(Disk& disk, const ArrivedSnapshot& snapshot);
// If there is a note, does what it says, and removes it: the journal is empty and begins at the
// position of the snapshot, and there is no other snapshot and no other file of cold entries, but
// for files that were set aside (lost_data.h). If
// there is none, removes files that have come and do not count. Blocks. REQUIRES: nobody uses the
// directories.
Status TakeArrived(Disk& disk, const DataDirectories& directories);

}  // namespace runnel
