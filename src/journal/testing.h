#pragma once

#include <string>

#include "base/coding.h"
#include "base/hash.h"
#include "journal/frame.h"

// What tests of journals share.

namespace runnel::journal {

// Appends the frame to `out`, for the journal with this id. REQUIRES: as WriteFrameHeader.
inline void EncodeFrame(const Frame& frame, uint64_t journal_id, std::string* out) {
  const size_t begin = out->size();
  out->resize(begin + kFrameHeaderBytes);
  WriteFrameHeader(frame, journal_id, out->data() + begin);
  out->append(frame.payload);
}

// Appends the frame as version 1 has it. REQUIRES: as WriteFrameHeader, and `synced` is less than 4
// GiB before `base`.
inline void EncodeFrame(const Frame& frame, std::string* out) {
  std::string head;
  Encoder to(&head);
  to.Raw("RNL\x01");
  to.Fixed(static_cast<uint32_t>(frame.payload.size()));
  to.Fixed(frame.records);
  to.Fixed(static_cast<uint32_t>(frame.base - frame.synced));
  to.Fixed(frame.epoch);
  to.Fixed(frame.base);
  to.Fixed(Checksum(frame.payload, Checksum(head)));
  out->append(head);
  out->append(frame.payload);
}

}  // namespace runnel::journal
