#include "journal/frame.h"

#include <limits>

#include "base/assert.h"
#include "base/coding.h"
#include "base/hash.h"

namespace runnel::journal {
namespace {

constexpr size_t kChecksumOffset = 32;
static_assert(kChecksumOffset + sizeof(uint64_t) == kFrameHeaderBytes);

constexpr std::string_view kMagicOfAnyVersion = kFrameMagic.substr(0, 3);
// Stands for "too far back to say".
constexpr uint32_t kSyncedUnknown = std::numeric_limits<uint32_t>::max();

uint64_t FrameChecksum(std::string_view head, std::string_view payload) {
  return Checksum(payload, Checksum(head));
}

}  // namespace

void WriteFrameHeader(const Frame& frame, char* out) {
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
  put(static_cast<uint32_t>(frame.payload.size()));
  put(frame.records);
  put(back < kSyncedUnknown ? static_cast<uint32_t>(back) : kSyncedUnknown);
  put(frame.epoch);
  put(frame.base);
  put(FrameChecksum({out, kChecksumOffset}, frame.payload));
}

HeaderKind DecodeHeader(std::string_view input, FrameHeader* header) {
  if (input.size() < kFrameHeaderBytes || !input.starts_with(kMagicOfAnyVersion)) {
    return HeaderKind::kForeign;
  }
  const auto version = static_cast<uint8_t>(input[kMagicOfAnyVersion.size()]);
  if (version < kFormatVersion) return HeaderKind::kForeign;
  Decoder in(input.substr(kFrameMagic.size(), kFrameHeaderBytes - kFrameMagic.size()));
  header->payload_bytes = in.Fixed<uint32_t>();
  header->records = in.Fixed<uint32_t>();
  header->synced_back = in.Fixed<uint32_t>();
  header->epoch = in.Fixed<uint64_t>();
  header->base = in.Fixed<uint64_t>();
  header->checksum = in.Fixed<uint64_t>();
  return version > kFormatVersion ? HeaderKind::kNewer : HeaderKind::kFrame;
}

bool DecodeFrame(const FrameHeader& header, std::string_view input, Frame* frame) {
  CHECK(input.size() >= header.frame_bytes());
  const std::string_view payload = input.substr(kFrameHeaderBytes, header.payload_bytes);
  if (FrameChecksum(input.substr(0, kChecksumOffset), payload) != header.checksum) return false;
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
