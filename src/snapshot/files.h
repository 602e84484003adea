#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "env/disk.h"

// The files of the directory `snapshots`: each snapshot is named by its position, twenty digits and
// ".snap"; one that is being written has ".tmp" after that. "<position>.files" belongs to a
// snapshot.

namespace runnel::snapshot {

std::string SnapshotName(Position position);
std::string SnapshotPath(const std::string& directory, Position position);
// Of the list of cold files beside it: see WriteFileList.
std::string FileListPath(const std::string& directory, Position position);
std::string TemporaryPath(const std::string& directory, Position position);
// Nothing if it is not the name of a finished snapshot.
std::optional<Position> ParseSnapshotName(std::string_view name);

// The positions of the finished snapshots, the newest first; none if there is no such directory.
// Whether they are whole is not looked at.
Result<std::vector<Position>> ListSnapshots(Disk& disk, const std::string& directory);

// Gives the snapshot another name, so that it is no snapshot any more but can be looked at:
// "<position>.snap.damaged", or the next name that is free (FreeNameBeside). Durable when this
// returns.
Status SetAside(Disk& disk, const std::string& directory, Position position);

// Removes a snapshot and its list of cold files. The snapshot goes first.
Status RemoveSnapshot(Disk& disk, const std::string& directory, Position position);

// Removes all finished snapshots whose position is `from` or more, the newest first. Durable when
// this returns.
Status RemoveFrom(Disk& disk, const std::string& directory, Position from);

// Removes all finished snapshots but the `kept` newest. What cannot be removed now is logged, and
// tried again the next time.
void KeepNewest(Disk& disk, const std::string& directory, size_t kept);

// A snapshot that names files of cold entries has a list of their names beside it,
// "<position>.files", so that a start need not read the snapshot to know which files belong to it.
// No names: removes the list. Durable, except for the file's name, when this returns.
Status WriteFileList(Disk& disk, const std::string& directory, Position position,
                     const std::vector<std::string>& names);
// No names if there is no list. Fails if it is damaged.
Result<std::vector<std::string>> ReadFileList(Disk& disk, const std::string& directory,
                                              Position position);

// Removes the temporary files of a process that ended in the middle of a snapshot. Call it while no
// snapshot is being written.
Status RemoveLeftovers(Disk& disk, const std::string& directory);

}  // namespace runnel::snapshot
