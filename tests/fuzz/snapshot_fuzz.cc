// Snapshots: any bytes are loaded or refused, naming the place; what was loaded can be saved and is
// the same when it is loaded again. No allocation is larger than the input allows (the runner
// limits them).
//
// Input: a byte, and the rest. If the byte is 0, the rest is a file, protected by its checksums.
// Otherwise it is the content of one section, around which a good file is made whose footer says
// that it holds as many keys as the byte less one: so the fuzzer gets past the checksums.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "data/testing.h"
#include "snapshot/files.h"
#include "snapshot/format.h"
#include "snapshot/load.h"
#include "snapshot/snapshotter.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace {

using namespace runnel;

constexpr uint32_t kDatabases = 16;

std::string Around(std::string_view raw, uint64_t keys) {
  std::string file;
  const uint64_t seed = snapshot::EncodeHeader({1, 0, 0, kDatabases}, &file);
  snapshot::SectionHeader header;
  header.stored_bytes = header.raw_bytes = static_cast<uint32_t>(raw.size());
  snapshot::EncodeSectionHeader(header, raw, seed, &file);
  file += raw;
  const uint64_t bytes = file.size() + snapshot::kFooterBytes;
  snapshot::EncodeFooter({1, keys, raw.size(), bytes}, seed, &file);
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > snapshot::kMaxSectionBytes) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string file = data[0] == 0 ? std::string(input) : Around(input, data[0] - 1);

  sim::ModelDisk disk(1);
  sim::WriteFile(disk, snapshot::SnapshotPath("s", 1), file);
  Keyspace keyspace(kDatabases);
  const auto loaded =
      snapshot::LoadSnapshot(disk, snapshot::SnapshotPath("s", 1), &keyspace, nullptr);
  if (!loaded.ok()) {
    CHECK(loaded.message().find(", offset ") != std::string::npos);
    CHECK(ContentOf(keyspace).empty());
    return 0;
  }
  sim::SteppedWorker worker;
  snapshot::Snapshotter snapshotter(&disk, &worker, &keyspace, "s");
  snapshotter.Begin({2, 0, 0, 0}, [](const Status& status, const snapshot::SnapshotTotals&) {
    CHECK(status.ok());
  });
  snapshotter.RunToEnd();
  Keyspace again(kDatabases);
  CHECK(snapshot::LoadSnapshot(disk, snapshot::SnapshotPath("s", 2), &again, nullptr).ok());
  CHECK(ContentOf(again) == ContentOf(keyspace));
  return 0;
}
