#pragma once

#include <string>
#include <vector>

#include "base/position.h"
#include "env/disk.h"
#include "journal/segment.h"

// What must outlive the process after a sync has failed. The system may have given up writing some
// bytes and still show them: who reads them in the next process and syncs them again is told that
// all is well, though nothing was written. So the process that saw the failure leaves a note, and
// the next one writes the doubtful segments anew, to other files. The note is needed only as long
// as the system runs, since with it goes what it showed; so it need not be synced.

namespace runnel::journal {

// Leaves the note. If that fails too nothing more can be done.
void NoteFailedSync(Disk& disk, const std::string& directory);

// Whether there is a note.
Result<bool> HasSyncFailed(Disk& disk, const std::string& directory);

// If there is a note: copies each of these segments that reaches beyond `synced` (a position known
// to be on the disk) to a new file of the same name and size, syncs it, and removes the note.
// REQUIRES: the directory is locked, no segment is open.
Status MendFailedSync(Disk& disk, const std::string& directory,
                      const std::vector<Segment>& segments, Position synced);

}  // namespace runnel::journal
