#include "journal/journal_reader.h"

#include <fmt/format.h>

#include <utility>

#include "journal/segment.h"

namespace runnel::journal {

Result<JournalReader> JournalReader::Open(Disk* disk, std::string directory,
                                          const Identity& identity, Position position) {
  const auto segments = ListSegments(*disk, directory);
  if (!segments.ok()) return segments.status();
  size_t next = 0;
  while (next < segments->size() && (*segments)[next].base <= position) {
    next++;
  }
  if (next == 0)
    return Status::Error(fmt::format("the journal does not hold position {}", position));
  auto segment = SegmentReader::Open(*disk, directory, (*segments)[next - 1].base, identity);
  if (!segment.ok()) return segment.status();
  return JournalReader(disk, std::move(directory), identity, std::move(*segment), position);
}

Result<std::optional<Frame>> JournalReader::Next(Position limit) {
  if (position_ >= limit) return std::optional<Frame>();
  // What was read ahead may be from before the frame was written. If it is not in this segment even
  // so, the next one begins with it.
  enum { kAsRead, kAnew, kNextSegment } attempt = kAsRead;
  for (;;) {
    Frame frame;
    const auto found = position_ <= segment_.end() ? segment_.At(position_, &frame) : Found::kEnd;
    if (!found.ok()) return found.status();
    if (*found == Found::kFrame && frame.base == position_) {
      position_ = frame.end();
      return std::optional<Frame>(frame);
    }
    if (attempt == kAsRead) {
      const Status refreshed = segment_.Refresh();
      if (!refreshed.ok()) return refreshed;
      attempt = kAnew;
    } else if (attempt == kAnew && position_ != segment_.base()) {
      auto next = SegmentReader::Open(*disk_, directory_, position_, identity_);
      if (!next.ok()) {
        return Status::Error(fmt::format("{}: no frame begins at position {}, and no segment: {}",
                                         SegmentPath(directory_, segment_.base()), position_,
                                         next.message()));
      }
      segment_ = std::move(*next);
      attempt = kNextSegment;
    } else {
      return Status::Error(fmt::format("{}: no frame begins at position {}",
                                       SegmentPath(directory_, segment_.base()), position_));
    }
  }
}

Status ReadFrames(const std::function<Result<JournalReader>(Position)>& open, Position from,
                  Position limit, std::shared_ptr<JournalReader>* reader,
                  const std::function<bool(const Frame&)>& take) {
  if (*reader == nullptr) {
    auto opened = open(from);
    if (!opened.ok()) return opened.status();
    *reader = std::make_shared<JournalReader>(std::move(*opened));
  }
  for (;;) {
    const auto frame = (*reader)->Next(limit);
    if (!frame.ok()) return frame.status();
    if (!*frame || !take(**frame)) return {};
  }
}

}  // namespace runnel::journal
