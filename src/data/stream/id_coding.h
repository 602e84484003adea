#pragma once

#include "base/coding.h"
#include "base/stream_id.h"

namespace runnel {

// The ID of an entry in stored forms: two varints. Sets the decoder's error state as they do.
inline void WriteStreamId(Encoder* out, StreamId id) {
  out->Varint(id.ms);
  out->Varint(id.seq);
}

inline StreamId ReadStreamId(Decoder* in) {
  StreamId id;
  id.ms = in->Varint();
  id.seq = in->Varint();
  return id;
}

}  // namespace runnel
