// An extent of cold entries: any bytes are read or refused, also such that have the right checksum;
// what is read can be walked from both ends, and written and read again.
//
// Input: an extent of a stream, or of a list if bit 1 of the first byte is set; its checksum is put
// right if bit 0 is.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/hash.h"
#include "base/varint.h"
#include "cold/extent.h"
#include "data/list/run.h"
#include "data/stream/block_cursor.h"
#include "data/stream/entry_log.h"

namespace {

using namespace runnel;

void Walk(const HotLog& log, size_t most_bytes) {
  uint64_t forward = 0;
  for (BlockCursor at = BlockCursor::First(log); at.valid(); at.Next()) {
    forward++;
    CHECK(at->PayloadBytes() <= most_bytes);
  }
  uint64_t backward = 0;
  for (BlockCursor at = BlockCursor::Last(log); at.valid(); at.Previous()) {
    backward++;
  }
  CHECK(forward == log.length() && backward == forward);
}

void Walk(const ListRun& run, size_t most_bytes) {
  uint64_t elements = 0;
  uint64_t bytes = 0;
  for (const ListBlock& block : run.Share(0, run.entries())) {
    for (size_t i = block.size(); i-- > 0; elements++) {
      bytes += block.At(i).size();
    }
  }
  CHECK(elements == run.entries() && bytes <= most_bytes);
  CHECK(run.At(elements - 1).size() <= bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kObject = 7;
  constexpr uint64_t kOffset = 32;
  constexpr size_t kSealed = cold::kExtentHeaderBytes - sizeof(uint64_t);
  if (size == 0) return 0;
  const bool mend = (data[0] & 1) != 0;
  const RunKind kind = (data[0] & 2) != 0 ? RunKind::kList : RunKind::kStream;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)cold::CheckFileHeader(bytes, kObject).ok();
  if (mend && bytes.size() >= cold::kExtentHeaderBytes) {
    const std::string_view view = bytes;
    const uint64_t sum =
        Checksum(view.substr(cold::kExtentHeaderBytes), Checksum(view.substr(0, kSealed), kObject));
    WriteFixed(bytes.data() + kSealed, sum);
  }
  const auto run = cold::DecodeExtent(bytes, kind, kObject, kOffset);
  if (!run.ok()) {
    CHECK(!run.message().empty());
    return 0;
  }
  const size_t most_bytes = bytes.size() * 255;
  if (kind == RunKind::kList) {
    Walk(static_cast<const ListRun&>(**run), most_bytes);
  } else {
    Walk(EntryRun::LogOf(**run), most_bytes);
  }
  std::string again;
  cold::AppendExtent(**run, Codec::kLz4, kObject, kOffset, &again);
  CHECK(cold::DecodeExtent(again, kind, kObject, kOffset).ok());
  return 0;
}
