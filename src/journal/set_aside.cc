#include "journal/set_aside.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "journal/copy_bytes.h"
#include "journal/journal_reader.h"
#include "journal/segment_reader.h"

namespace runnel::journal {
namespace {

constexpr std::string_view kPrefix = "cut-";
constexpr std::string_view kTailSuffix = ".tail";

constexpr std::string_view kFramesSuffix = ".frames";
// Of both kinds, while they are written.
constexpr const char* kTemporaryName = "/cut.tmp";

constexpr size_t kNumberDigits = 6;
constexpr size_t kEpochDigits = 16;
constexpr size_t kPositionDigits = 20;
// Frames are written together until they have so many bytes.
constexpr size_t kWriteBytes = size_t{1} << 20;

// The names of such files, the oldest first.
Result<std::vector<std::string>> ListCuts(Disk& disk, const std::string& directory,
                                          std::string_view suffix) {
  auto names = disk.List(directory);
  if (!names.ok()) return names;
  std::erase_if(*names, [suffix](const std::string& name) {
    return !name.starts_with(kPrefix) || !name.ends_with(suffix);
  });
  return names;
}

uint64_t NextNumber(const std::vector<std::string>& names) {
  if (names.empty()) return 1;
  uint64_t newest = 0;
  const char* const digits = names.back().data() + kPrefix.size();
  std::from_chars(digits, digits + kNumberDigits, newest);
  return newest + 1;
}

Status CopyAs(Disk& disk, const std::string& path, const File& from, uint64_t offset,
              uint64_t bytes) {
  const std::string temporary = ParentOf(path) + kTemporaryName;
  {
    const auto to = disk.Open(temporary, OpenMode::kCreate);
    if (!to.ok()) return to.status();
    const Status copied = CopyBytes(from, offset, bytes, &**to);
    if (!copied.ok()) {
      static_cast<void>(disk.Remove(temporary));
      return copied;
    }
  }
  return disk.Rename(temporary, path);
}

Status RemoveOldest(Disk& disk, const std::string& directory) {
  const auto kept = ListCuts(disk, directory, kTailSuffix);
  if (!kept.ok()) return kept.status();
  for (size_t i = 0; i + kMostSetAsideFiles < kept->size(); i++) {
    const std::string path = directory + "/" + (*kept)[i];
    LogNotice("{} is removed: no more than {} such files are kept", path, kMostSetAsideFiles);
    if (const Status removed = disk.Remove(path); !removed.ok()) return removed;
  }
  return {};
}

}  // namespace

Status SetAside(Disk& disk, const std::string& directory, const std::vector<Segment>& segments,
                Position end, uint64_t most_bytes) {
  const auto names = ListCuts(disk, directory, kTailSuffix);
  if (!names.ok()) return names.status();
  uint64_t number = NextNumber(*names);
  uint64_t room = most_bytes;
  for (const Segment& segment : segments) {
    const Position from = std::max(end, segment.base);
    if (segment.base + segment.file_bytes <= from) continue;
    auto reader = SegmentReader::Open(disk, directory, segment.base, std::nullopt);
    if (!reader.ok()) return reader.status();
    const auto data_end = reader->DataEnd(from);
    if (!data_end.ok()) return data_end.status();
    const uint64_t found = *data_end - from;
    const uint64_t bytes = std::min(room, found);
    if (found == 0) continue;
    room -= bytes;
    if (bytes == 0) {
      LogWarning("journal: {} bytes from position {} on go with what is cut, and are not kept",
                 found, from);
      continue;
    }
    const std::string path = fmt::format("{}/{}{:0{}}-{:020}{}", directory, kPrefix, number++,
                                         kNumberDigits, from, kTailSuffix);
    const Status copied = CopyAs(disk, path, reader->file(), from - segment.base, bytes);
    if (!copied.ok()) return copied;
    LogWarning("{} holds the bytes from position {} on that are cut off: {} of {}", path, from,
               bytes, found);
  }
  if (room == most_bytes) return {};
  if (const Status removed = RemoveOldest(disk, directory); !removed.ok()) return removed;
  return disk.SyncDirectory(directory);
}

// --- Whole frames ---

std::string DroppedDirectory(const std::string& directory) {
  return directory + "/dropped";
}

std::string DroppedPath(const std::string& directory, const DroppedName& name) {
  return DroppedDirectory(directory) + "/" + name.ToString();
}

std::string DroppedName::ToString() const {
  return fmt::format("{}{:0{}}-{:0{}x}-{:0{}}{}", kPrefix, number, kNumberDigits, epoch,
                     kEpochDigits, position, kPositionDigits, kFramesSuffix);
}

std::optional<DroppedName> DroppedName::Parse(std::string_view text) {
  DroppedName name;
  const auto number = [&](uint64_t* value, int base) {
    const auto [stop, error] =
        std::from_chars(text.data(), text.data() + text.size(), *value, base);
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    return error == std::errc();
  };
  const auto word = [&](std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
  };
  const bool fits = word(kPrefix) && number(&name.number, 10) && word("-") &&
                    number(&name.epoch, 16) && word("-") && number(&name.position, 10) &&
                    text == kFramesSuffix;
  return fits ? std::optional<DroppedName>(name) : std::nullopt;
}

Result<std::vector<DroppedName>> ListDropped(Disk& disk, const std::string& directory) {
  const auto names = ListCuts(disk, DroppedDirectory(directory), kFramesSuffix);
  std::vector<DroppedName> dropped;
  if (!names.ok())
    return names.status().error_number() == ENOENT ? Result(dropped) : names.status();
  for (const std::string& name : *names) {
    if (const auto parsed = DroppedName::Parse(name)) dropped.push_back(*parsed);
  }
  return dropped;
}

// "journal/dropped/<id>/identity", with sixteen hexadecimal digits.
Status TakeIdentity(Disk& disk, const std::string& directory, const Identity& identity) {
  const auto before = ReadIdentity(disk, directory);
  if (!before.ok()) return before.status();
  const auto dropped = ListDropped(disk, directory);
  if (!dropped.ok()) return dropped.status();
  if (*before && (*before)->id != identity.id && !dropped->empty()) {
    const std::string beside =
        fmt::format("{}/{:0{}x}", DroppedDirectory(directory), (*before)->id, kEpochDigits);
    Status kept = disk.CreateDirectory(beside);
    if (kept.ok()) kept = WriteIdentity(disk, beside, **before);
    if (kept.ok()) kept = disk.SyncDirectory(DroppedDirectory(directory));
    if (!kept.ok()) return kept;
  }
  return WriteIdentity(disk, directory, identity);
}

Result<std::vector<Identity>> ListOlderIdentities(Disk& disk, const std::string& directory) {
  const std::string dropped = DroppedDirectory(directory);
  const auto names = ListIfThere(disk, dropped);
  if (!names.ok()) return names.status();
  std::vector<Identity> identities;
  for (const std::string& name : *names) {
    if (name.size() != kEpochDigits ||
        name.find_first_not_of("0123456789abcdef") != std::string::npos) {
      continue;
    }
    const auto identity = ReadIdentity(disk, dropped + "/" + name);
    if (!identity.ok()) return identity.status();
    if (*identity) identities.push_back(**identity);
  }
  return identities;
}

namespace {

// Writes the frames to the file, and syncs it.
Status CopyFrames(JournalReader* reader, const std::atomic<bool>& stop, File* to,
                  DroppedFrames* copied) {
  std::string buffer;
  uint64_t written = 0;
  const auto write = [&] {
    Status status = to->WriteAt(written, buffer);
    written += buffer.size();
    buffer.clear();
    return status;
  };
  for (;;) {
    const auto frame = reader->Next(copied->end);
    if (!frame.ok()) return frame.status();
    if (!*frame) break;
    if (stop) return Status::Error("it was given up");
    if ((*frame)->end() > copied->end) {
      return Status::Error(fmt::format("the frame at position {} ends at {}, after {}",
                                       (*frame)->base, (*frame)->end(), copied->end));
    }
    if (copied->frames == 0) copied->epoch = (*frame)->epoch;
    if ((*frame)->records > 0 && !copied->first_records) copied->first_records = (*frame)->base;
    copied->frames++;
    copied->records += (*frame)->records;
    buffer += (*frame)->bytes();
    if (buffer.size() < kWriteBytes) continue;
    if (Status status = write(); !status.ok()) return status;
  }
  if (Status status = write(); !status.ok()) return status;
  return to->Sync();
}

Status RemoveOldestDropped(Disk& disk, const std::string& directory, uint64_t most_bytes) {
  auto names = ListDropped(disk, directory);
  if (!names.ok()) return names.status();
  uint64_t bytes = 0;
  bool removed = false;
  for (auto name = names->rbegin(); name != names->rend(); ++name) {
    const std::string path = DroppedPath(directory, *name);
    const auto file = disk.Open(path, OpenMode::kRead);
    const auto size = file.ok() ? (*file)->Size() : Result<uint64_t>(file.status());
    if (!size.ok()) return size.status();
    bytes += *size;
    if (name == names->rbegin() || bytes <= most_bytes) continue;
    LogNotice("{} is removed: no more than {} bytes of such files are kept", path, most_bytes);
    if (Status status = disk.Remove(path); !status.ok()) return status;
    removed = true;
  }
  return removed ? disk.SyncDirectory(DroppedDirectory(directory)) : Status();
}

}  // namespace

Result<DroppedFrames> KeepFrames(Disk& disk, const std::string& directory, const Identity& identity,
                                 Position begin, Position end, const std::atomic<bool>& stop,
                                 uint64_t most_bytes) {
  const std::string dropped = DroppedDirectory(directory);
  Status status = disk.CreateDirectory(dropped);
  if (status.ok()) status = disk.SyncDirectory(directory);
  if (!status.ok()) return status;
  const auto free_bytes = disk.FreeBytes(dropped);
  if (!free_bytes.ok()) return free_bytes.status();
  if (*free_bytes < end - begin) {
    return Status::SystemError(fmt::format("{}: {} bytes are to be kept there, and {} are free",
                                           dropped, end - begin, *free_bytes),
                               ENOSPC);
  }
  const auto names = ListDropped(disk, directory);
  if (!names.ok()) return names.status();
  auto reader = JournalReader::Open(&disk, directory, identity, begin);
  if (!reader.ok()) return reader.status();
  DroppedFrames copied;
  copied.begin = begin;
  copied.end = end;
  const std::string temporary = dropped + kTemporaryName;
  {
    const auto file = disk.Open(temporary, OpenMode::kCreate);
    status = file.ok() ? CopyFrames(&*reader, stop, &**file, &copied) : file.status();
  }
  if (status.ok()) {
    const uint64_t number = names->empty() ? 1 : names->back().number + 1;
    copied.path = DroppedPath(directory, {number, copied.epoch, begin});
    status = disk.Rename(temporary, copied.path);
  }
  if (!status.ok()) {
    static_cast<void>(disk.Remove(temporary));
    return status;
  }
  status = disk.SyncDirectory(dropped);
  if (status.ok()) status = RemoveOldestDropped(disk, directory, most_bytes);
  if (!status.ok()) return status;
  return copied;
}

}  // namespace runnel::journal
