// An extent of cold entries: any bytes are read or refused, also such that have the right checksum;
// what is read can be walked from both ends, and written and read again.
//
// Input: an extent, whose checksum is put right if the first byte is odd.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/hash.h"
#include "base/varint.h"
#include "cold/extent.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace runnel;
  constexpr uint64_t kObject = 7;
  constexpr uint64_t kOffset = 32;
  constexpr size_t kSealed = cold::kExtentHeaderBytes - sizeof(uint64_t);
  if (size == 0) return 0;
  const bool mend = data[0] % 2 != 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)cold::CheckFileHeader(bytes, kObject).ok();
  if (mend && bytes.size() >= cold::kExtentHeaderBytes) {
    const std::string_view view = bytes;
    const uint64_t sum =
        Checksum(view.substr(cold::kExtentHeaderBytes), Checksum(view.substr(0, kSealed), kObject));
    WriteFixed(bytes.data() + kSealed, sum);
  }
  const auto run = cold::DecodeExtent(bytes, kObject, kOffset);
  if (!run.ok()) {
    CHECK(!run.message().empty());
    return 0;
  }
  const EntryLog& log = **run;
  uint64_t forward = 0;
  for (EntryCursor at = log.Seek(StreamId::Min()); at.valid(); at.Next()) {
    forward++;
    CHECK(at->PayloadBytes() <= bytes.size() * 255);
  }
  uint64_t backward = 0;
  for (EntryCursor at = log.SeekBack(StreamId::Max()); at.valid(); at.Previous()) {
    backward++;
  }
  CHECK(forward == log.length() && backward == forward);
  std::string again;
  cold::AppendExtent(log, Codec::kLz4, kObject, kOffset, &again);
  CHECK(cold::DecodeExtent(again, kObject, kOffset).ok());
  return 0;
}
