#include "server/journal_length.h"

#include <algorithm>

namespace runnel {
namespace {

constexpr uint64_t kMb = uint64_t{1} << 20;
constexpr uint64_t kLeastJournal = 64 * kMb;
constexpr uint64_t kMostJournal = 1024 * kMb;
constexpr uint64_t kLeastOnFullDisk = kMb;
constexpr uint64_t kSegmentsInJournal = 16;
constexpr uint64_t kLeastSegment = 16 * kMb;

}  // namespace

uint64_t AutomaticJournalBytes(uint64_t data_bytes, std::optional<uint64_t> free_bytes,
                               size_t kept) {
  uint64_t bytes = std::clamp(2 * std::min(data_bytes, kMostJournal), kLeastJournal, kMostJournal);
  if (free_bytes) bytes = std::min(bytes, std::max(*free_bytes / 4, kLeastOnFullDisk));
  return bytes / std::max<size_t>(kept, 1);
}

uint64_t SegmentBytes(const ServerOptions& options, uint64_t data_bytes) {
  if (options.snapshot_journal_bytes != kAutomatic) return options.journal_segment_bytes;
  const uint64_t journal = AutomaticJournalBytes(data_bytes, std::nullopt, options.snapshots_kept);
  return std::min(options.journal_segment_bytes,
                  std::max(kLeastSegment, journal / kSegmentsInJournal));
}

}  // namespace runnel
