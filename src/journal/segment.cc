#include "journal/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace runnel::journal {
namespace {

constexpr size_t kDigits = 20;
constexpr std::string_view kSuffix = ".log";
constexpr uint64_t kPageBytes = 4096;

}  // namespace

std::string SegmentName(Position base) {
  return fmt::format("{:020}{}", base, kSuffix);
}

std::optional<Position> ParseSegmentName(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Position base = 0;
  const char* const end = name.data() + kDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return base;
}

std::string SegmentPath(const std::string& directory, Position base) {
  return directory + "/" + SegmentName(base);
}

std::string TemporarySegmentPath(const std::string& directory) {
  return directory + "/next.tmp";
}

Result<std::vector<Segment>> ListSegments(Disk& disk, const std::string& directory) {
  const auto names = disk.List(directory);
  if (!names.ok()) return names.status();
  std::vector<Segment> segments;
  for (const std::string& name : *names) {
    const auto base = ParseSegmentName(name);
    if (!base) continue;
    const auto file = disk.Open(directory + "/" + name, OpenMode::kRead);
    if (!file.ok()) return file.status();
    const auto size = (*file)->Size();
    if (!size.ok()) return size.status();
    segments.push_back({*base, *size});
  }
  return segments;  // names of equal length: sorted by name is sorted by number
}

Result<Position> EstimateEnd(Disk& disk, const std::string& directory, const Segment& segment) {
  const auto file = disk.Open(SegmentPath(directory, segment.base), OpenMode::kRead);
  if (!file.ok()) return file.status();
  // The first page of which nothing was written.
  uint64_t low = 0;
  uint64_t high = (segment.file_bytes + kPageBytes - 1) / kPageBytes;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    char page[kPageBytes];
    const auto bytes = (*file)->ReadAt(middle * kPageBytes, page, kPageBytes);
    if (!bytes.ok()) return bytes.status();
    const bool written = std::any_of(page, page + *bytes, [](char byte) { return byte != 0; });
    (written ? low : high) = written ? middle + 1 : middle;
  }
  return segment.base + std::min(low * kPageBytes, segment.file_bytes);
}

}  // namespace runnel::journal
