#include "server/full_sync.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/coding.h"
#include "base/log.h"
#include "base/sealed.h"
#include "env/replace_file.h"
#include "fmt/format.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/set_aside.h"
#include "replication/snapshot_transfer.h"
#include "server/lost_data.h"
#include "snapshot/files.h"

namespace runnel {
namespace {

constexpr const char* kNotePath = "arrived";
constexpr std::string_view kArrivedTitle = "runnel-arrived 1\n";
// Far more than a note of any server has.
constexpr size_t kMostNoteBytes = size_t{1} << 30;

const std::string kSuffix(replication::SnapshotFetch::kStagedSuffix);

std::string Encode(const ArrivedSnapshot& snapshot) {
  std::string out(kArrivedTitle);
  Encoder encoder(&out);
  encoder.Fixed(snapshot.identity.id);
  encoder.Varint(snapshot.identity.salted_from);
  encoder.Varint(snapshot.position);
  encoder.Varint(snapshot.paths.size());
  for (const std::string& path : snapshot.paths) {
    encoder.Bytes(path);
  }
  // A note of an earlier version has none.
  if (!snapshot.set_aside.empty()) encoder.Varint(snapshot.set_aside.size());
  for (const SetAsideFile& file : snapshot.set_aside) {
    encoder.Bytes(file.from);
    encoder.Bytes(file.to);
  }
  return Seal(std::move(out));
}

std::optional<ArrivedSnapshot> Decode(std::string_view bytes) {
  const auto body = Unseal(bytes, kArrivedTitle);
  if (!body) return {};
  Decoder in(*body);
  ArrivedSnapshot snapshot;
  snapshot.identity.id = in.Fixed<uint64_t>();
  snapshot.identity.salted_from = in.Varint();
  snapshot.position = in.Varint();
  for (uint64_t rest = in.Varint(); rest > 0 && in.ok(); rest--) {
    snapshot.paths.emplace_back(in.Bytes());
  }
  for (uint64_t rest = in.done() ? 0 : in.Varint(); rest > 0 && in.ok(); rest--) {
    SetAsideFile& file = snapshot.set_aside.emplace_back();
    file.from = in.Bytes();
    file.to = in.Bytes();
  }
  if (!in.ok()) return {};
  return snapshot;
}

// Nothing if there is no note.
Result<std::optional<ArrivedSnapshot>> ReadNote(Disk& disk) {
  const auto bytes = ReadSmallFile(disk, kNotePath, kMostNoteBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return std::optional<ArrivedSnapshot>();
  auto snapshot = Decode(**bytes);
  if (!snapshot) {
    return Status::Error(std::string(kNotePath) +
                         ": this is no note about a snapshot that has arrived. Restore the "
                         "directory from a copy, or start with an empty one");
  }
  return snapshot;
}

bool IsStaged(std::string_view name) {
  return name.ends_with(kSuffix);
}

// Files whose names the test says, in one directory. Some may be removed by somebody else
// meanwhile: staged ones that are of no use.
template <class Test>
Status RemoveFiles(Disk& disk, const std::string& directory, Test test) {
  const auto names = ListIfThere(disk, directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (!test(path)) continue;
    if (Status removed = RemoveIfThere(disk, path); !removed.ok()) return removed;
  }
  return {};
}

// Gives the files that have come their names. Some may have them already.
Status GiveNames(Disk& disk, const std::string& directory, const std::set<std::string>& paths) {
  const auto names = ListIfThere(disk, directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string staged = directory + "/" + name;
    const std::string path = staged.substr(0, staged.size() - kSuffix.size());
    if (!IsStaged(name) || paths.count(path) == 0) continue;
    if (Status renamed = disk.Rename(staged, path); !renamed.ok()) return renamed;
  }
  return {};
}

// A journal that has no frames and begins here. Without this file, a start would miss the journal
// that the snapshot needs.
Status BeginJournal(Disk& disk, const std::string& directory, Position position) {
  const auto file = disk.Open(journal::SegmentPath(directory, position), OpenMode::kCreate);
  return file.ok() ? (*file)->Sync() : file.status();
}

// Gives the files their other names, durably: what comes later may have the names that they had. It
// may have been done before, in part or wholly.
Status SetAside(Disk& disk, const std::vector<SetAsideFile>& files) {
  std::set<std::string> directories;
  for (const SetAsideFile& file : files) {
    directories.insert(ParentOf(file.from));
    // What has the old name then is a file of the new state.
    const auto there = disk.Open(file.to, OpenMode::kRead);
    if (there.ok()) continue;
    if (there.status().error_number() != ENOENT) return there.status();
    Status renamed = disk.Rename(file.from, file.to);
    if (!renamed.ok() && renamed.error_number() != ENOENT) return renamed;
  }
  for (const std::string& directory : directories) {
    if (Status synced = disk.SyncDirectory(directory); !synced.ok()) return synced;
  }
  return {};
}

Status TakePlaces(Disk& disk, const DataDirectories& directories, const ArrivedSnapshot& snapshot) {
  const std::set<std::string> paths(snapshot.paths.begin(), snapshot.paths.end());
  std::set<std::string> dropped;
  for (const SetAsideFile& file : snapshot.set_aside) {
    if (file.to.ends_with(kDroppedSuffix)) dropped.insert(file.to);
  }
  // An older state that the leader lacked goes when another one comes.
  const auto goes = [&](const std::string& path) {
    if (paths.count(path) > 0 || path.ends_with(kDamagedSuffix)) return false;
    return !path.ends_with(kDroppedSuffix) || (!dropped.empty() && dropped.count(path) == 0);
  };
  Status status = SetAside(disk, snapshot.set_aside);
  // The old journal would be applied to the new state.
  if (status.ok()) status = disk.CreateDirectory(directories.journal);
  if (status.ok()) status = journal::RemoveFrames(disk, directories.journal);
  if (status.ok()) {
    status = journal::TakeIdentity(disk, directories.journal, snapshot.identity);
  }
  if (status.ok()) status = BeginJournal(disk, directories.journal, snapshot.position);
  for (const std::string& directory : {directories.snapshots, directories.cold}) {
    if (status.ok()) status = GiveNames(disk, directory, paths);
    if (status.ok()) status = RemoveFiles(disk, directory, goes);
    if (!status.ok()) return status;
    status = SyncDirectoryIfThere(disk, directory);
  }
  if (status.ok()) status = disk.SyncDirectory(directories.journal);
  if (status.ok()) status = disk.Remove(kNotePath);
  if (status.ok()) status = disk.SyncDirectory(".");
  return status;
}

Status RemoveStaged(Disk& disk, const DataDirectories& directories) {
  for (const std::string& directory : {directories.snapshots, directories.cold}) {
    Status removed = RemoveFiles(disk, directory, IsStaged);
    if (!removed.ok()) return removed;
  }
  return {};
}

// Adds the bytes of the files of the present state, some of which may go meanwhile, and of those
// that were set aside.
Status CountBytes(Disk& disk, const DataDirectories& directories, Room* room) {
  for (const std::string& directory :
       {directories.journal, directories.snapshots, directories.cold}) {
    const auto names = ListIfThere(disk, directory);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      const bool aside = IsSetAside(name);
      const bool goes = directory != directories.journal || journal::ParseSegmentName(name);
      if (!goes && !aside) continue;
      const auto size = SizeIfThere(disk, directory + "/" + name);
      if (!size.ok()) return size.status();
      (aside ? room->set_aside_bytes : room->own_bytes) += size->value_or(0);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<replication::SyncFile>> ListSnapshotFiles(Disk& disk,
                                                             const DataDirectories& directories,
                                                             Position position) {
  const auto names = snapshot::ReadFileList(disk, directories.snapshots, position);
  if (!names.ok()) return names.status();
  const std::string path = snapshot::SnapshotPath(directories.snapshots, position);
  std::vector<std::string> paths{path};
  if (!names->empty()) paths.push_back(snapshot::FileListPath(directories.snapshots, position));
  for (const std::string& name : *names) {
    paths.push_back(directories.cold + "/" + name);
  }
  std::vector<replication::SyncFile> files;
  for (std::string& each : paths) {
    const auto file = disk.Open(each, OpenMode::kRead);
    if (!file.ok()) return file.status();
    const auto bytes = (*file)->Size();
    if (!bytes.ok()) return bytes.status();
    files.push_back({std::move(each), *bytes});
  }
  return files;
}

Result<Room> LookForRoom(Disk& disk, const DataDirectories& directories, uint64_t bytes) {
  Room room;
  auto free_bytes = disk.FreeBytes(".");
  if (!free_bytes.ok()) return free_bytes.status();
  room.free_bytes = *free_bytes;
  if (*free_bytes >= bytes) return room;
  room.removed_staged = true;
  Status status = RemoveStaged(disk, directories);
  for (const std::string_view suffix : {kDamagedSuffix, kDroppedSuffix}) {
    if (status.ok()) status = RemoveOld(disk, directories, suffix);
  }
  if (status.ok()) status = CountBytes(disk, directories, &room);
  if (!status.ok()) return status;
  free_bytes = disk.FreeBytes(".");
  if (!free_bytes.ok()) return free_bytes.status();
  room.free_bytes = *free_bytes;
  return room;
}

Status NoteArrived(Disk& disk, const ArrivedSnapshot& snapshot) {
  Status noted = ReplaceFile(disk, kNotePath, Encode(snapshot));
  if (noted.ok()) return noted;
  // It may be there all the same. It must not count later, when its files are others or are gone.
  static_cast<void>(disk.Remove(kNotePath));
  static_cast<void>(disk.SyncDirectory("."));
  return noted;
}

Status TakeArrived(Disk& disk, const DataDirectories& directories) {
  const auto note = ReadNote(disk);
  if (!note.ok()) return note.status();
  if (*note) {
    if ((*note)->paths.empty()) {
      LogNotice("What was here is removed: the leader has the data");
    } else {
      LogNotice("A snapshot at position {} has arrived: it takes the place of what was here",
                (*note)->position);
    }
    return TakePlaces(disk, directories, **note);
  }
  return RemoveStaged(disk, directories);
}

}  // namespace runnel
