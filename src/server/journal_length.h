#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "server/config_values.h"

// How long the journal gets where `snapshot-journal-bytes` leaves that to the server.

namespace runnel {

// After how many bytes of journal a snapshot is taken: so that the whole journal, which begins at
// the oldest of `kept` snapshots, takes at most twice as much as the data (uncompressed), at least
// 64 MB, at most 1 GB, and at most a quarter of the free space if that is known.
uint64_t AutomaticJournalBytes(uint64_t data_bytes, std::optional<uint64_t> free_bytes,
                               size_t kept);

// The size of a segment for data of this size: a small part of that journal, because the journal is
// removed by whole segments, and two are reserved ahead.
uint64_t SegmentBytes(const ServerOptions& options, uint64_t data_bytes);

}  // namespace runnel
