#include "journal/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "base/log.h"
#include "base/planted_fault.h"
#include "env/damage.h"
#include "journal/failed_sync.h"
#include "journal/segment_reader.h"
#include "journal/set_aside.h"

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

std::string HowToCut(Position end) {
  return fmt::format(
      "Restore the directory from a copy if there is one. runnel-check shows what is left; "
      "'runnel-check --cut {}' goes on without the rest.",
      end);
}

// Reads the files beside the segments.
Status ReadNotes(Disk& disk, const std::string& directory, Inspection* out) {
  auto note = ReadNote(disk, directory);
  if (!note.ok()) return note.status();
  out->note = std::move(*note);
  const auto identity = ReadIdentity(disk, directory);
  // The note says the same.
  if (!identity.ok() && (!out->note || identity.status().error_number() != 0)) {
    return identity.status();
  }
  if (identity.ok()) out->identity_file = *identity;
  // A note that only says what a person has decided may know no journal.
  if (!out->note || out->note->identity.id == 0) {
    out->identity = out->identity_file;
    return {};
  }
  if (out->identity_file && out->identity_file->id != out->note->identity.id) {
    return Status::Error(fmt::format(
        "{} says that the journal has the id {:016x}, but by {} it is {:016x}: the directory is "
        "that of another server. Bring back the one that belongs here; to use this one, remove {}.",
        NotePath(directory), out->note->identity.id, IdentityPath(directory),
        out->identity_file->id, NotePath(directory)));
  }
  out->identity = out->identity_file ? out->identity_file : out->note->identity;
  return {};
}

// Whether the system still shows every write that was made since the note was written, as facts.
Result<Facts> WhatWasKept(Disk& disk, const std::string& directory, const Inspection& found) {
  if (!found.note) return Facts{0};
  if (found.note->closed) return Facts{kAllKept | kEndedWell};
  if (found.note->boot.empty() || found.note->boot != disk.BootId()) return Facts{0};
  const auto sync_failed = HasSyncFailed(disk, directory);
  if (!sync_failed.ok()) return sync_failed.status();
  return *sync_failed ? Facts{0} : Facts{kAllKept};
}

// Why a journal without segments is not a new one, if so.
std::string WhyNotNew(const std::string& directory, const Inspection& found) {
  if (found.note && found.note->last) {
    return fmt::format(
        "{}: there are no segments, but by {} there was {}, and the journal was on the disk up to "
        "position {}. Was the file system not mounted?",
        directory, NotePath(directory), SegmentPath(directory, *found.note->last),
        found.note->synced);
  }
  if (!found.note && found.from > 0) {
    return fmt::format(
        "{}: there are no segments, but a snapshot was made at position {} of a journal. Was the "
        "file system not mounted?",
        directory, found.from);
  }
  return "";
}

}  // namespace

// Goes over the journal from frame to frame.
class RecoveryReader::Walk {
 public:
  Walk(Disk& disk, const std::string& directory, Inspection* out)
      : disk_(disk), directory_(directory), out_(*out) {}

  // REQUIRES: out.segments is not empty; out.first says where to begin; the files beside the
  // segments were read. `kept` are the facts that they give for every place.
  Status Begin(Facts kept) {
    kept_ = kept;
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
    auto reader =
        SegmentReader::Open(disk_, directory_, out_.segments[out_.last].base, out_.identity);
    if (!reader.ok()) return reader.status();
    reader_.emplace(std::move(*reader));
    return {};
  }

  bool IsLast() const { return out_.last + 1 == out_.segments.size(); }

  Result<Facts> LookAt(Position place, Frame* frame) {
    auto found = reader_->At(place, frame);
    if (!found.ok()) return found.status();
    // Bytes that only look so: nobody has written a frame of a later version.
    const bool known = out_.note && out_.note->format > 0 && out_.note->format <= kFormatVersion;
    if (*found == Found::kNewer && known) found = Found::kForeign;
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
    const bool noted = !WhatIsMissing(place).empty();
    return facts | *later | kept_ | (noted ? Facts{kWasSynced} : 0);
  }

  // The facts about frames after a place where there is none; counts them.
  Result<Facts> LookBehind(Position place) {
    Facts facts = 0;
    Status status = LookThrough(*reader_, place, place, &facts);
    for (size_t i = out_.last + 1; status.ok() && i < out_.segments.size(); i++) {
      auto reader = SegmentReader::Open(disk_, directory_, out_.segments[i].base, out_.identity);
      if (!reader.ok()) return reader.status();
      status = LookThrough(*reader, reader->base(), place, &facts);
    }
    if (!status.ok()) return status;
    return facts;
  }

  Status LookThrough(SegmentReader& reader, Position from, Position place, Facts* facts) {
    for (;;) {
      const auto frame = reader.FindFrom(from);
      if (!frame.ok()) return frame.status();
      if (!*frame) return {};
      *facts |= kFrameLater | (Claims(**frame) && (*frame)->synced > place ? Facts{kWasSynced} : 0);
      out_.frames_behind++;
      out_.records_behind += (*frame)->records;
      from = (*frame)->end();
    }
  }

  // Whether what the frame says of being synced is about this disk.
  bool Claims(const Frame& frame) const {
    if (IsPlanted(PlantedFault::kBelieveForeignClaims)) return true;
    return !out_.note || frame.base >= out_.note->claims_from;
  }

  // What the note says was on the disk at this place or after it and is not: sentences, or nothing.
  // REQUIRES: there is no whole frame at `place`.
  std::string WhatIsMissing(Position place) const {
    if (!out_.note) return "";
    const Note& note = *out_.note;
    const std::string path = NotePath(directory_);
    std::string text;
    if (note.synced > place) {
      text += fmt::format(" By {} the journal was on the disk up to position {}: {} bytes more.",
                          path, note.synced, note.synced - place);
    }
    if (!note.last) return text;
    const auto named = std::find_if(out_.segments.begin(), out_.segments.end(),
                                    [&](const Segment& each) { return each.base == *note.last; });
    if (named == out_.segments.end() && place <= *note.last) {
      text +=
          fmt::format(" By {} there was a segment {}.", path, SegmentPath(directory_, *note.last));
    }
    if (named != out_.segments.end() && IsLast() && named + 1 == out_.segments.end() &&
        named->file_bytes < note.last_bytes) {
      text += fmt::format(" By {} the file had {} bytes at least; it has {}.", path,
                          note.last_bytes, named->file_bytes);
    }
    return text;
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
    if (Claims(frame)) out_.synced = std::max(out_.synced, frame.synced);
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
      auto reader = SegmentReader::Open(disk_, directory_, out_.segments[i].base, out_.identity);
      if (!reader.ok()) return reader.status();
      data_end = reader->DataEnd(reader->base());
      if (!data_end.ok()) return data_end.status();
      out_.bytes_behind += *data_end - reader->base();
    }
    out_.text = fmt::format(
        "{}: {}: {}. {}{} {} bytes lie after it, with {} whole frames ({} "
        "records).",
        Place(out_.end), out_.row->name, WhatIsHere(facts), out_.row->reason,
        WhatIsMissing(out_.end), out_.bytes_behind, out_.frames_behind, out_.records_behind);
    if (out_.row->decision == Decision::kStop) out_.next_step = NextStep(facts);
    return {};
  }

  std::string NextStep(Facts facts) const {
    if (out_.row->may_be_cut) return HowToCut(out_.end);
    if ((facts & kNewerVersion) != 0) return "Start the version of Runnel that wrote it.";
    return "Restore the directory from a copy; runnel-check shows what is in it.";
  }

  Disk& disk_;
  const std::string& directory_;
  Inspection& out_;
  std::optional<SegmentReader> reader_;
  Facts kept_ = 0;
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
  // Before anything is written where they were: an old segment must not appear again after new
  // frames.
  return disk.SyncDirectory(directory);
}

// All that Repair would cut stays: what follows in the last segment that is left, as a copy, and
// the segments after it under other names.
Status KeepAll(Disk& disk, const std::string& directory, const Inspection& inspection,
               std::vector<Segment>* segments) {
  const size_t kept = inspection.end < inspection.from ? 0 : inspection.last + 1;
  if (kept > 0 && kept <= segments->size()) {
    Status copied = SetAside(disk, directory, {(*segments)[kept - 1]}, inspection.end, UINT64_MAX);
    if (!copied.ok()) return copied;
  }
  if (segments->size() <= kept) return {};
  while (segments->size() > kept) {
    const std::string path = SegmentPath(directory, segments->back().base);
    const auto name = FreeNameBeside(disk, path, kDamagedSuffix);
    if (!name.ok()) return name.status();
    if (Status renamed = disk.Rename(path, *name); !renamed.ok()) return renamed;
    LogWarning("{} comes after the damage: it is set aside as {}", path, *name);
    segments->pop_back();
  }
  return disk.SyncDirectory(directory);
}

// Has the note say no more than what is left of a journal that is cut at `end`, in the segment
// `last`, or of which no segment is left. To be written before the cut, so that a crash between the
// two leaves a note that is true.
void SayNoMore(Position end, const Segment* last, Note* note) {
  note->closed = false;
  note->synced = std::min(note->synced, end);
  if (last == nullptr) {
    note->last.reset();
    note->last_bytes = 0;
  } else if (note->last && *note->last >= last->base) {
    const bool same = *note->last == last->base;
    note->last = last->base;
    note->last_bytes = same ? std::min(note->last_bytes, end - last->base) : 0;
  }
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
  std::unique_ptr<RecoveryReader> reader(new RecoveryReader(disk, std::move(directory)));
  Inspection& out = reader->out_;
  if (Status read = ReadNotes(disk, reader->directory_, &out); !read.ok()) return read;
  auto segments = ListSegments(disk, reader->directory_);
  const bool no_directory = !segments.ok() && segments.status().error_number() == ENOENT;
  if (!segments.ok() && !no_directory) return segments.status();
  if (segments.ok()) out.segments = std::move(*segments);
  const auto kept = WhatWasKept(disk, reader->directory_, out);
  if (!kept.ok()) return kept.status();
  out.all_kept = (*kept & kAllKept) != 0;
  if (out.segments.empty()) {
    out.from = out.end = from.value_or(0);
    out.text = WhyNotNew(reader->directory_, out);
    if (no_directory && out.text.empty()) return segments.status();
    out.row = &FindRow(kLastSegment | (out.text.empty() ? Facts{0} : Facts{kWasSynced}));
    if (out.text.empty()) {
      out.text = reader->directory_ + ": no segments";
    } else {
      out.next_step =
          (no_directory ? "Make the directory if it is lost. " : "") + HowToCut(out.end);
    }
    reader->walk_.reset();
    return reader;
  }
  out.from = from.value_or(out.segments.front().base);
  if (out.from < out.segments.front().base) {
    return Status::Error(fmt::format(
        "{}: the journal begins at position {}, but is needed from {} on: a segment before {} is "
        "missing. Restore it from a copy, or restore a snapshot that was made later.",
        reader->directory_, out.segments.front().base, out.from,
        SegmentName(out.segments.front().base)));
  }
  while (out.first + 1 < out.segments.size() && out.segments[out.first + 1].base <= out.from) {
    out.first++;
  }
  if (Status begun = reader->walk_->Begin(*kept); !begun.ok()) return begun;
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

Status Repair(Disk& disk, const std::string& directory, Inspection* inspection, KeepCut keep) {
  const Decision decision = inspection->row->decision;
  CHECK(decision == Decision::kEnd || decision == Decision::kCut || inspection->row->may_be_cut);
  std::vector<Segment>& segments = inspection->segments;
  if (inspection->note) {
    Note note = *inspection->note;
    if (segments.empty() || inspection->end < inspection->from) {
      SayNoMore(inspection->end, nullptr, &note);
    } else if (decision != Decision::kEnd) {
      SayNoMore(inspection->end, &segments[inspection->last], &note);
    }
    if (decision == Decision::kStop) {
      note.boot.clear();
      note.doubted = true;
    }
    if (note != *inspection->note) {
      const Status noted = WriteOrRemoveNote(disk, directory, note);
      if (!noted.ok()) return noted;
    }
  }
  // After a crash in it, what is left may look like a torn tail.
  if (decision != Decision::kEnd && keep == KeepCut::kAll) {
    const Status kept = KeepAll(disk, directory, *inspection, &segments);
    if (!kept.ok()) return kept;
  } else if (decision != Decision::kEnd) {
    const Status kept = SetAside(disk, directory, segments, inspection->end);
    if (!kept.ok() && !IsDiskFull(kept)) return kept;
    if (!kept.ok()) LogWarning("What is cut cannot be set aside: {}", kept.message());
  }
  if (inspection->end < inspection->from) {
    const Status removed = RemoveSegments(disk, directory, 0, &segments);
    if (!removed.ok()) return removed;
    inspection->end = inspection->from;
  }
  if (segments.empty()) return {};
  const Status removed = RemoveSegments(disk, directory, inspection->last + 1, &segments);
  if (!removed.ok()) return removed;
  // The names first: a file may only become shorter than the note says when it is not the last.
  if (const Status named = disk.SyncDirectory(directory); !named.ok()) return named;
  for (size_t i = inspection->first; i < segments.size(); i++) {
    const bool last = i + 1 == segments.size();
    const Position end = last ? inspection->end : segments[i + 1].base;
    // The last one keeps its reserve, unless there is something in it.
    const bool clean = last && decision == Decision::kEnd;
    const Status shortened = Shorten(
        disk, directory, clean ? segments[i].file_bytes : end - segments[i].base, &segments[i]);
    if (!shortened.ok()) return shortened;
  }
  return {};
}

Status CutAt(Disk& disk, const std::string& directory, Position end, CutBytes bytes) {
  Inspection beside;
  if (Status read = ReadNotes(disk, directory, &beside); !read.ok()) return read;
  auto segments = ListSegments(disk, directory);
  if (!segments.ok()) return segments.status();
  // After this the note says what was decided, and not in which run of the machine.
  Note note = beside.note.value_or(Note());
  note.identity = beside.identity.value_or(Identity());
  note.boot.clear();
  // A person may have cut off what others were told of. What a leader does not have nobody counts
  // on any more, and all that is left is on the disk.
  if (bytes == CutBytes::kSetAside) note.doubted = true;
  if (bytes == CutBytes::kDropped) note.told_synced = true;
  if (segments->empty()) {
    SayNoMore(end, nullptr, &note);
    return WriteNote(disk, directory, note);
  }
  size_t kept = segments->size();
  while (kept > 0 && (*segments)[kept - 1].base > end) {
    kept--;
  }
  if (kept == 0) return Status::Error(fmt::format("the journal does not hold position {}", end));
  Segment* const last = &(*segments)[kept - 1];
  auto reader = SegmentReader::Open(disk, directory, last->base, beside.identity);
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
  if (beside.note) {
    SayNoMore(end, last, &note);
    if (Status noted = WriteOrRemoveNote(disk, directory, note); !noted.ok()) return noted;
  }
  if (bytes == CutBytes::kSetAside) {
    if (Status aside = SetAside(disk, directory, *segments, end); !aside.ok()) return aside;
  }
  const Status removed = RemoveSegments(disk, directory, kept, &*segments);
  if (!removed.ok()) return removed;
  return Shorten(disk, directory, end - last->base, last);
}

Status RemoveFrames(Disk& disk, const std::string& directory) {
  Status status = RemoveNote(disk, directory);
  if (!status.ok()) return status;
  auto segments = ListSegments(disk, directory);
  if (!segments.ok()) return segments.status();
  return RemoveSegments(disk, directory, 0, &*segments);
}

}  // namespace runnel::journal
