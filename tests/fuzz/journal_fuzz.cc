// Segments of the journal: any bytes are read or refused; what is recovered stays the same when it
// is recovered again, and no allocation is larger than the input (the runner limits them).
//
// Input: the base of the first segment (1 byte), its size (2 bytes), how far after its base the
// second one begins (2 bytes), the bytes of both.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/varint.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/testing.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"

namespace {

using runnel::Position;
using runnel::Result;
using runnel::Status;
using runnel::journal::Decision;
using runnel::journal::Frame;
using runnel::journal::Inspection;

// The corpus has frames of both versions.
constexpr uint64_t kId = 1;
constexpr Position kSaltedFrom = 200;

// Every frame that was visited, as bytes.
Result<Inspection> Look(runnel::Disk& disk, std::string* visited) {
  Position end = 0;
  bool first = true;
  return runnel::journal::Inspect(disk, "j", {}, [&](const Frame& frame) {
    CHECK(first || frame.base == end);
    CHECK(frame.synced <= frame.base);
    first = false;
    end = frame.end();
    const size_t before = visited->size();
    EncodeFrame(frame, visited);
    CHECK(visited->size() - before == frame.end() - frame.base);
    return Status();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Position base = data[0];
  const uint16_t first_bytes = runnel::ReadFixed<uint16_t>(input.data() + 1);
  const uint16_t distance = runnel::ReadFixed<uint16_t>(input.data() + 3);
  const std::string_view bytes = input.substr(5);
  const std::string_view first = bytes.substr(0, first_bytes);

  runnel::sim::ModelDisk disk(1);
  runnel::sim::WriteFile(disk, runnel::journal::SegmentPath("j", base), first);
  CHECK(runnel::journal::WriteIdentity(disk, "j", {kId, kSaltedFrom}).ok());
  if (first.size() < bytes.size() && distance > 0) {
    runnel::sim::WriteFile(disk, runnel::journal::SegmentPath("j", base + distance),
                           bytes.substr(first.size()));
  }

  std::string visited;
  auto found = Look(disk, &visited);
  CHECK(found.ok());  // the disk is well, and damage is a finding
  CHECK(found->end >= base && !found->text.empty());
  if (found->row->decision == Decision::kStop) return 0;
  CHECK(runnel::journal::Repair(disk, "j", &*found).ok());
  std::string again;
  const auto repaired = Look(disk, &again);
  CHECK(repaired.ok() && repaired->row->decision == Decision::kEnd);
  CHECK(repaired->end == found->end && again == visited);
  CHECK(runnel::journal::CutAt(disk, "j", found->end).ok());
  return 0;
}
