#pragma once

#include <string>

#include "base/status.h"
#include "env/disk.h"

namespace runnel::replication {

// The id of a data directory, which a server keeps for life: 40 hexadecimal digits in a file of its
// own. It is made if there is none. Fails if the file is damaged: the message says what to do.
// Blocks.
Result<std::string> ReadOrMakeNodeId(Disk& disk, const std::string& path);
// Makes a new one in the place of what is there, and returns it. Blocks.
Result<std::string> MakeNodeId(Disk& disk, const std::string& path);
// The name of the file in a data directory.
inline constexpr const char* kNodeIdFile = "node";

}  // namespace runnel::replication
