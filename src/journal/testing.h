#pragma once

#include <string>

#include "journal/frame.h"

// What tests of journals share.

namespace runnel::journal {

// Appends the frame to `out`. REQUIRES: as WriteFrameHeader.
inline void EncodeFrame(const Frame& frame, std::string* out) {
  const size_t begin = out->size();
  out->resize(begin + kFrameHeaderBytes);
  WriteFrameHeader(frame, out->data() + begin);
  out->append(frame.payload);
}

}  // namespace runnel::journal
