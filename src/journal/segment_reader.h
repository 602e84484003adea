#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "env/disk.h"
#include "journal/frame.h"

namespace runnel::journal {

// What lies at a place of a segment.
enum class Found {
  kEnd,          // the end of the file
  kForeign,      // bytes that are not the header of a frame
  kNewer,        // the header of a newer format version
  kTooLong,      // a header whose frame does not fit into the file
  kBadChecksum,  // a header whose checksum does not hold
  kFrame,        // a whole frame; whether it belongs here, its base tells
};

// Reads the frames of one segment through a window of the file that slides along. Memory: 1 MiB, or
// the largest frame. Every failure of the disk is a failure of the call.
class SegmentReader {
 public:
  // `identity` is that of the journal; without one, only frames of version 1 can be told from other
  // bytes, and a frame of version 2 is a failure.
  static Result<SegmentReader> Open(Disk& disk, const std::string& directory, Position base,
                                    const std::optional<Identity>& identity);
  // The same for a file of another name, which holds frames from `base` on.
  static Result<SegmentReader> OpenFile(Disk& disk, const std::string& path, Position base,
                                        const std::optional<Identity>& identity);

  Position base() const { return base_; }
  // Of the file, as it was when it was opened or last refreshed.
  Position end() const { return base_ + file_bytes_; }
  File& file() { return *file_; }

  // `frame` is set for kFrame, its payload valid until the next call. The file may become shorter
  // meanwhile: a journal gives the reserve of a segment back when that is full. REQUIRES: base() <=
  // position <= end().
  Result<Found> At(Position position, Frame* frame);
  // The first whole frame at `position` or after it that is where its base says.
  Result<std::optional<Frame>> FindFrom(Position position);
  // The place after the last byte that is not zero; `position` if only zeros follow it.
  Result<Position> DataEnd(Position position);
  // Forgets what was read: the file has changed.
  Status Refresh();

 private:
  SegmentReader(std::unique_ptr<File> file, std::string path, Position base,
                const std::optional<Identity>& identity)
      : file_(std::move(file)), path_(std::move(path)), base_(base), identity_(identity) {}

  // As journal::DecodeHeader; what cannot be a header at `position` is kForeign.
  Result<HeaderKind> HeaderAt(Position position, std::string_view bytes, FrameHeader* header) const;
  Result<std::optional<Frame>> OwnFrameAt(Position position);
  // The first place at `offset` or after it that is worth reading: the reserve of a segment, which
  // is large, has only zeros.
  Result<uint64_t> PastReserve(uint64_t offset) const;
  // At least `bytes` bytes of the file at `offset`, more if they are in the window. REQUIRES: the
  // file has them.
  Result<std::string_view> Read(uint64_t offset, uint64_t bytes);
  // The same, but fewer if the file has become shorter meanwhile; then end() is its new end.
  Result<std::string_view> ReadSome(uint64_t offset, uint64_t bytes);

  std::unique_ptr<File> file_;
  std::string path_;
  Position base_;
  std::optional<Identity> identity_;
  uint64_t file_bytes_ = 0;
  std::string window_;
  uint64_t window_offset_ = 0;
};

}  // namespace runnel::journal
