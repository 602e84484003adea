#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/stream_id.h"
#include "data/stream/stream.h"
#include "resp/reply_writer.h"

// Stream entries as replies show them.

namespace runnel::commands {

// What an entry is.
enum class EntryForm : uint8_t {
  kPlain,   // an entry of a stream
  kRecord,  // a record of a partition (data/topic/record.h): its key is not shown
  kKeyed,   // the same, and the key, or a null, is a third element
};
inline EntryForm FormOf(const Stream& stream) {
  return stream.is_partition() ? EntryForm::kRecord : EntryForm::kPlain;
}

// [id, [name, value, ...]], or with kKeyed [id, [name, value, ...], key].
void WriteEntry(ReplyWriter& reply, EntryForm form, const EntryView& entry);
// [id, [name, value, ...], idle ms, deliveries]: what XREADGROUP CLAIM gives.
void WriteClaimedEntry(ReplyWriter& reply, EntryForm form, const EntryView& entry, int64_t idle,
                       uint64_t deliveries);

// The array of the `count` entries from the cursor on. REQUIRES: there are that many.
void WriteEntries(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count);
void WriteEntriesBack(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count);

// The same without the head of the array, as long as they take no more than `bytes`; with
// `one_anyway` the first one in any case. Returns how many were written.
uint64_t WriteEntriesWithin(ReplyWriter& reply, EntryForm form, EntryCursor at, uint64_t count,
                            uint64_t bytes, bool one_anyway);

// Bytes that WriteEntry writes of an entry as it is stored, with the key of a record.
size_t EntryReplyBytes(const EntryView& entry);

// The same for entries that follow one another: what they have in common is counted once.
class EntrySizer {
 public:
  size_t BytesOf(const EntryView& entry);

 private:
  const char* names_ = nullptr;  // of the last entry
  size_t names_bytes_ = 0;       // of its names, and of the header of the array
};

// COUNT if none is given.
inline constexpr uint64_t kNoCount = std::numeric_limits<uint64_t>::max();

}  // namespace runnel::commands
