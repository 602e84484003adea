#include "journal/frame.h"

#include <limits>

#include "base/assert.h"
#include "base/coding.h"
#include "base/hash.h"

namespace runnel::journal {
namespace {

constexpr size_t kChecksumOffset = 32;
static_assert(kChecksumOffset + sizeof(uint64_t) == kFrameHeaderBytes);

constexpr uint8_t kOldestVersion = 1;
// Stands for "too far back to say".
constexpr uint32_t kSyncedUnknown = std::numeric_limits<uint32_t>::max();

// Version 1 has no salt, which is the same as one of 0.
uint64_t FrameChecksum(std::string_view head, std::string_view payload, uint64_t salt) {
  return Checksum(payload, Checksum(head, salt));
}

}  // namespace

void WriteFrameHeader(const Frame& frame, uint64_t journal_id, char* out) {
  CHECK(frame.synced <= frame.base);
  CHECK(frame.payload.size() <= kMaxPayloadBytes);
  const uint64_t back = frame.base - frame.synced;
  char* end = out;
  const auto put = [&end](auto value) {
    WriteFixed(end, value);
    end += sizeof(value);
  };
  kFrameMagic.copy(end, kFrameMagic.size());
  end += kFrameMagic.size();
  put(kFormatVersion);
  put(static_cast<uint32_t>(frame.payload.size()));
  put(frame.records);
  put(back < kSyncedUnknown ? static_cast<uint32_t>(back) : kSyncedUnknown);
  put(frame.epoch);
  put(frame.base);
  put(FrameChecksum({out, kChecksumOffset}, frame.payload, journal_id));
}

HeaderKind DecodeHeader(std::string_view input, FrameHeader* header) {
  if (input.size() < kFrameHeaderBytes || !input.starts_with(kFrameMagic)) {
    return HeaderKind::kForeign;
  }
  Decoder in(input.substr(kFrameMagic.size(), kFrameHeaderBytes - kFrameMagic.size()));
  header->version = in.Fixed<uint8_t>();
  if (header->version < kOldestVersion) return HeaderKind::kForeign;
  header->payload_bytes = in.Fixed<uint32_t>();
  header->records = in.Fixed<uint32_t>();
  header->synced_back = in.Fixed<uint32_t>();
  header->epoch = in.Fixed<uint64_t>();
  header->base = in.Fixed<uint64_t>();
  header->checksum = in.Fixed<uint64_t>();
  return header->version > kFormatVersion ? HeaderKind::kNewer : HeaderKind::kFrame;
}

bool DecodeFrame(const FrameHeader& header, std::string_view input, uint64_t journal_id,
                 Frame* frame) {
  CHECK(input.size() >= header.frame_bytes());
  const std::string_view payload = input.substr(kFrameHeaderBytes, header.payload_bytes);
  const uint64_t salt = header.version == kOldestVersion ? 0 : journal_id;
  if (FrameChecksum(input.substr(0, kChecksumOffset), payload, salt) != header.checksum) {
    return false;
  }
  frame->epoch = header.epoch;
  frame->base = header.base;
  frame->synced = header.synced_back == kSyncedUnknown || header.synced_back > header.base
                      ? 0
                      : header.base - header.synced_back;
  frame->records = header.records;
  frame->payload = payload;
  return true;
}

}  // namespace runnel::journal
