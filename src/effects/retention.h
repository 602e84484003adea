#pragma once

#include <cstdint>

#include "data/stream/stream.h"
#include "effects/stream_effects.h"
#include "effects/topic_effects.h"

namespace runnel {

// Removes what is beyond the bounds of the stream (Stream::retention) at this Unix time in
// milliseconds. Calls apply(effect) once, for the effect that removes it; returns false, without a
// call, if there is nothing to remove. `stream` is the value of the key.
template <class Apply>
bool KeepWithinBounds(const KeyRef& key, const Stream& stream, int64_t now_ms, Apply apply) {
  if (stream.is_compacted()) {
    const uint64_t offset = stream.PlanRetentionOffset(now_ms);
    if (offset == 0) return false;
    apply(PartitionTrim{key, offset});
  } else {
    const uint64_t count = stream.PlanRetention(now_ms);
    if (count == 0) return false;
    apply(StreamDropOldest{key, count, false});
  }
  return true;
}

}  // namespace runnel
