#include "utils/check_journal.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <sstream>
#include <vector>

#include "effects/batch.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/segment_reader.h"
#include "journal/set_aside.h"

namespace runnel::check {
namespace {

using journal::Frame;
using journal::Segment;

// What is told of a segment.
struct Tally {
  uint64_t frames = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t first_epoch = 0;
  uint64_t last_epoch = 0;

  void Add(const Frame& frame) {
    if (frames == 0) first_epoch = frame.epoch;
    last_epoch = frame.epoch;
    frames++;
    records += frame.records;
    bytes += frame.end() - frame.base;
  }
};

class Listing {
 public:
  explicit Listing(std::vector<Segment> segments)
      : segments_(std::move(segments)), tallies_(segments_.size()) {
    for (const Segment& segment : segments_) {
      file_bytes_ += segment.file_bytes;
    }
  }

  // Frames come in the order of positions.
  void Add(const Frame& frame) {
    while (at_ + 1 < segments_.size() && segments_[at_ + 1].base <= frame.base) {
      at_++;
    }
    if (!tallies_.empty()) tallies_[at_].Add(frame);
  }

  double Share(Position position) const {
    if (segments_.empty() || file_bytes_ == 0) return 1;
    return static_cast<double>(position - segments_.front().base) /
           static_cast<double>(file_bytes_);
  }

  void Print(std::ostream& out) const {
    fmt::print(out, "{:<26}{:>14}{:>14}{:>12}{:>12}  {}\n", "segment", "file bytes", "in frames",
               "frames", "records", "epochs");
    for (size_t i = 0; i < segments_.size(); i++) {
      const Tally& tally = tallies_[i];
      fmt::print(out, "{:<26}{:>14}{:>14}{:>12}{:>12}  {}-{}\n",
                 journal::SegmentName(segments_[i].base), segments_[i].file_bytes, tally.bytes,
                 tally.frames, tally.records, tally.first_epoch, tally.last_epoch);
    }
  }

 private:
  std::vector<Segment> segments_;
  std::vector<Tally> tallies_;
  uint64_t file_bytes_ = 0;
  size_t at_ = 0;
};

// One paragraph, if the frame is to be shown.
void Show(const Frame& frame, const PrintPayload& print, std::ostream& out) {
  std::ostringstream text;
  if (!print(frame.payload, text)) return;
  fmt::print(out, "position {}  epoch {}  records {}  bytes {}  synced to {}\n{}", frame.base,
             frame.epoch, frame.records, frame.payload.size(), frame.synced, text.str());
}

// Gives the frames of such a file to `visit`. Returns what there is instead of a frame, or nothing
// if all are frames.
Result<std::optional<std::string>> ReadDropped(Disk& disk, const std::string& path,
                                               const std::function<void(const Frame&)>& visit) {
  const auto name = ParseFramesFile(path);
  if (!name) return Status::Error(path + ": this is not the name of a file of cut frames");
  const std::string& directory = name->journal;
  const bool is_dropped = directory != ParentOf(path);
  auto identity = journal::ReadIdentity(disk, directory);
  if (!identity.ok()) return identity.status();
  auto reader = journal::SegmentReader::OpenFile(disk, path, name->position, *identity);
  if (!reader.ok()) return reader.status();
  // They may be of the journal that was here before.
  const auto older = journal::ListOlderIdentities(disk, directory);
  if (!older.ok()) return older.status();
  for (const journal::Identity& each : *older) {
    Frame frame;
    const auto found = reader->At(name->position, &frame);
    if (!found.ok()) return found.status();
    if (*found == journal::Found::kFrame) break;
    identity = std::optional(each);
    reader = journal::SegmentReader::OpenFile(disk, path, name->position, *identity);
    if (!reader.ok()) return reader.status();
  }
  for (Position place = name->position; place < reader->end();) {
    Frame frame;
    const auto found = reader->At(place, &frame);
    if (!found.ok()) return found.status();
    if (*found != journal::Found::kFrame || frame.base != place) {
      // A segment may have room that was never written.
      const auto end = reader->DataEnd(place);
      if (!end.ok()) return end.status();
      if (*end == place && !is_dropped) break;
      return std::optional(fmt::format("{}, offset {}: no frame of the journal {:016x} is there",
                                       path, place - name->position,
                                       *identity ? (*identity)->id : 0));
    }
    visit(frame);
    place = frame.end();
  }
  return std::optional<std::string>();
}

void PrintTally(const std::string& path, const Tally& tally, Position begin, std::ostream& out) {
  fmt::print(
      out, "{}: cut off, positions {} to {}: {} frames, {} records, epochs {:016x}-{:016x}\n", path,
      begin, begin + tally.bytes, tally.frames, tally.records, tally.first_epoch, tally.last_epoch);
}

Status ListDroppedFrames(Disk& disk, const std::string& directory, std::ostream& out) {
  const auto names = journal::ListDropped(disk, directory);
  if (!names.ok()) return names.status();
  for (const journal::DroppedName& name : *names) {
    const std::string path = journal::DroppedPath(directory, name);
    Tally tally;
    const auto wrong = ReadDropped(disk, path, [&](const Frame& frame) { tally.Add(frame); });
    if (!wrong.ok()) return wrong.status();
    PrintTally(path, tally, name.position, out);
    if (*wrong) fmt::print(out, "  {}\n", **wrong);
  }
  return {};
}

}  // namespace

PrintPayload EffectPrinter(const DescribeLimits& limits, std::optional<std::string> key) {
  return [limits, key](std::string_view payload, std::ostream& out) {
    bool shown = !key.has_value();
    const auto print = [&](const Record& record) {
      const auto effect = Describe(record, limits);
      if (effect.ok() && key.has_value() && !effect->keys.empty()) {
        const auto is_key = [&](const KeyRef& named) { return named.name == *key; };
        if (std::none_of(effect->keys.begin(), effect->keys.end(), is_key)) return;
      }
      shown = true;
      fmt::print(out, "  {}\n", effect.ok() ? effect->text : effect.message());
    };
    if (!Batch::ForEach(payload, print)) {
      shown = true;
      fmt::print(out, "  what follows are no records\n");
    }
    return shown;
  };
}

PrintPayload HexPrinter(size_t most_bytes) {
  return [most_bytes](std::string_view payload, std::ostream& out) {
    constexpr size_t kLine = 16;
    const std::string_view shown = payload.substr(0, most_bytes);
    for (size_t at = 0; at < shown.size(); at += kLine) {
      std::string hex, text;
      for (const char byte : shown.substr(at, kLine)) {
        const auto value = static_cast<unsigned char>(byte);
        hex += fmt::format("{:02x} ", value);
        text += value < 0x80 && std::isprint(value) != 0 ? byte : '.';
      }
      fmt::print(out, "  {:08x}  {:<{}} {}\n", at, hex, 3 * kLine, text);
    }
    if (shown.size() < payload.size())
      fmt::print(out, "  and {} bytes more\n", payload.size() - shown.size());
    return true;
  };
}

Result<bool> CheckJournal(Disk& disk, const JournalOptions& options, const PrintPayload& print,
                          const std::function<void(double)>& progress, std::ostream& out) {
  auto segments = journal::ListSegments(disk, options.directory);
  // If the directory is missing, Inspect knows whether there was a journal.
  if (!segments.ok() && segments.status().error_number() != ENOENT) return segments.status();
  Listing listing(segments.ok() ? std::move(*segments) : std::vector<Segment>());
  const auto found =
      journal::Inspect(disk, options.directory, options.from, [&](const Frame& frame) {
        listing.Add(frame);
        progress(listing.Share(frame.end()));
        if (options.look) options.look(frame.payload);
        if (options.dump) Show(frame, print, out);
        return Status();
      });
  if (!found.ok()) return found.status();
  if (!options.dump) {
    listing.Print(out);
    if (Status listed = ListDroppedFrames(disk, options.directory, out); !listed.ok())
      return listed;
  }
  const bool good = found->row->decision == journal::Decision::kEnd;
  fmt::print(out, "{}good up to position {}: {} frames, {} records\n",
             good ? "" : "NOT WHOLE: ", found->end, found->frames, found->records);
  if (good) return true;
  fmt::print(out, "{}\n", found->text);
  if (found->row->decision == journal::Decision::kCut) {
    fmt::print(out, "A server that starts cuts there by itself.\n");
  } else {
    fmt::print(out, "A server does not start on this. {}\n", found->next_step);
  }
  return false;
}

std::optional<FramesFile> ParseFramesFile(const std::string& path) {
  std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  if (const auto dropped = journal::DroppedName::Parse(name)) {
    return FramesFile{ParentOf(ParentOf(path)), dropped->position};
  }
  constexpr std::string_view kDamaged = ".damaged";
  if (!name.ends_with(kDamaged)) return std::nullopt;
  name.remove_suffix(kDamaged.size());
  auto base = journal::ParseSegmentName(name);
  // A second one of the same segment has a number before the suffix.
  const size_t dot = name.rfind('.');
  const bool numbered = dot + 1 < name.size() &&
                        name.find_first_not_of("0123456789", dot + 1) == std::string_view::npos;
  if (!base && numbered) base = journal::ParseSegmentName(name.substr(0, dot));
  if (!base) return std::nullopt;
  return FramesFile{ParentOf(path), *base};
}

Result<bool> CheckDropped(Disk& disk, const JournalOptions& options, const PrintPayload& print,
                          std::ostream& out) {
  const std::string& path = options.directory;
  Tally tally;
  std::optional<Position> begin;
  const auto wrong = ReadDropped(disk, path, [&](const Frame& frame) {
    if (frame.base < options.from.value_or(0)) return;
    if (!begin) begin = frame.base;
    tally.Add(frame);
    if (options.look) options.look(frame.payload);
    if (options.dump) Show(frame, print, out);
  });
  if (!wrong.ok()) return wrong.status();
  PrintTally(path, tally, begin.value_or(0), out);
  if (*wrong) fmt::print(out, "NOT WHOLE: {}\n", **wrong);
  return !*wrong;
}

Status CutJournal(Disk& disk, const std::string& directory, Position position, bool yes,
                  std::ostream& out) {
  const auto lock = disk.Lock(directory);
  if (!lock.ok()) return lock.status();
  const auto segments = journal::ListSegments(disk, directory);
  if (!segments.ok()) return segments.status();
  for (const Segment& segment : *segments) {
    if (segment.base + segment.file_bytes <= position) continue;
    const uint64_t from = std::max(position, segment.base) - segment.base;
    fmt::print(out, "{}: bytes {} to {}{}\n", journal::SegmentName(segment.base), from,
               segment.file_bytes, segment.base > position ? ", the whole file" : "");
  }
  if (!yes) return Status::Error("nothing was cut; with --yes this would go");
  const Status cut = journal::CutAt(disk, directory, position);
  if (cut.ok()) fmt::print(out, "cut at position {}\n", position);
  return cut;
}

}  // namespace runnel::check
