#include "journal/note.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "env/replace_file.h"

namespace runnel::journal {
namespace {

constexpr std::string_view kNoteTitle = "runnel journal note 1";
constexpr std::string_view kIdentityTitle = "runnel journal identity 1";
constexpr std::string_view kChecksum = "checksum ";
// Far more than either file has.
constexpr uint64_t kMostBytes = 4096;

// Values by their names.
using Fields = std::map<std::string, std::string, std::less<>>;

std::string Text(std::string_view title, const Fields& fields) {
  std::string text(title);
  text += '\n';
  for (const auto& [name, value] : fields) {
    text += name + " " + value + "\n";
  }
  return text + fmt::format("{}{:016x}\n", kChecksum, Checksum(text));
}

// Nothing if the text is damaged.
std::optional<Fields> ParseText(std::string_view text) {
  const size_t end = text.rfind(kChecksum);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view covered = text.substr(0, end);
  if (text.substr(end) != fmt::format("{}{:016x}\n", kChecksum, Checksum(covered))) {
    return std::nullopt;
  }
  Fields fields;
  for (size_t at = covered.find('\n') + 1; at < covered.size();) {
    const std::string_view line = covered.substr(at, covered.find('\n', at) - at);
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    fields.emplace(line.substr(0, blank), line.substr(blank + 1));
    at += line.size() + 1;
  }
  return fields;
}

std::optional<uint64_t> Number(const Fields& fields, std::string_view name, int base = 10) {
  const auto found = fields.find(name);
  if (found == fields.end()) return std::nullopt;
  uint64_t value = 0;
  const char* const end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// Nothing if there is no such file.
Result<std::optional<Fields>> ReadFields(Disk& disk, const std::string& path,
                                         std::string_view title, std::string_view what_to_do) {
  const auto text = ReadSmallFile(disk, path, kMostBytes);
  if (!text.ok()) return text.status();
  if (!*text) return std::optional<Fields>();
  if (auto fields = ParseText(**text)) {
    if (!(*text)->starts_with(std::string(title) + "\n")) {
      return Status::Error(fmt::format("{}: a later version of Runnel wrote this file: {}", path,
                                       "start that version"));
    }
    return fields;
  }
  return Status::Error(
      fmt::format("{}, {} bytes: the file is damaged, its checksum does not hold. {}", path,
                  (*text)->size(), what_to_do));
}

void AddIdentity(const Identity& identity, Fields* fields) {
  fields->emplace("id", fmt::format("{:016x}", identity.id));
  fields->emplace("salted-from", std::to_string(identity.salted_from));
}

std::optional<Identity> IdentityOf(const Fields& fields) {
  const auto id = Number(fields, "id", 16);
  const auto salted_from = Number(fields, "salted-from");
  if (!id || !salted_from) return std::nullopt;
  return Identity{*id, *salted_from};
}

Status Incomplete(const std::string& path) {
  return Status::Error(path + ": the file lacks a value that it must have");
}

}  // namespace

std::string NotePath(const std::string& directory) {
  const size_t end = directory.find_last_not_of('/');
  return directory.substr(0, end == std::string::npos ? directory.size() : end + 1) + ".note";
}

std::string IdentityPath(const std::string& directory) {
  return directory + "/identity";
}

Result<std::optional<Note>> ReadNote(Disk& disk, const std::string& directory) {
  const std::string path = NotePath(directory);
  const auto fields =
      ReadFields(disk, path, kNoteTitle,
                 "It only says what must be there: to start without that check, remove it.");
  if (!fields.ok()) return fields.status();
  if (!*fields) return std::optional<Note>();
  Note note;
  const auto identity = IdentityOf(**fields);
  const auto synced = Number(**fields, "synced");
  const auto closed = Number(**fields, "closed");
  const auto boot = (*fields)->find("boot");
  if (!identity || !synced || !closed || boot == (*fields)->end()) return Incomplete(path);
  note.identity = *identity;
  note.last = Number(**fields, "last");
  note.last_bytes = Number(**fields, "last-bytes").value_or(0);
  note.synced = *synced;
  note.closed = *closed != 0;
  note.claims_from = Number(**fields, "claims-from").value_or(0);
  note.told_synced = Number(**fields, "told-synced").value_or(0) != 0;
  note.doubted = Number(**fields, "doubted").value_or(0) != 0;
  note.format =
      static_cast<uint8_t>(std::min<uint64_t>(Number(**fields, "format").value_or(0), 255));
  note.boot = boot->second;
  return std::optional<Note>(std::move(note));
}

Result<std::optional<Identity>> ReadIdentity(Disk& disk, const std::string& directory) {
  const std::string path = IdentityPath(directory);
  const auto fields = ReadFields(disk, path, kIdentityTitle,
                                 "Without it no frame can be verified: restore it from a copy.");
  if (!fields.ok()) return fields.status();
  if (!*fields) return std::optional<Identity>();
  const auto identity = IdentityOf(**fields);
  if (!identity) return Incomplete(path);
  return identity;
}

Status WriteNote(Disk& disk, const std::string& directory, const Note& note) {
  Fields fields;
  AddIdentity(note.identity, &fields);
  if (note.last) {
    fields.emplace("last", std::to_string(*note.last));
    fields.emplace("last-bytes", std::to_string(note.last_bytes));
  }
  fields.emplace("synced", std::to_string(note.synced));
  fields.emplace("closed", note.closed ? "1" : "0");
  if (note.format > 0) fields.emplace("format", std::to_string(note.format));
  if (note.claims_from > 0) fields.emplace("claims-from", std::to_string(note.claims_from));
  if (note.told_synced) fields.emplace("told-synced", "1");
  if (note.doubted) fields.emplace("doubted", "1");
  fields.emplace("boot", note.boot);
  return ReplaceFile(disk, NotePath(directory), Text(kNoteTitle, fields));
}

Status WriteIdentity(Disk& disk, const std::string& directory, const Identity& identity) {
  Fields fields;
  AddIdentity(identity, &fields);
  return ReplaceFile(disk, IdentityPath(directory), Text(kIdentityTitle, fields));
}

Status WriteOrRemoveNote(Disk& disk, const std::string& directory, const Note& note) {
  const Status written = WriteNote(disk, directory, note);
  if (written.ok() || !IsDiskFull(written)) return written;
  LogWarning("{}; it is removed, so the next start cannot tell whether all is there",
             written.message());
  return RemoveNote(disk, directory);
}

Status RemoveNote(Disk& disk, const std::string& directory) {
  const std::string path = NotePath(directory);
  if (Status removed = RemoveIfThere(disk, path); !removed.ok()) return removed;
  return disk.SyncDirectory(ParentOf(path));
}

}  // namespace runnel::journal
