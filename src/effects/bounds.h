#pragma once

#include <cstdint>

#include "journal/frame.h"

// How large may become what one frame of the journal holds. The format of a frame bounds it; each
// bound below follows from the one before it.

namespace runnel {

// The effects of one frame, as bytes.
inline constexpr uint64_t kMostFrameBytes = journal::kMaxPayloadBytes;

// A frame holds the effects that were there when its last command began to change something, and
// those of that command. The latter are bounded in one of two ways:
// - They follow from the arguments. Then they take at most a third more than the request, because
//   each argument has a length in both, and the rest of an effect is a few bytes.
// - The command computes before its first effect that they are within kMostChangeBytes.

// One request. It is the upper end of client-query-buffer-limit.
inline constexpr uint64_t kMostRequestBytes = uint64_t{1} << 31;
// The effects before the last command. Within a transaction no command begins to change anything
// after more.
inline constexpr uint64_t kMostChangeBytes = kMostRequestBytes / 2;
static_assert(kMostChangeBytes + kMostRequestBytes / 3 * 4 <= kMostFrameBytes);

// The arguments that a transaction queues: with more, its effects would not be within the bound.
inline constexpr uint64_t kMostQueuedBytes = kMostChangeBytes;
// Outside of transactions a frame is cut after the command that passes this, so that a frame is
// small enough to be written without a pause.
inline constexpr uint64_t kCutFrameBytes = kMostChangeBytes / 16;

}  // namespace runnel
