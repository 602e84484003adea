#include "journal/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "journal/segment_reader.h"

namespace runnel::journal {
namespace {

Facts FactsOf(Found found) {
  switch (found) {
    case Found::kEnd:
      return 0;
    case Found::kForeign:
      return kBytesLeft;
    case Found::kNewer:
      return kBytesLeft | kHeaderHere | kNewerVersion;
    case Found::kTooLong:
      return kBytesLeft | kHeaderHere;
    case Found::kBadChecksum:
      return kBytesLeft | kHeaderHere | kLengthFits;
    case Found::kFrame:
      return kBytesLeft | kHeaderHere | kLengthFits | kChecksumHolds;
  }
  return 0;
}

std::string WhatIsHere(Facts facts) {
  if ((facts & kBytesLeft) == 0) return "the file ends";
  if ((facts & kAllZeros) != 0) return "only zeros follow";
  if ((facts & kHeaderHere) == 0) return "these bytes are not the header of a frame";
  if ((facts & kNewerVersion) != 0) return "a frame of a newer format version";
  if ((facts & kLengthFits) == 0) return "a frame that is longer than the file";
  if ((facts & kChecksumHolds) == 0) return "a frame whose checksum does not hold";
  if ((facts & kBaseFollows) == 0) return "a frame of another position";
  if ((facts & kEpochFollows) == 0) return "a frame of an older epoch";
  return "a whole frame";
}

}  // namespace

// Goes over the journal from frame to frame.
class RecoveryReader::Walk {
 public:
  Walk(Disk& disk, const std::string& directory, Inspection* out)
      : disk_(disk), directory_(directory), out_(*out) {}

  // REQUIRES: out.segments is not empty; out.first says where to begin.
  Status Begin() {
    out_.last = out_.first;
    out_.end = out_.segments[out_.first].base;
    return OpenSegment();
  }

  Result<std::optional<Frame>> Next() {
    if (finished_) return std::optional<Frame>();
    for (;;) {
      Frame frame;
      const auto facts = LookAt(out_.end, &frame);
      if (!facts.ok()) return facts.status();
      out_.row = &FindRow(*facts);
      Status status;
      switch (out_.row->decision) {
        case Decision::kTakeFrame:
          status = Take(frame);
          if (status.ok() && frame.base >= out_.from) return std::optional<Frame>(frame);
          break;
        case Decision::kNextSegment:
          out_.last++;
          status = OpenSegment();
          break;
        case Decision::kEnd:
        case Decision::kCut:
        case Decision::kStop:
          status = Finish(*facts);
          if (status.ok()) return std::optional<Frame>();
          break;
      }
      if (!status.ok()) return status;
    }
  }

  // Of the frame that was taken last.
  std::string PlaceOfFrame() const { return Place(frame_base_); }

 private:
  Status OpenSegment() {
    auto reader = SegmentReader::Open(disk_, directory_, out_.segments[out_.last].base);
    if (!reader.ok()) return reader.status();
    reader_.emplace(std::move(*reader));
    return {};
  }

  bool IsLast() const { return out_.last + 1 == out_.segments.size(); }

  Result<Facts> LookAt(Position place, Frame* frame) {
    const auto found = reader_->At(place, frame);
    if (!found.ok()) return found.status();
    Facts facts = FactsOf(*found);
    if (IsLast()) {
      facts |= kLastSegment;
    } else {
      const Position next = out_.segments[out_.last + 1].base;
      if (next == place) facts |= kNextBeginsHere;
      if (next < place) facts |= kNextBeginsBefore;
    }
    if (*found == Found::kFrame) {
      if (frame->base != place) return facts;
      return facts | kBaseFollows | (frame->epoch >= out_.epoch ? Facts{kEpochFollows} : 0);
    }
    if (*found == Found::kForeign) {
      const auto data_end = reader_->DataEnd(place);
      if (!data_end.ok()) return data_end.status();
      if (*data_end == place) facts |= kAllZeros;
    }
    if ((facts & (kNewerVersion | kNextBeginsHere | kNextBeginsBefore)) != 0) return facts;
    const auto later = LookBehind(place);
    if (!later.ok()) return later.status();
    return facts | *later;
  }

  // The facts about frames behind a place where there is none.
  Result<Facts> LookBehind(Position place) {
    Facts facts = 0;
    Status status = LookThrough(*reader_, place, place, &facts);
    for (size_t i = out_.last + 1; status.ok() && i < out_.segments.size(); i++) {
      auto reader = SegmentReader::Open(disk_, directory_, out_.segments[i].base);
      if (!reader.ok()) return reader.status();
      status = LookThrough(*reader, reader->base(), place, &facts);
    }
    if (!status.ok()) return status;
    return facts;
  }

  static Status LookThrough(SegmentReader& reader, Position from, Position place, Facts* facts) {
    while ((*facts & kWasSynced) == 0) {
      const auto frame = reader.FindFrom(from);
      if (!frame.ok()) return frame.status();
      if (!*frame) break;
      *facts |= kFrameLater | ((*frame)->synced > place ? Facts{kWasSynced} : 0);
      from = (*frame)->end();
    }
    return {};
  }

  Status Take(const Frame& frame) {
    if (frame.base < out_.from && out_.from < frame.end()) {
      return Status::Error(
          fmt::format("{}: the frame there goes to {}, across the position {} from which to read",
                      Place(frame.base), frame.end(), out_.from));
    }
    frame_base_ = frame.base;
    out_.end = frame.end();
    out_.epoch = frame.epoch;
    out_.synced = std::max(out_.synced, frame.synced);
    if (frame.base < out_.from) return {};
    out_.frames++;
    out_.records += frame.records;
    return {};
  }

  // REQUIRES: the position is in the segment that is being read.
  std::string Place(Position position) const {
    const Segment& segment = out_.segments[out_.last];
    return fmt::format("{}, offset {} (position {})", SegmentPath(directory_, segment.base),
                       position - segment.base, position);
  }

  Status Finish(Facts facts) {
    finished_ = true;
    auto data_end = reader_->DataEnd(out_.end);
    if (!data_end.ok()) return data_end.status();
    out_.bytes_behind = *data_end - out_.end;
    for (size_t i = out_.last + 1; i < out_.segments.size(); i++) {
      auto reader = SegmentReader::Open(disk_, directory_, out_.segments[i].base);
      if (!reader.ok()) return reader.status();
      data_end = reader->DataEnd(reader->base());
      if (!data_end.ok()) return data_end.status();
      out_.bytes_behind += *data_end - reader->base();
    }
    out_.text = fmt::format("{}: {}: {}. {} {} bytes lie behind it.", Place(out_.end),
                            out_.row->name, WhatIsHere(facts), out_.row->reason, out_.bytes_behind);
    return {};
  }

  Disk& disk_;
  const std::string& directory_;
  Inspection& out_;
  std::optional<SegmentReader> reader_;
  Position frame_base_ = 0;
  bool finished_ = false;
};

RecoveryReader::RecoveryReader(Disk& disk, std::string directory)
    : directory_(std::move(directory)), walk_(std::make_unique<Walk>(disk, directory_, &out_)) {}

RecoveryReader::~RecoveryReader() = default;

namespace {

// From the last one down to number `kept`, so that at each moment those that are left have no new
// gap.
Status RemoveSegments(Disk& disk, const std::string& directory, size_t kept,
                      std::vector<Segment>* segments) {
  if (segments->size() <= kept) return {};
  while (segments->size() > kept) {
    const Status removed = disk.Remove(SegmentPath(directory, segments->back().base));
    if (!removed.ok()) return removed;
    segments->pop_back();
  }
  // Before anything is written where they were: an old segment must not come back behind new
  // frames.
  return disk.SyncDirectory(directory);
}

// Gives the segment's file this size if it is longer, and syncs it.
Status Shorten(Disk& disk, const std::string& directory, uint64_t bytes, Segment* segment) {
  const auto file = disk.Open(SegmentPath(directory, segment->base), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  if (segment->file_bytes > bytes) {
    const Status cut = (*file)->Truncate(bytes);
    if (!cut.ok()) return cut;
    segment->file_bytes = bytes;
  }
  return (*file)->Sync();
}

}  // namespace

Result<std::unique_ptr<RecoveryReader>> RecoveryReader::Open(Disk& disk, std::string directory,
                                                             std::optional<Position> from) {
  auto segments = ListSegments(disk, directory);
  if (!segments.ok()) return segments.status();
  std::unique_ptr<RecoveryReader> reader(new RecoveryReader(disk, std::move(directory)));
  Inspection& out = reader->out_;
  out.segments = std::move(*segments);
  if (out.segments.empty()) {
    out.from = out.end = from.value_or(0);
    out.row = &FindRow(kLastSegment);
    out.text = reader->directory_ + ": no segments";
    reader->walk_.reset();
    return reader;
  }
  out.from = from.value_or(out.segments.front().base);
  if (out.from < out.segments.front().base) {
    return Status::Error(fmt::format(
        "{}: the journal begins at position {}, but is needed from {} on: a segment is missing",
        reader->directory_, out.segments.front().base, out.from));
  }
  while (out.first + 1 < out.segments.size() && out.segments[out.first + 1].base <= out.from) {
    out.first++;
  }
  if (Status begun = reader->walk_->Begin(); !begun.ok()) return begun;
  return reader;
}

Result<std::optional<Frame>> RecoveryReader::Next() {
  if (walk_ == nullptr) return std::optional<Frame>();
  return walk_->Next();
}

Status RecoveryReader::AtFrame(const std::string& why) const {
  return Status::Error(walk_->PlaceOfFrame() + ": " + why);
}

Result<Inspection> Inspect(Disk& disk, const std::string& directory, std::optional<Position> from,
                           const VisitFrame& visit) {
  const auto reader = RecoveryReader::Open(disk, directory, from);
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!*frame) return (*reader)->inspection();
    if (Status visited = visit(**frame); !visited.ok())
      return (*reader)->AtFrame(visited.message());
  }
}

Status Repair(Disk& disk, const std::string& directory, Inspection* inspection) {
  CHECK(inspection->row->decision == Decision::kEnd || inspection->row->decision == Decision::kCut);
  std::vector<Segment>& segments = inspection->segments;
  if (inspection->end < inspection->from) {
    const Status removed = RemoveSegments(disk, directory, 0, &segments);
    if (!removed.ok()) return removed;
    inspection->end = inspection->from;
  }
  if (segments.empty()) return {};
  const Status removed = RemoveSegments(disk, directory, inspection->last + 1, &segments);
  if (!removed.ok()) return removed;
  for (size_t i = inspection->first; i < segments.size(); i++) {
    const bool last = i + 1 == segments.size();
    const Position end = last ? inspection->end : segments[i + 1].base;
    // The last one keeps its reserve, unless there is something in it.
    const bool clean = last && inspection->row->decision == Decision::kEnd;
    const Status shortened = Shorten(
        disk, directory, clean ? segments[i].file_bytes : end - segments[i].base, &segments[i]);
    if (!shortened.ok()) return shortened;
  }
  return disk.SyncDirectory(directory);
}

Status CutAt(Disk& disk, const std::string& directory, Position end) {
  auto segments = ListSegments(disk, directory);
  if (!segments.ok()) return segments.status();
  size_t kept = segments->size();
  while (kept > 0 && (*segments)[kept - 1].base > end) {
    kept--;
  }
  if (kept == 0) return Status::Error(fmt::format("the journal does not hold position {}", end));
  Segment* const last = &(*segments)[kept - 1];
  auto reader = SegmentReader::Open(disk, directory, last->base);
  if (!reader.ok()) return reader.status();
  for (Position place = last->base; place < end;) {
    Frame frame;
    const auto found = place > reader->end() ? Found::kEnd : reader->At(place, &frame);
    if (!found.ok()) return found.status();
    if (*found != Found::kFrame || frame.base != place || frame.end() > end) {
      return Status::Error(fmt::format(
          "no frame ends at position {}: the last that ends before does so at {}", end, place));
    }
    place = frame.end();
  }
  const Status removed = RemoveSegments(disk, directory, kept, &*segments);
  if (!removed.ok()) return removed;
  return Shorten(disk, directory, end - last->base, last);
}

}  // namespace runnel::journal
