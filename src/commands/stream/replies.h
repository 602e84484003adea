#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/stream_id.h"
#include "data/stream/stream.h"
#include "resp/reply_writer.h"

// Stream entries as replies show them.

namespace runnel::commands {

// [id, [name, value, ...]].
void WriteEntry(ReplyWriter& reply, const EntryView& entry);
// [id, [name, value, ...], idle ms, deliveries]: what XREADGROUP CLAIM gives.
void WriteClaimedEntry(ReplyWriter& reply, const EntryView& entry, int64_t idle,
                       uint64_t deliveries);

// The array of the `count` entries from the cursor on. REQUIRES: there are that many.
void WriteEntries(ReplyWriter& reply, EntryCursor at, uint64_t count);
void WriteEntriesBack(ReplyWriter& reply, EntryCursor at, uint64_t count);

// Bytes that WriteEntry writes.
size_t EntryReplyBytes(const EntryView& entry);

// COUNT if none is given.
inline constexpr uint64_t kNoCount = std::numeric_limits<uint64_t>::max();

}  // namespace runnel::commands
