#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "env/disk.h"

// The files of the directory `snapshots`: each snapshot is named by its position, twenty digits and
// ".snap"; one that is being written has ".tmp" behind that.

namespace runnel::snapshot {

std::string SnapshotName(Position position);
std::string SnapshotPath(const std::string& directory, Position position);
std::string TemporaryPath(const std::string& directory, Position position);
// Nothing if it is not the name of a finished snapshot.
std::optional<Position> ParseSnapshotName(std::string_view name);

// The positions of the finished snapshots, the newest first; none if there is no such directory.
// Whether they are whole is not looked at.
Result<std::vector<Position>> ListSnapshots(Disk& disk, const std::string& directory);

// Removes what a process that ended in the middle of a snapshot has left. To be called while no
// snapshot is being written.
Status RemoveLeftovers(Disk& disk, const std::string& directory);

}  // namespace runnel::snapshot
