#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "env/disk.h"
#include "journal/segment_reader.h"

namespace runnel::journal {

// Reads the frames of a journal that is being written, from one place on: for followers and checks.
// On any thread; it needs nothing from the Journal except how far to read. Segments that are
// removed meanwhile end it with an error, except the one it is in.
class JournalReader {
 public:
  // `disk` outlives the reader; `identity` is that of the journal. Fails if no segment holds
  // `position`; the first call of Next shows whether a frame begins there.
  static Result<JournalReader> Open(Disk* disk, std::string directory, const Identity& identity,
                                    Position position);

  // Where the next frame begins.
  Position position() const { return position_; }

  // The next frame, valid until the next call; nothing if it would begin at `limit` or after it.
  // REQUIRES: a frame ends at `limit`, and the journal has written it (Journal::written() or less).
  Result<std::optional<Frame>> Next(Position limit);

 private:
  JournalReader(Disk* disk, std::string directory, const Identity& identity, SegmentReader segment,
                Position position)
      : disk_(disk),
        directory_(std::move(directory)),
        identity_(identity),
        segment_(std::move(segment)),
        position_(position) {}

  Disk* disk_;
  std::string directory_;
  Identity identity_;
  SegmentReader segment_;
  Position position_;
};

// Reads frames from files, for a job of a helper that goes on with the next one: from `*reader` on,
// which `open` makes at `from` if there is none. `take` gets each frame, valid during the call, and
// says whether another one is wanted. Reads up to `limit`, as Next does. Blocks; any thread.
Status ReadFrames(const std::function<Result<JournalReader>(Position)>& open, Position from,
                  Position limit, std::shared_ptr<JournalReader>* reader,
                  const std::function<bool(const Frame&)>& take);

}  // namespace runnel::journal
