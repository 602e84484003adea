#include "snapshot/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace runnel::snapshot {
namespace {

constexpr size_t kDigits = 20;
constexpr std::string_view kSuffix = ".snap";
constexpr std::string_view kTemporarySuffix = ".tmp";

// No names if there is no such directory.
Result<std::vector<std::string>> NamesIn(Disk& disk, const std::string& directory) {
  auto names = disk.List(directory);
  if (!names.ok() && names.status().error_number() == ENOENT) return std::vector<std::string>();
  return names;
}

}  // namespace

std::string SnapshotName(Position position) {
  return fmt::format("{:020}{}", position, kSuffix);
}

std::string SnapshotPath(const std::string& directory, Position position) {
  return directory + "/" + SnapshotName(position);
}

std::string TemporaryPath(const std::string& directory, Position position) {
  return SnapshotPath(directory, position).append(kTemporarySuffix);
}

std::optional<Position> ParseSnapshotName(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Position position = 0;
  const char* const end = name.data() + kDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, position);
  if (error != std::errc() || stop != end) return std::nullopt;
  return position;
}

Result<std::vector<Position>> ListSnapshots(Disk& disk, const std::string& directory) {
  const auto names = NamesIn(disk, directory);
  if (!names.ok()) return names.status();
  std::vector<Position> positions;
  for (const std::string& name : *names) {
    if (const auto position = ParseSnapshotName(name)) positions.push_back(*position);
  }
  std::sort(positions.rbegin(), positions.rend());
  return positions;
}

Status RemoveLeftovers(Disk& disk, const std::string& directory) {
  const auto names = NamesIn(disk, directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!name.ends_with(kTemporarySuffix)) continue;
    const std::string_view finished =
        std::string_view(name).substr(0, name.size() - kTemporarySuffix.size());
    if (!ParseSnapshotName(finished)) continue;
    if (Status removed = disk.Remove(directory + "/" + name); !removed.ok()) return removed;
  }
  return Status();
}

}  // namespace runnel::snapshot
