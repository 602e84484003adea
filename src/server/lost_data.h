#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "env/damage.h"
#include "env/disk.h"
#include "server/full_sync.h"

// A follower that has lost data of its own: files of it are damaged, or were removed because the
// leader has something else in their place. It fetches from the leader what it lacks. The file
// `lost` says so to later starts. As long as it is there this server counts for nothing: it must
// not lead, whatever the record of members says of it.

namespace runnel {

struct LostData {
  // None of the files here can be used: they are to be set aside before anything else. If not, what
  // can be read of them is used.
  bool must_set_aside = false;
  std::string why;  // a sentence
  // It has had no state at all since then: what it has got of the leader's journal is none yet.
  bool nothing = false;
};

// Nothing if there is no such file. Fails if it is damaged. Each of these blocks; any thread.
Result<std::optional<LostData>> ReadLostData(Disk& disk);
Status WriteLostData(Disk& disk, const LostData& lost);
Status RemoveLostData(Disk& disk);

// --- Files that are damaged ---

// They get the suffix kDamagedSuffix, stay where they are, and nothing but runnel-check reads them.
// So many of them stay in each directory, and so many bytes: those whose names are the last.
inline constexpr size_t kMostDamagedFiles = 16;
inline constexpr uint64_t kMostDamagedBytes = uint64_t{1} << 30;

// --- A state that the leader does not have ---

// The files of a snapshot of this server get this suffix when the leader's state takes its place,
// and the leader lacks changes that no frame of the journal here holds any more. They stay until
// the next ones come, or until a state of the leader finds no room.
inline constexpr std::string_view kDroppedSuffix = ".dropped";

// Whether a file of this name was set aside, for either reason.
bool IsSetAside(std::string_view name);

// All segments, snapshots, lists and files of cold entries are set aside: there is no data any
// more. After a crash in it, it can be called again. REQUIRES: nobody uses the directories.
Status SetAllAside(Disk& disk, const DataDirectories& directories);
// Removes files with this suffix that are too many or too large.
Status RemoveOld(Disk& disk, const DataDirectories& directories, std::string_view suffix);

}  // namespace runnel
