#include "commands/topic_group/open_records.h"

#include <algorithm>

namespace runnel::commands {

uint64_t FirstOpen(const Stream& stream, uint64_t from, const OffsetRanges* done,
                   std::span<const uint64_t> offsets) {
  for (;;) {
    if (done != nullptr) from = done->NextMissing(from);
    const EntryCursor at = stream.SeekOffset(from);
    if (!at.valid()) return stream.next_offset();
    const uint64_t offset = at->id().seq;
    const bool is_done = std::binary_search(offsets.begin(), offsets.end(), offset) ||
                         (done != nullptr && done->Contains(offset));
    if (!is_done) return offset;
    from = offset + 1;
  }
}

uint64_t FindNext(const Stream& stream, const OffsetRanges* done, uint64_t next,
                  FetchSource* source) {
  source->at = stream.SeekOffset(next, ReadAhead::kNo);
  uint64_t end = stream.next_offset();
  if (!stream.is_compacted()) {
    if (done != nullptr) end = std::min(end, done->NextContained(next));
    source->most = end - next;
    return next;
  }
  // Records are missing, so offsets do not count them.
  while (source->at.valid() && done != nullptr && done->Contains(source->at->id().seq)) {
    source->at = stream.SeekOffset(done->NextMissing(source->at->id().seq), ReadAhead::kNo);
  }
  if (!source->at.valid()) return end;
  next = source->at->id().seq;
  source->most = end - next;
  if (done == nullptr || done->NextContained(next) >= end) return next;
  const EntryCursor after = stream.SeekOffset(done->NextContained(next));
  if (after.valid()) source->most = source->at.CountTo(*after->id().Previous(), UINT64_MAX);
  return next;
}

}  // namespace runnel::commands
