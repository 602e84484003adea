#pragma once

#include <string>
#include <vector>

#include "base/position.h"
#include "env/disk.h"
#include "journal/segment.h"

// What must outlive the process after a failed sync. The system may have dropped some bytes and
// still show them: if the next process reads them and syncs them again, the sync succeeds although
// nothing was written. So the process that saw the failure leaves a note, and the next process
// writes the doubtful segments again, to other files. The note is needed only as long as the system
// runs, because after a restart the system no longer shows the dropped bytes. So it need not be
// synced.

namespace runnel::journal {

// Leaves the note. If that fails too, nothing more can be done.
void NoteFailedSync(Disk& disk, const std::string& directory);

// Whether there is a note.
Result<bool> HasSyncFailed(Disk& disk, const std::string& directory);

// If there is a note: copies each of these segments that reaches beyond `synced` (a position known
// to be on the disk) to a new file of the same name and size, syncs it, and removes the note.
// REQUIRES: the directory is locked, no segment is open.
Status MendFailedSync(Disk& disk, const std::string& directory,
                      const std::vector<Segment>& segments, Position synced);

}  // namespace runnel::journal
