#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "base/status.h"
#include "env/disk.h"

// What runnel-check does with the data directory of a server.

namespace runnel::check {

enum class DirectoryKind {
  kNothing,  // nothing of a server lies there
  kServer,   // `dir` of a server: journal/, snapshots/, streams/
  kJournal,  // the segments of a journal
  kDropped,  // it is a file of frames that were cut off a journal
};
DirectoryKind KindOfDirectory(Disk& disk, const std::string& directory);

// The directory is a copy of that of another server: it gets a node id of its own, which is
// returned. Fails if it is not the directory of a server, or if a server has it open.
Result<std::string> GiveNewNodeId(Disk& disk, const std::string& directory);

struct DirectoryOptions {
  std::string directory;
};

// Reads all that a server keeps in its directory as a server that starts would, changes nothing,
// and tells what it finds: every snapshot, the files of cold entries that snapshots name, the
// journal, and whether the journal fits the snapshot. Takes as much memory as the server's data
// takes without stream-memory. Returns whether all of it is good. `progress` is called now and then
// with the share of the journal that is done, from 0 to 1. The directory of a running server may be
// read, but then files may go while they are read.
Result<bool> CheckDirectory(Disk& disk, const DirectoryOptions& options,
                            const std::function<void(double)>& progress, std::ostream& out);

}  // namespace runnel::check
