#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/position.h"

// One frame of the journal: a header and a payload that the journal does not look into. README.md
// shows the bytes.

namespace runnel::journal {

inline constexpr uint8_t kFormatVersion = 1;
inline constexpr size_t kFrameHeaderBytes = 40;
inline constexpr size_t kMaxPayloadBytes = 0xffffffff;
// How every frame of this version begins.
inline constexpr std::string_view kFrameMagic = "RNL\x01";

// A frame as it was read. The payload is a view into the input.
struct Frame {
  uint64_t epoch = 0;
  Position base = 0;
  // When the frame was written, everything before this was known to be on the disk. At most base.
  Position synced = 0;
  uint32_t records = 0;
  std::string_view payload;

  Position end() const { return base + kFrameHeaderBytes + payload.size(); }
};

// Writes the frame's header, kFrameHeaderBytes long, to `out`. REQUIRES: synced <= base, payload
// within kMaxPayloadBytes.
void WriteFrameHeader(const Frame& frame, char* out);

enum class HeaderKind {
  kFrame,    // a header of this version
  kNewer,    // one of a later version, of which only the base is known: that stays where it is
  kForeign,  // anything else
};

struct FrameHeader {
  uint32_t payload_bytes = 0;
  uint32_t records = 0;
  uint32_t synced_back = 0;
  uint64_t epoch = 0;
  Position base = 0;
  uint64_t checksum = 0;

  uint64_t frame_bytes() const { return kFrameHeaderBytes + uint64_t{payload_bytes}; }
};

// Takes the header at the beginning of `input` apart; `header` is set for kFrame, its base for
// kNewer too. Nothing in it is to be believed before the checksum holds. An input too short for a
// header is kForeign.
HeaderKind DecodeHeader(std::string_view input, FrameHeader* header);

// Reads the frame that begins with `header` from `input`, which holds all of header.frame_bytes().
// Returns false if the checksum does not hold.
bool DecodeFrame(const FrameHeader& header, std::string_view input, Frame* frame);

}  // namespace runnel::journal
