#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "base/position.h"
#include "effects/describe.h"
#include "env/disk.h"

// What runnel-check does with a journal.

namespace runnel::check {

// Writes what a frame carries, each line indented by two blanks. False: the frame is not to be
// shown.
using PrintPayload = std::function<bool(std::string_view payload, std::ostream& out)>;
// As effects, one a line. With a key only those that concern it: that name it, in whatever
// database, or name no key at all.
PrintPayload EffectPrinter(const DescribeLimits& limits, std::optional<std::string> key);
// As bytes, sixteen a line. `most_bytes`: what is longer is cut short, and that is said.
PrintPayload HexPrinter(size_t most_bytes);

struct JournalOptions {
  std::string directory;
  // Where to begin; without it, with the oldest segment.
  std::optional<Position> from;
  // One paragraph for each frame that is to be shown, instead of one line for each segment.
  bool dump = false;
  // Is given the payload of each frame, if it is set.
  std::function<void(std::string_view payload)> look = {};
};

// Reads the journal as a server that starts would, changes nothing, and tells what it finds.
// Files of frames that were cut off earlier are listed, too. Returns whether a server would start
// and lose nothing. The journal of a running server may be
// read: its end moves. `progress` is called now and then with the share that is done, from 0 to 1.
Result<bool> CheckJournal(Disk& disk, const JournalOptions& options, const PrintPayload& print,
                          const std::function<void(double)>& progress, std::ostream& out);

// A file of frames that a journal does not have any more: frames that were cut off
// (journal::KeepFrames), or a segment that a follower has set aside because it is damaged.
struct FramesFile {
  std::string journal;  // its directory
  Position position = 0;
};
// Nothing if this is not the path of such a file.
std::optional<FramesFile> ParseFramesFile(const std::string& path);

// The same for one such file, in the directory where the server keeps it: `options.directory` is
// the path of the file. Returns whether all that it holds are frames.
Result<bool> CheckDropped(Disk& disk, const JournalOptions& options, const PrintPayload& print,
                          std::ostream& out);

// Cuts the journal at the end of a frame. Without `yes` it only tells what would go, and fails.
// Fails if a server uses it.
Status CutJournal(Disk& disk, const std::string& directory, Position position, bool yes,
                  std::ostream& out);

}  // namespace runnel::check
