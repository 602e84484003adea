#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/position.h"

// One frame of the journal: a header and a payload, into which the journal does not look. README.md
// shows the bytes.

namespace runnel::journal {

// What is written. Version 1 is read too: its checksum has no salt.
inline constexpr uint8_t kFormatVersion = 2;
inline constexpr size_t kFrameHeaderBytes = 40;
inline constexpr size_t kMaxPayloadBytes = 0xffffffff;
// How the frames of every version begin; one byte with the version follows.
inline constexpr std::string_view kFrameMagic = "RNL";

// The identity of a journal. The id is part of the checksums of its frames. Only the server and its
// followers know it, so bytes that a client has chosen never make a frame.
struct Identity {
  uint64_t id = 0;  // chosen at random; not 0
  // Frames at this position and after it are of version 2. A journal that an earlier version wrote
  // has frames of version 1 before it.
  Position salted_from = 0;

  bool operator==(const Identity&) const = default;
};

// A frame as it was read. The payload is a view into the input.
struct Frame {
  uint64_t epoch = 0;
  Position base = 0;
  // When the frame was written, everything before this was known to be on the disk. At most base.
  Position synced = 0;
  uint32_t records = 0;
  std::string_view payload;

  Position end() const { return base + kFrameHeaderBytes + payload.size(); }
  // All bytes of the frame, which lie in front of each other. REQUIRES: DecodeFrame has read it.
  std::string_view bytes() const {
    return {payload.data() - kFrameHeaderBytes, kFrameHeaderBytes + payload.size()};
  }
};

// Writes the frame's header, kFrameHeaderBytes long, to `out`; `journal_id` is that of the frame's
// journal. REQUIRES: synced <= base, payload within kMaxPayloadBytes.
void WriteFrameHeader(const Frame& frame, uint64_t journal_id, char* out);

enum class HeaderKind {
  kFrame,    // a header of a version that is known here
  kNewer,    // one of a later version, of which only the base is known: that stays where it is
  kForeign,  // anything else
};

struct FrameHeader {
  uint8_t version = 0;
  uint32_t payload_bytes = 0;
  uint32_t records = 0;
  uint32_t synced_back = 0;
  uint64_t epoch = 0;
  Position base = 0;
  uint64_t checksum = 0;

  uint64_t frame_bytes() const { return kFrameHeaderBytes + uint64_t{payload_bytes}; }
};

// Decodes the header at the beginning of `input`; sets `header` for kFrame, and its base for kNewer
// too. No field can be trusted before the checksum has been verified. An input too short for a
// header is kForeign.
HeaderKind DecodeHeader(std::string_view input, FrameHeader* header);

// Reads the frame that begins with `header` from `input`, which holds all of header.frame_bytes();
// `journal_id` counts from version 2 on. Returns false if the checksum does not hold.
bool DecodeFrame(const FrameHeader& header, std::string_view input, uint64_t journal_id,
                 Frame* frame);

}  // namespace runnel::journal
